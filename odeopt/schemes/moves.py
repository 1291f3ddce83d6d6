"""u(t + dt) - u(t) along one part of a flow with all other variables frozen; exact if the part is linear in u."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odeopt.core import ops
from odeopt.core.decay import Decay
from odeopt.core.flow import Flow, Part, Project, Relax
from odeopt.core.formula import Placed
from odeopt.core.state import Grad, State

Move = Callable[[Any, State, Any, Any], Any]  # (t, y, dt, xi) -> the increment of one variable
Drift = Callable[[Any, State, Any], Any]  # (t, y, dt) -> the same without noise

PUSHES = ("euler", "midpoint")


def move_of(flow: Flow, part: Part, grad: Grad, decay: Decay, push: str) -> Move:
    """The increment of a part over dt; formulas that read the time use the midpoint of the interval.

    Noise decays within dt like u.  Its variance is (1 - R^2)/(2 rate), which preserves the stationary variance of
    u' = -rate u + noise for every rule R and tends to dt as the rate tends to 0.
    """
    drift = _drift(flow, part, grad, decay, push)
    if part.noise is None:
        return lambda t, y, dt, xi: drift(t, y, dt)
    diffusion = flow.diffusion(part)
    if isinstance(part, Project) or part.rate is None:
        return lambda t, y, dt, xi: drift(t, y, dt) + ops.sqrt(dt) * diffusion(t + dt / 2, grad, y, xi)
    rate_of = flow.placed(part.rate)

    def move(t: Any, y: State, dt: Any, xi: Any) -> Any:
        rate = rate_of(t + dt / 2, grad, y)
        elapsed = ops.ratio(1 - decay.kept(rate * dt) ** 2, 2 * rate, limit=lambda: dt)
        return drift(t, y, dt) + ops.sqrt(elapsed) * diffusion(t + dt / 2, grad, y, xi)

    return move


def _drift(flow: Flow, part: Part, grad: Grad, decay: Decay, push: str) -> Drift:
    i = flow.variables.index(part.slot)
    if isinstance(part, Relax):
        target, rate, lost = flow.placed(part.target), flow.placed(part.rate), decay.lost
        return lambda t, y, dt: lost(rate(t + dt / 2, grad, y) * dt) * (target(t + dt / 2, grad, y) - y[i])
    if isinstance(part, Project):
        image = flow.placed(part.map)
        return lambda t, y, dt: image(t + dt, grad, y) - y[i]
    if part.rate:
        return _damped(flow.placed(part.force), flow.placed(part.rate), grad, i, decay)
    return _pushed(flow.placed(part.force), grad, i, push)


def _pushed(force: Placed, grad: Grad, i: int, push: str) -> Drift:
    """u' = F by an Euler step, exact if F does not depend on u, or by the midpoint rule."""
    if push == "euler":
        return lambda t, y, dt: dt * force(t + dt / 2, grad, y)

    def midpoint(t: Any, y: State, dt: Any) -> Any:
        halfway = y[i] + dt / 2 * force(t, grad, y)
        return dt * force(t + dt / 2, grad, (*y[:i], halfway, *y[i + 1 :]))

    return midpoint


def _damped(force: Placed, rate: Placed, grad: Grad, i: int, decay: Decay) -> Drift:
    """u' = F - rate u with F frozen: lost(z)/rate (F - rate u), z = rate dt; lost(z)/rate tends to dt as rate -> 0."""

    def move(t: Any, y: State, dt: Any) -> Any:
        slowing, F = rate(t + dt / 2, grad, y), force(t + dt / 2, grad, y)
        return ops.ratio(decay.lost(slowing * dt), slowing, limit=lambda: dt) * (F - slowing * y[i])

    return move
