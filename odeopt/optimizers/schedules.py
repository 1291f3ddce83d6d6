"""lr_k = lr s(k): learning-rate schedules, as factors of the step count k = 0, 1, 2, ....

Step k covers [k h, (k+1) h].  A splitting evaluates the speed at the middle of its step, so its flow runs at the speed
s(t/h - 1/2).  A scheme like Euler's evaluates it at the beginning, so its flow runs at s(t/h).  Both then use s(k).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.core.symbols import Symbol, short, symbol
from odeopt.util import check
from odeopt.util.immutable import Immutable

__all__ = ["Rate", "Schedule", "constant", "cosine", "exponential", "of_name", "schedule", "step", "warm_up"]

SNAP = 1e-6  # steps: counts this close to an integer are rounded to it


@dataclass(frozen=True)
class Schedule(Immutable):
    """s(k), for integer k and, for the flow, in between; one step counts as `stretch` steps of the schedule."""

    name: str
    factor: Callable[[Any], Any]
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    stretch: float = 1.0

    def __call__(self, k: Any) -> Any:
        """The factor at step k, a number or an array of them."""
        return self.factor(np.add(k, 0.5) * self.stretch - 0.5)

    def __repr__(self) -> str:
        given = {**self.settings, **({"stretch": self.stretch} if self.stretch != 1 else {})}
        return f"{self.name}({', '.join(f'{key}={short(value)}' for key, value in given.items())})"

    def __reduce__(self) -> Any:
        """What pickle writes: the name and the settings, or the function of a custom schedule."""
        return (_again, (self.name, self.settings, self.stretch)) if self.name in MAKERS else super().__reduce__()

    def stretched(self, ratio: float) -> Schedule:
        """The same schedule in time, for steps `ratio` times as long."""
        return replace(self, stretch=self.stretch * check.scalar("ratio", check.positive("ratio", ratio)))

    def at_time(self, h: Any, middle: float = 0.5) -> Callable[[Any], Any]:
        """t -> s(t/h - middle); printed as s(t)."""

        def speed(t: Any) -> Any:
            if isinstance(t, Symbol):
                return symbol("s")(t)
            k = np.divide(t, h) - middle
            whole = np.rint(k)
            snap = SNAP + 8 * np.finfo(k.dtype).eps * np.abs(k)  # allows for the rounding of a single-precision count
            return self(np.where(np.abs(k - whole) < snap, whole, k))

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
    return Schedule("custom", np.vectorize(lambda k: value(int(k) if k == int(k) else k), otypes=[float]))


def constant(value: float = 1.0) -> Schedule:
    """s(k) = value."""
    value = check.scalar("value", check.positive("value", value))
    return Schedule("constant", lambda k: value + 0.0 * k, {"value": value})


def step(every: int, factor: float = 0.1) -> Schedule:
    """s(k) = factor^floor(k/every).                                              [torch.optim.lr_scheduler.StepLR]

    >>> step(every=2, factor=0.5)(np.arange(5)).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    every, factor = check.count("every", every, 1), check.scalar("factor", check.positive("factor", factor))
    return Schedule("step", lambda k: factor ** np.floor(k / every), {"every": every, "factor": factor})


def exponential(rate: float) -> Schedule:
    """s(k) = rate^k.                                                      [torch.optim.lr_scheduler.ExponentialLR]"""
    rate = check.scalar("rate", check.positive("rate", rate))
    return Schedule("exponential", lambda k: rate**k, {"rate": rate})


def cosine(steps: int, final: float = 0.0) -> Schedule:
    """s(k) = final + (1 - final) (1 + cos(pi k/steps))/2 up to k = steps, then final.

    [Loshchilov and Hutter 2017, eq. 5; optax.cosine_decay_schedule]

    >>> cosine(steps=4)([0, 2, 4, 9]).round(12).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    steps, final = check.count("steps", steps, 1), check.scalar("final", check.nonnegative("final", final))
    return Schedule(
        "cosine",
        lambda k: final + (1 - final) * (1 + np.cos(np.pi * np.clip(k / steps, 0, 1))) / 2,
        {"steps": steps, "final": final},
    )


def warm_up(steps: int, then: Any = None) -> Schedule:
    """s(k) = (k + 1)/steps for k < steps, then the schedule `then` from its start (default: 1).

    >>> warm_up(4)(range(6)).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    steps, after = check.count("steps", steps, 1), constant() if then is None else checked("then", then)

    def factor(k: Any) -> Any:
        return np.where(k < steps - 1, (k + 1) / steps, after(np.maximum(k - steps + 1, 0)))

    return Schedule("warm_up", factor, {"steps": steps, "then": after})


def of_name(name: str, settings: Mapping[str, Any]) -> Schedule:
    """The schedule described by a configuration."""
    made = check.mapping("settings", settings, "arguments of the schedule to their values")
    return MAKERS[check.choice("name", name, MAKERS)](**made)


MAKERS = {made.__name__: made for made in (constant, step, exponential, cosine, warm_up)}


def _again(name: str, settings: Mapping[str, Any], stretch: float) -> Schedule:
    return replace(of_name(name, settings), stretch=stretch)
