"""L-BFGS: a quasi-Newton method that remembers the last few steps in place of a Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..engine import Array, memory, wrap
from ..modes import enable_grad
from ..tensor import Tensor
from ..writes import writes
from .optimizer import Group, Optimizer, Params, check

Closure = Callable[[], Any]


class LBFGS(Optimizer):
    """Limited-memory BFGS. One call of `step(closure)` is up to max_iter iterations of

    d ← -H g,  H: the inverse Hessian as the last `history_size` pairs (s, y) suggest it
    p ← p + t d,  t: lr, or what the line search "strong_wolfe" finds from there; in the very first iteration t is
                  multiplied by min(1, 1 / ‖g‖₁)
    s, y ← t d, g_new - g,  remembered where y·s > 1e-10

    until max_iter iterations or max_eval (1.25 max_iter) evaluations of the closure are used up, or max |g| ≤
    tolerance_grad, or max |t d|, the change of the loss or -g·d is at most tolerance_change. The closure clears the
    gradients, computes the loss, calls backward and returns the loss; `step` returns the first.

    All parameters are one vector: there can be one group only. Raises ValueError for several.

    Nocedal & Wright, "Numerical Optimization", 2nd edition, algorithms 7.4 (two-loop recursion), 3.5 and 3.6 (line
    search); Schmidt, "minFunc", 2005, for the choices that the book leaves open, as in PyTorch.

    >>> import autograd_mini as am
    >>> p = am.tensor([-1.0, 1.0], requires_grad=True)
    >>> lbfgs = LBFGS([p], line_search_fn="strong_wolfe", max_iter=50)
    >>> def closure():
    ...     lbfgs.zero_grad()
    ...     loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> lbfgs.step(closure).item()  # Rosenbrock's valley
    4.0
    >>> [round(x, 2) for x in p.tolist()]
    [1.0, 1.0]
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None
    ) -> None:
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn
        }
        super().__init__(params, defaults)
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def add_param_group(self, param_group: Group) -> None:
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    def _check(self, options: Group) -> None:
        check(options, lr="learning rate")
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")

    def step(self, closure: Closure | None = None) -> Any:
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that clears gradients, computes the loss and calls backward")
        self._steps += 1
        group, state = self.param_groups[0], self.state[self._params[0]]
        first = self._evaluate(closure)
        loss, g, evals = float(first), self._gradient(), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if abs(g).max() <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, g, group["history_size"])
            t = float(group["lr"]) * (min(1.0, 1.0 / float(abs(g).sum())) if state["n_iter"] == 1 else 1.0)
            before, origin, used = loss, Trial(0.0, loss, g, float(g @ d)), 0
            state.update(d=wrap(d), t=t, prev_flat_grad=wrap(g), prev_loss=loss)
            if origin.slope > -group["tolerance_change"]:
                break
            start = self._point()
            along = self._along(closure, start, d)
            if group["line_search_fn"] is not None:
                end, used = strong_wolfe(along, origin, t, float(abs(d).max()), group["max_eval"] - evals)
                state["t"], loss, g, _ = end
                self._move(start + end.t * d)
            elif iteration < group["max_iter"]:
                (_, loss, g, _), used = along(t), 1
            else:  # the next step() evaluates here, on its own data
                self._move(start + t * d)
            evals += used
            state["func_evals"] += used
            if evals >= group["max_eval"] or abs(g).max() <= group["tolerance_grad"]:
                break
            if abs(d * state["t"]).max() <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break
        return first

    @staticmethod
    def _direction(state: dict[str, Any], g: Array, history_size: int) -> Array:
        """-H g, after the last step has been remembered: the two-loop recursion."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        ys, ss, rhos = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"]._array, state["d"]._array * float(state["t"])
        if (along := y @ s) > 1e-10:
            if len(ys) == history_size:
                del ys[0], ss[0], rhos[0]
            ys.append(wrap(y))
            ss.append(wrap(s))
            rhos.append(wrap(1.0 / along))
            state["H_diag"] = wrap(along / (y @ y))
        pairs = [(y._array, s._array, rho._array) for y, s, rho in zip(ys, ss, rhos, strict=True)]
        q, alphas = -g, []
        for y, s, rho in reversed(pairs):
            alphas.append(s @ q * rho)
            q -= alphas[-1] * y
        q *= getattr(state["H_diag"], "_array", 1)
        for y, s, rho in pairs:
            q += s * (alphas.pop() - y @ q * rho)
        return q

    def _along(self, closure: Closure, start: Array, d: Array) -> Callable[[float], Trial]:
        """The loss as a function of t in start + t d; calling it moves the parameters there."""

        def along(t: float) -> Trial:
            self._move(start + t * d)
            value, g = float(self._evaluate(closure)), self._gradient()
            return Trial(t, value, g, float(g @ d))

        return along

    # --------------------------------------------------------------------- all parameters as one vector

    def _evaluate(self, closure: Closure) -> Any:
        with enable_grad():
            return closure()

    def _gradient(self) -> Array:
        grads = [np.zeros_like(p._array) if p.grad is None else p.grad._array for p in self._params]
        return np.concatenate([np.ravel(g) for g in grads])

    def _point(self) -> Array:
        return np.concatenate([np.ravel(p._array) for p in self._params])

    def _move(self, point: Array) -> None:
        ends = np.cumsum([p.numel() for p in self._params])
        for p, values in zip(self._params, np.split(point, ends[:-1].tolist()), strict=True):
            memory(p)[...] = values.reshape(p.shape)
            writes.note(p._array)


# ------------------------------------------------------------------------------------------------------- line search


class Trial(NamedTuple):
    """A point on the line: its place, the loss there, its gradient, and the slope along the line."""

    t: float
    value: float
    gradient: Array
    slope: float


def strong_wolfe(
    along: Callable[[float], Trial], origin: Trial, t: float, reach: float, max_ls: int, c1: float = 1e-4,
    c2: float = 0.9, tolerance_change: float = 1e-9
) -> tuple[Trial, int]:
    """The point where f(t) ≤ f(0) + c1 t f'(0) and |f'(t)| ≤ c2 |f'(0)|, or the best found; and how many were tried.

    First the step grows until it brackets such a point (algorithm 3.5), then the bracket shrinks (3.6) until it is
    narrower than tolerance_change / reach, the largest component of the direction.
    """

    def too_high(trial: Trial) -> bool:
        return trial.value > origin.value + c1 * trial.t * origin.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -c2 * origin.slope

    previous, new, tried = origin, along(t), 1
    while True:
        if tried > max_ls:  # as many as allowed, and no bracket yet
            previous = origin
            break
        if too_high(new) or (tried > 2 and new.value >= previous.value):
            break
        if flat(new):
            return new, tried
        if new.slope >= 0:
            break
        bounds = (new.t + 0.01 * (new.t - previous.t), new.t * 10)
        previous, new = new, along(cubic_minimum(previous, new, bounds))
        tried += 1
    a, b = previous, new
    stuck = False  # near an end of the bracket the last time
    while tried <= max_ls and abs(b.t - a.t) * reach >= tolerance_change:
        left, right = min(a.t, b.t), max(a.t, b.t)
        t, margin = cubic_minimum(a, b, (left, right)), 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        new = along(t)
        tried += 1
        low, high = (a, b) if a.value <= b.value else (b, a)
        if too_high(new) or new.value >= low.value:
            a, b = (low, new) if low is a else (new, low)
        elif flat(new):
            return new, tried
        else:
            far = low if new.slope * (high.t - low.t) >= 0 else high
            a, b = (new, far) if low is a else (far, new)
    return (a if a.value <= b.value else b), tried


def cubic_minimum(a: Trial, b: Trial, bounds: tuple[float, float]) -> float:
    """Where the cubic through two values and slopes is smallest, within bounds (Nocedal & Wright, equation 3.59)."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return sum(bounds) / 2
    d2 = math.sqrt(square)
    rise, bend = b.slope + d2 - d1, b.slope - a.slope + 2 * d2
    if bend == 0:  # a straight line
        return bounds[1] if rise < 0 else bounds[0]
    t = b.t - (b.t - a.t) * (rise / bend)
    return min(max(t, bounds[0]), bounds[1])
