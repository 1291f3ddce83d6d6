"""Stand-ins for objects that hold functions: the call that makes it again, or its description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from odeopt import flows, noise, problems
from odeopt.analysis.regularizer import ONE_NORM, SQUARE, Penalty
from odeopt.core.flow import Field, Flow
from odeopt.core.quantities import Quantity
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.config import from_config
from odeopt.optimizers.one_step import OneStep, of_optimizer
from odeopt.optimizers.remaking import remade
from odeopt.optimizers.schedules import Schedule, of_config
from odeopt.problems import Problem
from odeopt.solvers.closed_form import ClosedForm
from odeopt.util import check
from odeopt.util.absent import Absent
from odeopt.util.check import Array
from odeopt.util.origin import Call
from odeopt.util.status import Status

ROOMS = {room.__name__: room for room in (flows, noise, problems)}  # whose calls may be repeated
FACTS = {  # attributes that are kept where the object itself cannot be
    "optimizer": ("name", "h", "lr", "lr_time", "members"),
    "flow": ("name", "variables", "memory", "members"),
    "problem": ("name", "dim", "theta0", "minimizer"),
    "schedule": ("name",),
    "step": ("name", "h", "variables", "members"),
}


class StandIn:
    """Fields that can be written, from which `restored` makes what they stand for."""

    def restored(self) -> Any:
        """The object."""
        raise NotImplementedError


@dataclass(frozen=True)
class Named(StandIn):
    """A named optimizer."""

    config: Mapping[str, Any]

    def restored(self) -> Optimizer:
        return from_config(self.config)


@dataclass(frozen=True)
class Repeated(StandIn):
    """What a public function of flows, problems or noise returned."""

    room: str
    name: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def restored(self) -> Any:
        room = ROOMS[self.room]
        return getattr(room, check.choice("name", self.name, room.__all__))(*self.arguments, **self.keywords)


@dataclass(frozen=True)
class AtPoint(StandIn):
    """problem.at(theta0)."""

    problem: Problem
    theta0: Array

    def restored(self) -> Problem:
        return self.problem.at(self.theta0)


@dataclass(frozen=True)
class FlowOf(StandIn):
    """The flow of an optimizer."""

    optimizer: Optimizer

    def restored(self) -> Flow:
        return self.optimizer.flow


@dataclass(frozen=True)
class StepOf(StandIn):
    """The step of an optimizer."""

    optimizer: Optimizer

    def restored(self) -> OneStep:
        return of_optimizer(self.optimizer)


@dataclass(frozen=True)
class Law(StandIn):
    """A quantity of a flow without its formula, which the result has in print."""

    law: str
    where: str

    def restored(self) -> Quantity:
        formula: Any = Absent("formula", {"name": self.law}, "see Energy.formulas")
        return Quantity(formula, self.law, self.where)


@dataclass(frozen=True)
class NamedPenalty(StandIn):
    """One of the two penalties of implicit regularizers."""

    text: str

    def restored(self) -> Penalty:
        return {penalty.text: penalty for penalty in (SQUARE, ONE_NORM)}[self.text]


@dataclass(frozen=True)
class NamedSchedule(StandIn):
    """A schedule of `odeopt.schedules`."""

    config: Mapping[str, Any]

    def restored(self) -> Schedule:
        return of_config(self.config)


@dataclass(frozen=True)
class NamedStatus(StandIn):
    """A status."""

    name: str

    def restored(self) -> Status:
        return Status[self.name]


def stand_in(value: Any, optimizers: Iterable[Optimizer]) -> Any:
    """What to write for a value: itself, or what stands for it.  Flows and steps may be those of these optimizers."""
    if isinstance(value, Optimizer):
        return Named(value.get_config()) if has_config(value) else absent("optimizer", value)
    if isinstance(value, Problem):
        return AtPoint(value.origin, value.theta0) if value.origin else absent("problem", value)
    if isinstance(value, Call):
        return Repeated(value.make.__module__, value.make.__name__, value.arguments, value.keywords)
    if isinstance(value, Flow):
        makers = [opt for opt in optimizers if opt.flow is value and has_config(opt)]
        return FlowOf(makers[0]) if makers else value.origin or absent("flow", value)
    if isinstance(value, OneStep):
        return StepOf(value.optimizer) if value.optimizer and has_config(value.optimizer) else absent("step", value)
    if isinstance(value, ClosedForm):
        return value if value.problem.origin else None
    return _of_constants(value)


def _of_constants(value: Any) -> Any:
    if isinstance(value, Schedule):
        return absent("schedule", value) if value.own else NamedSchedule(value.get_config())
    if isinstance(value, Status):
        return NamedStatus(value.name)
    if isinstance(value, Penalty):
        return NamedPenalty(value.text)
    return Law(value.law, value.where) if isinstance(value, Quantity) else value


def has_config(opt: Optimizer) -> bool:
    """Whether a configuration makes this optimizer: not if it, or one inside it, holds a function of its owner."""
    try:
        opt.get_config()
    except ValueError:
        return False
    return remade(opt)


def absent(kind: str, value: Any) -> Absent:
    """The description of a value."""
    return Absent(kind, {name: getattr(value, name) for name in FACTS[kind]}, str(value))


def field_in_words(value: Any) -> Any:
    """The description of a vector field that is neither a flow nor that of a step; None for a bare function."""
    return absent("flow", value) if isinstance(value, Field) else None


def optimizers_in(value: Any) -> list[Optimizer]:
    """The optimizers in the fields of a result, at any depth."""
    if isinstance(value, Optimizer):
        return [value]
    if not is_dataclass(value) or isinstance(value, Flow | Problem):
        return []
    inside = [getattr(value, field.name) for field in fields(value)]
    return [opt for each in inside for opt in optimizers_in(each)]
