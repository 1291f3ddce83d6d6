"""zeta = 1 + (L(theta+) - L(theta))/(lr g.u), theta+ = theta - lr u: how near the edge a step was, without a Hessian.

zeta is 0 in the limit of small steps, where the loss falls by lr g.u as along a flow.  It is 1 where the step gained
nothing and larger where the loss rose.  For gradient descent along an eigenvector of the Hessian zeta = lr lambda/2:
1/2 is the step that ends in the minimum, 1 the edge of stability.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.problems import Problem
from odeopt.simulation.trajectory import Trajectory, a_run
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved

BLOCK = 30_000  # numbers of theta whose gradients and products are computed in one call


def zeta(before: Any, after: Any, lr: Any, slope: Any) -> Any:
    """1 + (after - before)/(lr slope), of numbers or arrays (...) from a training loop of your own.

    before, after: the loss at theta and at theta - lr u, on the same batch
    slope:         g.u, the gradient of that batch times the direction of the update

    >>> zeta(before=2.0, after=0.5, lr=0.25, slope=4.0 * 2.0)  # L = theta^2, 2 -> 1
    0.25
    """
    return 1 + (after - before) / (lr * slope)


def zeta_2(lr: Any, slope: Any, curvature: Any) -> Any:
    """lr u.Hu/(2 g.u), the second order of `zeta` in the update, and all of it on a quadratic.

    slope, curvature: g.u and u.Hu, one Hessian-vector product

    >>> zeta_2(lr=0.25, slope=8.0, curvature=16.0)
    0.25
    """
    return lr * curvature / (2 * slope)


@dataclass(frozen=True, eq=False)
class EdgeGauge(Saved):
    """zeta and zeta_2 (n, ...) of the n steps of a run, at the times t (n,) from which they are taken."""

    name: str
    t: Array = field(repr=False)
    zeta: Array = field(repr=False)
    zeta_2: Array = field(repr=False)

    @property
    def rising(self) -> float:
        """The share of the steps with a finite zeta in which the loss rose, zeta > 1; NaN if there are none."""
        known = self.zeta[np.isfinite(self.zeta)]
        return float(np.mean(known > 1)) if known.size else np.nan

    def __repr__(self) -> str:
        known = self.zeta[np.isfinite(self.zeta)]
        low, middle, high = np.quantile(known, [0, 0.5, 1]) if known.size else [np.nan] * 3
        return (
            f"EdgeGauge along {self.name}: {len(self.t)} steps, zeta {low:.3g} .. {high:.3g}, median {middle:.3g}; "
            f"the loss rose in {self.rising:.1%}"
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """zeta and zeta_2 against time; returns the artists."""
        return plotted(self, ax=ax, **options)


def edge_gauge(run: Trajectory) -> EdgeGauge:
    """zeta and zeta_2 of every step of a run of `simulate` without noise, with one gradient and one H p for each.

    The run must have a record of every step; where some are left out, zeta is that of the whole way from one record to
    the next.  Rounding of the loss changes zeta by about 1e-16 L/(lr g.u), so it says little once the loss stands
    still.  zeta is NaN where theta did not move.

    >>> import odeopt as oo
    >>> edge_gauge(oo.simulate(oo.optimizers.gd(lr=0.09), oo.problems.quadratic((1, 20), angle=0), steps=100))
    EdgeGauge along gd: 100 steps, zeta 0.045 .. 0.898, median 0.046; the loss rose in 0.0%
    """
    problem = _problem_of(run)
    theta, u = run.theta[:-1], run.theta[:-1] - run.theta[1:]  # lr = 1: u is the whole update
    rows = max(1, BLOCK // theta[0].size)
    pieces = [slice(first, first + rows) for first in range(0, len(theta), rows)]
    with np.errstate(all="ignore"):
        slope = np.concatenate([_dots(problem.grad(theta[k]), u[k]) for k in pieces])
        curvature = np.concatenate([_dots(problem.hvp(theta[k], u[k]), u[k]) for k in pieces])
        first = zeta(run.loss[:-1], run.loss[1:], 1.0, slope)
        return EdgeGauge(run.name, run.t[:-1], first, zeta_2(1.0, slope, curvature))


def _dots(a: Array, b: Array) -> Array:
    return np.sum(a * b, axis=-1)


def _problem_of(run: Any) -> Problem:
    if a_run(run).problem is None:
        raise TypeError(f"run must be made by odeopt.simulate, got {run!r}")
    if run.problem.noise is not None:
        raise ValueError(
            f"run must be one without noise, got {run.problem.noise.name}: its losses are not those of its batches; "
            "call odeopt.edge.gauge.zeta in a training loop instead"
        )
    if len(run) < 2:
        raise ValueError(f"run must have at least 2 records, got {len(run)}")
    return run.problem
