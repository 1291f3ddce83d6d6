"""The quantities that a flow decreases or conserves, along a run: exactly on its solutions, nearly on the iterates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.flow import Flow, Quantity
from odeopt.core.formula import place
from odeopt.core.quantities import OF_PROBLEM
from odeopt.core.state import column
from odeopt.problems import Problem
from odeopt.simulation.trajectory import Trajectory, a_run, of_members
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class Energy(Saved):
    """values[name] (n+1, ...) of every quantity of a run's flow at the run's times t.

    `quantities[name]` holds the formula, its law and the condition for the law; `formulas[name]` is the printed
    formula.  `omitted` names the quantities that need L* and theta* if the problem has no known minimizer.
    """

    name: str
    t: Array
    values: Mapping[str, Array]
    quantities: Mapping[str, Quantity]
    formulas: Mapping[str, str]
    omitted: tuple[str, ...] = ()

    @property
    def violation(self) -> Mapping[str, Any]:
        """How far each law is broken, relative to the quantity's largest size: floats, or (...) for an ensemble.

        For a decreasing quantity it is the largest increase from one record to the next; for a conserved quantity it is
        the largest departure from the first value (the drift).
        """
        return {name: _violation(self.quantities[name].law, value) for name, value in self.values.items()}

    @property
    def times(self) -> Array:
        """The times of every member, in the shape (n+1, ...) of a quantity."""
        return of_members(self.t, next((value.shape for value in self.values.values()), self.t.shape))

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Every quantity, divided by its first value, against time; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        rows = [f"Energy of {self.name}, {len(self.t)} records"]
        for name, broken in self.violation.items():
            quantity = self.quantities[name]
            where = f" where {quantity.where}" if quantity.where else ""
            kept = "largest increase" if quantity.law == "decreasing" else "drift"
            rows.append(f"  {name} = {self.formulas[name]}: {quantity.law}{where}; {kept} {np.max(broken):.2g}")
        if self.omitted:
            rows.append(f"  without {', '.join(self.omitted)}: the problem has no known minimizer")
        return "\n".join(rows)


def energy(run: Trajectory) -> Energy:
    """The decreasing and conserved quantities of a run's flow along a run of `simulate` or `solve`.

    Along iterates the memory is the optimizer's own, which is staggered against theta: if the flow starts at the age
    h/2, m_n belongs to the time t_n - h/2 of the flow.  So the quantities of iterates differ from those of the flow by
    O(h), although theta may follow the flow to O(h^2), and the laws hold up to a power of h.

    >>> import odeopt as oo
    >>> problem = oo.problems.quadratic((1, 20), theta0=(1, 1))
    >>> result = energy(oo.solve(oo.flows.averaged_gradient(tau=0.5), problem, t=5.0))
    >>> print(str(result).splitlines()[1].split("; ")[0])
      energy = L + tau*||m||^2/2: decreasing
    >>> result.values["energy"].shape, result.violation["energy"]
    ((201,), 0.0)
    """
    a_run(run)
    if run.flow is None or run.problem is None:
        raise TypeError(f"run must be made by odeopt.simulate or odeopt.solve, got {run!r}")
    flow, problem = run.flow, run.problem
    if not isinstance(flow, Flow) or not flow.quantities:
        raise ValueError(f"run must follow a flow with a known decreasing or conserved quantity, got {flow.name}")
    omitted = tuple(name for name, q in flow.quantities.items() if q.needs_minimizer and problem.minimizer is None)
    known = {name: q for name, q in flow.quantities.items() if name not in omitted}
    values = {name: _along(name, q, run, flow, problem) for name, q in known.items()}
    formulas = {name: q.text(flow.variables, tuple(flow.params)) for name, q in known.items()}
    return Energy(run.name, run.t, values, known, formulas, omitted)


def _along(name: str, quantity: Quantity, run: Trajectory, flow: Flow, problem: Problem) -> Array:
    """The formula on all records at once; one number per member has shape (n+1, ..., 1), theta has (n+1, ..., d)."""
    loss = run.loss[..., None]
    t = run.times[..., None]
    best = problem.minimizer
    of_minimizer = (None, None) if best is None else (loss - problem.loss(best), run.theta - best)
    state = [run.theta, *[run.state[name] for name in flow.memory]]
    params = [column(value) for value in flow.params.values()]
    placed = place(quantity.formula, (*OF_PROBLEM, *flow.variables), tuple(flow.params), params)
    try:
        with np.errstate(all="ignore"):  # Adam's clocks are 0 at t = 0, where its formula has a limit
            value = np.asarray(placed(t, problem.grad, (loss, *of_minimizer, *state)))
    except Exception as error:
        raise ValueError(
            f"quantity {name!r} must be a formula of records, theta (n+1, ..., d); it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if value.dtype.kind not in "iuf":
        raise TypeError(f"quantity {name!r} must be real numbers, got {check.shown(value)}")
    shape = value.shape
    if shape[-1:] not in ((), (1,)) or np.broadcast_shapes(shape, loss.shape) != loss.shape:
        raise ValueError(f"quantity {name!r} must be one number per state, got shape {shape}: use ops.total for sums")
    return np.broadcast_to(value, loss.shape)[..., 0].copy()


def _violation(law: str, value: Array) -> Any:
    size = np.abs(value).max(axis=0)
    change = np.diff(value, axis=0).clip(min=0) if law == "decreasing" else np.abs(value - value[0])
    broken = np.max(change, axis=0, initial=0.0) / np.where(size > 0, size, 1.0)
    return float(broken) if np.ndim(broken) == 0 else broken
