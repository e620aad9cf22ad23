"""Mixed precision: `GradScaler`, which keeps small gradients from vanishing in float16, and why there is no `autocast`.

Narrow numbers pay where a processor multiplies them faster. NumPy on a CPU does not: a product of (128, 784) and
(784, 512) takes 1.3 ms in float32, 2.9 ms in float16 that is cast to float32 and back, and 616 ms in float16 as NumPy
multiplies it; bfloat16 of ml_dtypes takes 5.4 ms, and is no float to NumPy (its kind is "V"). So `autocast` is off and
says so, float32 is the fast dtype, and float16 is one to store in. `demos/15_precision.py` measures it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from .dtypes import FLOAT16
from .modes import no_grad
from .tensor import Tensor

__all__ = ["GradScaler", "autocast"]


class autocast(contextlib.ContextDecorator):
    """Automatic mixed precision, off: with a warning, unless `enabled=False`, everything keeps its own dtype."""

    def __init__(
        self, device_type: str = "cpu", dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if enabled:
            warnings.warn(
                f"autocast(device_type={device_type!r}) is disabled: narrow numbers are slower here than float32;"
                " operations compute in the dtype of their inputs",
                UserWarning, stacklevel=2,
            )  # fmt: skip

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class GradScaler:
    """Multiply the loss, so that gradients in float16 do not fall below 6e-8, its smallest number, and divide again.

    For each step: `scale(loss).backward()`, perhaps `unscale_(optimizer)` (to clip gradients, say), `step(optimizer)`,
    which does nothing if a gradient is inf or nan, and `update()`: after such a step the scale becomes backoff_factor
    times itself, after growth_interval steps without one growth_factor times. Weights must be float32 or float64
    (Micikevicius et al., Mixed Precision Training, 2018). device: "cpu"; for "cuda", the default, it is disabled with
    a warning, as in PyTorch where there is none.

    >>> import autograd_mini as am
    >>> w = am.tensor([1.0], requires_grad=True)
    >>> sgd, scaler = am.optim.SGD([w], lr=0.5), GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale((w * 3).sum()).backward()
    >>> w.grad
    tensor([3072.])
    >>> scaler.step(sgd)
    >>> scaler.update()
    >>> w.item(), scaler.get_scale()
    (-0.5, 1024.0)
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True
    ) -> None:
        if enabled and str(device).startswith("cuda"):
            warnings.warn("GradScaler is enabled, but CUDA is not available. Disabling.", UserWarning, stacklevel=2)
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._enabled, self._scale, self._started = enabled, float(init_scale), False
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._found_inf: dict[int, bool] = {}  # by the ids of optimizers: in unscaled gradients
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """A tensor times the scale, or a list, tuple or iterable of them."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._started = True
            self._set_scale(self._scale)
            if outputs.dtype != FLOAT16:
                return outputs * self._scale
            with np.errstate(over="ignore"):  # the scale may lie beyond 65504, where float16 ends, and the product not
                return (outputs.float() * self._scale).to(FLOAT16)
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of this optimizer's parameters by the scale; `step` does it if you do not."""
        if not self._enabled:
            return
        self._check_started("unscale_")
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if id(optimizer) in self._found_inf:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(grad.dtype == FLOAT16 for grad in grads):
            raise ValueError("Attempting to unscale FP16 gradients.")
        inverse = float(np.float32(1 / self._scale))
        if grads:
            self._found_inf[id(optimizer)] = not all(np.isfinite(grad._array).all() for grad in grads)
        with no_grad():
            for grad in grads:
                grad.mul_(inverse)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)` with unscaled gradients, or nothing (and None) if one of them is inf or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_started("step")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._found_inf:
            self.unscale_(optimizer)
        if id(optimizer) not in self._found_inf:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if self._found_inf[id(optimizer)] else optimizer.step(**kwargs)
        self._stepped.add(id(optimizer))  # but not if it raised
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale to what the steps since the last update found, or set it."""
        if not self._enabled:
            return
        self._check_started("update")
        if new_scale is not None:
            self._set_scale(float(new_scale.item() if isinstance(new_scale, Tensor) else new_scale))
        elif not self._found_inf:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif any(self._found_inf.values()):
            self._set_scale(self._scale * self._backoff_factor)
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                if self._scale * self._growth_factor <= np.finfo(np.float32).max:
                    self._set_scale(self._scale * self._growth_factor)
                self._growth_tracker = 0
        self._found_inf, self._stepped = {}, set()

    def _set_scale(self, scale: float) -> None:
        self._scale = float(np.float32(scale))  # as PyTorch keeps it

    def _check_started(self, name: str) -> None:
        if not self._started:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use"
                " scaler.scale(loss or outputs) earlier in the iteration."
            )

    def get_scale(self) -> float:
        """The factor; 1 if disabled."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, interval, and how many steps in a row were good; empty if disabled."""
        if not self._enabled:
            return {}
        names = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
        return {name: getattr(self, f"_{name.lstrip('_')}") for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()`; nothing if disabled."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        for name, value in state_dict.items():
            setattr(self, f"_{name.lstrip('_')}", value)
