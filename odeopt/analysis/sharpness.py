"""lr max eig(P^-1/2 H P^-1/2) along a run, and the value above which the optimizer's step is unstable.

[Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability"; for adaptive
optimizers Cohen et al. 2022, "Adaptive gradient methods at the edge of stability"]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from odeopt.analysis.preconditioner import preconditioner
from odeopt.analysis.stability import stability_limit
from odeopt.optimizers.base import Optimizer
from odeopt.problems.base import Problem, a_problem
from odeopt.simulation.trajectory import Trajectory, a_run
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved

DENSE = 12  # up to this many parameters, the whole Hessian is cheaper than Lanczos
TOLERANCE = 1e-6  # relative residual; the relative error of the eigenvalue is about its square


@dataclass(frozen=True, eq=False)
class Sharpness(Saved):
    """The sharpness `value` (n,) at the times `t` (n,), and the `threshold` (n,): the stability limit over lr.

    The threshold is constant without a schedule, and NaN if no optimizer was given.
    """

    name: str
    t: Array = field(repr=False)
    value: Array = field(repr=False)
    threshold: Array

    @property
    def ratio(self) -> Array:
        """value/threshold; it is 1 at the edge of stability."""
        return self.value / self.threshold

    def __repr__(self) -> str:
        low, high = self.value.min(), self.value.max()
        first, last = self.threshold[0], self.threshold[-1]
        threshold = f"{first:.4g}" if first == last or np.isnan(first) else f"{first:.4g} .. {last:.4g}"
        return (
            f"Sharpness along {self.name}: {len(self.t)} values, {low:.4g} .. {high:.4g}, last {self.value[-1]:.4g}; "
            f"threshold {threshold}"
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The sharpness against time with its threshold; returns the artists."""
        return plotted(self, ax=ax, **options)


def sharpness(run: Trajectory, problem: Problem, opt: Optimizer | None = None, every: int = 1) -> Sharpness:
    """The largest eigenvalue of P^-1/2 H P^-1/2 at every `every`-th record of a run, by Lanczos on H p products.

    Without `opt`, P = 1: the values are the sharpness of the loss, and the threshold is NaN.  With the optimizer of the
    run, P is its `preconditioner` (1 if it has none), and the threshold is stability_limit(opt)/lr: 2/lr for gradient
    descent, 38/lr for Adam with beta1 = 0.9.  Under a schedule it is the limit of the step at each record.  Records
    whose preconditioner is still zero, such as the first, are left out.

    >>> import odeopt as oo
    >>> opt, problem = oo.optimizers.gd(lr=0.04), oo.problems.quadratic((1, 20))
    >>> sharpness(oo.simulate(opt, problem, 100), problem, opt, every=50)
    Sharpness along gd: 3 values, 20 .. 20, last 20; threshold 50
    """
    _check(run, problem, opt)
    records = np.arange(0, len(run), min(check.count("every", every, 1), len(run)))
    if opt is None:
        return Sharpness(
            run.name, run.t[records], _largest(problem, run.theta[records], 1.0), np.full(len(records), np.nan)
        )
    for name in opt.flow.preconditioner.split():
        records = records[run.state[name][records].any(axis=-1)]
    if not len(records):
        raise ValueError(f"every must be at most {len(run) - 1}, got {every}: the first preconditioner is zero")
    threshold = thresholds(opt, run.t[records])
    scale = np.array([_inverse_root(preconditioner(opt, run, int(k))) for k in records])
    return Sharpness(run.name, run.t[records], _largest(problem, run.theta[records], scale), threshold)


def thresholds(opt: Optimizer, t: Array) -> Array:
    """stability_limit(opt)/lr at each of these times, found once for a flow that does not read the time."""
    limit = stability_limit(opt, t) if opt.flow.timed else np.full(len(t), stability_limit(opt))
    return limit / check.scalar("lr", opt.lr)


def _inverse_root(P: Array) -> Array:
    """P^(-1/2), and 0 where P = 0: there the gradient has always been 0, and theta does not move."""
    return np.where(P > 0, np.where(P > 0, P, 1.0) ** -0.5, 0.0)


def _largest(problem: Problem, points: Array, scale: Any) -> Array:
    """The largest eigenvalue of S H(theta) S at each point; each search starts from the last eigenvector."""
    vector, found = np.random.default_rng(0).standard_normal(problem.dim), []
    for theta, S in zip(points, np.broadcast_to(scale, points.shape), strict=True):
        value, vector = _top(partial(_product, problem, theta, S), vector)
        found.append(value)
    return np.array(found)


def _product(problem: Problem, theta: Array, S: Array, p: Array) -> Array:
    return S * problem.hvp(theta, S * p)


def _top(product: Callable[[Array], Array], start: Array) -> tuple[float, Array]:
    """The largest eigenvalue of a symmetric matrix, given by its products, and its eigenvector; NaN if not finite."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    d = start.size
    if not np.isfinite(product(start)).all():
        return np.nan, start
    if d <= DENSE:
        values, vectors = np.linalg.eigh(np.array([product(e) for e in np.eye(d)]))
    else:
        matrix = LinearOperator((d, d), matvec=product, dtype=np.float64)
        values, vectors = eigsh(matrix, k=1, which="LA", v0=start, tol=TOLERANCE)
    return float(values[-1]), vectors[:, -1]


def _check(run: Any, problem: Any, opt: Any) -> None:
    a_run(run)
    a_problem(problem)
    if opt is not None and not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be the Optimizer of the run or None, got {opt!r}")
    if run.theta.ndim != 2 or run.theta.shape[-1] != problem.dim:
        raise ValueError(f"run must have one member, theta of shape (n, {problem.dim}), got {run.theta.shape}")
    if opt is not None and opt.flow.memory != tuple(run.state):
        raise ValueError(f"opt must be the optimizer of the run, with memory {tuple(run.state)}, got {opt.flow.memory}")
