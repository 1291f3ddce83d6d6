"""max_n |theta_n - theta(t_n)|: an optimizer's iterates beside the flow that they discretise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.flows import gradient_flow
from odeopt.gradient import Gradient
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulate import initial_point, simulate
from odeopt.solve import checked_solver, solve
from odeopt.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Comparison:
    """The iterates, their own flow from the matched start, and plain gradient flow in lr-time, step for step.

    error (n+1, ...): the largest coordinate of |theta_n - theta(t_n)|;  max_error: its maximum over n.
    """

    iterates: Trajectory
    flow: Trajectory
    gradient_flow: Trajectory
    optimizer: Optimizer
    problem: Problem

    @property
    def error(self) -> Array:
        n = min(len(self.iterates), len(self.flow))
        return np.abs(self.iterates.theta[:n] - self.flow.theta[:n]).max(axis=-1)

    @property
    def max_error(self) -> Any:
        """A float, or (...) for an ensemble."""
        largest = self.error.max(axis=0)
        return float(largest) if np.ndim(largest) == 0 else largest

    @property
    def success(self) -> bool:
        """True if all three runs reached their end."""
        return self.iterates.success and self.flow.success and self.gradient_flow.success

    def plot(self, ax: Any = None) -> Any:
        """Path in the plane (d = 2) or loss against time, and the error; returns the artists."""
        from odeopt.plots import comparison

        return comparison(self, ax=ax)

    def __repr__(self) -> str:
        return (
            f"Comparison of {self.optimizer.name} with its flow on {self.problem.name or 'a problem'}: "
            f"{len(self.error) - 1} steps, max error {np.max(self.max_error):.3g}\n"
            f"  iterates       {self.iterates!r}\n"
            f"  flow           {self.flow!r}\n"
            f"  gradient flow  {self.gradient_flow!r}"
        )


def compare(
    opt: Optimizer,
    problem: Problem,
    steps: int = 300,
    theta0: Any = None,
    *,
    method: str = "DOP853",
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> Comparison:
    """Run an optimizer, its own flow from the matched start, and plain gradient flow, over the same steps.

    method, rtol and atol are those of `solve`.  If the iterates leave the finite numbers, the flows end with them.

    >>> import odeopt as oo
    >>> oo.compare(oo.optimizers.adam(lr=0.01), oo.problems.quadratic(), steps=300).max_error < 2e-4
    True
    """
    check.count("steps", steps, 1)
    solver = checked_solver(method, rtol, atol)
    run = simulate(opt, problem, steps, theta0)
    if len(run) < 2:
        raise ValueError(f"there is no finite step to compare: {run.message}")
    y = opt.matched_state(Gradient(problem.grad), initial_point(opt.members, problem, theta0))
    memory = dict(zip(opt.flow.memory, y[1:], strict=True))
    flow = solve(opt.flow, problem, run.t, y[0], memory=memory, **solver)
    lr_time = np.asarray(opt.lr_time) / np.asarray(opt.h)
    plain = solve(gradient_flow(), problem, run.t * lr_time, y[0], **solver)
    return Comparison(run, flow, plain, opt, problem)
