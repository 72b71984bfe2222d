"""Every public function on 10⁶ elements: forward against NumPy's (limit 2), backward against its forward (limit 3); the worst ten of each.

Where the forward is a view or a constant, the backward is held to one pass over the array instead.

`python -m tests.bench.functions [name ...]` measures all, or those named. float64, small matrices in stacks; the least of several turns.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd import tree
from tinygrad_nd.methods import PUBLIC

SIDE = 1000
SECONDS = 0.04  # for each function and way
rng = np.random.default_rng(0)
X, Y = (0.1 + 0.8 * rng.random((SIDE, SIDE)) for _ in range(2))
V, W = X.ravel(), Y.ravel()
M, N = rng.standard_normal((2, SIDE, SIDE))
SMALL = rng.standard_normal((10_000, 10, 10)) + 10 * np.eye(10)
POSITIVE = SMALL @ SMALL.mT
Z = X + 1j * Y
INDEX = rng.integers(0, SIDE, SIDE)
MASK = X > 0.5

ARGUMENTS: dict[str, tuple[Any, ...]] = {  # where neither (X) nor (X, Y) will do
    **dict.fromkeys(("arccosh", "acosh"), (X + 1,)),
    **dict.fromkeys(("dot", "matmul", "inner", "tensordot"), (M, N)),
    "tensordot": (M, N, 1),
    **dict.fromkeys(("outer", "kron"), (V[:SIDE], W[:SIDE])),
    **dict.fromkeys(("vdot", "vecdot"), (V, W)),
    "vecdot": (X, Y), "matvec": (X, V[:SIDE]), "vecmat": (V[:SIDE], X), "cross": (V[:999_999].reshape(-1, 3), W[:999_999].reshape(-1, 3)),
    "einsum": ("ij,kj->ik", M, N), "linear": (M, N),
    "reshape": (X, (500, -1)), "broadcast_to": (X[0], (SIDE, SIDE)), "moveaxis": (X, 0, 1), "swapaxes": (X, 0, 1), "rollaxis": (X, 1),
    "expand_dims": (X, 0), "squeeze": (X[None],), "roll": (X, 3, 1), "repeat": (X[:500], 2, 0), "tile": (X[:500], (2, 1)),
    **{n: ([X[:500], Y[:500]],) for n in ("concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack", "block")},
    "append": (X[:500], Y[:500], 0), "delete": (X, [3, 5], 0), "insert": (X, [3, 5], 1.0, 0), "pad": (X, 3), "resize": (X, (500, 500)),
    **dict.fromkeys(("split", "array_split", "hsplit", "vsplit"), (X, 4)), "dsplit": (X.reshape(100, 100, 100), 4),
    "trim_zeros": (V,), "rot90": (X,), "take": (X, INDEX, 0), "take_along_axis": (X, np.argsort(Y, 1), 1), "compress": (INDEX > 500, X, 0),
    "extract": (MASK, X), "where": (MASK, X, Y), "select": ([MASK], [X]), "choose": (MASK.astype(int), [X, Y]), "clip": (X, 0.2, 0.7),
    "put_along_axis": (X, INDEX[:, None], Y[:, :1], 1), "partition": (X, 500), "argpartition": (X, 500), "topk": (X, 10),
    "percentile": (X, 30, 1), "quantile": (X, 0.3, 1), "nanpercentile": (X[:100], 30, 1), "nanquantile": (X[:100], 0.3, 1),
    "searchsorted": (np.sort(V), W), "digitize": (V, np.linspace(0, 1, 100)), "bincount": (INDEX, V[:SIDE]),
    "interp": (V, np.arange(10.0), Y[0, :10]),
    "cov": (X[:100],), "corrcoef": (X[:100],), "convolve": (V, W[:9]), "correlate": (V, W[:9]), "astype": (X, np.float32), "diagonal": (X,),
    "diag": (V[:SIDE],), "diagflat": (V[:SIDE],), "vander": (V[:SIDE], 1000), "polyval": (W[:8], V), "ldexp": (X, 2), "polygamma": (1, X),
    "gradient": (V,), "meshgrid": (V[:SIDE], W[:SIDE]), "ix_": (np.arange(3),), "heaviside": (X, 0.5), "embedding": (INDEX, X),
    **{n: (SMALL,) for n in ("linalg.inv", "linalg.det", "linalg.slogdet", "linalg.qr", "linalg.svd", "linalg.svdvals", "linalg.pinv",
                             "linalg.expm", "linalg.cond", "linalg.matrix_norm", "linalg.eigvals", "linalg.eig")},
    **{n: (POSITIVE,) for n in ("linalg.cholesky", "linalg.eigh", "linalg.eigvalsh")},
    "linalg.solve": (SMALL, SMALL), "linalg.matrix_power": (SMALL, 3), "linalg.multi_dot": ([M, N, M],),
    "linalg.lstsq": (X[:, :50], Y[:, 0]),
    "linalg.solve_triangular": (SMALL, SMALL), "linalg.tensorsolve": (M[:100, :100], V[:100]),
    "linalg.tensorinv": (M[:100, :100], 1), "linalg.outer": (V[:SIDE], W[:SIDE]),
    "linalg.cross": (V[:999].reshape(-1, 3), W[:999].reshape(-1, 3)),
    **{f"fft.{n}": (Z if n in ("irfft", "irfft2", "irfftn", "hfft") else X,) for n in nd.fft.__all__ if "freq" not in n},
    **{n: (X[:, :, None, None],) for n in ("global_avg_pool", "global_max_pool")}, "softmax": (X,), "cross_entropy": (X, INDEX),
    "layer_norm": (X, SIDE), "rms_norm": (X, SIDE), "cumulative_sum": (V,), "cumulative_prod": (V,),
    "linalg.cho_solve": ((POSITIVE, True), SMALL),
}  # fmt: skip
SKIP = set(
    "fromfunction indices tri tril_indices triu_indices mask_indices geomspace logspace linspace arange eye identity full zeros ones empty "
    "conv_nd conv_transpose_nd convolve_nd correlate_nd explain_conv max_pool_nd avg_pool_nd dropout batch_norm group_norm instance_norm "
    "bitwise_and bitwise_or bitwise_xor bitwise_count bitwise_not bitwise_invert bitwise_left_shift bitwise_right_shift invert gcd lcm "
    "left_shift right_shift piecewise polyadd polyder polyint polymul polysub fft.fftfreq fft.rfftfreq scaled_dot_product_attention "
    "unravel_index ravel_multi_index histogram2d histogramdd broadcast_shapes array asarray divmod einsum_path linalg.matrix_rank".split()
)


def measure(name: str, f: Callable[..., Any]) -> tuple[float, float, float, float] | None:
    """(forward / NumPy's, backward / forward, forward and backward in ms),
    NaN where there is no such thing; None if it cannot be called."""
    space: Any = np
    for part in name.split("."):
        space = getattr(space, part, None)
    for args in [ARGUMENTS[name]] if name in ARGUMENTS else [(X,), (X, Y)]:
        leaves = tree.mapped(lambda a: nd.tensor(a, requires_grad=True) if _floats(a) else a, args)
        try:
            y = f(*leaves)
            expected = space(*args) if space is not None else None
        except TypeError:
            continue
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:90]}", file=sys.stderr)
            return None
        del expected
        root = next((t for t in (y if isinstance(y, (tuple, list)) else [y]) if isinstance(t, nd.Tensor) and t.requires_grad), None)
        ways: list[Callable[[], Any]] = [lambda: f(*leaves)]
        if space is not None:
            ways.append(lambda: space(*args))
        if root is not None:
            g = np.ones(root.shape, root.dtype)
            inputs = [t for _, t in tree.leaves(leaves) if isinstance(t, nd.Tensor)]
            ways.append(lambda: nd.gradients(root, inputs, g, retain_graph=True))
        best = _least(ways)
        ours, backward = best[0], best[-1] if root is not None else np.nan
        return ours / best[1] if space is not None else np.nan, backward / max(ours, PASS), ours * 1e3, backward * 1e3
    return None


def _floats(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind in "fc"


def _least(ways: list[Callable[[], Any]]) -> list[float]:
    """The least seconds of each way, in turns."""
    best, end = [np.inf] * len(ways), perf_counter() + SECONDS * len(ways)
    turn = 0
    while turn < 3 or perf_counter() < end:
        for k, way in enumerate(ways):
            start = perf_counter()
            way()
            best[k] = min(best[k], perf_counter() - start)
        turn += 1
        if turn == 1 and sum(best) > 1:
            break
    return best


PASS = _least([lambda: np.positive(X)])[0]  # seconds


def functions() -> dict[str, Callable[..., Any]]:
    named = dict(PUBLIC)
    for space in ("linalg", "fft"):
        named |= {f"{space}.{n}": getattr(getattr(nd, space), n) for n in getattr(nd, space).__all__}
    return {n: f for n, f in named.items() if callable(f) and not inspect.isclass(f) and n not in SKIP}


def main(names: list[str]) -> None:
    found = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, f in functions().items():
            if not names or name in names:
                row = measure(name, f)
                if row is None:
                    print(f"{name}: not measured", file=sys.stderr)
                else:
                    found[name] = row
    print(f"{len(found)} functions on 10⁶ elements")
    for title, k, limit in (("forward / NumPy", 0, 2), ("backward / forward", 1, 3)):
        # What takes microseconds says nothing: neither side does anything.
        rows = sorted(((r[k], n) for n, r in found.items() if r[k] == r[k] and r[2 + k] > 0.05), reverse=True)
        above = len([r for r, _ in rows if r > limit])
        print(f"\n{title}: {above} of {len(rows)} above {limit}; the worst\n")
        for ratio, name in rows[: max(10, above)]:
            print(f"| {name} | {ratio:.2f} | {found[name][2]:.2f} ms forward | {found[name][3]:.2f} ms backward |")


if __name__ == "__main__":
    main(sys.argv[1:])
