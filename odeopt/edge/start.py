"""The optimizer, the problem and the first state of a flow at the edge of stability, checked before any gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import as_optimizer, of_optimizer
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.oracle import EvaluationError, Gradient, is_proven
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


class Loss:
    """L(theta) of points (..., d); after the first call an exception becomes an EvaluationError."""

    def __init__(self, problem: Problem) -> None:
        self._loss, self._works = problem.loss, False

    def __call__(self, theta: Array) -> Array:
        try:
            found = np.asarray(self._loss(theta), dtype=np.float64)
        except Exception as error:
            if not (self._works or is_proven()):
                error.add_note(f"raised by loss(theta) at theta of shape {np.shape(theta)}")
                raise
            raise EvaluationError(f"loss raised {type(error).__name__}: {error}") from error
        self._works = True
        return found


def first_state(opt: Optimizer, grad: Gradient, theta0: Array, memory: Mapping[str, Any] | None) -> State:
    """The first state of the iterates, with the given memory in place of theirs.

    The squares by which an optimizer divides, and clocks, are at least 0.
    """
    named = check.mapping("memory", memory, "names to numbers or arrays")
    if named and not opt.flow.memory:
        raise ValueError(f"memory must be None or empty, {opt.name} has no memory, got {', '.join(map(repr, named))}")
    for name in named:
        check.choice("memory", name, opt.flow.memory)
    given = of_optimizer(opt).start(theta0, **named)
    squares = {*opt.flow.preconditioner.split(), *opt.flow.clocks} - {*opt.flow.lengths}
    for name, u in zip(opt.flow.variables, given, strict=True):
        if name in named and name in squares and np.any(u < 0):
            raise ValueError(f"memory {name!r} must be at least 0, got {u.min():g}")
    own = opt.initial_state(grad, theta0)
    return tuple(v if name in named else u for name, u, v in zip(opt.flow.variables, own, given, strict=True))
