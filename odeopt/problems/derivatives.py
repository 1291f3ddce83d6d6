"""Derivatives of functions that are known by their values only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.problems.members import Function
from odeopt.util.check import Array

EPS = float(np.finfo(np.float64).eps)
TINY = 1e-20  # the complex step subtracts nothing, so it may be as small as we like
BRANCH = 1e-8  # an imaginary part beyond this share of the loss is no derivative
STEP = EPS ** (1 / 3)  # balances h^2 of truncation against eps/h of rounding
THREE_POINT = "3-point differences"
COARSE_STEP = STEP ** (2 / 3)  # the same balance for a 3-point gradient, whose own error is eps^(2/3)


@dataclass(frozen=True, eq=False)
class Derived:
    """A function that the computer derived, and how (`source`)."""

    f: Callable[..., Array]
    source: str

    def __call__(self, *arguments: Any) -> Array:
        return self.f(*arguments)


@dataclass(frozen=True, eq=False)
class Native:
    """f(theta, *data) on a library's own arrays, theta (d,)."""

    f: Function
    data: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Automatic:
    """A derivative by a library's automatic differentiation: exact to rounding, and so as good as one by hand.

    native: the same inside the library, to be compiled into more
    """

    f: Callable[..., Array]
    source: str
    native: Native | None = None

    def __call__(self, *arguments: Any) -> Array:
        return self.f(*arguments)


def complex_step(loss: Function) -> Derived:
    """dL/dtheta_j = Im L(theta + i h e_j) / h,   h = 1e-20.                              [Squire & Trapp 1998]"""

    def grad(theta: Any) -> Array:
        theta = np.asarray(theta, dtype=np.float64)
        axes = np.eye(theta.shape[-1])
        value = np.asarray(loss(theta[..., None, :] + 1j * TINY * axes))
        # outside its domain a real loss may have a complex branch, log(-2) = log(2) + i pi: no gradient there
        inside = np.abs(value.imag) <= BRANCH * (1 + np.abs(value.real))
        return np.where(inside, value.imag / TINY, np.nan)

    return Derived(grad, "complex step")


def three_point(loss: Function) -> Derived:
    """dL/dtheta_j = (L(theta + h e_j) - L(theta - h e_j)) / 2h.              [Nocedal & Wright 2006, eq. 8.7]"""

    def grad(theta: Any) -> Array:
        theta = np.asarray(theta, dtype=np.float64)
        h = STEP * np.maximum(1, np.abs(theta))
        h = (theta + h) - theta  # the step that float64 really makes
        steps = h[..., None] * np.eye(theta.shape[-1])
        centre = theta[..., None, :]
        return (loss(centre + steps) - loss(centre - steps)) / (2 * h)

    return Derived(grad, THREE_POINT)


def complex_step_hvp(grad: Function) -> Derived:
    """H p = Im grad(theta + i h p) / h,   h = 1e-20.                                     [Squire & Trapp 1998]"""
    return Derived(lambda theta, p: np.imag(grad(theta + 1j * TINY * np.asarray(p))) / TINY, "complex step of grad")


def central_hvp(grad: Function, step: float = STEP) -> Derived:
    """H p = (grad(theta + h p) - grad(theta - h p)) / 2h.                    [Nocedal & Wright 2006, sec. 8.1]"""

    def hvp(theta: Any, p: Any) -> Array:
        theta, p = np.broadcast_arrays(np.asarray(theta, dtype=np.float64), p)
        length = np.max(np.abs(p), axis=-1, keepdims=True)
        size = np.maximum(1, np.max(np.abs(theta), axis=-1, keepdims=True))
        h = step * size / np.where(length > 0, length, 1)
        return (grad(theta + h * p) - grad(theta - h * p)) / (2 * h)

    return Derived(hvp, "central differences of grad")


def gradient_of(loss: Function, points: Array) -> Derived:
    """The complex step where it works at all points, else 3-point differences."""
    return complex_step(loss) if analytic_in_code(loss, points) else three_point(loss)


def hvp_of(grad: Function, points: Array) -> Derived:
    """The complex step of a gradient by hand where it works at all points, else central differences."""
    if isinstance(grad, Derived):
        return central_hvp(grad, COARSE_STEP if grad.source == THREE_POINT else STEP)
    return complex_step_hvp(grad) if analytic_in_code(grad, points) else central_hvp(grad)


def analytic_in_code(f: Function, points: Array) -> bool:
    """Im f(x + i h p) / h = (f(x + s p) - f(x - s p)) / 2s at every point x, up to the error of the right side?

    abs, norm, conj and real parts are not analytic: they run on complex numbers and give a wrong derivative.  So do
    the branches of a piecewise function, which may begin far from these points: points up to 100 times as far out
    are tried too, where f is finite.
    """
    rng = np.random.default_rng(1)
    if not _agrees(f, points, rng.uniform(0.5, 1, size=points.shape), STEP):
        return False
    for scale in (0.1, 1.0, 10.0, 100.0):
        far = points + scale * (1 + np.abs(points)) * rng.choice([-1.0, 1.0], size=points.shape)
        if not all(_agrees(f, x[None], np.ones((1, x.size)), STEP * (1 + scale), outside=True) for x in far):
            return False
    return True


def _agrees(f: Function, points: Array, p: Array, step: float, outside: bool = False) -> bool:
    """Complex step against central differences; `outside` forgives a point where f has no finite value."""
    try:
        with np.errstate(all="ignore"):
            ahead, behind = np.asarray(f(points + step * p)), np.asarray(f(points - step * p))
            if outside and not (np.isfinite(ahead).all() and np.isfinite(behind).all()):
                return True
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)  # imaginary parts thrown away
                complex_steps = np.imag(f(points + 1j * TINY * p)) / TINY
            central = (ahead - behind) / (2 * step)
            tolerance = 1e-6 * np.max(np.abs(central)) + 10 * EPS / step * np.max(np.abs(ahead))
            curved = 1e-4 * np.max(np.abs(central)) if outside else 0.0  # far out third derivatives may be large
            return bool(np.all(np.abs(complex_steps - central) <= tolerance + curved))
    except Exception:  # a function may refuse complex numbers, or points outside its domain, in any way it likes
        return outside
