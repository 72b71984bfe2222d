"""Every public function on 10⁶ elements: forward against NumPy's (limit 2), backward against its forward (limit 3); the worst ten of each.

What is compared is fair to both sides:
- NumPy's functions that write in place are given a copy, since ours return one.
- The cotangent is a tensor of random values, as a sweep passes it on: read-only, so that nobody need copy it.
- Cotangents must be read and gradients written, even where the forward is a view or a sum: what the forward took counts for no less than
  a pass over memory for each 10⁶ entries of either. A pass reads an array and writes another.
- Medians of turns that alternate between the ways.

`python -m tests.bench.functions [--engine numpy|jit] [name ...]` measures all, or those named. float64, small matrices in stacks.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import warnings
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd import tree
from tinygrad_nd.methods import PUBLIC

SIDE = 1000
SECONDS = 0.03  # for each function and way
rng = np.random.default_rng(0)
X, Y = (0.1 + 0.8 * rng.random((SIDE, SIDE)) for _ in range(2))
V, W = X.ravel(), Y.ravel()
M, N = rng.standard_normal((2, SIDE, SIDE))
SMALL = rng.standard_normal((10_000, 10, 10)) + 10 * np.eye(10)
POSITIVE = SMALL @ SMALL.mT
Z = X + 1j * Y
INDEX = rng.integers(0, SIDE, SIDE)
MASK = X > 0.5
NEAR_ONE = 1 + 1e-3 * (V - W)  # whose products stay away from 0 and infinity

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
    "layer_norm": (X, SIDE), "rms_norm": (X, SIDE), "cumulative_sum": (V,),
    **dict.fromkeys(("prod", "nanprod", "cumprod", "nancumprod", "cumulative_prod"), (NEAR_ONE,)),
    "linalg.cho_solve": ((POSITIVE, True), SMALL),
}  # fmt: skip
SKIP = set(
    "fromfunction indices tri tril_indices triu_indices mask_indices geomspace logspace linspace arange eye identity full zeros ones empty "
    "conv_nd conv_transpose_nd convolve_nd correlate_nd explain_conv max_pool_nd avg_pool_nd dropout batch_norm group_norm instance_norm "
    "bitwise_and bitwise_or bitwise_xor bitwise_count bitwise_not bitwise_invert bitwise_left_shift bitwise_right_shift invert gcd lcm "
    "left_shift right_shift piecewise polyadd polyder polyint polymul polysub fft.fftfreq fft.rfftfreq scaled_dot_product_attention "
    "unravel_index ravel_multi_index histogram2d histogramdd broadcast_shapes array asarray divmod einsum_path linalg.matrix_rank".split()
)


IN_PLACE: dict[str, Callable[..., Any]] = {"put_along_axis": lambda x, *rest: np.put_along_axis(x.copy(), *rest)}


class Row(NamedTuple):
    """Milliseconds; NaN where there is no such thing. `least`: what the backward is compared with."""

    forward: float
    numpys: float
    backward: float
    least: float


def measure(name: str, f: Callable[..., Any], write: float) -> Row | None:
    """The times of a function, if it can be called; `write` is those of a pass over 10⁶ values."""
    space: Any = np
    for part in name.split("."):
        space = getattr(space, part, None)
    theirs = IN_PLACE.get(name, space)
    for args in [ARGUMENTS[name]] if name in ARGUMENTS else [(X,), (X, Y)]:
        leaves = tree.mapped(lambda a: nd.tensor(a, requires_grad=True) if _floats(a) else a, args)
        try:
            y = f(*leaves)
            if theirs is not None:
                theirs(*args)
        except TypeError:
            continue
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:90]}", file=sys.stderr)
            return None
        root = next((t for t in (y if isinstance(y, (tuple, list)) else [y]) if isinstance(t, nd.Tensor) and t.requires_grad), None)
        del y
        ways: list[Callable[[], Any]] = [lambda: f(*leaves)]
        if theirs is not None:
            ways.append(lambda: theirs(*args))
        written = 0
        if root is not None:
            g = nd.tensor(rng.standard_normal(root.shape).astype(root.dtype))
            inputs = [t for _, t in tree.leaves(leaves) if isinstance(t, nd.Tensor)]
            written = max(root.size, sum(t.size for t in inputs))
            ways.append(lambda: nd.gradients(root, inputs, g, retain_graph=True))
        took = _medians(ways)
        ours, backward = took[0], took[-1] if root is not None else np.nan
        return Row(ours, took[1] if theirs is not None else np.nan, backward, max(ours, write * written / 1e6))
    return None


def _floats(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind in "fc"


def _medians(ways: list[Callable[[], Any]]) -> list[float]:
    """The median milliseconds of each way, in turns."""
    took: list[list[float]] = [[] for _ in ways]
    end = perf_counter() + SECONDS * len(ways)
    while len(took[0]) < 3 or perf_counter() < end:
        for times, way in zip(took, ways):
            start = perf_counter()
            way()
            times.append((perf_counter() - start) * 1e3)
        if len(took[0]) == 1 and sum(map(sum, took)) > 1000:
            break
    return [median(times[1:] or times) for times in took]


def functions() -> dict[str, Callable[..., Any]]:
    named = dict(PUBLIC)
    for space in ("linalg", "fft"):
        named |= {f"{space}.{n}": getattr(getattr(nd, space), n) for n in getattr(nd, space).__all__}
    return {n: f for n, f in named.items() if callable(f) and not inspect.isclass(f) and n not in SKIP}


def main(engine: str, names: list[str]) -> None:
    nd.set_engine(engine)
    found: dict[str, Row] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        write = _medians([lambda: np.positive(X)])[0]
        for name, f in functions().items():
            if not names or name in names:
                row = measure(name, f, write)
                if row is None:
                    print(f"{name}: not measured", file=sys.stderr)
                else:
                    found[name] = row
    print(f"{len(found)} functions on 10⁶ elements, engine {nd.engine()}; a pass over memory takes {write:.2f} ms")
    # What takes microseconds says nothing: neither side does anything.
    forward = {n: r.forward / r.numpys for n, r in found.items() if r.forward > 0.05}
    backward = {n: r.backward / r.least for n, r in found.items() if r.backward > 0.05}
    for title, ratios, limit in (("forward / NumPy", forward, 2), ("backward / forward", backward, 3)):
        rows = sorted(((r, n) for n, r in ratios.items() if r == r), reverse=True)
        above = sum(r > limit for r, _ in rows)
        print(f"\n{title}: {above} of {len(rows)} above {limit}; the worst\n")
        for ratio, name in rows[: max(10, above)]:
            print(f"| {name} | {ratio:.2f} | {found[name].forward:.2f} ms forward | {found[name].backward:.2f} ms backward |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--engine", default="auto", choices=("auto", "jit", "numpy"), help="default: jit where it is installed"
    )
    parser.add_argument("names", nargs="*", help="functions to measure (default: all)")
    given = parser.parse_args()
    main(given.engine, given.names)
