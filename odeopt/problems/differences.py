"""H p by differences of the gradient, where the gradient cannot be differentiated automatically."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.util.check import Array

STEP = float(np.finfo(np.float64).eps) ** (1 / 5)  # balances h^4 of truncation against eps/h of rounding
FLOOR = 1e-2  # the smallest size of a coordinate, relative to the typical size of theta
APART = 1e-3  # the allowed difference between two step sizes, relative to H p


class RoughGradient(UserWarning):
    """Finite differences of a gradient with two step sizes disagree."""


def product_by_differences(
    grad: Callable[..., Any],
    array: Callable[[Any], Array] = np.asarray,
    own: Callable[[Any], Any] = np.asarray,
) -> Callable[..., Any]:
    """H p = (4 D(h/2) - D(h))/3,   D(h) = (grad(theta + h p) - grad(theta - h p)) / 2h,   theta and p (d,).

    [Richardson 1911]  h moves each coordinate by at most a small fraction of its own size.  RoughGradient is warned of
    if D(h) and D(h/2) disagree: the loss has a kink nearby, or its gradient is not computed in double precision.

    array: converts a vector of the gradient's library to NumPy;  own: the inverse
    """

    def product(theta: Any, p: Any, *more: Any) -> Any:
        at, along = array(theta), array(p)
        if not along.any():
            return own(np.zeros_like(at))
        h = STEP / np.max(np.abs(along) / _sizes(at))

        def difference(h: float) -> Array:
            ahead, behind = (array(grad(own(at + s * h * along), *more)) for s in (1, -1))
            return (ahead - behind) / (2 * h)

        coarse, fine = difference(h), difference(h / 2)
        apart = float(np.max(np.abs(fine - coarse)))
        if apart > APART * np.max(np.abs(fine)) + _rounding(array(grad(own(at), *more)), h):
            warnings.warn(
                f"H p by differences of the gradient is rough: steps h and h/2 give products {apart:.1e} apart, "
                f"of size {np.max(np.abs(fine)):.1e}; the loss has a kink nearby, or is not in double precision",
                RoughGradient,
                stacklevel=2,
            )
        return own((4 * fine - coarse) / 3)

    return product


def _sizes(theta: Array) -> Array:
    """|theta_j|, but at least a fraction of their root mean square; 1 if theta = 0."""
    typical = float(np.sqrt(np.mean(theta**2)))
    return np.maximum(np.abs(theta), FLOOR * typical) if typical else np.ones_like(theta)


def _rounding(g: Array, h: float) -> float:
    """A bound on the rounding error of the differences of g, with a safety factor of 1000."""
    return 1e3 * float(np.finfo(np.float64).eps) * float(np.max(np.abs(g))) / h
