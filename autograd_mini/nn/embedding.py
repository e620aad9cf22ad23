"""Vectors looked up by number."""

from __future__ import annotations

from typing import Any, Self

from .. import creation
from ..creation import DTypeLike
from ..modes import no_grad
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Size
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """Row i of a table (num_embeddings, embedding_dim) for each number i of the input, which has any shape.

    The rows start normal with variance 1. padding_idx: this row starts at 0, and gets no gradient.
    max_norm, scale_grad_by_freq and sparse raise NotImplementedError.

    >>> import autograd_mini as am
    >>> Embedding(27, 10)(am.tensor([[1, 2, 3], [4, 5, 0]])).shape
    (2, 3, 10)
    """

    def __init__(
        self, num_embeddings: Size, embedding_dim: Size, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Tensor | None = None,
        _freeze: bool = False, device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        F.check_embedding_options(num_embeddings, padding_idx, max_norm, scale_grad_by_freq, sparse)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if _weight is None:
            _weight = creation.empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(_weight, not _freeze)
            self.reset_parameters()
        elif _weight.shape != (num_embeddings, embedding_dim):
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        else:
            self.weight = Parameter(_weight, not _freeze)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """An embedding with this table (rows, features), which it shares; freeze: it is not trained."""
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, features = embeddings.shape
        return cls(rows, features, padding_idx=padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the table again."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
