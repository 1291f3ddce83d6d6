"""max_n |theta_n - theta(t_n)|: an optimizer's iterates beside the flow that they discretise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.check import Array
from odeopt.flows import gradient_flow
from odeopt.gradient import Gradient
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulate import initial_point, simulate
from odeopt.solve import solve
from odeopt.trajectory import Trajectory


@dataclass(frozen=True)
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
            f"  iterates       {self.iterates!r}\n  flow           {self.flow!r}\n  gradient flow  {self.gradient_flow!r}"
        )


def compare(opt: Optimizer, problem: Problem, steps: int = 300, theta0: Any = None, **solver: Any) -> Comparison:
    """Run an optimizer, its own flow from the matched start, and plain gradient flow, over the same steps.

    Further arguments (method, rtol, atol, ...) go to `solve`.

    >>> import odeopt as oo
    >>> oo.compare(oo.optimizers.adam(lr=0.01), oo.problems.quadratic(), steps=300).max_error < 1e-4
    True
    """
    run = simulate(opt, problem, steps, theta0)
    if len(run) < 2:
        raise ValueError(f"steps must leave at least one finite step to compare, got {steps} ({run.message})")
    start = opt.matched_state(Gradient(problem.grad), initial_point(opt.members, problem, theta0))
    memory = dict(zip(opt.flow.memory, start[1:], strict=True))
    flow = solve(opt.flow, problem, run.t, start[0], memory=memory, **solver)
    lr_time = np.asarray(opt.lr_time) / np.asarray(opt.h)
    plain = solve(gradient_flow(), problem, run.t * lr_time, start[0], **solver)
    return Comparison(run, flow, plain, opt, problem)
