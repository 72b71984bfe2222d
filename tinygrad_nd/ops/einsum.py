"""Einstein summation: every operand's diagonals first, then matrix products of pairs."""

from __future__ import annotations

import string
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..kernels.words import shown
from ..tensor import Tensor
from .elementwise import multiply
from .linalg import _matmul, _sum_of_products, operand
from .matrix import diagonal
from .naming import named
from .parts import astype
from .reduce import sum as sum_along
from .shape import converted, reshape, squeeze, transpose

__all__ = ["einsum", "einsum_path"]

Term = tuple[Tensor, str]


@named
def einsum(subscripts: Any, *operands: Any, dtype: Any = None, casting: Any = "safe", optimize: Any = True) -> Tensor:
    """Einstein summation with NumPy's notation: ellipsis, repeated indices, implicit output, and the sublist form.

    Operands are contracted in pairs, each a matrix product, in the order that `np.einsum_path` finds for `optimize` (True is "greedy").

    >>> import tinygrad_nd as nd
    >>> nd.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).tolist()
    [3.0, 7.0]
    """
    subscripts, operands = _subscripts(subscripts, operands)
    tensors = converted([operand(t, "einsum") for t in operands], "einsum", dtype, casting)
    labels, out = _parse(subscripts, tuple(t.shape for t in tensors))
    sizes = _sizes(labels, tensors)
    terms = [_clean(t, label, sizes) for t, label in zip(tensors, labels)]
    how = optimize if isinstance(optimize, (bool, str)) else tuple(optimize)
    if isinstance(how, str) and how not in ("greedy", "optimal"):
        raise ValueError(f"einsum: optimize must be a bool, 'greedy', 'optimal' or a path, but got {how!r}")
    for step in _path(tuple((t.shape, label) for t, label in terms), out, how):
        picked = [terms.pop(i) for i in sorted(step, reverse=True)][::-1]
        while len(picked) > 1:
            elsewhere = set(out).union(*(label for _, label in terms + picked[2:]))
            picked[:2] = [_contract(*picked[0], *picked[1], elsewhere)]
        terms.append(picked[0])
    t, label = _sum_out(*terms[0], set(out))
    return t if label == out else transpose(t, [label.index(c) for c in out])


@named
def einsum_path(subscripts: Any, *operands: Any, optimize: Any = "greedy") -> Any:
    """NumPy's plan for an einsum: the pairs in their order, and a printable account. Carries no gradient."""
    subscripts, operands = _subscripts(subscripts, operands)
    return np.einsum_path(subscripts, *(operand(t, "einsum_path").data for t in operands), optimize=optimize)


