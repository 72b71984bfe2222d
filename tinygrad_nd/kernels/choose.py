"""Which kernel runs: a row per algorithm, what it refuses, what it would cost, and the choice of the cheapest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import blas, col2im, direct, engines, fft, gemm, parallel, phases, reference, toom_cook, winograd
from .geometry import ConvSpec
from .memory import Array

Refuses = Callable[[ConvSpec, np.dtype[Any]], str | None]
Cost = Callable[[int, int, int, ConvSpec, np.dtype[Any]], tuple[float, int]]

PIECE = 7e-9  # seconds to bring to its place what lies side by side in an input gradient over phases: a group's channels, or one number
TURN = 2  # passes of memory that it takes to turn a number round
CONTRACTIONS = ("correlate", "input_grad", "weight_grad")


@dataclass(frozen=True)
class Algorithm:
    """One way to compute the three contractions.

    refuses(spec, dtype) is None, or why not. cost(n, c, m, spec, dtype) is (seconds of one thread, bytes of workspace of one thread).
    Both are asked about the correlation that is run: for input_grad the one over phases, see phases.lowered. A contraction that is computed
    in its own way has its own cost, asked about the spec itself; without another cost the row is a choice for these contractions only.
    by_phase: an input gradient's phases come to their places one after another, not side by side within groups.

    Seconds are those of the calls, plus multiply-adds at the rate measured on this machine (blas.product_seconds), plus numbers moved at
    that of its memory (blas.pass_seconds), with factors fitted to measured times: they need to rank the rows, not to tell the time.
    """

    name: str
    correlate: Callable[[Array, Array, ConvSpec, Array | None], Array]
    input_grad: Callable[[Array, Array, ConvSpec], Array]
    weight_grad: Callable[[Array, Array, ConvSpec], Array]
    refuses: Refuses
    cost: Cost | None
    own: Mapping[str, Cost] = field(default_factory=dict)
    by_phase: bool = False


def _never(spec: ConvSpec, dtype: np.dtype[Any]) -> None:
    return None


def _by_engine(name: str, module: Callable[[], Any], by_phase: bool = False) -> Algorithm:
    """The row of a module with an engine, None while that is not in use: two contractions are the engine's correlation, see phases."""

    def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
        found = module()
        why: str | None = "needs the engine 'jit' (see set_engine)" if found is None else getattr(found, "refuses", _never)(spec, dtype)
        return why

    return Algorithm(
        name,
        lambda x, w, spec, bias: phases.correlate(module().engine, x, w, spec, bias),
        lambda g, w, spec: phases.input_grad(module().engine, g, w, spec),
        lambda x, g, spec: phases.weight_grad(module().weight_grad, x, g, spec),
        refuses,
        lambda *about: module().cost(*about),
        {"weight_grad": lambda *about: getattr(module(), "weight_cost", module().cost)(*about)},
        by_phase,
    )


def _plain_cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """The plainest form wins where calls cost more than work; where it is large it would hold all windows at once."""
    windows = n * c * prod(spec.out) * prod(spec.kernel)
    macs = windows * m / spec.groups
    small = 4 * macs <= blas.SMALL and max(spec.stride, default=1) == 1
    seconds = 2e-5 + 1e-9 * windows + 1e-10 * macs + (0 if small else 1)
    return seconds * parallel.num_threads(), windows * dtype.itemsize  # it runs on one thread, so the others do not divide its time


ROWS: dict[str, Algorithm] = {
    row.name: row
    for row in (
        _by_engine("gemm", lambda: gemm),
        Algorithm(
            "col2im",
            partial(phases.correlate, gemm.engine),
            col2im.input_grad,
            partial(phases.weight_grad, gemm.weight_grad),
            _never,
            None,
            {"input_grad": col2im.cost},
        ),
        _by_engine("fft", lambda: fft),
        _by_engine("winograd", lambda: winograd),
        _by_engine("direct", lambda: direct, by_phase=True),
        _by_engine("igemm", lambda: engines.compiled("igemm")),
        Algorithm("reference", reference.correlate, reference.input_grad, reference.weight_grad, _never, _plain_cost),
    )
}


def pick(contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: Any, *read: Array, then: tuple[str, ...] = ()) -> str:
    """The name of the row that runs: the one spec.algorithm asks for, or with "auto" the cheapest that can.

    n images, c channels of x and m of y; the images that are read may be shown, for how they lie may matter. Raises ValueError if the row
    asked for cannot do this convolution; one that can does all three contractions. then: contractions that are soon to be asked for.
    """
    setting = engines.engine(), toom_cook.conv_precision(), parallel.num_threads()
    return _pick(setting, contraction, n, c, m, spec, dtype, _channels_first(spec, read), then)


@lru_cache(4096)
def _pick(
    setting: tuple[Any, ...], contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: Any, turned: int, then: tuple[str, ...] = ()
) -> str:
    """The choice under one engine, precision and number of threads."""
    if then:
        _foresee(setting, then, n, c, m, spec, dtype)
    if spec.algorithm != "auto":
        wide = phases.wide_dtype(np.dtype(dtype))
        why = ROWS[spec.algorithm].refuses(spec, wide)
        if why is not None:
            able = ", ".join(row.name for row in ROWS.values() if row.refuses(spec, wide) is None)
            raise ValueError(f"algorithm={spec.algorithm!r} {why}; use 'auto', or one of {able}")
        return spec.algorithm
    offers = estimate(contraction, n, c, m, spec, dtype, turned)
    costs = {name: offer[0] for name, offer in offers.items() if not isinstance(offer, str)}
    return min(costs, key=costs.__getitem__)


