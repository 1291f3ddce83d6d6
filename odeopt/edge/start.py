"""The optimizer and the first state of a flow at the edge of stability, checked before any gradient is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import as_optimizer, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import Gradient
from odeopt.util.check import Array


def single_optimizer(opt: Any) -> Optimizer:
    """An optimizer, or what `from_step` made, without members and noise."""
    opt = as_optimizer(opt)
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.adam(), got {opt!r}")
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got members of shape {opt.members}")
    if opt.flow.noisy:
        raise ValueError(f"opt must have no noise, got {opt.flow.name} with noise in {', '.join(opt.flow.noisy)}")
    return opt


def single_point(problem: Problem, theta0: Any) -> Array:
    """theta0 (d,), the problem's by default; the problem must be without noise."""
    theta = initial_point((), problem, theta0)
    if theta.ndim != 1:
        raise ValueError(f"theta0 must have shape ({problem.dim},), one vector, got {theta.shape}")
    if problem.noise is not None:
        raise ValueError(f"problem must have no noise, got {problem.noise.name}")
    return theta


def first_state(opt: Optimizer, grad: Gradient, theta0: Array, memory: Mapping[str, Any] | None) -> State:
    """The first state of the iterates, with the given memory in place of theirs."""
    if not isinstance(memory, Mapping | None):
        raise TypeError(f"memory must map names to arrays, got {memory!r}")
    given = of_optimizer(opt).start(theta0, **(memory or {}))
    own = opt.initial_state(grad, theta0)
    return tuple(v if name in (memory or {}) else u for name, u, v in zip(opt.flow.variables, own, given, strict=True))
