"""Products of matrices and tensors. All of them end in one primitive: the batched matrix product."""

from __future__ import annotations

import string
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..kernels import blas
from ..tape import primitive
from ..tensor import Tensor, astensor
from .elementwise import conj, multiply
from .reduce import sum as sum_along
from .shape import axes_of, expand_dims, ravel, reshape, squeeze, swapaxes, transpose

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "tensordot"]


@primitive(a=lambda g, b: _matmul(g, _adjoint(b)), b=lambda g, a: _matmul(_adjoint(a), g))
def _matmul(a: Any, b: Any) -> Any:
    return blas.matmul(a, b)


def _adjoint(a: Tensor) -> Tensor:
    return conj(swapaxes(a, -1, -2))  # type: ignore[no-any-return]


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product over the last axis of a and the last but one of b; leading axes broadcast, a 1-D operand is a row or a column.

    Shapes: (*n, i, k) @ (*n, k, j) -> (*n, i, j).
    """
    a, b = astensor(a), astensor(b)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: needs operands with axes, but got {a.shape} and {b.shape}; multiply by a number with *")
    k = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != k:
        raise ValueError(f"matmul: the last axis of a {a.shape} has {a.shape[-1]} entries, but b {b.shape} needs {k}")
    if a.ndim == 1:
        return squeeze(matmul(expand_dims(a, 0), b), -2 if b.ndim > 1 else 0)
    if b.ndim == 1:
        return squeeze(matmul(a, expand_dims(b, 1)), -1)
    if a.ndim > 2 and b.ndim == 2:  # one product, and no gradient of b per leading index
        return reshape(_matmul(reshape(a, (prod(a.shape[:-1]), k)), b), (*a.shape[:-1], b.shape[1]))
    return _matmul(a, b)


def dot(a: Any, b: Any) -> Tensor:
    """NumPy's dot: a product of numbers, inner product of vectors, or sum over the last axis of a and the last but one of b."""
    a, b = astensor(a), astensor(b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def inner(a: Any, b: Any) -> Tensor:
    """The sum of products over the last axes of both."""
    a, b = astensor(a), astensor(b)
    return tensordot(a, b, ((-1,), (-1,))) if a.ndim and b.ndim else multiply(a, b)


def outer(a: Any, b: Any) -> Tensor:
    """Every product of an entry of a with an entry of b, both flattened: (size of a, size of b)."""
    return multiply(expand_dims(ravel(a), 1), expand_dims(ravel(b), 0))


def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Tensor:
    """The sum of products over pairs of axes: the last `axes` of a with the first of b, or (axes of a, axes of b)."""
    a, b = astensor(a), astensor(b)
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes={axes} does not fit a {a.shape} and b {b.shape}")
        over_a, over_b = tuple(range(a.ndim - int(axes), a.ndim)), tuple(range(int(axes)))
    else:
        over_a, over_b = axes_of(axes[0], a.ndim, "tensordot"), axes_of(axes[1], b.ndim, "tensordot")
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(f"tensordot: axes {over_a} of a {a.shape} and {over_b} of b {b.shape} must have equal lengths")
    rest_a, rest_b = [i for i in range(a.ndim) if i not in over_a], [i for i in range(b.ndim) if i not in over_b]
    k = prod(a.shape[i] for i in over_a)
    left = reshape(transpose(a, (*rest_a, *over_a)), (prod(a.shape[i] for i in rest_a), k))
    right = reshape(transpose(b, (*over_b, *rest_b)), (k, prod(b.shape[i] for i in rest_b)))
    return reshape(_matmul(left, right), tuple([a.shape[i] for i in rest_a] + [b.shape[i] for i in rest_b]))


def einsum(subscripts: Any, *operands: Any) -> Tensor:
    """Einstein summation with NumPy's notation: ellipsis, repeated indices, implicit output, and the sublist form.

    Operands are contracted in pairs along NumPy's greedy path; every pair is a matrix product.

    >>> import tinygrad_nd as nd
    >>> nd.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).tolist()
    [3.0, 7.0]
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_sublists((subscripts, *operands))
    tensors = [astensor(t) for t in operands]
    labels, out = _parse(subscripts, [t.ndim for t in tensors])
    sizes = _sizes(labels, tensors)
    terms = [_clean(t, l, sizes) for t, l in zip(tensors, labels)]
    for step in _path(terms, out, sizes):
        picked = [terms.pop(i) for i in sorted(step, reverse=True)][::-1]
        while len(picked) > 1:
            elsewhere = set(out).union(*(l for _, l in terms + picked[2:]))
            picked[:2] = [_contract(*picked[0], *picked[1], elsewhere)]
        terms.append(picked[0])
    t, l = _sum_out(*terms[0], set(out))
    for missing in [c for c in out if c not in l]:
        raise ValueError(f"einsum: the output index {missing!r} of {subscripts!r} is in no operand")
    return transpose(t, [l.index(c) for c in out])


Term = tuple[Tensor, str]


def _from_sublists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    out = args[-1] if len(args) % 2 else None
    operands, lists = args[: len(args) - len(args) % 2 : 2], args[1 : len(args) - len(args) % 2 + 1 : 2]

    def text(entries: Sequence[Any]) -> str:
        return "".join("..." if e is Ellipsis else string.ascii_letters[e] for e in entries)

    joined = ",".join(map(text, lists))
    return joined if out is None else f"{joined}->{text(out)}", operands


def _parse(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """One letter per axis of every operand and of the output, in place of ellipses and implicit outputs."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(parts)} operands, but got {len(ndims)}")
    free = [c for c in string.ascii_letters if c not in text]
    extra = [n - len(p.replace("...", "")) if "..." in p else 0 for p, n in zip(parts, ndims)]
    dots = "".join(free[: max(extra, default=0)])
    labels = []
    for p, n, e in zip(parts, ndims, extra):
        full = p.replace("...", dots[len(dots) - e :]) if e >= 0 else p
        if e < 0 or len(full) != n or not all(c in string.ascii_letters for c in full):
            raise ValueError(f"einsum: {p!r} in {subscripts!r} does not describe an operand of {n} axes")
        labels.append(full)
    if arrow:
        out = right.replace("...", dots)
        if len(set(out)) != len(out) or not all(c in string.ascii_letters for c in out):
            raise ValueError(f"einsum: the output {right!r} of {subscripts!r} must name each index once")
    else:
        named = "".join(labels)
        out = dots + "".join(sorted(c for c in set(named) - set(dots) if named.count(c) == 1))
    return labels, out


