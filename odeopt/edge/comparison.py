"""Iterates at the edge of stability beside the models of their mean: own flow, central flows and rod flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.analysis.modified import modified_flow
from odeopt.core.state import State, finite, named, plus
from odeopt.edge.central_flow import central_flow
from odeopt.edge.published import is_published
from odeopt.edge.rod_flow import rod_flow
from odeopt.edge.start import first_state, quiet_problem, single_optimizer
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.solvers.solve import solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status

RTOL = 1e-6  # of the own flow
LOST = 0.1  # of the way from the start: a model that is farther from the filtered iterates has lost them


@dataclass(frozen=True, eq=False)
class EdgeComparison(Saved):
    """The filtered iterates (w- + 2 w + w+)/4 beside the models, at the inner steps, t (n-1,).

    theta (n-1, d), loss (n-1,):  of the iterates, filtered; the loss is that of each iterate
    models[name]:                 the path of a model there; shorter than theta if the model ended early
    mean_loss[name]:              its prediction of `loss`
    endings[name]:                the status of a model and its message
    perturbed:                    the step before which theta was perturbed, the central flow's first at the edge, or -1
    """

    name: str
    problem: str
    t: Array = field(repr=False)
    theta: Array = field(repr=False)
    loss: Array = field(repr=False)
    start: Array = field(repr=False)
    models: Mapping[str, Array] = field(repr=False)
    mean_loss: Mapping[str, Array] = field(repr=False)
    endings: Mapping[str, str]
    perturbed: int
    size: float
    seed: int

    @property
    def distance(self) -> Mapping[str, Array]:
        """|model - filtered iterates| of each model, as long as it lasts."""
        return {name: np.linalg.norm(u - self.theta[: len(u)], axis=1) for name, u in self.models.items()}

    @property
    def lost(self) -> Mapping[str, float]:
        """The first time at which a model is farther from the iterates than a tenth of their way; inf if never."""
        way = LOST * np.linalg.norm(self.theta - self.start, axis=1)
        found = {name: np.flatnonzero(d > way[: len(d)]) for name, d in self.distance.items()}
        ended = {name: float(self.t[len(d)]) if len(d) < len(self.t) else np.inf for name, d in self.distance.items()}
        return {name: float(self.t[at[0]]) if len(at) else ended[name] for name, at in found.items()}

    @property
    def loss_error(self) -> Mapping[str, float]:
        """The median of |predicted - measured|/measured of the mean loss, from the perturbation on."""
        first = max(self.perturbed, 0)
        return {
            name: float(np.median(np.abs(u - self.loss[: len(u)])[first:] / np.abs(self.loss[: len(u)])[first:]))
            if len(u) > first
            else np.nan
            for name, u in self.mean_loss.items()
        }

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The distance of each model from the filtered iterates against time; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        kick = f"perturbed by {self.size:g} (seed {self.seed}) before step {self.perturbed}"
        at_edge = kick if self.perturbed >= 0 else "never at the edge"
        rows = [f"{self.name} on {self.problem}, {len(self.t) + 1} steps, {at_edge}"]
        for name, d in self.distance.items():
            middle, last = (np.median(d), d[-1]) if len(d) else (np.nan, np.nan)
            lost, ending = self.lost[name], self.endings[name]
            rows.append(
                f"  {name:16}  distance {middle:.3g} (median), {last:.3g} (last), lost at t = {lost:.3g}; "
                f"mean loss off by {self.loss_error[name]:.1%}; {ending}"
            )
        return "\n".join(rows)


def compare_at_edge(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    *,
    theta0: Any = None,
    memory: Mapping[str, Any] | None = None,
    substeps: int = 4,
    size: float = 1e-3,
    seed: int = 0,
    progress: bool | None = None,
) -> EdgeComparison:
    """The iterates, filtered by (w- + 2 w + w+)/4, beside own flow, central flows and rod flow.

    The central flow is followed with orders 1 and 2, and as published where it is.

    The oscillation of iterates grows from rounding, and so begins at an arbitrary time.  Here theta is perturbed when
    the central flow first comes to the edge, by `size` times its root mean square times standard normals of this seed.
    "own flow" is y' = Phi(y) - y, solved to rtol 1e-6.

    >>> import odeopt as oo
    >>> valley = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.02 * u[1], theta0=[0.0, 19.99])
    >>> seen = compare_at_edge(oo.optimizers.gd(lr=0.1), valley, steps=10)
    >>> sorted(seen.models)
    ['central flow', 'central, order 2', 'own flow', 'published', 'rod flow']
    """
    opt, problem = single_optimizer(opt), quiet_problem(problem)
    steps = check.count("steps", steps, 3)
    size = check.scalar("size", check.nonnegative("size", size))
    generator = np.random.default_rng(check.count("seed", seed))
    theta = single_point(problem, "theta0", theta0)
    within_memory("steps", within_a_day("steps", steps), NUMBER * (steps + 1) * theta.size * len(opt.flow.variables))
    given: dict[str, Any] = {"theta0": theta, "memory": memory, "progress": progress}
    y = first_state(opt, problem.oracle(), theta, memory)
    times: Array = float(np.asarray(opt.h)) * np.arange(steps + 1, dtype=np.float64)
    central = central_flow(opt, problem, steps, substeps=substeps, **given)
    found: dict[str, Any] = {
        "own flow": solve(modified_flow(opt, 1), problem, times, theta, memory=named(opt.flow.memory, y), rtol=RTOL),
        "central flow": central,
        "central, order 2": central_flow(opt, problem, steps, substeps=substeps, order=2, **given),
        "rod flow": rod_flow(opt, problem, steps, substeps=max(substeps, 2), **given),
    }
    if is_published(opt, y):
        found["published"] = central_flow(opt, problem, steps, substeps=substeps, form="published", **given)
    first = np.flatnonzero(central.oscillating)
    at = int(first[0]) if len(first) else -1
    kick = size * np.sqrt(np.mean(theta**2)) * generator.standard_normal(theta.shape)
    path, loss = _iterates(opt, problem, y, steps, at, kick)
    n = max(len(path) - 2, 0)
    predicted = {name: run.loss if name == "own flow" else run.mean_loss for name, run in found.items()}
    return EdgeComparison(
        name=opt.name,
        problem=problem.name or "a problem",
        t=times[1 : n + 1],
        theta=_filtered(path),
        loss=_filtered(loss),
        start=theta,
        models={name: run.theta[1 : n + 1] for name, run in found.items()},
        mean_loss={name: u[1 : n + 1] for name, u in predicted.items()},
        endings={name: f"{Status(run.status).name}: {run.message}" for name, run in found.items()},
        perturbed=at,
        size=size,
        seed=seed,
    )


def _filtered(u: Array) -> Array:
    """(w- + 2 w + w+)/4, from which an oscillation of period 2 is gone."""
    return (u[:-2] + 2 * u[1:-1] + u[2:]) / 4


def _iterates(opt: Optimizer, problem: Problem, y: State, steps: int, at: int, kick: Array) -> tuple[Array, Array]:
    """theta and loss of the iterates from y, with a kick to theta before step `at`, up to the last finite one."""
    d, h, path = of_optimizer(opt).increment(problem.oracle()), float(np.asarray(opt.h)), [y[0]]
    with np.errstate(all="ignore"):
        for k in range(steps):
            if k == at:
                y = (y[0] + kick, *y[1:])
            y = plus(y, d(k * h, y))
            if not finite(y):
                break
            path.append(y[0])
        theta = np.array(path)
        return theta, np.array([float(problem.loss(u)) for u in theta])
