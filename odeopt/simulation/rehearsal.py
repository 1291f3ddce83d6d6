"""Compares a step of an engine with the interpreted step; of many members only a few are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from odeopt.compiler.program import Program
from odeopt.compiler.verify import agree, agreed_at
from odeopt.core.flow import Flow
from odeopt.core.state import State, column
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.schemes.base import Step
from odeopt.simulation.engines.base import Engine
from odeopt.simulation.engines.floats import Floats
from odeopt.simulation.noisy_step import driven
from odeopt.util.check import Array

FEW = 8  # members

Loss = Callable[[Array], Any]

_steps: WeakKeyDictionary[Any, tuple[Problem, Flow, Step]] = WeakKeyDictionary()


def same_step(
    engine: Engine,
    k: int,
    start: State,
    after: State,
    loss: Loss | None = None,
    gradient: Any = None,
    picked: Callable[[Any], Any] = np.asarray,
) -> bool | None:
    """Whether the engine goes from `start` to `after` in step k; None if it leaves this step to the interpreted step.

    start:    the state, followed by the gradient there if the program carries it
    loss:     the problem's loss, if the engine computes it too
    gradient: the gradient that the interpreted step has evaluated, for an engine that calls the problem's function
    picked:   selects from an array (..., d) the members that `after` holds
    """
    y, members = start[: len(after)], start[0].shape[:-1]
    if isinstance(engine, Floats) and engine.calls:
        engine = engine.knowing(gradient)
    rows, losses, times = tuple(np.empty((1, *u.shape)) for u in y), np.empty((1, *members)), np.empty((1, *members))
    if not engine.run(k, start, 1, 1, rows, losses, times).n:
        return None
    precision = (
        np.float64 if isinstance(engine.program, Program) else np.float32
    )  # the precision that a network may have
    before = tuple(map(picked, y))
    same = agree([picked(row[0]) for row in rows], after, before, precision)
    if same and loss is not None:
        ends = [np.asarray(loss(u)) for u in (before[0], after[0])]
        same = agree([np.stack([ends[0], picked(losses[0][..., None])[..., 0]])], [np.stack(ends)])
    return same


def same_aside(engine: Engine, opt: Optimizer, problem: Problem, k: int, y: State, loss: Loss | None) -> bool | None:
    """Like `same_step`, on a step taken for this purpose, which is neither counted nor recorded."""
    picked, few = _few(opt, y[0].shape[:-1])

    def look() -> bool | None:
        own = few()
        step, h = _own_step(engine.program, own, problem), column(own.h)
        after, _, _ = step(k * h, tuple(map(picked, y)), (), h)
        start = (*y, problem.grad(y[0])) if engine.program.carried else y
        return same_step(engine, k, start, after, loss, picked=picked)

    try:
        if y[0].ndim > 1 or not isinstance(engine.program, Program):
            return look()
        values = engine.program.values(opt)
        return agreed_at(engine.program, (k, engine.name, *(np.asarray(u).tobytes() for u in (*values, *y))), look)
    except Exception:  # whatever a user's function raises, the interpreted step will raise it too
        return None


def _own_step(program: Any, opt: Optimizer, problem: Problem) -> Step:
    """The step of the optimizer on the problem, with uncounted gradients; the last one per program is cached."""
    known = _steps.get(program)
    if known is None or known[0] is not problem or known[1] is not opt.flow:
        known = _steps[program] = problem, opt.flow, driven(opt, problem, problem.oracle(), None)
    return known[2]


def _few(opt: Optimizer, members: tuple[int, ...]) -> tuple[Callable[[Any], Array], Callable[[], Optimizer]]:
    """Two functions: one picks a few members of an array (..., d), the other makes the optimizer of these members."""
    if not members:
        return np.asarray, lambda: opt
    places = np.unique(np.linspace(0, prod(members) - 1, FEW).astype(int))

    def picked(u: Any) -> Array:
        return np.reshape(u, (-1, np.shape(u)[-1]))[places]

    def of(value: Any) -> Any:
        return value if np.ndim(value) == 0 else np.broadcast_to(value, members).reshape(-1)[places]

    def few() -> Optimizer:
        params = {name: of(value) for name, value in opt.flow.params.items()}
        return replace(opt, h=of(opt.h), flow=opt.flow.with_params(**params), lr_time=None)

    return picked, few
