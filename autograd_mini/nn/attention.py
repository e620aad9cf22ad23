"""Attention with several heads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..creation import DTypeLike
from ..engine import wrap
from ..primitive import ShapeError
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Size
from .linear import Linear
from .module import Module
from .parameter import Parameter, register_empty


class MultiheadAttention(Module):
    """Each head attends with its own projection of query, key and value; all heads are joined and projected again.

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.2. query (L, N, embed_dim), key (S, N, kdim)
    and value (S, N, vdim), with batch_first N before L and S, or without N. attn_mask (L, S) or (N * num_heads, L, S)
    and key_padding_mask (N, S): True hides, numbers are added to the scores. Returns the output and, with need_weights,
    the weights (N, L, S), the mean over the heads or all of them; else None. is_causal: a hint that changes nothing.
    add_bias_kv and add_zero_attn raise NotImplementedError.

    >>> import autograd_mini as am
    >>> x = am.ones(5, 3, 8)
    >>> output, weights = MultiheadAttention(8, num_heads=2)(x, x, x)
    >>> output.shape, weights.shape
    ((5, 3, 8), (3, 5, 5))
    """

    in_proj_weight: Parameter  # the three below it, if these are of one shape
    q_proj_weight: Parameter
    k_proj_weight: Parameter
    v_proj_weight: Parameter
    in_proj_bias: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: Size | None = None, vdim: Size | None = None, batch_first: bool = False,
        device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("add_bias_kv and add_zero_attn are not supported")
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0,"
                f" got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self._same = self.kdim == self.vdim == embed_dim
        q, k, v = (None,) * 3 if self._same else ((embed_dim, n) for n in (embed_dim, self.kdim, self.vdim))
        register_empty(
            self, device, dtype, in_proj_weight=(3 * embed_dim, embed_dim) if self._same else None, q_proj_weight=q,
            k_proj_weight=k, v_proj_weight=v, in_proj_bias=(3 * embed_dim,) if bias else None
        )
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        for parameter in self.parameters(recurse=False):
            init.xavier_uniform_(parameter) if parameter.ndim > 1 else init.zeros_(parameter)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            shapes = [list(x.shape) for x in (query, key, value)]
            raise ShapeError(f"query, key and value must all be (L, E), or all of them with a batch; got {shapes}")
        batched = query.ndim == 3
        swapped = batched and not self.batch_first
        parts = self._project(query, key, value)
        parts = tuple(x.transpose(0, 1) if swapped else x if batched else x.unsqueeze(0) for x in parts)
        q, k, v = (self._heads(x) for x in parts)
        mask = self._mask(q, k, attn_mask, key_padding_mask)
        p, weights = self.dropout if self.training else 0.0, None
        if need_weights:
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            weights = F.dropout(F.softmax(scores if mask is None else scores + mask, -1), p)
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights if batched else weights.squeeze(0)
        else:
            out = F.scaled_dot_product_attention(q, k, v, mask, p)
        out = self.out_proj(out.transpose(1, 2).flatten(2))
        return out.transpose(0, 1) if swapped else out if batched else out.squeeze(0), weights

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        bias = self.in_proj_bias
        if query is key is value and self._same:
            return F.linear(query, self.in_proj_weight, bias).chunk(3, -1)  # type: ignore[no-any-return]
        weights = self.in_proj_weight.chunk(3) if self._same else (
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        )
        biases = (None,) * 3 if bias is None else bias.chunk(3)
        return tuple(F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, E) as (N, heads, L, E / heads)."""
        n, length, _ = x.shape
        return x.reshape(n, length, self.num_heads, -1).transpose(1, 2)  # type: ignore[no-any-return]

    def _mask(self, q: Tensor, k: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None) -> Tensor | None:
        """Both masks as one, to be added to the scores (N, heads, L, S)."""
        (n, heads, length, _), size = q.shape, k.shape[2]
        mask = None
        if attn_mask is not None:
            shape = (length, size) if attn_mask.ndim == 2 else (n * heads, length, size)
            mask = _added(attn_mask, shape, "attn_mask", q)
            mask = mask if mask.ndim == 2 else mask.reshape(n, heads, length, size)
        if key_padding_mask is not None:
            padded = (n, size) if key_padding_mask.ndim == 2 else (size,)
            padding = _added(key_padding_mask, padded, "key_padding_mask", q).reshape(n, 1, 1, size)
            mask = padding if mask is None else mask + padding
        return mask


def _added(mask: Tensor, shape: tuple[int, ...], name: str, like: Tensor) -> Tensor:
    """A mask as numbers to add: -inf where it is True."""
    if mask.shape != shape:
        raise ShapeError(f"The shape of {name} is {list(mask.shape)}, but should be {shape}.")
    if mask.is_floating_point():
        return mask.to(like.dtype)  # type: ignore[no-any-return]
    if mask.dtype.kind != "b":
        raise RuntimeError(f"{name} must be of floating point or boolean dtype, but is {mask.dtype}")
    return wrap(np.where(mask._array, -np.inf, 0.0).astype(like.dtype))
