"""lr_k = lr s(k): a learning-rate schedule, as a factor of the step count k = 0, 1, 2, ....

Step k covers [k h, (k+1) h].  A splitting evaluates the speed at the middle of its step, so its flow runs at the speed
s(t/h - 1/2).  A scheme like Euler's evaluates it at the beginning, so its flow runs at s(t/h).  Both then use s(k).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.core.letters import symbol
from odeopt.core.symbols import Symbol, short
from odeopt.util import check
from odeopt.util.immutable import Immutable

SNAP = 1e-6  # steps: counts this close to an integer are rounded to it


@dataclass(frozen=True)
class Schedule(Immutable):
    """s(k), for integer k and, for the flow, in between; one step counts as `stretch` steps of the schedule.

    make: the public function that makes it of its settings; None for a function of your own
    """

    name: str
    factor: Callable[[Any], Any]
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    stretch: float = 1.0
    make: Callable[..., Schedule] | None = None

    def __call__(self, k: Any) -> Any:
        """The factor at step k, a number or an array of them."""
        return self.factor(np.add(k, 0.5) * self.stretch - 0.5)

    def __repr__(self) -> str:
        given = {**self.settings, **({"stretch": self.stretch} if self.stretch != 1 else {})}
        return f"{self.name}({', '.join(f'{key}={short(value)}' for key, value in given.items())})"

    def __reduce__(self) -> Any:
        """What pickle writes: the call that makes it, or the function of a custom schedule."""
        return super().__reduce__() if self.make is None else (_again, (self.make, self.settings, self.stretch))

    @property
    def own(self) -> bool:
        """Whether it holds a function of your own, alone or inside a composition."""
        return self.make is None or any(isinstance(u, Schedule) and u.own for u in self.settings.values())

    def get_config(self) -> dict[str, Any]:
        """{"schedule": name, "stretch": stretch, settings...} of plain numbers and lists, for `schedules.of_config`.

        ValueError for a function of your own.
        """
        if self.make is None:
            raise ValueError(f"get_config needs a schedule of odeopt.schedules, got {self!r}, a function of your own")
        return {"schedule": self.name, "stretch": self.stretch, **{k: _plain(v) for k, v in self.settings.items()}}

    def stretched(self, ratio: float) -> Schedule:
        """The same schedule in time, for steps `ratio` times as long."""
        ratio = check.scalar("ratio", check.positive("ratio", ratio))
        return replace(self, stretch=self.stretch * ratio)

    def at_time(self, h: Any, middle: float = 0.5) -> Callable[[Any], Any]:
        """t -> s(t/h - middle); printed as s(t)."""

        def speed(t: Any) -> Any:
            return symbol("s")(t) if isinstance(t, Symbol) else self(snapped(np.divide(t, h) - middle))

        return speed


class Rate(Schedule):
    """A factor that ignores the time: the present value of a learning rate set from outside."""

    def at_time(self, h: Any, middle: float = 0.5) -> Callable[[Any], Any]:
        return lambda t: self.factor(0)


def schedule(value: Any) -> Schedule:
    """A Schedule unchanged, or a function of the step count as a Schedule; the flow also calls it between integers.

    >>> schedule(lambda k: 1 / (1 + k))
    custom()
    """
    return checked("value", value)


def checked(name: str, value: Any) -> Schedule:
    """The argument `name` of a function as a Schedule."""
    if isinstance(value, Schedule):
        return value
    if not callable(value):
        text = "one of odeopt.schedules or a function of the step count"
        raise TypeError(f"{name} must be {text}, got {check.shown(value)}")
    return Schedule("custom", np.vectorize(partial(_at, value), otypes=[float]))


def made(make: Callable[..., Schedule], factor: Callable[[Any], Any], /, **settings: Any) -> Schedule:
    """The schedule that make(**settings) is."""
    return Schedule(make.__name__, factor, settings, make=make)


def snapped(k: Any) -> Any:
    """k, rounded to an integer where it is one but for rounding; k may be a count in single precision."""
    whole = np.rint(k)
    return np.where(np.abs(k - whole) < SNAP + 16 * np.spacing(np.abs(k)), whole, k)


def _at(own: Callable[[Any], Any], k: Any) -> Any:
    """own(k); whole counts arrive as int."""
    return own(int(k) if k == int(k) else k)


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.get_config()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _again(make: Callable[..., Schedule], settings: Mapping[str, Any], stretch: float) -> Schedule:
    return replace(make(**settings), stretch=stretch)
