"""Small tanh networks that train into the edge of stability, with the gradient by hand and H p by its complex step."""

from __future__ import annotations

import numpy as np

import odeopt as oo


def network(seed=3, inputs=3, hidden=8, samples=24, spread=0.7):
    """mean_i (tanh(x_i W + b) v + c - y_i)^2 with y = sin(2 x_1) + x_2 x_3; d = (inputs + 2) hidden + 1."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(samples, inputs))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
    d = (inputs + 2) * hidden + 1
    theta0 = rng.normal(size=d) * spread

    def split(theta):
        lead, n = theta.shape[:-1], inputs * hidden
        return (
            theta[..., :n].reshape(*lead, inputs, hidden),
            theta[..., None, n : n + hidden],
            theta[..., n + hidden : -1, None],
            theta[..., None, -1:],
        )

    def forward(theta):
        W, b, v, c = split(theta)
        a = np.tanh(X @ W + b)
        return v, a, (a @ v + c)[..., 0] - y

    def loss(theta):
        return np.mean(forward(theta)[2] ** 2, axis=-1)

    def grad(theta):
        v, a, r = forward(theta)
        dz = 2 * r[..., None] / samples
        du = dz @ np.swapaxes(v, -1, -2) * (1 - a * a)
        parts = (X.T @ du, du.sum(axis=-2), np.swapaxes(a, -1, -2) @ dz, dz.sum(axis=-2))
        return np.concatenate([u.reshape(*theta.shape[:-1], -1) for u in parts], axis=-1)

    return oo.Problem(loss, grad, theta0=theta0, name=f"tanh network {seed}", batched=True)


def valley(a, start):
    """L = y x^2/2 - a y, theta = (x, y): gradient descent ends in the exact 2-cycle y = 2/lr, x = +-sqrt(2 a)."""
    return oo.Problem(
        lambda u: 0.5 * u[..., 1] * u[..., 0] ** 2 - a * u[..., 1],
        lambda u: np.stack([u[..., 1] * u[..., 0], 0.5 * u[..., 0] ** 2 - a], axis=-1),
        theta0=start,
        name="sharpening valley",
        batched=True,
    )
