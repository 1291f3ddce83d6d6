"""Textbook test functions with gradients and Hessians by hand.  Every formula accepts complex theta and stacks.

MGH 1981: More, Garbow & Hillstrom, Testing unconstrained optimization software, ACM TOMS 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.problems.base import Problem
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory

PROBES = 10  # vectors of length d with which a problem is made


def rosenbrock(a: float = 1, b: float = 100) -> Problem:
    """L = (a - x)^2 + b (y - x^2)^2.                                       [Rosenbrock 1960; MGH 1981, (1)]

    >>> rosenbrock(b=5).grad(np.array([1.0, 1.0]))
    array([-0.,  0.])
    """
    a = check.scalar("a", check.finite("a", a))
    b = check.scalar("b", check.positive("b", b))

    def loss(theta: Array) -> Array:
        x, y = _xy(theta)
        return (a - x) ** 2 + b * (y - x**2) ** 2

    def grad(theta: Array) -> Array:
        x, y = _xy(theta)
        return _vector(-2 * (a - x) - 4 * b * x * (y - x**2), 2 * b * (y - x**2))

    def hvp(theta: Array, p: Array) -> Array:
        x, y = _xy(theta)
        return _symmetric(2 - 4 * b * (y - 3 * x**2), -4 * b * x, 2 * b, p)

    return Problem(loss, grad, hvp=hvp, theta0=(-1.5, 2), minimizer=(a, a**2), name="rosenbrock", batched=True)


def himmelblau() -> Problem:
    """L = (x^2 + y - 11)^2 + (x + y^2 - 7)^2.                                             [Himmelblau 1972]

    Four minima of value 0, at (3, 2) and near (-2.81, 3.13), (-3.78, -3.28) and (3.58, -1.85); gradient flow from
    theta0 ends in the first.

    >>> himmelblau().loss(np.array([[3.0, 2.0], [0.0, 0.0]]))
    array([  0., 170.])
    """

    def loss(theta: Array) -> Array:
        x, y = _xy(theta)
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def grad(theta: Array) -> Array:
        x, y = _xy(theta)
        u, v = x**2 + y - 11, x + y**2 - 7
        return _vector(4 * x * u + 2 * v, 2 * u + 4 * y * v)

    def hvp(theta: Array, p: Array) -> Array:
        x, y = _xy(theta)
        return _symmetric(12 * x**2 + 4 * y - 42, 4 * (x + y), 12 * y**2 + 4 * x - 26, p)

    return Problem(loss, grad, hvp=hvp, theta0=(0, 0), minimizer=(3, 2), name="himmelblau", batched=True)


def beale() -> Problem:
    """L = sum_{k=1..3} r_k^2,  r_k = c_k - x (1 - y^k),  c = 1.5, 2.25, 2.625.            [Beale 1958; MGH 1981, (5)]

    >>> float(beale().loss(np.array([3.0, 0.5])))
    0.0
    """
    c = np.array([1.5, 2.25, 2.625])

    def residuals(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """r and its derivatives r_x, r_xy and r_yy; r_y = x r_xy and r_xx = 0.  Last axis: k."""
        powers = np.stack((y, y**2, y**3), axis=-1)
        r_xy = np.stack((1 + 0 * y, 2 * y, 3 * y**2), axis=-1)
        r_yy = np.stack((0 * y, 2 + 0 * y, 6 * y), axis=-1) * x[..., None]
        return c - x[..., None] * (1 - powers), powers - 1, r_xy, r_yy

    def loss(theta: Array) -> Array:
        r, *_ = residuals(*_xy(theta))
        return np.sum(r**2, axis=-1)

    def grad(theta: Array) -> Array:
        x, y = _xy(theta)
        r, r_x, r_xy, _ = residuals(x, y)
        return _vector(2 * np.sum(r * r_x, axis=-1), 2 * x * np.sum(r * r_xy, axis=-1))

    def hvp(theta: Array, p: Array) -> Array:
        x, y = _xy(theta)
        r, r_x, r_xy, r_yy = residuals(x, y)
        xx = 2 * np.sum(r_x**2, axis=-1)
        xy = 2 * np.sum((x[..., None] * r_x + r) * r_xy, axis=-1)
        yy = 2 * np.sum((x[..., None] * r_xy) ** 2 + r * r_yy, axis=-1)
        return _symmetric(xx, xy, yy, p)

    return Problem(loss, grad, hvp=hvp, theta0=(1, 1), minimizer=(3, 0.5), name="beale", batched=True)


def double_well(d: int = 1) -> Problem:
    """L = sum_j x_j^4/4 - x_j^2/2:  minima at x_j = +-1, a barrier of height 1/4 at 0.                [Kramers 1940]

    Gradient flow from theta0 = (1/2, 1/4, 1/6, ...) ends in (1, ..., 1).

    >>> double_well().grad(np.array([0.5]))
    array([-0.375])
    """
    d = within_memory("d", check.count("d", d, minimum=1), PROBES * NUMBER * d)
    return Problem(
        loss=lambda x: np.sum(x**4 / 4 - x**2 / 2, axis=-1),
        grad=lambda x: x**3 - x,
        hvp=lambda x, p: (3 * x**2 - 1) * p,
        theta0=0.5 / np.arange(1, d + 1),
        minimizer=np.ones(d),
        name="double well",
        batched=True,
    )


def saddle() -> Problem:
    """L = x^2/2 - y^2/2 + y^4/4:  a strict saddle at 0, minima at (0, +-1).         [Nesterov 2004, ex. 1.2.2]

    theta0 = (1, 1e-3) lies near the stable manifold y = 0, so the flow lingers at the saddle for a time ln(1000).

    >>> saddle().loss(np.array([[0.0, 0.0], [0.0, 1.0]]))
    array([ 0.  , -0.25])
    """

    def loss(theta: Array) -> Array:
        x, y = _xy(theta)
        return x**2 / 2 - y**2 / 2 + y**4 / 4

    def grad(theta: Array) -> Array:
        x, y = _xy(theta)
        return _vector(x, y**3 - y)

    def hvp(theta: Array, p: Array) -> Array:
        _, y = _xy(theta)
        return _symmetric(1 + 0 * y, 0 * y, 3 * y**2 - 1, p)

    return Problem(loss, grad, hvp=hvp, theta0=(1, 1e-3), minimizer=(0, 1), name="saddle", batched=True)


def valley(d: int = 10, b: float = 5) -> Problem:
    """L = sum_{i<d} (1 - x_i)^2 + b (x_{i+1} - x_i^2)^2, a curved valley in d dimensions.               [Toint 1978]

    >>> float(valley(d=3).loss(np.zeros(3)))
    2.0
    """
    d = within_memory("d", check.count("d", d, minimum=2), PROBES * NUMBER * d)
    b = check.scalar("b", check.positive("b", b))

    def loss(theta: Array) -> Array:
        x, following = theta[..., :-1], theta[..., 1:]
        return np.sum((1 - x) ** 2 + b * (following - x**2) ** 2, axis=-1)

    def grad(theta: Array) -> Array:
        x, following = theta[..., :-1], theta[..., 1:]
        g = np.zeros(theta.shape, dtype=np.result_type(theta, float))
        g[..., :-1] = -2 * (1 - x) - 4 * b * x * (following - x**2)
        g[..., 1:] += 2 * b * (following - x**2)
        return g

    def hvp(theta: Array, p: Array) -> Array:
        x, following = theta[..., :-1], theta[..., 1:]
        q, q_following = p[..., :-1], p[..., 1:]
        Hp = np.zeros(np.broadcast_shapes(theta.shape, p.shape), dtype=np.result_type(theta, p, float))
        Hp[..., :-1] = (2 - 4 * b * (following - 3 * x**2)) * q - 4 * b * x * q_following
        Hp[..., 1:] += 2 * b * (q_following - 2 * x * q)
        return Hp

    return Problem(loss, grad, hvp=hvp, theta0=np.zeros(d), minimizer=np.ones(d), name="valley", batched=True)


def _xy(theta: Array) -> tuple[Array, Array]:
    return theta[..., 0], theta[..., 1]


def _vector(x: Array, y: Array) -> Array:
    return np.stack((x, y), axis=-1)


def _symmetric(xx: Any, xy: Any, yy: Any, p: Array) -> Array:
    """(xx xy; xy yy) p, where the members of the entries and of p broadcast."""
    px, py = _xy(p)
    return _vector(xx * px + xy * py, xy * px + yy * py)
