"""Elementwise work at memory speed: results in recycled memory, tiles that stay in cache, spread over the threads.

Every array is seen in the order of its memory (channels-last arrays are common), where a tile is one contiguous stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from . import bits, engines, memory, parallel, spare
from .memory import Array

LARGE = 1 << 19  # elements; below, one call of NumPy costs less than the threads
SMALL = 1 << 10  # elements; with fewer, one call of NumPy is all there is to be done
COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing
WAKE = 1 << 20  # elements; below, a pass over memory is done before a second thread is awake
TILE = 1 << 16  # elements: a few float32 operands stay in the second-level cache
STEPS = 1 << 17  # elements in a tile of many steps: what lies between them stays in cache, and threads seldom wait for one another
PASSES = 1 << 18  # elements in a tile of quick passes: between short calls threads wait for one another
ROW = 512  # elements; an inner loop shorter than this costs more than its arithmetic
_KINDS = "biufc"
_NUMBERS = frozenset({int, float, complex, type(None)})  # Python numbers (or no operand) do not decide a dtype
_CHEAP = {np.add, np.subtract, np.multiply, np.negative, np.square, np.maximum, np.minimum}  # they wait for memory alone
_PAIRS = {np.add, np.subtract, np.multiply}  # of few numbers is what they make of finite ones not finite


def apply(ufunc: np.ufunc, x: Any, y: Any = None) -> Any:
    """ufunc(x) or ufunc(x, y): the same values, dtype and warnings; memory order as in `fused`."""
    size = x.size if type(x) is ndarray else 1
    if type(y) is ndarray and y.size > size:
        size = y.size
    if size < LARGE:
        out = _warm(ufunc, x, y) if size >= SMALL and type(x) is ndarray else None
        if y is None:
            return ufunc(x) if out is None else ufunc(x, out=out)
        return ufunc(x, y) if out is None else ufunc(x, y, out=out)
    if ufunc in _PAIRS and type(x) is type(y) is ndarray and (out := _pair(ufunc.__name__, x, y)) is not None:
        return out
    operands = (x,) if y is None else (x, y)
    kinds = [type(a) if type(a) in _NUMBERS else np.result_type(a) for a in operands]
    if ufunc.nout != 1 or ufunc.signature is not None or any(isinstance(k, np.dtype) and k.kind not in _KINDS for k in kinds):
        return ufunc(*operands)
    dtype = ufunc.resolve_dtypes((*kinds, None))[-1]
    share = size if ufunc in _CHEAP and size <= WAKE else max(size // (4 * parallel.num_threads()), TILE)
    return fused(lambda out, *parts: ufunc(*parts, out=out), *operands, dtype=dtype, tile=share)


def _warm(ufunc: np.ufunc, x: Array, y: Any) -> Array | None:
    """An array for the result in memory that is recycled, if it lies as x does; None where there is none, or malloc's is as good."""
    nbytes, shape, dtype = x.nbytes, x.shape, x.dtype
    other: Any = type(y)
    if nbytes < spare.PAGE:
        return None
    rows = None  # the shape of what repeats along x
    if other is ndarray:
        if y.dtype is not dtype or y.shape == shape and y.strides != x.strides:
            return None
        rows = None if y.shape == shape else y.shape
    if not _lies_as_first(ufunc, shape, dtype, other, rows):
        return None
    if nbytes >= memory.SMALL:
        return memory.empty_like(x)
    out = spare.take(nbytes)
    if out is None or out.strides != x.strides or out.shape != shape or out.dtype is not dtype:
        return None
    out.setflags(write=True)
    return out


@lru_cache(1 << 12)
def _lies_as_first(ufunc: np.ufunc, shape: tuple[int, ...], dtype: np.dtype[Any], other: Any, rows: tuple[int, ...] | None) -> bool:
    """Whether the result has the shape and dtype of the first operand, for a second of this type and shape (None: the same)."""
    if other is not ndarray and other not in _NUMBERS or rows is not None and not fits(rows, shape):
        return False
    return _keeps_dtype(ufunc, dtype, dtype if other is ndarray else other)


def fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcasts to another."""
    return len(shape) <= len(into) and all([n in (1, m) for n, m in zip(reversed(shape), reversed(into))])


def _keeps_dtype(ufunc: np.ufunc, x: np.dtype[Any], y: Any) -> bool:
    """Whether the result has the dtype of x; y is a dtype, the type of a Python number, or that of None."""
    if ufunc.nout != 1 or ufunc.signature is not None or x.kind not in _KINDS:
        return False
    try:
        return ufunc.resolve_dtypes((x, None) if ufunc.nin == 1 else (x, y, None))[-1] == x
    except TypeError:
        return False  # the ufunc itself says why


def fused(f: Callable[..., object], *operands: Any, dtype: Any, tile: int = TILE) -> Array:
    """The array that f(out_tile, *operand_tiles) fills, tile by tile.

    Operands broadcast; Python numbers are passed on as they are. The result is dense, and its axes lie in memory as in the operands of full
    shape. Where these differ, an order that is not C's wins: some kernel chose it for its speed.
    """
    moving = [isinstance(a, ndarray) and a.ndim > 0 for a in operands]
    arrays = [a for a, moves in zip(operands, moving) if moves]
    shape, strides = arrays[0].shape, arrays[0].strides
    flat = all([a.shape == shape and a.flags.c_contiguous for a in arrays])
    if flat:
        out = dense = memory.empty(shape, dtype)
        views: Any = operands
    else:
        if all([a.shape == shape and a.strides == strides for a in arrays]):
            out = memory.empty_like(arrays[0], dtype)
            order = memory.memory_order(out)
            views = [a.transpose(order) if moves else a for a, moves in zip(operands, moving)]
        else:
            shape = np.broadcast_shapes(*(a.shape for a in arrays))
            out = _result(shape, dtype, arrays)
            order = memory.memory_order(out)
            views = [_in_order(a, shape, order) if moves else a for a, moves in zip(operands, moving)]
        dense = out.transpose(order)
        flat = all([v.flags.c_contiguous for v, moves in zip(views, moving) if moves])
    if flat:
        dense, views = dense.reshape(-1), [v.reshape(-1) if moves else v for v, moves in zip(views, moving)]
    if out.size <= tile:
        f(dense, *views)
    else:
        boxes = parallel.boxes(dense.shape, tile)
        engines.run(f, [(dense[box], *[v[box] if moves else v for v, moves in zip(views, moving)]) for box in boxes])
    return out


def tiled(f: Callable[..., Any], *operands: Any) -> Array:
    """f(*operands) of a function made of many elementwise steps, tile by tile; its dtype is that of f of empty arrays."""
    operands = tuple([a[()] if isinstance(a, ndarray) and not a.ndim else a for a in operands])
    dtype = f(*[np.empty(0, a.dtype) if isinstance(a, ndarray) else a for a in operands]).dtype
    return fused(lambda out, *parts: np.copyto(out, f(*parts)), *operands, dtype=dtype, tile=STEPS)


def paired(place: str) -> Callable[[Array, Array], Array | None]:
    """What the compiled loop `module.name` makes of two small arrays that lie alike in memory, without gaps, in memory that is recycled.

    None where there is none, or where the result is not finite: NumPy warns of that.
    """
    few = engines.Builtins(place, 3)

    def run(x: Array, y: Array) -> Array | None:
        nbytes = x.nbytes
        if not spare.PAGE <= nbytes < spare.MOST or y.nbytes != nbytes:
            return None
        f = few[x.dtype]
        if f is None:
            return None
        out = spare.take(nbytes)
        if out is not None and f(out, x, y) is out:
            return out
        out = np.empty_like(x)
        return out if f(out, x, y) is out else None

    return run


def looped(place: str, operands: int = 1) -> Callable[..., Array | None]:
    """What the compiled loop `module.name` makes of one or two arrays that lie alike in memory, without gaps; None where there is none."""
    few = engines.Builtins(place, operands + 1)

    def run(x: Any, y: Any = None) -> Array | None:
        if type(x) is not ndarray or x.size < COMPILED:
            return None
        if x.size > engines.ALONE:
            return _by_all(place, x) if y is None else _by_all(place, x, y)
        f = few[x.dtype]
        if f is None:
            return None
        out: Array = np.empty_like(x) if x.nbytes < memory.SMALL else memory.empty_like(x)
        return out if (f(out, x) if y is None else f(out, x, y)) is out else None

    return run


def _by_all(place: str, x: Array, *others: Any) -> Array | None:
    """The same, on all threads."""
    module, name = place.split(".")
    loops = engines.compiled(module) if x.dtype.char in "fd" else None
    if loops is None:
        return None
    for a in others:
        if type(a) is not ndarray or a.shape != x.shape or a.dtype != x.dtype or not memory.alike(a, x):
            return None
    return loop_over(getattr(loops, name), x, *others)


def loop_over(f: Callable[..., object], *arrays: Array, parameters: tuple[float, ...] = ()) -> Array | None:
    """What f, compiled, makes of arrays that lie alike in memory: f(out, *arrays, *parameters).

    None where there are gaps in memory.
    """
    found = _in_parts(*arrays, f, parameters, False)
    return found[0] if found else None


@engines.recalled
def _in_parts(*operands: Any) -> list[Array]:
    """The same of (*arrays, f, parameters, counting); if `counting`, also what f writes for each part into a last argument."""
    *arrays, f, parameters, counting = operands
    x = arrays[0]
    out, boxes = memory.empty_like(x), parallel.boxes((x.size,), engines.share(x.size))
    if not memory.alike(out, x):
        return []
    flat, counts = [a.ravel("K") for a in (out, *arrays)], [np.empty(len(boxes), np.int64)] if counting else []

    def tasks() -> list[tuple[Any, ...]]:
        numbers = [x.dtype.type(p) for p in parameters]
        return [(*[a[box] for a in flat], *numbers, *[c[i : i + 1] for c in counts]) for i, box in enumerate(boxes)]

    engines.repeat(f, [*flat, *counts], tasks, (parameters, len(boxes)))
    return [out, *counts]


def _pair(name: str, x: Array, y: Array) -> Array | None:
    """What the compiled loop makes of two arrays that lie alike; None where there is none, or NumPy has to warn of what is not finite."""
    loops = engines.compiled("loops") if x.dtype == y.dtype and x.dtype.char in "fd" and x.shape == y.shape and memory.alike(x, y) else None
    found = _in_parts(x, y, getattr(loops, name), (), True) if loops is not None else []
    return found[0] if found and not any(found[1].tolist()) else None


def _result(shape: tuple[int, ...], dtype: Any, arrays: list[Array]) -> Array:
    full = [a for a in arrays if a.shape == shape and 0 not in a.strides]
    model = next((a for a in full if not a.flags.c_contiguous), full[0] if full else None)
    return memory.empty(shape, dtype) if model is None else memory.empty_like(model, dtype)


def _in_order(a: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
    """`a` broadcast to `shape`, its axes in the given order. What repeats in short rows is written out in longer ones."""
    view: Array = np.broadcast_to(a, shape).transpose(order)
    if a.shape == shape or not view.size:
        return view
    axis, row = view.ndim, 1
    while axis and row < ROW:
        axis -= 1
        row *= view.shape[axis]
    if row > ROW * ROW or any(s for s, n in zip(view.strides[:axis], view.shape) if n > 1):
        return view
    return np.broadcast_to(np.ascontiguousarray(view[(0,) * axis]), view.shape)


def copied(a: Array) -> Array:
    """A copy that lies in memory as `a` does."""
    if a.size < LARGE:
        return a.copy(order="K")
    return fused(np.copyto, a, dtype=a.dtype, tile=max(LARGE, -(-a.size // parallel.num_threads())))


def in_c_order(a: Array) -> Array:
    """A copy in C order, by squares where there is a compiled loop for that."""
    out = memory.empty(a.shape, a.dtype)
    products = engines.compiled("products") if a.dtype == np.float32 and a.size >= COMPILED else None
    if products is not None:
        products.copy(a, out)
    else:
        np.copyto(out, a)
    return out


def reshaped(a: Array, shape: Sequence[int]) -> Array:
    """a.reshape(shape); where that is a copy of many numbers, in recycled memory."""
    if a.flags.c_contiguous or a.nbytes < memory.SMALL:
        return np.reshape(a, shape)
    try:
        return np.reshape(a, shape, copy=False)
    except ValueError:
        return in_c_order(a).reshape(shape)
    except TypeError:  # NumPy 2.0
        return np.reshape(a, shape)


def add_into(a: Array, b: Any) -> None:
    """a += b, which broadcasts, over the threads; a is dense in memory."""
    if a.size < LARGE:
        np.add(a, b, out=a)
        return
    order = memory.memory_order(a)
    a, b = a.transpose(order), np.broadcast_to(b, a.shape).transpose(order)
    if a.flags.c_contiguous and b.flags.c_contiguous:
        a, b = a.reshape(-1), b.reshape(-1)
    parallel.run(parallel.boxes(a.shape, TILE), lambda box: np.add(a[box], b[box], out=a[box]))


def exp(x: Any) -> Any:
    """e ** x: of many numbers compiled, where that does what NumPy does with each of them."""
    loops = engines.compiled("activations") if type(x) is ndarray and x.dtype == np.float32 and x.size >= COMPILED else None
    found = _in_parts(x, loops.exp, (), True) if loops is not None else []
    return apply(np.exp, x) if not found or any(found[1].tolist()) else found[0]


# Activations.

_relu, _relu_grad = looped("loops.relu"), looped("loops.relu_grad", 2)
_tanh, _sigmoid = looped("activations.tanh"), looped("activations.sigmoid")


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    fast = _tanh(x) if type(x) is ndarray and x.dtype == np.float32 else None
    return apply(np.tanh, x) if fast is None else fast


def relu(x: Any) -> Any:
    """max(x, 0); NaN flows."""
    fast = _relu(x)
    if fast is not None:
        return fast
    if not isinstance(x, ndarray) or x.size < COMPILED or x.dtype.kind != "f":
        return np.maximum(x, 0)
    return fused(lambda out, x: np.clip(x, 0, np.inf, out=out), x, dtype=x.dtype, tile=LARGE)  # quicker than the maximum with a number


def relu_grad(g: Any, of: Any) -> Any:
    """g where of > 0, else 0."""
    fast = _relu_grad(g, of)
    if fast is not None:
        return fast
    g = np.asarray(g)
    dtype = g.dtype
    if g.size < SMALL or dtype.kind != "f" or dtype.itemsize > 8 or np.shape(of) != g.shape:
        return np.where(np.greater(of, 0), g, dtype.type(0))
    if g.size < COMPILED:
        bits.keep(out := np.empty_like(g), np.greater(of, 0), g)
        return out

    def select(out: Array, g: Array, of: Array) -> None:
        bits.keep(out, np.greater(of, 0, out=memory.scratch("passes", out.shape, np.bool_)), g)

    return fused(select, g, of, dtype=dtype, tile=LARGE)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)); 0 where e^-x is infinite."""
    x = np.asarray(x)
    if x.dtype.char not in "fd":
        x, half = x.astype(np.result_type(x, np.float32), copy=False), x.dtype == np.float16
        low = x.real < 0  # there e^-x would overflow, and of a complex x give NaN
        e = np.exp(np.where(low, x, -x))
        y = np.where(low, e, 1) / (1 + e)
        return y.astype(np.float16) if half else y
    fast = _sigmoid(x) if x.dtype == np.float32 else None
    if fast is not None:
        return fast

    def tile(out: Array, x: Array) -> None:
        np.negative(x, out=out)
        np.exp(out, out=out)
        np.add(out, 1, out=out)
        np.divide(1, out, out=out)  # which takes half the time of the reciprocal

    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x)) if x.size < TILE else fused(tile, x, dtype=x.dtype, tile=PASSES)
