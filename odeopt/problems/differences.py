"""Derivatives by differences: two central ones, extrapolated and compared, by steps that suit each coordinate."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.util.check import Array

EPS = float(np.finfo(np.float64).eps)
FLOOR = 0.1  # of the usual size of a coordinate: how small its own size may become
ZERO = 1e-9  # of the mean size of all coordinates: one below it counts as 0
APART = 1e-4  # of the change of f over a step, per step: how far two differences may be from each other
NOISE = 1e3  # roundings of f that two differences may be apart
NOISIER = 2.0  # where a smaller step makes them disagree so many times as much, they do so by noise
SMALLER = 0.125 ** np.arange(6)  # parts of the first step; a smaller one is tried where two differences disagree


class RoughGradient(UserWarning):
    """Two differences of a function are far from each other, however small the step."""


def typical(theta: Array) -> Array:
    """The usual size (d,) of each coordinate of theta (..., d): its largest value, or the mean size where that is 0.

    A coordinate below a billionth of the others counts as 0.  The size is 1 where all are 0.
    """
    own = np.max(np.abs(theta).reshape(-1, theta.shape[-1]), axis=0)
    mean = float(np.mean(own))
    if not 0 < mean < np.inf:
        return np.ones_like(own)
    return np.where(own > ZERO * mean, own, mean)


def sizes(theta: Array, usual: Array | None = None) -> Array:
    """|theta_j|, at least a tenth of its usual size (default: by theta), as powers of 2, so that steps are exact."""
    exponent = np.frexp(np.maximum(np.abs(theta), FLOOR * (typical(theta) if usual is None else usual)))[1]
    return np.ldexp(1.0, exponent - 1)


def scaled(p: Array, size: Array) -> Array:
    """The power of 2 by which p is divided so that it moves no coordinate by more than about its size; (..., 1)."""
    exponent = np.frexp(np.max(np.abs(p) / size, axis=-1, keepdims=True))[1]
    return np.ldexp(1.0, exponent)


def derivative_along(f: Callable[[Any], Any], x: Array, p: Array, rank: int, rounding: float = EPS) -> Array:
    """d/ds f(x + s p) at s = 0:   (4 D(h/2) - D(h))/3,   D(h) = (f(x + h p) - f(x - h p)) / 2h.   [Richardson 1911]

    p is of the size of x.  h balances h^4 of truncation against rounding/h.  Where D(h) and D(h/2) disagree h is cut,
    unless that makes it worse, and the step is taken that leaves the least doubt.  A warning says
    where no step makes them agree.

    rank:     that of one value of f: 0 for a number, 1 for a vector
    rounding: the relative error of f
    """

    def size(u: Array) -> Array:
        return np.max(np.abs(u), axis=-1, keepdims=True) if rank else np.abs(u)

    at = np.asarray(f(x))
    one = size(at)
    found, doubt, share = np.full(at.shape, np.nan), np.full(one.shape, np.inf), np.full(one.shape, np.inf)
    rough = improving = np.full(one.shape, True)
    for h in rounding ** (1 / 5) * SMALLER:
        coarse, change = _central(f, x, p, h, at, size)
        fine, _ = _central(f, x, p, h / 2, at, size)
        apart, lost = size(fine - coarse), rounding * one / h
        before, share = share, apart / np.where(change == 0, 1, change)
        improving = improving & ~(share > NOISIER * before) & ~((change == 0) & np.isfinite(before))
        better = rough & improving & (apart + lost < doubt)
        found, doubt = np.where(better, (4 * fine - coarse) / 3, found), np.where(better, apart + lost, doubt)
        rough = np.where(better, apart > APART * change + NOISE * lost, rough)
        if not (rough & improving).any():
            break
    if np.any(rough & np.isfinite(doubt)):
        warnings.warn(
            f"derivatives by differences are rough: two steps give slopes {np.max(doubt[np.isfinite(doubt)]):.1e} "
            "apart at best; the function has a kink nearby, or is not computed in double precision",
            RoughGradient,
            stacklevel=3,
        )
    return found


def _central(
    f: Callable[[Any], Any], x: Array, p: Array, h: float, at: Array, size: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """D(h), and how much f changes over the step, per step."""
    ahead, behind = np.asarray(f(x + h * p)), np.asarray(f(x - h * p))
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.maximum(size(ahead - at), size(behind - at)) / h
        return (ahead - behind) / (2 * h), change


def gradient_by_differences(f: Callable[[Any], Any], theta: Array, usual: Array) -> Array:
    """dL/dtheta_j, (..., d), of the loss f(theta) -> (...)."""
    size = sizes(theta, usual)
    centre, axes = theta[..., None, :], size[..., None] * np.eye(theta.shape[-1])
    return derivative_along(f, centre, axes, 0) / size


def product_by_differences(
    grad: Callable[..., Any],
    array: Callable[[Any], Array] = np.asarray,
    own: Callable[[Any], Any] = np.asarray,
    usual: Array | None = None,
    rounding: float = EPS,
) -> Callable[..., Any]:
    """(theta, p) -> H p by differences of the gradient along p.

    array: a vector of the gradient's library as NumPy's;  own: the inverse;  usual: the usual sizes of theta (d,)
    """

    def product(theta: Any, p: Any, *more: Any) -> Any:
        at, along = np.broadcast_arrays(np.asarray(array(theta), dtype=np.float64), array(p))
        if not along.any():
            return own(np.zeros_like(at))
        size = sizes(at, usual)
        scale = scaled(along, size)  # times its size, every entry of the gradient is a change of the loss
        slope = derivative_along(lambda x: size * array(grad(own(x), *more)), at, along / scale, 1, rounding)
        return own(slope / size * scale)

    return product
