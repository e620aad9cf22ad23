"""Probability distributions whose parameters are tensors: draws, and log-probabilities that carry gradients.

`sample` records nothing; `rsample` draws a fixed noise and moves it by the parameters, so that gradients reach them
(Kingma & Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, section 2.4). A discrete draw has no `rsample`:
the gradient of an expected reward is that of -log_prob(draw) * reward (Williams, "Simple Statistical Gradient-Following
Algorithms for Connectionist Reinforcement Learning", Machine Learning 8, 1992).

`batch_shape` is the shape of the parameters, for `Categorical` without the last axis, its classes; a draw has the shape
sample_shape + batch_shape. Parameters out of range, and values that cannot be drawn, raise ValueError, unless
validate_args is False.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .compat import Absent
from .creation import as_tensor, bernoulli, multinomial, randn
from .dtypes import get_default_dtype
from .modes import no_grad
from .tensor import Tensor

Shape = tuple[int, ...]


class Distribution:
    """What all have; a subclass has `log_prob`, `entropy`, `mean`, `variance` and `_draw`."""

    has_rsample = False
    mean: Tensor
    variance: Tensor

    def __init__(self, batch_shape: Shape, validate_args: bool | None) -> None:
        self.batch_shape, self.event_shape = batch_shape, ()
        self._validates = validate_args is not False

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()  # type: ignore[no-any-return]

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without gradients: sample_shape + batch_shape."""
        with no_grad():
            return self._draw(self._shape(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws whose gradients reach the parameters; NotImplementedError for discrete ones."""
        if not self.has_rsample:
            raise NotImplementedError(f"{type(self).__name__} draws whole numbers: use sample() and log_prob()")
        return self._draw(self._shape(sample_shape))

    def _shape(self, sample_shape: Sequence[int]) -> Shape:
        if isinstance(sample_shape, int):
            raise TypeError(f"sample_shape must be a tuple of sizes, such as ({sample_shape},)")
        return (*sample_shape, *self.batch_shape)

    def log_prob(self, value: Any) -> Tensor:
        """log of the density, or of the probability, at each value."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """-E[log_prob], in nats."""
        raise NotImplementedError

    def _draw(self, shape: Shape) -> Tensor:
        raise NotImplementedError

    def _check(self, ok: Any, name: str, constraint: str) -> None:
        if self._validates and not ok.all():
            raise ValueError(
                f"Expected parameter {name} of distribution {type(self).__name__} to satisfy the constraint"
                f" {constraint}, but found invalid values:\n{getattr(self, name)}"
            )

    def _support(self, value: Any, ok: Callable[[Tensor], Any], support: str) -> Tensor:
        value = _float(value) if isinstance(value, float) else as_tensor(value)
        if self._validates and not ok(value).all():
            raise ValueError(
                f"Expected value argument to be within the support ({support}) of the distribution"
                f" {type(self).__name__}, but found invalid values:\n{value}"
            )
        return value  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        names = [name for name in ("loc", "scale", "probs", "logits") if name in vars(self)]
        return f"{type(self).__name__}({', '.join(f'{name}: {_short(getattr(self, name))}' for name in names)})"


class Normal(Distribution):
    """log p(x) = -(x - μ)² / 2σ² - log σ - ½ log 2π, μ: loc, σ: scale > 0.

    >>> Normal(0.0, 1.0).log_prob(0.0), Normal(0.0, 1.0).entropy()
    (tensor(-0.9189), tensor(1.4189))
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        loc, scale = _float(loc), _float(scale)
        try:
            shape = np.broadcast_shapes(loc.shape, scale.shape)
        except ValueError as error:
            raise ValueError(f"Normal: loc {loc.shape} and scale {scale.shape} do not fit together") from error
        self.loc: Tensor = loc.expand(shape)
        self.scale: Tensor = scale.expand(shape)
        super().__init__(shape, validate_args)
        self._check(self.loc == self.loc, "loc", "Real()")
        self._check(self.scale > 0, "scale", "GreaterThan(lower_bound=0.0)")

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.scale**2  # type: ignore[no-any-return]

    def _draw(self, shape: Shape) -> Tensor:
        return self.loc + self.scale * randn(shape, dtype=self.loc.dtype)  # type: ignore[no-any-return]

    def log_prob(self, value: Any) -> Tensor:
        z = (self._support(value, lambda x: x == x, "Real()") - self.loc) / self.scale
        return -(z**2) / 2 - self.scale.log() - math.log(2 * math.pi) / 2  # type: ignore[no-any-return]

    def cdf(self, value: Any) -> Tensor:
        """P(x ≤ value)."""
        z = (self._support(value, lambda x: x == x, "Real()") - self.loc) / self.scale
        return (1 + (z / math.sqrt(2)).erf()) / 2  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return self.scale.log() + (0.5 + math.log(2 * math.pi) / 2)  # type: ignore[no-any-return]


class Bernoulli(Distribution):
    """1 with probability p, else 0; probs: p, or logits: log(p / (1 - p)).

    >>> Bernoulli(probs=0.25).log_prob(1.0).exp()
    tensor(0.2500)
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        name, given = _one_of(probs, logits)
        super().__init__(given.shape, validate_args)
        vars(self)[name] = given
        if logits is None:
            self._check((given >= 0) & (given <= 1), name, "Interval(lower_bound=0.0, upper_bound=1.0)")
        else:
            self._check(given == given, name, "Real()")

    @cached_property
    def probs(self) -> Tensor:
        return self.logits.sigmoid()  # type: ignore[no-any-return]

    @cached_property
    def logits(self) -> Tensor:
        p = _inside(self.probs)
        return p.log() - (-p).log1p()  # type: ignore[no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.probs

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.probs * (1 - self.probs)  # type: ignore[no-any-return]

    def _draw(self, shape: Shape) -> Tensor:
        return bernoulli(self.probs.expand(shape))

    def log_prob(self, value: Any) -> Tensor:
        value = self._support(value, lambda x: (x == 0) | (x == 1), "0 or 1")
        return (value - 1) * self.logits - (-self.logits).softplus()  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return (1 - self.probs) * self.logits + (-self.logits).softplus()  # type: ignore[no-any-return]


class Categorical(Distribution):
    """0, 1, … by the weights `probs` along the last axis, normalised here, or their logarithms `logits`.

    >>> Categorical(probs=as_tensor([1.0, 1.0, 2.0])).log_prob([0, 2]).exp()
    tensor([0.2500, 0.5000])
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        name, given = _one_of(probs, logits)
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        super().__init__(given.shape[:-1], validate_args)
        vars(self)[name] = given
        if logits is None:
            total = given.sum(-1, keepdim=True)
            self._check((given >= 0).all(-1, keepdim=True) & (total > 0) & (total < math.inf), name, "Simplex()")
            vars(self)[name] = given / total
        else:
            total = given.logsumexp(-1, keepdim=True)
            self._check(abs(total) < math.inf, name, "IndependentConstraint(Real(), 1)")  # nor NaN
            vars(self)[name] = given - total
        self._num_events: int = given.shape[-1]

    @cached_property
    def probs(self) -> Tensor:
        return self.logits.softmax(-1)  # type: ignore[no-any-return]

    @cached_property
    def logits(self) -> Tensor:
        return _inside(self.probs).log()  # type: ignore[no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return as_tensor(np.full(self.batch_shape, np.nan, self.probs.dtype))  # classes have no mean, as in PyTorch

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self.probs.argmax(-1)  # type: ignore[no-any-return]

    def _draw(self, shape: Shape) -> Tensor:
        count = math.prod(shape[: len(shape) - len(self.batch_shape)])
        drawn = multinomial(self.probs.reshape(-1, self._num_events), count, replacement=True)
        return drawn.T.reshape(shape)  # type: ignore[no-any-return]

    def log_prob(self, value: Any) -> Tensor:
        n = self._num_events
        value = self._support(value, lambda x: (x % 1 == 0) & (x >= 0) & (x < n), f"integers 0 to {n - 1}").long()
        shape = np.broadcast_shapes(value.shape, self.batch_shape)
        return self.logits.expand((*shape, n)).gather(-1, value.expand(shape)[..., None])[..., 0]  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        lowest = float(np.finfo(self.logits.dtype).min)  # 0 * -inf shall be 0
        return -(self.logits.clamp(min=lowest) * self.probs).sum(-1)  # type: ignore[no-any-return]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """E under p of log p - log q, in closed form; both of the same family, NotImplementedError otherwise.

    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio, shift = (p.scale / q.scale) ** 2, ((p.loc - q.loc) / q.scale) ** 2
        return (ratio + shift - 1 - ratio.log()) / 2  # type: ignore[no-any-return]
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        ones = p.probs * ((-q.logits).softplus() - (-p.logits).softplus())
        noughts = (1 - p.probs) * (q.logits.softplus() - p.logits.softplus())
        return _limits(ones, p.probs, q.probs) + _limits(noughts, 1 - p.probs, 1 - q.probs)  # type: ignore[no-any-return]
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return _limits(p.probs * (p.logits - q.logits), p.probs, q.probs).sum(-1)  # type: ignore[no-any-return]
    raise NotImplementedError(
        f"no KL divergence of {type(p).__name__} from {type(q).__name__}: estimate it by the mean of"
        " p.log_prob(x) - q.log_prob(x) over samples x of p"
    )


def _limits(term: Tensor, p: Tensor, q: Tensor) -> Any:
    """p log(p / q), given away from 0: infinite where q alone is 0, 0 where p is."""
    return term.masked_fill(q == 0, math.inf).masked_fill(p == 0, 0.0)


def _float(value: Any) -> Any:
    return value if isinstance(value, Tensor) else as_tensor(value, dtype=get_default_dtype())


def _inside(probs: Tensor) -> Any:
    eps = float(np.finfo(probs.dtype).eps)
    return probs.clamp(eps, 1 - eps)


def _one_of(probs: Any, logits: Any) -> tuple[str, Any]:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return ("probs", _float(probs)) if logits is None else ("logits", _float(logits))


def _short(value: Tensor) -> str:
    return str(value.item()) if value.numel() == 1 else str(value.shape)


_ADVICE = "there are Normal, Bernoulli and Categorical; NumPy draws others"
for _name in ("Beta", "Binomial", "Dirichlet", "Exponential", "Gamma", "Independent", "MultivariateNormal", "Uniform"):
    globals()[_name] = Absent(f"distributions.{_name}", _ADVICE)
