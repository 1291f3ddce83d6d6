"""y -> M y + c + N xi: a linear step, or the linear right-hand side of a flow, determined from unit vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.oracle import Gradient
from odeopt.simulation.noisy_step import normals_per_step, width
from odeopt.util.check import Array

LINEAR = 1e-9  # relative deviation from superposition that rounding may cause
Map = Callable[[Array, Array], Array]  # (y (m, n), xi (m, w)) -> (m, n)


def _split(y: Array, like: State) -> State:
    """The rows of y (m, n) as the state of m members."""
    return tuple(np.split(y, np.cumsum([u.size for u in like])[:-1], axis=-1))


def step_as_map(opt: Optimizer, problem: Problem, like: State, t: Any) -> tuple[Map, int, int, str]:
    """(map, n, w, name): one step as a map of n numbers of state and w of noise."""
    size, noise = sum(u.size for u in like), problem.noise
    number = normals_per_step(opt) if opt.flow.noisy else 1
    w = width(opt.flow, problem) if opt.flow.noisy else noise.width if noise else 0

    def image(y: Array, xi: Array) -> Array:
        if opt.flow.noisy:
            fresh = tuple(np.split(xi, number, axis=-1))
            new, _, memory = opt.scheme.bind(opt.flow, problem.oracle())(t, _split(y, like), (), opt.h, fresh)
        else:
            grad = Gradient(lambda theta: problem.grad(theta) + (noise.root(theta, xi) if noise else 0.0))
            new, _, memory = opt.scheme.bind(opt.flow, grad)(t, _split(y, like), (), opt.h)
        if memory:
            raise ValueError(f"{opt.scheme.name} is a multistep scheme: its step depends on more than the state")
        return np.concatenate(new, axis=-1)

    return image, size, number * w, opt.name


def refuse_time(argument: str, flow: Flow) -> None:
    """Raises ValueError for a flow that changes with time, which is no map of the state alone."""
    if where := flow.timed:
        raise ValueError(f"{argument} must not read the time t, {where} of {flow.name} does")


def slope_as_map(flow: Flow, problem: Problem, like: State) -> tuple[Map, int, int, str]:
    """(map, n, w, name): the right-hand side of a flow as a map of n numbers of state and w of noise."""
    refuse_time("flow", flow)
    size = sum(u.size for u in like)
    w = width(flow, problem) if flow.noisy else 0

    def image(y: Array, xi: Array) -> Array:
        grad, state = problem.oracle(), _split(y, like)
        total = list(flow.rhs(grad)(0.0, state))
        for part in flow.terms():
            if part.noise:
                i = flow.variables.index(part.slot)
                total[i] = total[i] + flow.diffusion(part)(0.0, grad, state, xi)
        return np.concatenate(total, axis=-1)

    return image, size, w, flow.name


def linear_map(image: Map, n: int, w: int, name: str) -> tuple[Array, Array, Array]:
    """M, c, N of the map M y + c + N xi, from unit vectors; ValueError if it is not linear."""
    unit, generic = np.eye(n + w), 2 + np.arange(n + w) / 3
    points = np.concatenate([np.zeros((1, n + w)), unit, generic[None]])
    with np.errstate(all="ignore"):
        values = image(points[:, :n], points[:, n:])
    if not np.isfinite(values).all():
        raise ValueError(f"problem must have a finite gradient near 0 for {name}, it is NaN or infinite there")
    c, columns = values[0], (values[1:-1] - values[0]).T
    miss = np.abs(values[-1] - c - columns @ generic)
    if not np.all(miss <= LINEAR * (np.abs(c) + np.abs(columns) @ generic + 1)):
        raise ValueError(f"{name} is not linear in state and noise on this problem: it has no closed moments")
    return columns[:, :n], c, columns[:, n:]
