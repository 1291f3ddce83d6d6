"""error ~ C h^p: the measured order of a scheme on a flow, and the number of gradients that its accuracy costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Flow
from odeopt.core.state import named
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.starts import Start, rest
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.schemes.base import Scheme
from odeopt.simulation.simulate import simulate
from odeopt.solvers.solve import checked_solver, solve
from odeopt.solvers.tolerances import ATOL
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved

STEPS = (200, 400, 800, 1600)
REFERENCE = 10.0  # the approximate ratio of the reference's error to the tolerance of its steps


@dataclass(frozen=True, eq=False)
class Convergence(Saved):
    """Steps h, errors max_n |theta_n - theta(t_n)|, and the slope of log error on log h.

    Errors below `floor`, the reference's own error, are ignored.  If fewer than two errors are above it, the order is
    NaN: take fewer steps.
    """

    h: Array
    error: Array
    order: float
    scheme: str
    flow: str
    floor: float = 0.0

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the error against the step, with the fitted slope, and returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        note = {True: "", False: "  (below the reference's own error: ignored)"}
        pairs = zip(self.h, self.error, strict=True)
        rows = "\n".join(f"  h = {h:<10.4g} error = {e:.3e}{note[bool(e > self.floor)]}" for h, e in pairs)
        return f"{self.scheme} on {self.flow}: order {self.order:.2f}\n{rows}"


@dataclass(frozen=True, eq=False)
class WorkPrecision(Saved):
    """For each scheme, the gradient evaluations and the errors at t_end; a run that diverged has error inf."""

    gradients: Mapping[str, Array]
    error: Mapping[str, Array]
    flow: str
    problem: str

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the error against gradient evaluations and returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        width = max(map(len, self.error))
        rows = [
            f"  {name:<{width}}  "
            + "  ".join(f"{n}: {e:.1e}" for n, e in zip(self.gradients[name], errors, strict=True))
            for name, errors in self.error.items()
        ]
        return "\n".join([f"gradient evaluations: error, {self.flow} on {self.problem}", *rows])


def slope(h: Array, error: Array, floor: float = 0.0) -> float:
    """The least-squares slope of log error on log h, over the errors above the floor; NaN if there are fewer than two.

    >>> round(slope(np.array([0.1, 0.2]), np.array([1.0, 4.0])), 12)
    2.0
    """
    h, error = h[error > floor], error[error > floor]
    return float(np.polyfit(np.log(h), np.log(error), 1)[0]) if len(h) > 1 else float("nan")


def convergence(
    flow: Flow,
    scheme: Scheme,
    problem: Problem,
    t_end: float = 1.0,
    steps: Sequence[int] = STEPS,
    *,
    start: Start = rest,
    flow_start: Start | None = None,
    theta0: ArrayLike | None = None,
    method: str = "auto",
    rtol: float = 1e-12,
    atol: float | None = None,
) -> Convergence:
    """The order of a scheme on a flow, from the errors of runs with `steps` steps to t_end, relative to `solve`.

    start: the start of the iterates; flow_start: the start of the flow, by default the same.  Both may depend on h,
    like those of an optimizer.

    >>> import odeopt as oo
    >>> oo.convergence(oo.flows.gradient_flow(), oo.schemes.heun, oo.problems.quadratic()).order.__round__(1)
    2.0
    """
    t_end = check.scalar("t_end", check.positive("t_end", t_end))
    counts = sorted(set(check.counts("steps", steps)))
    if len(counts) < 2:
        raise ValueError(f"steps must hold at least two different numbers of steps, got {steps!r}")
    solver = checked_solver(method, rtol, atol)
    opts = [Optimizer(flow, scheme, t_end / n, start=start, flow_start=flow_start) for n in counts]
    pairs = zip(opts, counts, strict=True)
    error = np.array([_error(opt, problem, n, theta0, solver) for opt, n in pairs])
    if not np.all(np.isfinite(error)):
        raise ValueError(
            f"steps must be large enough for finite runs to t_end = {t_end:g}, "
            f"got {counts} with errors {error.tolist()}"
        )
    h = np.array([opt.h for opt in opts])
    size = float(np.abs(initial_point((), problem, theta0)).max())
    floor = REFERENCE * (rtol * size + (ATOL * rtol * size if atol is None else atol))
    return Convergence(h, error, slope(h, error, floor), scheme.name, flow.name, floor)


def _error(opt: Optimizer, problem: Problem, n: int, theta0: ArrayLike | None, solver: Mapping[str, Any]) -> float:
    """max |theta_n - theta(t_n)| over all records; inf if the iterates diverge."""
    run = simulate(opt, problem, n, theta0, progress=False)
    if not run.success:
        return np.inf
    y = opt.matched_state(problem.oracle(), initial_point((), problem, theta0))
    memory = named(opt.flow.memory, y)
    truth = solve(opt.flow, problem, run.t, y[0], memory=memory, progress=False, **solver).check()
    return float(np.abs(run.theta - truth.theta).max())


def work_precision(
    flow: Flow,
    schemes: Mapping[str, Scheme],
    problem: Problem,
    t_end: float = 1.0,
    steps: Sequence[int] = (10, 30, 100, 300, 1000),
    *,
    start: Start = rest,
    theta0: ArrayLike | None = None,
    method: str = "auto",
    rtol: float = 1e-10,
    atol: float | None = None,
) -> WorkPrecision:
    """The error of theta at t_end and the gradient evaluations, for each scheme and number of steps.

    All runs are compared with one solution of the flow.  If the start depends on h, that solution uses the smallest h.

    >>> import odeopt as oo
    >>> both = {"Euler": oo.schemes.euler, "RK4": oo.schemes.rk4}
    >>> wp = oo.work_precision(oo.flows.gradient_flow(), both, oo.problems.quadratic(), steps=(50, 100))
    >>> [int(n) for n in wp.gradients["RK4"]]
    [200, 400]
    """
    t_end = check.scalar("t_end", check.positive("t_end", t_end))
    counts = check.counts("steps", steps)
    if not isinstance(schemes, Mapping) or not schemes:
        raise ValueError(f"schemes must map names to schemes, at least one, got {schemes!r}")
    solver = checked_solver(method, rtol, atol)
    opts = {name: [Optimizer(flow, scheme, t_end / n, start=start) for n in counts] for name, scheme in schemes.items()}
    theta0 = initial_point((), problem, theta0)
    with np.errstate(all="ignore"):
        y = start(flow, problem.oracle(), theta0, t_end / max(counts))
    memory = named(flow.memory, y)
    truth = solve(flow, problem, np.array([0.0, t_end]), y[0], memory=memory, **solver).check().final
    gradients, errors = {}, {}
    for name, family in opts.items():
        runs = [simulate(opt, problem, n, theta0, record_every=n) for opt, n in zip(family, counts, strict=True)]
        gradients[name] = np.array([run.ngev for run in runs])
        errors[name] = np.array([np.abs(run.final - truth).max() if run.success else np.inf for run in runs])
    return WorkPrecision(gradients, errors, flow.name, problem.name)
