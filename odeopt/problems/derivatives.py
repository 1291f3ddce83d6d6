"""Derivatives of functions that are known by their values only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from odeopt.problems.differences import gradient_by_differences, product_by_differences, scaled, sizes
from odeopt.problems.members import Function
from odeopt.util.check import Array

EPS = float(np.finfo(np.float64).eps)
TINY = 2.0**-66  # the complex step subtracts nothing, so it may be as small as we like
BRANCH = 1e-8  # an imaginary part beyond this share of the loss may come from a complex branch
STEP = EPS ** (1 / 3)  # of a single central difference, which needs to be right to a few digits only
BY_DIFFERENCES = "central differences"
COARSE = EPS ** (4 / 5)  # the relative error of a gradient by differences


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
    third:  of H p, (theta, p, q) -> D^3 L[p, q, .], if the library has it
    """

    f: Callable[..., Array]
    source: str
    native: Native | None = None
    third: Function | None = None

    def __call__(self, *arguments: Any) -> Array:
        return self.f(*arguments)


def complex_step(loss: Function, usual: Array) -> Derived:
    """dL/dtheta_j = Im L(theta + i h e_j) / h,   h = 1e-20 of theta_j's size.            [Squire & Trapp 1998]

    usual: the usual sizes of theta (d,), for coordinates that are 0 or small
    """

    def grad(theta: Any) -> Array:
        theta = np.asarray(theta, dtype=np.float64)
        h = TINY * sizes(theta, usual)

        def imaginary(h: Array) -> tuple[Array, Array]:
            value = np.asarray(loss(theta[..., None, :] + 1j * h[..., None] * np.eye(theta.shape[-1])))
            return value.imag, BRANCH * (1 + np.abs(value.real))

        whole, bound = imaginary(h)
        slope = whole / h
        if np.any(np.abs(whole) > bound):  # steep, or a complex branch, log(-2) = log(2) + i pi: no gradient there
            half, _ = imaginary(h / 2)
            slope = np.where(np.abs(2 * half - whole) <= BRANCH * np.abs(whole), slope, np.nan)
        return slope

    return Derived(grad, "complex step")


def central_differences(loss: Function, usual: Array) -> Derived:
    """The gradient by two central differences for each coordinate, extrapolated and compared."""
    return Derived(lambda theta: gradient_by_differences(loss, np.asarray(theta, float), usual), BY_DIFFERENCES)


def complex_step_hvp(grad: Function, usual: Array) -> Derived:
    """H p = Im grad(theta + i h p) / h,   h p = 1e-20 of the size of theta.              [Squire & Trapp 1998]"""

    def hvp(theta: Any, p: Any) -> Array:
        theta, p = np.asarray(theta, dtype=np.float64), np.asarray(p, dtype=np.float64)
        scale = scaled(p, sizes(theta, usual))
        return np.imag(grad(theta + 1j * TINY * (p / scale))) / TINY * scale

    return Derived(hvp, "complex step of grad")


def central_hvp(grad: Function, usual: Array, rounding: float = EPS) -> Derived:
    """H p by two central differences of the gradient along p, extrapolated and compared."""
    return Derived(product_by_differences(grad, usual=usual, rounding=rounding), f"{BY_DIFFERENCES} of grad")


def gradient_of(loss: Function, points: Array, usual: Array) -> Derived:
    """The complex step where it works at all points, else differences; `usual`: the usual sizes of theta (d,)."""
    return (complex_step if analytic_in_code(loss, points, usual) else central_differences)(loss, usual)


def hvp_of(grad: Function, points: Array, usual: Array) -> Derived:
    """The complex step of a gradient by hand where it works at all points, else central differences."""
    return hvp_rule(grad, points, usual)(grad)


def hvp_rule(grad: Function, points: Array, usual: Array) -> Callable[[Function], Derived]:
    """The function grad -> hvp that suits this gradient, for others computed like it: those of batches."""
    if isinstance(grad, Derived):
        return partial(central_hvp, usual=usual, rounding=COARSE if grad.source == BY_DIFFERENCES else EPS)
    analytic = analytic_in_code(lambda theta: usual * grad(theta), points, usual)  # all entries in units of the loss
    return partial(complex_step_hvp if analytic else central_hvp, usual=usual)


def analytic_in_code(f: Function, points: Array, usual: Array) -> bool:
    """Im f(x + i h p) / h = (f(x + s p) - f(x - s p)) / 2s at every point x, up to the error of the right side?

    abs, norm, conj and real parts are not analytic: they run on complex numbers and give a wrong derivative.  So do
    the branches of a piecewise function, which may begin far from these points: points up to 100 times as far out
    are tried too, where f is finite, and up to 100 for small points.
    """
    rng = np.random.default_rng(1)
    near = rng.uniform(0.5, 1, size=points.shape) * np.maximum(usual, np.abs(points))
    if not _agrees(f, points, near, STEP):
        return False
    for reach in (usual, np.maximum(usual, 1.0)) if np.any(usual < 1) else (usual,):
        for scale in (0.1, 1.0, 10.0, 100.0):
            far = points + scale * (reach + np.abs(points)) * rng.choice([-1.0, 1.0], size=points.shape)
            steps = np.maximum(usual, np.abs(far))
            if not all(_agrees(f, x[None], p[None], STEP, outside=True) for x, p in zip(far, steps, strict=True)):
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
