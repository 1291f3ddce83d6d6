"""Regression on real data: logistic, and linear, whose gradient flow is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.problems._quadratic import linear_flow
from odeopt.problems.base import Problem
from odeopt.problems.data import design, signs
from odeopt.problems.samples import Samples
from odeopt.util import check
from odeopt.util.check import Array


def softplus(z: Array) -> Array:
    """log(1 + e^z), without overflow; z may be complex."""
    positive = np.real(z) > 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z) = (1 + tanh(z/2)) / 2, without overflow; z may be complex."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def products(theta: Array, X: Array) -> Array:
    """x_i.theta for shared rows (n, d), or for each member's own rows (..., B, d)."""
    return theta @ X.T if X.ndim == 2 else (X @ theta[..., None])[..., 0]


def mean_of(r: Array, X: Array) -> Array:
    """mean_i r_i x_i over the rows."""
    return (r @ X if X.ndim == 2 else (r[..., None, :] @ X)[..., 0, :]) / X.shape[-2]


def penalty(ridge: float, theta: Array) -> Array:
    """ridge/2 |theta|^2, which is part of every sample's loss."""
    return ridge / 2 * np.sum(theta**2, axis=-1)


def logistic_regression(
    data: str | tuple[Any, Any] = "breast_cancer", features: int | None = None, ridge: float = 1e-2
) -> Problem:
    """L = mean_i log(1 + exp(-y_i x_i.theta)) + ridge/2 |theta|^2,  y_i = +-1.         [Hastie et al. 2009, eq. 4.20]

    data: "breast_cancer" (569 x 30; d = 31), "digits" (even against odd; 1797 x 64; d = 65) or arrays (X, y) with
    labels {0, 1} or {-1, 1}.  Data given by name are standardised and followed by a column of ones, the intercept,
    which the ridge also penalises.  `features` keeps that many leading columns: d = features.  The minimizer is
    computed by Newton's method, to rounding; it is None for ridge = 0, because it need not exist.

    >>> logistic_regression(features=10)
    Problem logistic regression: d = 10, gradient by hand, batched
    """
    ridge = check.scalar("ridge", check.nonnegative("ridge", ridge))
    X, y = design(data, features, named=("breast_cancer", "digits"))
    y = y % 2 if isinstance(data, str) else y  # breast_cancer has labels 0 and 1, digits 0 to 9
    M = signs(y)[:, None] * X  # the margins are M theta
    n, d = M.shape

    def loss(theta: Array, M: Array) -> Array:
        return np.mean(softplus(-products(theta, M)), axis=-1) + penalty(ridge, theta)

    def grad(theta: Array, w: Array, M: Array) -> Array:
        return mean_of(-w * sigmoid(-products(theta, M)), M) + ridge * theta * np.mean(w, axis=-1, keepdims=True)

    def hvp(theta: Array, p: Array) -> Array:
        s = sigmoid(theta @ M.T)
        return (s * (1 - s) * (p @ M.T)) @ M / n + ridge * p

    samples = Samples((M,), loss, grad)
    minimizer = _newton(samples.loss, samples.grad, hvp, np.zeros(d)) if ridge > 0 else None
    return Problem(
        samples.loss,
        samples.grad,
        hvp=hvp,
        theta0=np.zeros(d),
        minimizer=minimizer,
        name="logistic regression",
        batched=True,
        samples=samples,
    )


def least_squares(data: str | tuple[Any, Any] = "diabetes", features: int | None = None, ridge: float = 0.0) -> Problem:
    """L = mean_i (x_i.theta - y_i)^2 / 2 + ridge/2 |theta|^2.                     [Hastie et al. 2009, eq. 3.41]

    data: "diabetes" (442 x 10; standardised, then a column of ones: d = 11; y in units of its standard deviation)
    or arrays (X, y), used unchanged.  `features` keeps that many leading columns: d = features.

    >>> least_squares()
    Problem least squares: d = 11, gradient by hand, batched
    """
    ridge = check.scalar("ridge", check.nonnegative("ridge", ridge))
    X, y = design(data, features, named=("diabetes",))
    y = y / y.std() if isinstance(data, str) else y
    n, d = X.shape
    A = X.T @ X / n + ridge * np.eye(d)
    minimizer = np.linalg.lstsq(np.vstack([X, np.sqrt(n * ridge) * np.eye(d)]), np.append(y, np.zeros(d)))[0]

    def loss(theta: Array, X: Array, y: Array) -> Array:
        return np.mean((products(theta, X) - y) ** 2, axis=-1) / 2 + penalty(ridge, theta)

    def grad(theta: Array, w: Array, X: Array, y: Array) -> Array:
        return mean_of(w * (products(theta, X) - y), X) + ridge * theta * np.mean(w, axis=-1, keepdims=True)

    samples = Samples((X, y), loss, grad)
    return Problem(
        samples.loss,
        samples.grad,
        hvp=lambda theta, p: np.broadcast_arrays(theta, p)[1] @ A,
        theta0=np.zeros(d),
        minimizer=minimizer,
        flow_solution=linear_flow(*np.linalg.eigh(A), centre=minimizer),
        name="least squares",
        batched=True,
        samples=samples,
    )


def _newton(loss: Any, grad: Any, hvp: Any, theta: Array) -> Array:
    """theta <- theta - s H^-1 g, with s halved until L does not rise, until the step is below rounding.

    L must be strongly convex.                                             [Boyd & Vandenberghe 2004, alg. 9.5]
    """
    for _ in range(100):
        step = np.linalg.solve(hvp(theta, np.eye(theta.size)), grad(theta))
        if np.max(np.abs(step)) <= 1e-14 * (1 + np.max(np.abs(theta))):
            break
        s = 1.0
        while loss(theta - s * step) > loss(theta) * (1 + 1e-14) and s > 1e-10:
            s /= 2
        theta = theta - s * step
    return theta
