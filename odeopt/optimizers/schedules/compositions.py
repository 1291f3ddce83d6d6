"""Schedules made of schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, checked, made, snapped
from odeopt.optimizers.schedules.decays import constant, linear
from odeopt.util import check


def sequence(first: Any, steps: int, then: Any) -> Schedule:
    """s(k) = first(k) for k < steps, then the schedule `then` from its start.            [optax.join_schedules]

    >>> from odeopt.optimizers.schedules import step
    >>> sequence(step(1, 0.5), 2, linear(4))(range(5)).tolist()
    [1.0, 0.5, 1.0, 0.75, 0.5]
    """
    before, steps, after = checked("first", first), check.count("steps", steps, 1), checked("then", then)
    return made(sequence, _joined(before, steps, after), first=before, steps=steps, then=after)


def hold(steps: int, then: Any) -> Schedule:
    """s(k) = 1 for k < steps, then the schedule `then` from its start.

    >>> hold(2, linear(2))(range(5)).tolist()
    [1.0, 1.0, 1.0, 0.5, 0.0]
    """
    steps, after = check.count("steps", steps), checked("then", then)
    return made(hold, _joined(constant(), steps, after), steps=steps, then=after)


def warm_up(steps: int, then: Any = None) -> Schedule:
    """s(k) = (k + 1)/steps for k < steps, then the schedule `then` from its start (default: 1).

    The last step of the warm-up is the first step of `then`.

    >>> warm_up(4)(range(6)).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    steps, after = check.count("steps", steps, 1), constant() if then is None else checked("then", then)
    return made(warm_up, _joined(lambda k: (k + 1) / steps, steps - 1, after), steps=steps, then=after)


def wsd(steps: int, cooldown: int, shape: Callable[[int], Schedule] = linear) -> Schedule:
    """s(k) = 1, and in the last `cooldown` of the steps shape(cooldown): warm up, stay, decay.    [Hu et al. 2024]

    shape: a schedule by its number of steps, such as `linear`, `one_minus_sqrt`, `cosine`, lambda n: polynomial(n, 2)
    A warm-up is put in front of it by `warm_up(n, wsd(...))`.

    >>> wsd(steps=100, cooldown=20)
    hold(steps=80, then=linear(steps=20, final=0))
    """
    steps, cooldown = check.count("steps", steps, 1), _cooldown(cooldown, steps)
    if not callable(shape) or isinstance(shape, Schedule):
        raise TypeError(
            f"shape must be a function that makes a schedule of its number of steps, got {check.shown(shape)}"
        )
    return hold(steps - cooldown, checked("shape(cooldown)", shape(cooldown)))


def trapezoid(steps: int, warm: int, cooldown: int) -> Schedule:
    """Up in the first `warm` of the steps, 1, and down in the last `cooldown` of them, linearly; 0 from k = steps on.

    >>> trapezoid(steps=100, warm=10, cooldown=20)
    warm_up(steps=10, then=hold(steps=71, then=linear(steps=20, final=0)))
    >>> trapezoid(steps=8, warm=2, cooldown=4)(range(9)).tolist()
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    steps, warm = check.count("steps", steps, 2), check.count("warm", warm, 1)
    if warm >= steps:
        raise ValueError(f"warm must be less than steps = {steps}, got {warm}")
    return warm_up(warm, wsd(steps - warm + 1, _cooldown(cooldown, steps - warm + 1)))


def restarts(cycle: Any, steps: int, factor: float = 1.0) -> Schedule:
    """The first `steps` steps of the schedule `cycle` again and again, each time `factor` >= 1 times as slowly.

    s(k) = cycle((k - t_i)/factor^i) in the cycle i from t_i = steps (1 + factor + ... + factor^(i-1)) to t_(i+1).
    restarts(cosine(n), n, factor) is torch's CosineAnnealingWarmRestarts(n, factor).
    [Loshchilov and Hutter 2017]

    >>> restarts(linear(2), 2, factor=2)(range(8)).tolist()
    [1.0, 0.5, 1.0, 0.75, 0.5, 0.25, 1.0, 0.875]
    """
    again, steps = checked("cycle", cycle), check.count("steps", steps, 1)
    factor = check.scalar("factor", check.positive("factor", factor))
    if factor < 1:
        raise ValueError(f"factor must be at least 1, got {factor!r}")
    cycles, begin = _repeats(steps, factor)

    def restarted(k: Any) -> Any:
        i = np.floor(cycles(np.maximum(k, 0)))
        i = np.where(k >= begin(i + 1), i + 1, np.where(k < begin(i), np.maximum(i - 1, 0), i))  # the log is rounded
        return again((k - begin(i)) / factor**i)

    return made(restarts, restarted, cycle=again, steps=steps, factor=factor)


def _repeats(steps: int, factor: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """k -> how many cycles end by step k, with the part of the present one; i -> t_i, where cycle i begins."""
    if factor == 1:
        return lambda k: k / steps, lambda i: steps * i
    more = factor - 1
    return (
        lambda k: np.log1p(more * k / steps) / np.log(factor),
        lambda i: snapped(steps * (factor**i - 1) / more),
    )


def _joined(first: Callable[[Any], Any], steps: int, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """first(k) for k < steps, then(k - steps) from there on; neither is evaluated outside its range."""
    return lambda k: np.where(k < steps, first(np.minimum(k, steps)), then(np.maximum(k - steps, 0)))


def _cooldown(cooldown: Any, steps: int) -> int:
    if check.count("cooldown", cooldown, 1) > steps:
        raise ValueError(f"cooldown must be at most {steps} steps, got {cooldown}")
    return int(cooldown)
