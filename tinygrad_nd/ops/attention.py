"""Attention: a mean of values, weighted by the softmax of products of queries and keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import answering, flag, number
from ..kernels.attention import attention
from ..kernels.elementwise import fits
from ..kernels.memory import freeze, remembered
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor
from .activation import masked_softmax, softmax_grad
from .curves import real
from .linalg import matmul
from .parts import astype, wide
from .run import Run
from .shape import broadcast_to, swapaxes

__all__ = ["scaled_dot_product_attention"]


@answering
def scaled_dot_product_attention(q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None) -> Tensor:
    """softmax(q kᵀ / √d + mask) v; `scale` stands for 1 / √d if given.

    Shapes: q (*batch, L, d), k (*batch, S, d), v (*batch, S, e) -> (*batch, L, e). Batch axes broadcast; so does mask, to (*batch, L, S).

    A boolean mask is True where a query may look at a key; a mask of numbers is added. With causal=True, query i looks at keys 0 to i. A
    query that may look at nothing gives zeros. Source: Vaswani et al., "Attention is all you need" (2017).
    """
    flag("scaled_dot_product_attention", "causal", causal)
    return attend(q, k, v, mask, causal, scale, weights=False)[0]


def attend(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float | None = None, drop: Any = None, weights: bool = True
) -> tuple[Tensor, Tensor | None]:
    """What `scaled_dot_product_attention` gives, and, if asked for, the weights (*batch, L, S) as they were before the function `drop`."""
    where = "scaled_dot_product_attention"
    q, k, v = (real(t, where) for t in (q, k, v))
    batch = _batch(q, k, v)
    if scale is not None:
        number(where, "scale", scale)
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)
    kind = np.result_type(q.dtype, k.dtype, v.dtype)
    if kind == np.float16:
        q, k, v = wide(q), wide(k), wide(v)
    if q.shape[:-2] != batch != k.shape[:-2] and np.broadcast_shapes(q.shape[:-2], k.shape[:-2]) != batch:
        q = broadcast_to(q, (*batch, *q.shape[-2:]))  # v alone has so many examples; slopes of weights need as many weights
    mask = _mask(mask, (*batch, q.shape[-2], k.shape[-2]), np.result_type(q.dtype, k.dtype), causal)
    q = q if mask is None or mask.dtype == q.dtype else astype(q, mask.dtype)
    if drop is None and not weights and not (mask is not None and mask.requires_grad):
        y = _attention(q, k, v, mask, scale=scale, causal=causal, run=Run())
        return astype(y, kind) if kind == np.float16 else y, None
    found = _weights(q, k, mask, scale)
    y = matmul(found if drop is None else drop(found), v)
    return (astype(y, kind), astype(found, kind)) if kind == np.float16 else (y, found)


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return masked_softmax(matmul(q, swapaxes(k, -1, -2)), mask, scale=scale)


def _cotangent(of: str, g: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Any, out: Tensor, scale: float, causal: bool, run: Run) -> Tensor:
    if recording.get():
        weights = _weights(q, k, mask, scale)
        if of == "v":
            return matmul(swapaxes(weights, -1, -2), g)
        slopes = softmax_grad(matmul(g, swapaxes(v, -1, -2)), weights, axis=-1, scale=scale)
        return matmul(slopes, k) if of == "q" else matmul(swapaxes(slopes, -1, -2), q)

    def sweep() -> dict[str, np.ndarray]:
        back = run.take(out.data) or attention(q.data, k.data, v.data, None if mask is None else mask.data, scale, causal)[1]
        return dict(zip("qkv", back(g.data)))

    return run.cotangent(of, sweep, g.data, out.data)


@primitive(
    q=lambda g, q, k, v, mask, out, scale, causal, run: _cotangent("q", g, q, k, v, mask, out, scale, causal, run),
    k=lambda g, q, k, v, mask, out, scale, causal, run: _cotangent("k", g, q, k, v, mask, out, scale, causal, run),
    v=lambda g, q, k, v, mask, out, scale, causal, run: _cotangent("v", g, q, k, v, mask, out, scale, causal, run),
    mask=None,
)
def _attention(q: Any, k: Any, v: Any, mask: Any = None, *, scale: float, causal: bool, run: Run) -> Any:
    """softmax(scale q kᵀ + mask) v; `causal` says that the mask hides all later keys."""
    out, back = attention(q, k, v, mask, scale, causal)
    return run.keep(back, out)


def _mask(mask: Any, shape: tuple[int, ...], dtype: np.dtype[Any], causal: bool) -> Tensor | None:
    """What is added to the scores, of their dtype or a wider one: -inf where a query may not look at a key."""
    later = astensor(_later(*shape[-2:], dtype)) if causal else None
    if mask is None:
        return later
    mask = astensor(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(f"scaled_dot_product_attention: mask must hold booleans or floats, but is {mask.dtype}")
    if not fits(mask.shape, shape):
        raise ValueError(f"scaled_dot_product_attention: mask {mask.shape} must broadcast to {shape}, one entry per query and key")
    if mask.dtype.kind == "b":
        mask = hiding(~mask.data, dtype)
    elif mask.dtype != (kind := np.result_type(mask.dtype, dtype)):
        mask = astype(mask, kind)
    return mask if later is None else mask + later  # type: ignore[no-any-return]


@remembered(16)
def _later(queries: int, keys: int, dtype: np.dtype[Any]) -> np.ndarray:
    return hiding(np.tri(queries, keys, dtype=bool) == 0, dtype).data


def hiding(hidden: np.ndarray, dtype: Any) -> Tensor:
    """What is added to scores: -inf where hidden."""
    a = np.zeros(hidden.shape, dtype)
    a[hidden] = -np.inf
    freeze(a)
    return astensor(a)


def _batch(q: Tensor, k: Tensor, v: Tensor) -> tuple[int, ...]:
    """The batch axes of the result."""
    where_ = "scaled_dot_product_attention"
    for name, t in (("q", q), ("k", k), ("v", v)):
        if t.ndim < 2:
            raise ValueError(f"{where_}: {name} needs axes (*batch, length, features), but has shape {t.shape}")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"{where_}: q {q.shape} has {q.shape[-1]} features, but k {k.shape} has {k.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"{where_}: k {k.shape} has {k.shape[-2]} entries, but v {v.shape} has {v.shape[-2]}")
    try:
        return np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ValueError(f"{where_}: the batch axes of q {q.shape}, k {k.shape} and v {v.shape} do not broadcast") from None