def _subscripts(subscripts: Any, operands: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Text and operands, from either of NumPy's forms: "ij,jk", a, b or a, [0, 1], b, [1, 2]."""
    if isinstance(subscripts, str):
        return subscripts.replace(" ", ""), operands
    args = (subscripts, *operands)
    if len(args) < 2:
        raise ValueError("einsum: needs subscripts and operands, or operands each followed by a list of indices")
    out = args[-1] if len(args) % 2 else None
    texts = [_letters(entries) for entries in args[1 : len(args) - len(args) % 2 + 1 : 2]]
    joined = ",".join(texts)
    return joined if out is None else f"{joined}->{_letters(out)}", args[: len(args) - len(args) % 2 : 2]


def _letters(entries: Any) -> str:
    try:
        return "".join("..." if e is Ellipsis else string.ascii_letters[e.__index__()] for e in entries)
    except (TypeError, AttributeError, IndexError):
        raise TypeError(f"einsum: indices must be ints from 0 to 51 or an ellipsis, but got {shown(entries)}") from None


@lru_cache(1024)
def _parse(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str]:
    """One letter per axis of every operand and of the output, in place of ellipses and implicit outputs."""
    left, arrow, right = subscripts.partition("->")
    parts = left.split(",")
    if len(parts) != len(shapes):
        raise ValueError(f"einsum: {shown(subscripts)} names {len(parts)} operands, but got {len(shapes)}")
    free = [c for c in string.ascii_letters if c not in subscripts]
    extra = [len(n) - len(p.replace("...", "", 1)) if "..." in p else 0 for p, n in zip(parts, shapes)]
    dots = "".join(free[: max(extra, default=0)])
    labels = []
    for p, shape, e in zip(parts, shapes, extra):
        full = p.replace("...", dots[len(dots) - e :], 1) if e >= 0 else p
        if e < 0 or len(full) != len(shape) or not set(full) <= set(string.ascii_letters):
            raise ValueError(f"einsum: {p!r} in {subscripts!r} does not describe an operand of shape {shape}")
        labels.append(full)
    named = "".join(labels)
    if not arrow:
        return labels, dots + "".join(sorted(c for c in set(named) - set(dots) if named.count(c) == 1))
    out = right.replace("...", dots, 1)
    if len(set(out)) != len(out) or not set(out) <= set(string.ascii_letters):
        raise ValueError(f"einsum: the output {right!r} of {subscripts!r} must name each index once")
    for missing in set(out) - set(named):
        raise ValueError(f"einsum: the output index {missing!r} of {subscripts!r} is in no operand")
    if "..." not in right and dots:
        raise ValueError(f"einsum: the output of {subscripts!r} must have an ellipsis, which stands for {len(dots)} axes of the operands")
    return labels, out


def _sizes(labels: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, int]:
    """The length of every index; 1 broadcasts."""
    sizes: dict[str, int] = {}
    for label, t in zip(labels, tensors):
        for c, n in zip(label, t.shape):
            if sizes.get(c, 1) != 1 and n not in (1, sizes[c]):
                raise ValueError(f"einsum: index {c!r} has length {sizes[c]} in one place and {n} in an operand of shape {t.shape}")
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    return sizes


def _clean(t: Tensor, label: str, sizes: dict[str, int]) -> Term:
    """The operand with each index once: diagonals taken, and axes of length 1 that broadcast dropped."""
    for c in sorted(set(label)) if len(set(label)) < len(label) else ():
        while label.count(c) > 1:
            i = label.index(c)
            j = label.index(c, i + 1)
            if t.shape[i] != t.shape[j]:
                raise ValueError(f"einsum: {c!r} is named twice for one operand, but its lengths {t.shape[i]} and {t.shape[j]} differ")
            t = diagonal(t, 0, i, j)
            label = label[:i] + label[i + 1 : j] + label[j + 1 :] + c
    thin = [i for i, c in enumerate(label) if t.shape[i] == 1 and sizes[c] != 1]
    return (squeeze(t, thin), "".join(c for i, c in enumerate(label) if i not in thin)) if thin else (t, label)


@lru_cache(1024)
def _path(terms: tuple[tuple[tuple[int, ...], str], ...], out: str, optimize: Any) -> list[Any]:
    """Which operands to contract, step by step; the result of each step is appended to what is left."""
    if len(terms) < 3 and not isinstance(optimize, tuple):
        return [tuple(range(len(terms)))]
    shapes = [np.broadcast_to(np.empty((), np.int8), shape) for shape, _ in terms]
    kept = "".join(c for c in out if any(c in label for _, label in terms))
    how = list(optimize) if isinstance(optimize, tuple) else optimize
    return list(np.einsum_path(",".join(label for _, label in terms) + "->" + kept, *shapes, optimize=how)[0][1:])


def _sum_out(t: Tensor, label: str, keep: set[str]) -> Term:
    """The operand summed over the indices that nobody else has, in its own dtype."""
    gone = tuple(i for i, c in enumerate(label) if c not in keep)
    if not gone:
        return t, label
    total = sum_along(t, gone)
    return total if total.dtype == t.dtype else astype(total, t.dtype), "".join(c for c in label if c in keep)


def _arranged(t: Tensor, label: str, *groups: str) -> Tensor:
    """The operand with its axes in this order, each group of them as one."""
    order = [label.index(c) for c in "".join(groups)]
    t = transpose(t, order) if order != sorted(order) else t
    lengths = dict(zip((label[i] for i in order), t.shape))
    sizes = tuple([prod([lengths[c] for c in group]) for group in groups])
    return t if sizes == t.shape else reshape(t, sizes)


def _contract(a: Tensor, la: str, b: Tensor, lb: str, elsewhere: set[str]) -> Term:
    """Two operands into one: a batched matrix product, or a broadcast product where nothing is summed."""
    a, la = _sum_out(a, la, elsewhere | set(lb))
    b, lb = _sum_out(b, lb, elsewhere | set(la))
    batch = "".join(c for c in la if c in lb and c in elsewhere)
    summed = "".join(c for c in la if c in lb and c not in elsewhere)
    only_a, only_b = "".join(c for c in la if c not in lb), "".join(c for c in lb if c not in la)
    if summed and not only_a and not only_b:
        y = _sum_of_products(a, _arranged(b, lb, *la), axes=tuple(i for i, c in enumerate(la) if c in summed))
        return y, "".join(c for c in la if c in batch)
    first = (batch,) if batch else ()
    if summed:
        y = _matmul(_arranged(a, la, *first, only_a, summed), _arranged(b, lb, *first, summed, only_b))
    else:
        y = multiply(_arranged(a, la, *first, only_a, ""), _arranged(b, lb, *first, "", only_b))
    length = {**dict(zip(la, a.shape)), **dict(zip(lb, b.shape))}
    shape = tuple([length[c] for c in batch + only_a + only_b])
    return y if y.shape == shape else reshape(y, shape), batch + only_a + only_b
