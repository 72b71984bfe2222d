"""Attention of several heads, the layers of a transformer, and stacks of them; PyTorch's arguments, meaning and names of parameters.

Sequences are (L, N, E), or (N, L, E) with batch_first=True, or (L, E) without batch. Boolean masks are True where nothing may be seen
(`scaled_dot_product_attention` alone has it the other way round, as in PyTorch); masks of numbers are added to the scores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, flag, generator, number
from ..kernels.words import shown
from ..ops.activation import gelu
from ..ops.attention import attend, hiding
from ..ops.dropout import dropout
from ..ops.elementwise import relu
from ..ops.join import split
from ..ops.layers import linear
from ..ops.reduce import mean
from ..ops.shape import expand_dims, reshape, squeeze, swapaxes, transpose
from ..tensor import Parameter, Tensor, astensor
from .activation import Dropout
from .kept import check_kept
from .lazy import check_counts
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = [
    "MultiHeadAttention", "MultiheadAttention", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip


class MultiHeadAttention(Module):
    """Queries look at keys and get the values found there, in num_heads subspaces of embed_dim / num_heads features each.

    in_proj_weight (3E, E) makes queries, keys and values, in this order; where keys or values have another width (kdim, vdim), they are
    q_proj_weight (E, E), k_proj_weight (E, kdim) and v_proj_weight (E, vdim). dropout acts on the weights while training.

    Source: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        widths = {"q": embed_dim, "k": embed_dim if kdim is None else kdim, "v": embed_dim if vdim is None else vdim}
        check_counts(self, embed_dim=embed_dim, num_heads=num_heads, kdim=widths["k"], vdim=widths["v"])
        if embed_dim % num_heads:
            raise ValueError(f"{type(self).__name__}: num_heads={num_heads} must divide embed_dim={embed_dim}")
        number(type(self).__name__, "dropout", dropout, least=0, most=1)
        flag(type(self).__name__, "bias", bias)
        self.in_proj_weight: Parameter
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim, self.vdim = kdim, vdim
        check_kept(self, ("batch_first",))
        self.generator = generator(type(self).__name__, rng)
        self._apart = set(widths.values()) != {embed_dim}
        shapes = [(name, (embed_dim, width)) for name, width in widths.items()] if self._apart else [("in", (3 * embed_dim, embed_dim))]
        for name, shape in shapes:
            weight = Parameter(initialisers.glorot_uniform(shape, dtype=dtype, rng=self.generator))
            setattr(self, f"{name}_proj_weight", weight)
        self.in_proj_bias = Parameter(initialisers.zeros(3 * embed_dim, dtype=dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, init=initialisers.lecun_uniform, dtype=dtype, rng=self.generator)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (L, N, E), and the weights (N, L, S), means over heads unless
        average_attn_weights=False: (N, heads, L, S). key_padding_mask (N, S); attn_mask (L, S) or (N·heads, L, S). With is_causal, query i
        looks at keys 0 to i, too. need_weights=False returns None for them. A query that may look at nothing gives zeros.
        """
        alone = query is key and key is value
        q, k, v = (astensor(t) for t in (query, key, value))
        if not q.ndim == k.ndim == v.ndim or q.ndim not in (2, 3):
            raise ValueError(f"{type(self).__name__}: query {q.shape}, key {k.shape} and value {v.shape} need (length, batch, features)")
        batched = q.ndim == 3
        sides = [t.shape[:-1] if self.batch_first or not batched else t.shape[-2::-1] for t in (q, k, v)]  # (batch, length), (length,)
        if sides[1] != sides[2] or sides[0][:-1] != sides[1][:-1]:
            told = f"query {q.shape}, key {k.shape} and value {v.shape}"
            raise ValueError(f"{type(self).__name__}: {told} need one batch size, and keys as many values")
        q, k, v = (expand_dims(t, 0) if not batched else t if self.batch_first else swapaxes(t, 0, 1) for t in (q, k, v))
        sizes = q.shape[0], q.shape[1], k.shape[1]
        q, k, v = (self._heads(t) for t in self._projected(q, k, v, alone))  # (N, heads, length, features)
        mask = self._mask(key_padding_mask, attn_mask, sizes, q.dtype)
        dropped = partial(dropout, p=self.dropout, rng=self.generator) if self.training and self.dropout else None
        y, weights = attend(q, k, v, mask, is_causal, drop=dropped, weights=need_weights)
        y = self.out_proj(reshape(swapaxes(y, 1, 2), (y.shape[0], y.shape[2], self.embed_dim)))
        y = squeeze(y, 0) if not batched else y if self.batch_first else swapaxes(y, 0, 1)
        if weights is None or not need_weights:
            return y, None
        weights = mean(weights, 1) if average_attn_weights else weights
        return y, weights if batched else squeeze(weights, 0)

    def _projected(self, q: Tensor, k: Tensor, v: Tensor, alone: bool) -> list[Tensor]:
        bias = self.in_proj_bias
        if alone and not self._apart:
            return split(linear(q, self.in_proj_weight, bias), 3, -1)
        weights = [getattr(self, f"{name}_proj_weight") for name in "qkv"] if self._apart else split(self.in_proj_weight, 3)
        biases = [None] * 3 if bias is None else split(bias, 3)
        return [linear(t, w, b) for t, w, b in zip((q, k, v), weights, biases)]

    def _heads(self, t: Tensor) -> Tensor:
        return transpose(reshape(t, (*t.shape[:2], self.num_heads, self.embed_dim // self.num_heads)), (0, 2, 1, 3))

    def _mask(self, padding: Any, mask: Any, sizes: tuple[int, int, int], dtype: Any) -> Tensor | None:
        """What is added to the scores (N, heads, L, S)."""
        n, length, keys = sizes
        if padding is not None:
            padding = self._added("key_padding_mask", padding, dtype, (n, keys), *[(keys,)] * (n == 1))
            padding = reshape(padding, (n, 1, 1, keys))
        if mask is not None:
            mask = self._added("attn_mask", mask, dtype, (length, keys), (n * self.num_heads, length, keys))
            mask = reshape(mask, (n, self.num_heads, length, keys)) if mask.ndim == 3 else mask
        return padding if mask is None else mask if padding is None else padding + mask  # type: ignore[no-any-return]

    def _added(self, name: str, mask: Any, dtype: Any, *shapes: tuple[int, ...]) -> Tensor:
        """A mask of one of these shapes as what is added: -inf where a boolean one is True."""
        mask, who = astensor(mask), type(self).__name__
        if mask.shape not in shapes:
            raise ValueError(f"{who}: {name} needs shape {' or '.join(map(str, shapes))}, but has {mask.shape}")
        if mask.dtype.kind not in "bf":
            raise TypeError(f"{who}: {name} must hold booleans, True where nothing may be seen, or floats to add, but is {mask.dtype}")
        return hiding(mask.data, dtype) if mask.dtype.kind == "b" else mask


MultiheadAttention = MultiHeadAttention  # PyTorch's spelling


# The layers of a transformer.


class _TransformerLayer(Module):
    """What layers of encoder and decoder share: two dense layers, and residual connections with their norms."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Tensor] = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        who, rng = type(self).__name__, generator(type(self).__name__, rng)
        if not callable(activation) and not (isinstance(activation, str) and activation in _ACTIVATIONS):
            raise ValueError(f"{who}: activation must be a function or one of {', '.join(_ACTIVATIONS)}, but is {shown(activation)}")
        self.activation = activation if callable(activation) else _ACTIVATIONS[activation]
        self.norm_first = norm_first
        flag(who, "bias", bias)
        check_kept(self, ("norm_first",))
        attention = partial(MultiHeadAttention, d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype, rng=rng)
        self.self_attn = attention()
        if self._looks_up:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, init=initialisers.lecun_uniform, dtype=dtype, rng=rng)
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2))
        if self._looks_up:
            self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

    _looks_up = False  # at a memory besides itself

    def _residual(self, x: Any, norm: Module, part: Callable[[Any], Tensor]) -> Tensor:
        if self.norm_first:
            return x + self.dropout(part(norm(x)))  # type: ignore[no-any-return]
        return norm(x + self.dropout(part(x)))  # type: ignore[no-any-return]

    def _dense(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]


