"""Schedules in closed form: the factor s(k) of one formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, made
from odeopt.util import check


def constant(value: float = 1.0) -> Schedule:
    """s(k) = value.

    >>> float(constant(0.5)(10))
    0.5
    """
    value = check.scalar("value", check.positive("value", value))
    return made(constant, lambda k: value + 0.0 * k, value=value)


def step(every: int, factor: float = 0.1) -> Schedule:
    """s(k) = factor^floor(k/every).                                              [torch.optim.lr_scheduler.StepLR]

    >>> step(every=2, factor=0.5)(np.arange(5)).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    every, factor = check.count("every", every, 1), check.scalar("factor", check.positive("factor", factor))
    return made(step, lambda k: factor ** np.floor(k / every), every=every, factor=factor)


def exponential(rate: float) -> Schedule:
    """s(k) = rate^k.                                                      [torch.optim.lr_scheduler.ExponentialLR]

    >>> exponential(0.5)(np.arange(4)).tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    rate = check.scalar("rate", check.positive("rate", rate))
    return made(exponential, lambda k: rate**k, rate=rate)


def inverse_time(shift: float) -> Schedule:
    """s(k) = 1/(1 + k/shift), for shift >= 1 steps.               [keras.optimizers.schedules.InverseTimeDecay]

    >>> inverse_time(shift=2)([0, 2, 6]).tolist()
    [1.0, 0.5, 0.25]
    """
    shift = _shift(shift)
    return made(inverse_time, lambda k: 1 / (1 + k / shift), shift=shift)


def inverse_sqrt(shift: float) -> Schedule:
    """s(k) = (1 + k/shift)^(-1/2), for shift >= 1 steps.       [Vaswani et al. 2017, eq. 3, is warm_up(n, of shift n)]

    >>> inverse_sqrt(shift=2)([0, 6, 16]).round(12).tolist()
    [1.0, 0.5, 0.333333333333]
    """
    shift = _shift(shift)
    return made(inverse_sqrt, lambda k: 1 / np.sqrt(1 + k / shift), shift=shift)


def optimal(lr: float, weight_decay: float) -> Schedule:
    """lr s(k) = lr/(1 + weight_decay lr k): under decoupled decay every batch weighs the same in the end.

    The gradient of step k is in the last theta with the weight lr_k prod (1 - weight_decay lr_j) over the later steps
    j.  This weight is the same for all k exactly if s = inverse_time(1/(lr weight_decay)).  If the decay is itself
    proportional to the rate, weight_decay s(k), it is so to leading order for inverse_sqrt(1/(2 lr weight_decay)).
    lr weight_decay is at most 1.

    >>> optimal(lr=0.01, weight_decay=0.1)
    inverse_time(shift=1000)
    """
    lr = check.scalar("lr", check.rate("lr", lr))
    weight_decay = check.scalar("weight_decay", check.positive("weight_decay", weight_decay))
    if not 0 < lr * weight_decay <= 1:
        raise ValueError(f"weight_decay must be at most 1/lr = {1 / lr:g}, got {weight_decay!r}")
    return inverse_time(1 / (lr * weight_decay))


def linear(steps: int, final: float = 0.0) -> Schedule:
    """s(k) = final + (1 - final) (1 - k/steps) up to k = steps, then final.                [optax.linear_schedule]

    >>> linear(steps=4)([0, 1, 4, 9]).tolist()
    [1.0, 0.75, 0.0, 0.0]
    """
    return _decay(linear, lambda x: 1 - x, steps, final)


def polynomial(steps: int, power: float, final: float = 0.0) -> Schedule:
    """s(k) = final + (1 - final) (1 - k/steps)^power up to k = steps, then final.     [optax.polynomial_schedule]

    >>> polynomial(steps=4, power=2)([0, 2, 4, 9]).tolist()
    [1.0, 0.25, 0.0, 0.0]
    """
    power = check.scalar("power", check.positive("power", power))
    return _decay(polynomial, lambda x: (1 - x) ** power, steps, final, power=power)


def cosine(steps: int, final: float = 0.0) -> Schedule:
    """s(k) = final + (1 - final) (1 + cos(pi k/steps))/2 up to k = steps, then final.

    [Loshchilov and Hutter 2017, eq. 5; optax.cosine_decay_schedule]

    >>> cosine(steps=4)([0, 2, 4, 9]).round(12).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    return _decay(cosine, _half_cosine, steps, final)


