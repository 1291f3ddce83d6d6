"""L(theta) and its mean over iterates that alternate between theta + delta and theta - delta."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odeopt.util.check import Array


def with_mean(loss: Callable[[Array], Array], theta: Array, delta: Array) -> tuple[float, float]:
    """L(theta), and L(theta) + sum_i [(L(theta + delta_i) + L(theta - delta_i))/2 - L(theta)] for rows delta (k, d).

    The mean is exact for one delta, and L + <H, delta^T delta>/2 to second order.

    >>> with_mean(lambda u: u[..., 0] ** 4, np.zeros(1), np.ones((1, 1)))
    (0.0, 1.0)
    """
    middle, *ends = loss(np.concatenate([theta[None], theta + delta, theta - delta]))
    return float(middle), float(middle + np.sum(np.array(ends) - middle) / 2)