def _sizes(labels: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for label, t in zip(labels, tensors):
        for c, n in zip(label, t.shape):
            if sizes.get(c, 1) != 1 and n not in (1, sizes[c]):
                raise ValueError(f"einsum: index {c!r} has length {sizes[c]} in one operand and {n} in another {t.shape}")
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    return sizes


def _clean(t: Tensor, label: str, sizes: dict[str, int]) -> Term:
    """The operand with each index once: diagonals taken, and axes of length 1 that broadcast dropped."""
    for c in sorted(set(label)):
        while label.count(c) > 1:
            i = label.index(c)
            j = label.index(c, i + 1)
            every = np.arange(t.shape[i])
            t = transpose(t, [i, j, *(k for k in range(t.ndim) if k not in (i, j))])[every, every]
            label = c + "".join(x for k, x in enumerate(label) if k not in (i, j))
    thin = [i for i, c in enumerate(label) if t.shape[i] == 1 and sizes[c] != 1]
    return (squeeze(t, thin), "".join(c for i, c in enumerate(label) if i not in thin)) if thin else (t, label)


def _path(terms: Sequence[Term], out: str, sizes: dict[str, int]) -> list[Any]:
    if len(terms) < 3:
        return [tuple(range(len(terms)))]
    shapes = [np.broadcast_to(np.empty((), np.int8), t.shape) for t, _ in terms]
    return list(np.einsum_path(",".join(l for _, l in terms) + "->" + "".join(c for c in out), *shapes, optimize="greedy")[0][1:])


def _sum_out(t: Tensor, label: str, keep: set[str]) -> Term:
    gone = tuple(i for i, c in enumerate(label) if c not in keep)
    return (sum_along(t, gone), "".join(c for c in label if c in keep)) if gone else (t, label)


def _contract(a: Tensor, la: str, b: Tensor, lb: str, elsewhere: set[str]) -> Term:
    """Two operands into one: a batched matrix product, or a broadcast product where nothing is summed."""
    a, la = _sum_out(a, la, elsewhere | set(lb))
    b, lb = _sum_out(b, lb, elsewhere | set(la))
    batch = [c for c in la if c in lb and c in elsewhere]
    summed = [c for c in la if c in lb and c not in elsewhere]
    only_a, only_b = [c for c in la if c not in lb], [c for c in lb if c not in la]

    def arranged(t: Tensor, label: str, groups: Sequence[list[str]]) -> Tensor:
        order = [label.index(c) for group in groups for c in group]
        return reshape(transpose(t, order), tuple(prod(t.shape[label.index(c)] for c in group) for group in groups))

    length = {**dict(zip(la, a.shape)), **dict(zip(lb, b.shape))}
    if summed:
        y = _matmul(arranged(a, la, [batch, only_a, summed]), arranged(b, lb, [batch, summed, only_b]))
    else:
        y = multiply(arranged(a, la, [batch, only_a, []]), arranged(b, lb, [batch, [], only_b]))
    label = batch + only_a + only_b
    return reshape(y, tuple(length[c] for c in label)), "".join(label)
