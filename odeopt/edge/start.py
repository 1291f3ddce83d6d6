"""The optimizer, the problem and the first state of a flow at the edge of stability, checked before any gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import as_optimizer, of_optimizer
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.oracle import Gradient
from odeopt.util import check
from odeopt.util.check import Array


def single_optimizer(opt: Any) -> Optimizer:
    """An optimizer, or what `from_step` made, without members and noise."""
    opt = an_optimizer(as_optimizer(opt))
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got members of shape {opt.members}")
    if opt.flow.noisy:
        raise ValueError(f"opt must have no noise, got {opt.flow.name} with noise in {', '.join(opt.flow.noisy)}")
    return opt


def quiet_problem(problem: Any) -> Problem:
    """A problem whose gradient has no noise."""
    if a_problem(problem).noise is not None:
        raise ValueError(f"problem must have no noise, got {problem.noise.name}")
    return problem


def first_state(opt: Optimizer, grad: Gradient, theta0: Array, memory: Mapping[str, Any] | None) -> State:
    """The first state of the iterates, with the given memory in place of theirs."""
    named = check.mapping("memory", memory, "names to numbers or arrays")
    for name in named:
        check.choice("memory", name, opt.flow.memory)
    given = of_optimizer(opt).start(theta0, **named)
    own = opt.initial_state(grad, theta0)
    return tuple(v if name in named else u for name, u, v in zip(opt.flow.variables, own, given, strict=True))
