"""The largest stable lr lambda, at which a multiplier of the step first leaves the unit circle."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.analysis.linear import as_optimizer, spectral_radius
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Array

ROUNDING = 1e-12  # a multiplier of at most 1 + ROUNDING counts as stable
SMALLEST, LARGEST = 1e-3, 1e12  # the range of lr lambda that is searched
LEAST, CONTRACTS = 1e-9, 1e-3  # the search below SMALLEST; there a step must contract by CONTRACTS lr lambda
STRETCH, POINTS = 10.0, 300  # each grid spans this factor; the next grid is searched if all of this one is stable
HALVINGS = 60  # of a bracket, enough for float64


def stability_limit(opt: Optimizer | Scheme, t: Any = None) -> Any:
    """The largest lr lambda up to which |multipliers| <= 1; h lambda for a scheme or an unnamed optimizer.

    It is the first crossing on a fine logarithmic grid from 1e-3 to 1e12, refined by bisection to rounding, and inf if
    the whole grid is stable.  If 1e-3 is already unstable, the search goes down to 1e-9 for steps that contract; if
    there are none, the limit is 0.  Returns a number, or one number per member of the optimizer.

    t: the time at which the step is taken, for a flow that reads the time.  Under a schedule the factor s(t) is frozen,
       and lr is the rate that s multiplies.  Several times (k, ...) give one limit each, with members as the last axes

    >>> from odeopt import optimizers, schedules, schemes
    >>> round(stability_limit(optimizers.momentum(beta=0.9)), 10), round(stability_limit(schemes.rk4), 10)
    (3.8, 2.7852935634)
    >>> stability_limit(optimizers.adam(beta1=np.array([0.0, 0.5, 0.9]))).round(10).tolist()
    [2.0, 6.0, 38.0]
    >>> halving = optimizers.scheduled(optimizers.gd(lr=0.1), schedules.step(every=1, factor=0.5))
    >>> stability_limit(halving, t=[0.0, 0.1, 0.2]).round(10).tolist()
    [2.0, 4.0, 8.0]
    """
    opt = as_optimizer(opt)
    if np.ndim(t):
        times = np.asarray(check.nonnegative("t", t))
        return np.array([stability_limit(opt, float(at)) for at in times.ravel()]).reshape(*times.shape, *opt.members)
    limit: Any = np.full(opt.members, np.inf)
    low = SMALLEST
    while np.isinf(limit).any() and low < LARGEST:
        high = min(low * STRETCH, LARGEST)
        grid = np.geomspace(low, high, POINTS).reshape(-1, *(1,) * len(opt.members))
        stable = is_stable(spectral_radius(opt, grid, t))
        if not stable.all():
            limit = np.where(np.isinf(limit), first_crossing(opt, grid, stable, t), limit)
        low = high
    if np.any(limit == 0):
        grid = np.geomspace(LEAST, SMALLEST, POINTS).reshape(-1, *(1,) * len(opt.members))
        contracts = spectral_radius(opt, grid, t) < 1 - CONTRACTS * grid
        limit = np.where(limit == 0, first_crossing(opt, grid, contracts, t), limit)
    return float(limit) if limit.ndim == 0 else limit


def is_stable(radius: Any) -> Any:
    """Whether all multipliers are in the unit circle."""
    return radius <= 1 + ROUNDING


def first_crossing(opt: Optimizer, grid: Array, stable: Any, t: float | None = None) -> Any:
    """For each member, the end of the first stable stretch of a grid (k, 1, ...), by bisection; inf if all are."""
    first = np.argmin(stable, axis=0)
    flat = grid.ravel()
    low, high = flat[np.maximum(first - 1, 0)], flat[first]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = is_stable(spectral_radius(opt, middle, t))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(stable.all(axis=0), np.inf, np.where(stable[0], low, 0.0))