def one_minus_sqrt(steps: int, final: float = 0.0) -> Schedule:
    """s(k) = final + (1 - final) (1 - sqrt(k/steps)) up to k = steps, then final.     [Hägele et al. 2024, sec. 3]

    >>> one_minus_sqrt(steps=4)([0, 1, 4, 9]).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    return _decay(one_minus_sqrt, lambda x: 1 - np.sqrt(x), steps, final)


def one_cycle(steps: int, peak: float, first: float = 1 / 25, final: float = 1 / 250_000) -> Schedule:
    """Half a cosine from `first` at k = 0 up to 1 at k = peak, and half a cosine down to `final` at k = steps.

    torch's OneCycleLR(max_lr, n, pct_start=p) is one_cycle(n - 1, p n - 1), with first = 1/div_factor and final =
    first/final_div_factor; optax.cosine_onecycle_schedule(n, max_lr, p) is one_cycle(n, floor(p n)).  [Smith 2018]

    >>> one_cycle(steps=6, peak=2, first=0.5)([0, 1, 2, 4]).round(6).tolist()
    [0.5, 0.75, 1.0, 0.500002]
    """
    steps, peak = check.count("steps", steps, 1), check.scalar("peak", check.positive("peak", peak))
    first, final = check.scalar("first", check.nonnegative("first", first)), _final(final)
    if not peak < steps:
        raise ValueError(f"peak must be less than steps = {steps}, got {peak!r}")

    def factor(k: Any) -> Any:
        up, down = np.clip(k / peak, 0, 1), np.clip((k - peak) / (steps - peak), 0, 1)
        return np.where(k < peak, _between(1, first, _half_cosine(up)), _between(final, 1, _half_cosine(down)))

    return made(one_cycle, factor, steps=steps, peak=peak, first=first, final=final)


def table(values: Any) -> Schedule:
    """s(k) = values[k], a straight line in between, and the last value from there on; values (n,) are not negative.

    >>> table([1, 0.5, 0.1])([0, 0.5, 1, 7]).tolist()
    [1.0, 0.75, 0.5, 0.1]
    """
    recorded = np.array(check.nonnegative("values", values))
    if recorded.ndim != 1:
        raise ValueError(f"values must have shape (n,), got shape {recorded.shape}")
    at, shown = np.arange(len(recorded), dtype=float), recorded.copy()
    shown.setflags(write=False)
    return made(table, lambda k: np.interp(k, at, recorded), values=shown)


def _decay(
    make: Callable[..., Schedule], left: Callable[[Any], Any], steps: int, final: float, **more: Any
) -> Schedule:
    """final + (1 - final) left(x): `left` falls from 1 to 0 with x = k/steps from 0 to 1.

    A slope of `left` may be infinite at x = 0 or 1, so `left` is evaluated inside alone: outside, s has the slope 0.
    """
    steps, final = check.count("steps", steps, 1), _final(final)

    def factor(k: Any) -> Any:
        x = k / steps
        inside = np.where(x <= 0, 0.5, np.where(x >= 1, 0.5, x))
        return _between(final, 1, np.where(x <= 0, 1.0, np.where(x >= 1, 0.0, left(inside))))

    return made(make, factor, **{"steps": steps, **more, "final": final})


def _between(final: float, first: float, left: Any) -> Any:
    return final + (first - final) * left


def _half_cosine(x: Any) -> Any:
    return (1 + np.cos(np.pi * x)) / 2


def _final(final: float) -> float:
    return check.scalar("final", check.nonnegative("final", final))


def _shift(shift: float) -> float:
    """The flow reads a schedule from k = -1/2 on, where the formula must be regular."""
    shift = check.scalar("shift", check.positive("shift", shift))
    if shift < 1:
        raise ValueError(f"shift must be at least 1 step, got {shift!r}")
    return shift