def _foresee(setting: tuple[Any, ...], contractions: Sequence[str], n: int, c: int, m: int, spec: ConvSpec, dtype: Any) -> None:
    """What these contractions need is compiled meanwhile."""
    rows = [_pick(setting, contraction, n, c, m, spec, dtype, 0) for contraction in contractions]  # all that is measured for them is, now
    compiled = engines.compiled("winograd")

    def compile_for(contraction: str) -> None:
        lowered, count = phases.lowered(spec) if contraction == "input_grad" else (spec, 1)
        about = (m, c * count, lowered) if contraction == "input_grad" else (c, m, spec)
        for make in compiled.functions(contraction, n, *about, phases.wide_dtype(np.dtype(dtype))):  # type: ignore[union-attr]
            parallel.ahead(make)

    for contraction, row in zip(contractions, rows):
        if compiled is not None and row == "winograd":
            parallel.ahead(partial(compile_for, contraction))


def _channels_first(spec: ConvSpec, read: Sequence[Array]) -> int:
    """Numbers of images (N, C, *n) that all rows turn round but the product of a point: BLAS takes its matrix either way. Elsewhere it is
    the same for all."""
    return sum(a.size for a in read if a.strides[1] != a.itemsize and a.shape[1] > 1) if gemm.is_product(spec) else 0


def estimate(
    contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: DTypeLike, turned: int = 0
) -> dict[str, tuple[float, int] | str]:
    """Per row: predicted seconds and bytes of workspace, or why it cannot. turned: numbers that all but gemm turn round first."""
    run, taken, made, points = spec, c, m, 0
    dtype = phases.wide_dtype(np.dtype(dtype))
    if contraction == "input_grad":
        run, count = phases.lowered(spec)
        taken, made = m, c * count
        points = n * prod(spec.size) if count > 1 else 0
        if min(run.out, default=1) < 1:  # no tap reaches any point: nothing runs, and any row will do
            run, made = spec, c
    offers: dict[str, tuple[float, int] | str] = {}
    threads = parallel.num_threads()
    for row in ROWS.values():
        cost, about = (row.own[contraction], (c, m, spec)) if contraction in row.own else (row.cost, (taken, made, run))
        if cost is None:
            offers[row.name] = f"differs from gemm in {', '.join(row.own)} alone"
        elif (why := row.refuses(run, dtype)) is not None:
            offers[row.name] = why
        else:
            seconds, nbytes = cost(max(n, 1), max(about[0], 1), max(about[1], 1), about[2], dtype)
            apart = c if c > spec.groups else 0  # a group's one channel lies beside those of other groups
            pieces = apart if row.by_phase else spec.groups
            seconds += turned * TURN * blas.pass_seconds(threads) if turned and row.name != "gemm" else 0
            if contraction not in row.own:
                seconds += PIECE * points * pieces + blas.moved_seconds(points * c, dtype)
            offers[row.name] = seconds / threads, nbytes * threads
    return offers


def explain(x_shape: Sequence[int], w_shape: Sequence[int], spec: ConvSpec, dtype: Any = np.float32, *x: Array) -> str:
    """A table: for each contraction every row with its predicted time and a bound of its workspace, and a star at the one that runs.

    x may be shown; what is not lies channels-last, as results do.
    """
    n, c, m = x_shape[0], x_shape[1], w_shape[0]
    lines = [f"{'':12}{'row':12}{'predicted':>14}{'workspace, at most':>22}"]
    for contraction in CONTRACTIONS:
        read = x if contraction != "input_grad" else ()
        chosen = pick(contraction, n, c, m, spec, dtype, *read)
        title = contraction
        for name, offer in estimate(contraction, n, c, m, spec, dtype, _channels_first(spec, read)).items():
            if name == "reference" and name != chosen:  # never a choice where it is large
                continue
            mark = "* " if name == chosen else "  "
            what = offer if isinstance(offer, str) else f"{offer[0] * 1e3:11.3f} ms{offer[1] / 2**20:16.1f} MiB"
            lines.append(f"{title:12}{mark + name:12}{what}")
            title = ""
    return "\n".join(lines)


def correlate(x: Array, w: Array, spec: ConvSpec, algorithm: str, bias: Array | None = None) -> Array:
    """y (N, M, *o) from x (N, C, *n), w (M, C/G, *k) and a bias (M,)."""
    if x.size and w.size:
        return ROWS[algorithm].correlate(x, w, spec, bias)
    y = np.zeros((x.shape[0], w.shape[0], *spec.out), np.result_type(x, w))
    return y if bias is None else y + bias.reshape(-1, *(1,) * spec.rank)


def input_grad(g: Array, w: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dx (N, C, *n) from g (N, M, *o) and w (M, C/G, *k)."""
    if g.size and w.size:
        return ROWS[algorithm].input_grad(g, w, spec)
    return np.zeros((g.shape[0], w.shape[1] * spec.groups, *spec.size), np.result_type(g, w))


def weight_grad(x: Array, g: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dw (M, C/G, *k) from x (N, C, *n) and g (N, M, *o)."""
    if x.size and g.size:
        return ROWS[algorithm].weight_grad(x, g, spec)
    return np.zeros((g.shape[1], x.shape[1] // spec.groups, *spec.kernel), np.result_type(x, g))
