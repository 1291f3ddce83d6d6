"""y_n = M(lr lambda)^n y_0 on L = lambda theta^2/2: where the largest multiplier of a step leaves the unit circle.

Everything is read off the step itself.  A preconditioner (the G of RMSprop, Adagrad and Adam) is held still at 1 in
the library's units and eps at 0: lambda is then the preconditioned curvature.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.flow import Flow
from odeopt.flows.gradient import gradient_flow
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.state import State

ROUNDING = 1e-12  # how far beyond 1 a multiplier may be and still count as 1
LARGEST, POINTS = 1e4, 2000


def amplification(scheme: Scheme, z: Any) -> Any:
    """R(z), the factor of one step on y' = z y/h, for a real or complex number or array z.

    The scheme must be a one-step scheme without an equation to solve.

    >>> from odeopt import schemes
    >>> amplification(schemes.heun, np.array([-1.0, -2.0]))
    array([0.5, 1. ])
    """
    z = np.asarray(z)
    step = scheme.bind(gradient_flow(), lambda theta: -z * theta)
    y, _, memory = step(0.0, (np.ones_like(z),), (), 1.0)
    if memory:
        raise ValueError(f"scheme must be a one-step scheme, got {scheme.name}")
    return y[0]


def step_matrix(opt: Optimizer, z: float) -> Array:
    """M(z) with y_1 = M y_0 on L = lambda theta^2/2 for z = lr lambda; lr is h where the optimizer names none.

    Rows and columns are theta and the memory that a linear analysis sees, without clocks and preconditioner.

    >>> from odeopt import optimizers
    >>> step_matrix(optimizers.gd(lr=0.1), 0.5)
    array([[0.5]])
    """
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.adam(), got {opt!r}")
    h, lr = check.scalar("h", opt.h), check.scalar("lr", opt.settings.get("lr", opt.h))
    flow, curvature = _frozen(opt.flow), z / lr
    step = opt.scheme.bind(flow, lambda theta: curvature * theta)
    moving = [i for i, name in enumerate(flow.variables) if name not in (*flow.clocks, flow.preconditioner)]
    columns = []
    for i in moving:
        y = _unit(flow, i, (h / lr) ** 2)
        new, _, memory = step(0.0, y, (), h)
        if memory:
            raise ValueError(f"scheme must be a one-step scheme, got {opt.scheme.name}")
        columns.append([float(new[j][0]) for j in moving])
    return np.array(columns).T


def stability_limit(opt: Optimizer | Scheme) -> float:
    """The largest lr lambda up to which |multipliers| <= 1; h lambda for a scheme or an unnamed optimizer; inf if none.

    The first crossing on a fine logarithmic grid up to 1e4, refined by SciPy's brentq.

    >>> from odeopt import optimizers, schemes
    >>> round(stability_limit(optimizers.momentum(beta=0.9)), 10), round(stability_limit(schemes.rk4), 10)
    (3.8, 2.7852935634)
    """
    from scipy.optimize import brentq

    if isinstance(opt, Scheme) and not isinstance(opt, Optimizer):
        opt = Optimizer(gradient_flow(), opt, 1.0)

    def excess(z: float) -> float:
        return float(np.abs(np.linalg.eigvals(step_matrix(opt, z))).max()) - (1 + ROUNDING)

    grid = np.geomspace(1e-3, LARGEST, POINTS)
    for before, z in pairwise(grid):
        if excess(z) > 0:
            return float(brentq(excess, before, z, xtol=1e-14, rtol=1e-14)) if excess(before) <= 0 else float(before)
    return float("inf")


def _frozen(flow: Flow) -> Flow:
    """The flow whose preconditioner stands still, with eps = 0."""
    if not flow.preconditioner:
        return flow
    parts = {key: tuple(p for p in group if p.slot != flow.preconditioner) for key, group in flow.parts.items()}
    params = {name: 0.0 if name == "eps" else value for name, value in flow.params.items()}
    return replace(flow, parts=MappingProxyType(parts), params=MappingProxyType(params))


def _unit(flow: Flow, i: int, preconditioner: float) -> State:
    """1 in variable i, 0 in the others; clocks have run out (1), the preconditioner is as given."""
    held = {**dict.fromkeys(flow.clocks, 1.0), **({flow.preconditioner: preconditioner} if flow.preconditioner else {})}
    return tuple(np.array([held.get(name, float(j == i))]) for j, name in enumerate(flow.variables))
