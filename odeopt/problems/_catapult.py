"""A linear network with one hidden layer and one datum: gradient descent may converge beyond 2/lambda."""

from __future__ import annotations

import numpy as np

from odeopt.problems.base import Problem
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory


def catapult(width: int = 100, output: float = 1.0, curvature: float = 2.0) -> Problem:
    """L = f^2/2,  f = u.v/sqrt(n),  theta = (u, v),  n = width.                       [Lewkowycz et al. 2020, sec. 2]

    Two numbers tell all of gradient descent: f and lambda = (|u|^2 + |v|^2)/n, the curvature of L where f = 0.  They
    start at `output` and `curvature`; one step of length lr makes of them
        f (1 - lr lambda + lr^2 f^2/n),   lambda + lr f^2/n (lr lambda - 4).
    Below lr lambda = 2 the loss falls at once.  From 2 to 4 it first rises to the order of n, while lambda falls below
    2/lr, and then falls to 0: the catapult.  Beyond 4 lambda grows too.  There is no single minimizer.

    >>> import odeopt as oo
    >>> run = oo.simulate(oo.optimizers.gd(lr=1.5), catapult(), steps=60)
    >>> float(run.loss.max() / run.loss[0]) > 10, float(run.loss[-1]) < 1e-9
    (True, True)
    """
    n = within_memory("width", check.count("width", width, 1), 20 * NUMBER * width)
    f = check.scalar("output", check.finite("output", output))
    top = check.scalar("curvature", check.positive("curvature", curvature))
    root = np.sqrt(n)
    if top < 2 * abs(f) / root:  # |u|^2 + |v|^2 >= 2 |u.v|
        raise ValueError(
            f"curvature must be at least 2 |output|/sqrt(width) = {2 * abs(f) / root:g}, got {curvature!r}"
        )
    total, difference = np.sqrt((n * top / 2 + root * f) / n), np.sqrt((n * top / 2 - root * f) / n)
    u_plus_v, u_minus_v = total * np.ones(n), difference * (-1.0) ** np.arange(n)  # over sqrt(2)

    def output_of(theta: Array) -> Array:
        return np.sum(theta[..., :n] * theta[..., n:], axis=-1, keepdims=True) / root

    def grad(theta: Array) -> Array:
        return output_of(theta) * _swapped(theta, n) / root

    def hvp(theta: Array, p: Array) -> Array:
        along = np.sum(_swapped(theta, n) * p, axis=-1, keepdims=True) / root
        return (along * _swapped(theta, n) + output_of(theta) * _swapped(p, n)) / root

    return Problem(
        loss=lambda theta: output_of(theta)[..., 0] ** 2 / 2,
        grad=grad,
        hvp=hvp,
        theta0=np.concatenate([u_plus_v + u_minus_v, u_plus_v - u_minus_v]) / np.sqrt(2),
        name="catapult",
        batched=True,
    )


def _swapped(theta: Array, n: int) -> Array:
    """(v, u) of (u, v)."""
    return np.concatenate([theta[..., n:], theta[..., :n]], axis=-1)
