"""Observables of an ensemble: formulas of the state that give one number per member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from odeopt.core.formula import Formula, place, reads
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems.base import Problem
from odeopt.util import check
from odeopt.util.check import Array

Observable = Callable[[Any, State], Any]  # (t, state) -> one value per member


def observables(opt: Optimizer, problem: Problem, observe: Any) -> dict[str, Observable]:
    """The observables by name; each coordinate of theta where none are given."""
    if observe is None:
        return {f"theta[{i}]": partial(_coordinate, i) for i in range(problem.dim)}
    if not isinstance(observe, Mapping) or not observe:
        raise TypeError(f"observe must map names to formulas of theta and memory, got {observe!r}")
    return {str(name): observable(opt, f"observable {name!r}", f) for name, f in observe.items()}


def _coordinate(i: int, t: Any, y: State) -> Array:
    return y[0][..., i]


def observable(opt: Optimizer, what: str, formula: Formula) -> Observable:
    """A formula of the time, the variables and the parameters of the flow, as a function of (t, state)."""
    if not callable(formula):
        raise TypeError(f"{what} must be a formula of {', '.join(opt.flow.variables)}, got {formula!r}")
    for read in reads(formula):
        check.choice(f"argument of {what}", read, ("t", *opt.flow.variables, *opt.flow.params))
    placed = place(formula, opt.flow.variables, tuple(opt.flow.params), list(opt.flow.params.values()))
    return lambda t, y: placed(t, None, y)
