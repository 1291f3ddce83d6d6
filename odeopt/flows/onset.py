"""The first moments of a flow whose memory starts at zero, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np


def first_move(g: Any, rate: Any, t: Any, eps: Any) -> Any:
    """The integral of g/(a sqrt(s) + eps) over s in [0, t], with a = |g| sqrt(rate): how far theta has moved.

    It is (2 g eps/a^2) (x - log(1 + x)) with x = a sqrt(t)/eps, and 2 sign(g) sqrt(t/rate) for eps = 0.

    >>> first_move(np.array([3.0, 0.0]), rate=4.0, t=0.01, eps=0.0)
    array([0.1, 0. ])
    """
    g, a, root = np.asarray(g), np.abs(g) * np.sqrt(rate), np.sqrt(t)
    with np.errstate(all="ignore"):
        x = a * root / eps
        # x - log(1 + x) over x^2: by its series where the difference would cancel
        series = 1 / 2 - x / 3 + x**2 / 4 - x**3 / 5 + x**4 / 6 - x**5 / 7
        shape = np.where(x < 1e-2, series, (x - np.log1p(x)) / x**2)
        smooth = 2 * g * root**2 / eps * shape
        sharp = 2 * np.sign(g) * np.sqrt(t / rate)
    return np.where(np.asarray(eps) * np.ones_like(a) > 0, smooth, sharp)
