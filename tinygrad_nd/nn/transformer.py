"""The layers of a transformer, and stacks of them; PyTorch's arguments, meaning and names of parameters (see `attention`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, generator
from ..ops.activation import gelu
from ..ops.elementwise import relu
from ..tensor import Tensor, astensor
from .attention import MultiHeadAttention
from .dropout import Dropout
from .kept import check_kept
from .lazy import check_counts
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = ["TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


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
            raise ValueError(f"{who}: activation must be a function or one of {', '.join(_ACTIVATIONS)}, but is {activation!r}")
        self.activation = activation if callable(activation) else _ACTIVATIONS[activation]
        self.norm_first = norm_first
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
