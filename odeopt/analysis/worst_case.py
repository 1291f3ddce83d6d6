"""Worst-case bounds for convex functions, and the functions on which they are attained.

R = `distance` is |theta0 - theta*|, `smoothness` is the Lipschitz constant of the gradient, and t is the time: N lr
after N steps of gradient descent, N sqrt(lr) after N steps of Nesterov's method.  A bound is a number, or an array like
its arguments.
"""

from __future__ import annotations

from typing import Any

from odeopt.util import check
from odeopt.util.check import Number


def gradient_bound(t: Number, distance: Number = 1.0, smoothness: Number = 1.0) -> Any:
    """L(theta(t)) - L* <= smoothness R^2/(4 smoothness t + 2), for both gradient flow and gradient descent.

    For gradient descent t = N lr with lr smoothness <= 1 [Drori and Teboulle 2014]; gradient flow is its limit.  Both
    attain the bound on `problems.huber(worst_slope(t, ...), smoothness)`, on whose straight part the method is exact.

    >>> gradient_bound(10 * 0.1)  # ten steps of lr = 0.1
    0.16666666666666666
    """
    t, R, S = check.nonnegative("t", t), check.positive("distance", distance), check.positive("smoothness", smoothness)
    check.together(t=t, distance=R, smoothness=S)
    return S * R**2 / (4 * S * t + 2)


def worst_slope(t: Number, distance: Number = 1.0, smoothness: Number = 1.0) -> Any:
    """smoothness R/(2 smoothness t + 1): the slope of `problems.huber` whose loss is largest after the time t.

    On a steeper line gradient flow is faster; on a flatter line the loss is smaller.    [Drori and Teboulle 2014]

    >>> worst_slope(1.0)
    0.3333333333333333
    """
    t, R, S = check.nonnegative("t", t), check.positive("distance", distance), check.positive("smoothness", smoothness)
    check.together(t=t, distance=R, smoothness=S)
    return S * R / (2 * S * t + 1)


def nesterov_flow_bound(t: Number, distance: Number = 1.0) -> Any:
    """L(x(t)) - L* <= 2 R^2/t^2 along x'' + (3/t) x' + grad L = 0.               [Su, Boyd and Candes 2016, theorem 3]

    >>> nesterov_flow_bound(10.0)
    0.02
    """
    t, R = check.positive("t", t), check.positive("distance", distance)
    check.together(t=t, distance=R)
    return 2 * R**2 / t**2


def nesterov_bound(steps: Any, lr: Number, distance: Number = 1.0) -> Any:
    """L(x_N) - L* <= 2 R^2/(lr (N + 1)^2), lr smoothness <= 1.                   [Su, Boyd and Candes 2016, theorem 6]

    x_N = y_{N-1} - lr grad L(y_{N-1}) is the point after the gradient step; `nesterov_k` stores the y.  The bound
    equals the flow's bound at the time (N + 1) sqrt(lr).

    >>> nesterov_bound(9, lr=0.01)
    2.0
    """
    N, lr, R = check.nonnegative("steps", steps), check.rate("lr", lr), check.positive("distance", distance)
    check.together(steps=N, lr=lr, distance=R)
    return 2 * R**2 / (lr * (N + 1) ** 2)
