"""Iterates at the edge of stability beside the models of their mean: own flow, central flows and rod flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from odeopt.edge.central_flow import central_flow
from odeopt.edge.compared_paths import Model, all_of, as_model, iterated, not_begun, own_flow
from odeopt.edge.comparison_result import EdgeComparison
from odeopt.edge.published import is_published
from odeopt.edge.result import OUTSIDE, CentralFlow
from odeopt.edge.rod_flow import rod_flow
from odeopt.edge.start import first_state, quiet_problem, single_optimizer
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.problems.oracle import proven
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.status import Status


def compare_at_edge(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    *,
    theta0: Any = None,
    memory: Mapping[str, Any] | None = None,
    substeps: int = 4,
    size: float | None = 1e-3,
    seed: int = 0,
    progress: bool | None = None,
) -> EdgeComparison:
    """The iterates, filtered by (w- + 2 w + w+)/4, beside own flow, central flows and rod flow.

    The central flow is followed with orders 1 and 2, and as published where it is.

    The oscillation of iterates grows from rounding, and so begins at an arbitrary time.  Here theta is perturbed when
    the central flow first comes to the edge, by `size` times its root mean square times standard normals of this seed.
    From a small kick the oscillation needs tens of steps to grow, during which the iterates go beyond the edge.  With
    size=None theta is kicked by the oscillation that the central flow predicts there.
    "own flow" is y' = Phi(y) - y, solved to rtol 1e-6.

    >>> import odeopt as oo
    >>> valley = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.02 * u[1], theta0=[0.0, 19.99])
    >>> seen = compare_at_edge(oo.optimizers.gd(lr=0.1), valley, steps=10)
    >>> sorted(seen.models)
    ['central flow', 'central, order 2', 'own flow', 'published', 'rod flow']
    """
    opt, problem = single_optimizer(opt), quiet_problem(problem)
    steps = check.count("steps", steps, 3)
    size = None if size is None else check.scalar("size", check.nonnegative("size", size))
    generator = np.random.default_rng(check.count("seed", seed))
    theta = single_point(problem, "theta0", theta0)
    within_memory("steps", within_a_day("steps", steps), NUMBER * (steps + 1) * theta.size * len(opt.flow.variables))
    given: dict[str, Any] = {"theta0": theta, "memory": memory, "progress": progress}
    y = first_state(opt, problem.oracle(), theta, memory)
    times: Array = float(np.asarray(opt.h)) * np.arange(steps + 1, dtype=np.float64)
    central = central_flow(opt, problem, steps, substeps=substeps, **given)
    at = _first_at_edge(central)
    kick = (
        _predicted_kick(central, at)
        if size is None
        else size * np.sqrt(np.mean(theta**2)) * generator.standard_normal(theta.shape)
    )
    first = as_model(central)
    if first.status is Status.INTERRUPTED:
        iterates = not_begun(theta)
    else:
        with proven():
            iterates = iterated(opt, problem, y, steps, at, kick)
    makers: dict[str, Callable[[], Model]] = {
        "own flow": lambda: own_flow(opt, problem, times, y),
        "central, order 2": lambda: as_model(central_flow(opt, problem, steps, substeps=substeps, order=2, **given)),
        "rod flow": lambda: as_model(rod_flow(opt, problem, steps, substeps=max(substeps, 2), **given)),
    }
    if is_published(opt, y):
        published = partial(central_flow, opt, problem, steps, substeps=substeps, form="published", **given)
        makers["published"] = lambda: as_model(published())
    found = {"central flow": first, **all_of(makers, theta, {first.status, iterates.status})}
    n = max(len(iterates.theta) - 2, 0)
    return EdgeComparison(
        name=opt.name,
        problem=problem.name or "a problem",
        t=times[1 : n + 1],
        theta=filtered(iterates.theta),
        loss=filtered(iterates.mean_loss),
        start=theta,
        models={name: run.theta[1 : n + 1] for name, run in found.items()},
        mean_loss={name: run.mean_loss[1 : n + 1] for name, run in found.items()},
        endings={name: run.ending for name, run in {**found, "iterates": iterates}.items()},
        sharpness=_ratio(central)[1 : n + 1],
        oscillating=central.oscillating[1 : n + 1],
        perturbed=at,
        beyond=central.beyond,
        size=size,
        seed=seed,
    )


def _first_at_edge(central: CentralFlow) -> int:
    """The first record that oscillates with no multiplier outside the circle, as at a start beyond the edge; or -1."""
    held = ~np.any(np.abs(central.multipliers) > 1 + OUTSIDE, axis=1)
    at = np.flatnonzero((central.oscillating > 0) & held)
    return int(at[0]) if len(at) else -1


def _ratio(central: CentralFlow) -> Array:
    """The largest sharpness over its threshold (n+1,); NaN where no mode is followed."""
    values = np.max(np.nan_to_num(central.sharpness, nan=-np.inf), axis=1, initial=-np.inf)
    return np.where(np.isfinite(values), values, np.nan) / central.threshold


def _predicted_kick(central: CentralFlow, at: int) -> Array:
    """sum_i sqrt(weight_i) u_i, the oscillation of the central flow at a record; 0 where it never comes to the edge."""
    if at < 0:
        return np.zeros(central.theta.shape[1])
    return central.covariance.modes[at] @ np.sqrt(central.covariance.weights[at])


def filtered(u: Array) -> Array:
    """(w- + 2 w + w+)/4, from which an oscillation of period 2 is gone."""
    with np.errstate(all="ignore"):
        return (u[:-2] + 2 * u[1:-1] + u[2:]) / 4