_ACTIVATIONS: dict[str, Callable[[Any], Tensor]] = {"relu": relu, "gelu": gelu}


class TransformerEncoderLayer(_TransformerLayer):
    """Self-attention, then two dense layers, each with a residual connection, dropout and a LayerNorm (before it, with norm_first).

    Source: Vaswani et al., Attention is all you need, 2017.
    """

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Tensor:
        look = lambda x: self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]
        return self._residual(self._residual(astensor(src), self.norm1, look), self.norm2, self._dense)


class TransformerDecoderLayer(_TransformerLayer):
    """Self-attention, attention to a memory, two dense layers; otherwise as `TransformerEncoderLayer`."""

    _looks_up = True

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        look = lambda x: self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]
        look_up = lambda x: self.multihead_attn(
            x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
        )[0]  # fmt: skip
        x = self._residual(self._residual(astensor(tgt), self.norm1, look), self.norm2, look_up)
        return self._residual(x, self.norm3, self._dense)


class _Stack(Module):
    """Copies of a layer one after another, and a norm at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        check_counts(self, num_layers=num_layers)
        for name, part in {"layer": layer, "norm": norm}.items():
            if not isinstance(part, Module) and not (part is None and name == "norm"):
                raise TypeError(f"{type(self).__name__}: {name} must be a module, but is a {type(part).__name__}")
        self.layers = [copy.deepcopy(layer) for _ in range(num_layers)]
        self.num_layers, self.norm = num_layers, norm

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args, **kwargs)
        return x if self.norm is None else self.norm(x)  # type: ignore[no-any-return]


class TransformerEncoder(_Stack):
    """num_layers copies of a `TransformerEncoderLayer` (equal at first, as in PyTorch); arguments of a call are the layer's."""


class TransformerDecoder(_Stack):
    """num_layers copies of a `TransformerDecoderLayer` (equal at first, as in PyTorch); arguments of a call are the layer's."""
