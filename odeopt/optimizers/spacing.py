"""How hyperparameters are spaced: rates by their logarithm, decay factors beta by that of 1 - beta."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.util import check

DECAY_FACTORS = frozenset({"beta", "beta1", "beta2", "beta3", "rho", "momentum"})  # spaced by log(1 - beta)


def checked_range(name: str, ends: Any) -> tuple[float, float]:
    """(low, high) with 0 < low < high, or 0 <= low < high < 1 for a decay factor."""
    found = check.numbers_of(name, ends)
    if found.shape != (2,) or not np.isfinite(found).all() or not found[0] < found[1]:
        raise ValueError(f"{name} must be a range (low, high) with low < high, got {check.shown(ends)}")
    low, high = map(float, found)
    if name in DECAY_FACTORS and not 0 <= low < high < 1:
        raise ValueError(f"{name} must be a range within 0 <= {name} < 1, got {check.shown(ends)}")
    if name not in DECAY_FACTORS and low <= 0:
        raise ValueError(f"{name} must be a range of positive numbers, got {check.shown(ends)}")
    return low, high


def between(name: str, low: float, high: float, share: float) -> float:
    """low^(1 - share) high^share, and for a decay factor the same of 1 - low and 1 - high."""
    if name in DECAY_FACTORS:
        return float(1 - (1 - low) ** (1 - share) * (1 - high) ** share)
    return float(low ** (1 - share) * high**share)
