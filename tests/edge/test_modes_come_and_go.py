"""Several modes that join at once, and one that leaves, where the oscillation is known exactly."""

from __future__ import annotations

import numpy as np

import odeopt as oo

GD = oo.optimizers.gd(lr=0.1)
A = 0.02


def test_two_independent_modes_join_at_once():
    """L = sum_i (y_i x_i^2/2 - a y_i): two exact 2-cycles, y_i = 2/lr and E x_i^2 = 2 a."""

    def loss(u):
        x, y = u[..., :2], u[..., 2:]
        return np.sum(y * x**2 / 2 - A * y, axis=-1)

    flow = oo.central_flow(GD, oo.Problem(loss, theta0=[0.0, 0.0, 19.99, 19.99], batched=True), 12)
    assert [*dict.fromkeys(flow.oscillating.tolist())] == [0, 2]
    np.testing.assert_allclose(flow.covariance.weights[-1], [2 * A, 2 * A], rtol=1e-6)
    np.testing.assert_allclose(flow.final, [0.0, 0.0, 20.0, 20.0], atol=1e-6)
    assert flow.residual.max() < 1e-12


def test_two_modes_that_share_their_sharpness():
    """L = y |x|^2/2 - a y: only E |x|^2 = 2 a is determined, and the flow shares it equally."""
    valley = oo.Problem(lambda u: u[..., 2] * np.sum(u[..., :2] ** 2, -1) / 2 - A * u[..., 2], theta0=[0, 0, 19.99])
    flow = oo.central_flow(GD, valley, 12)
    np.testing.assert_allclose(flow.covariance.weights[-1], [A, A], rtol=1e-6)
    np.testing.assert_allclose(flow.final, [0.0, 0.0, 20.0], atol=1e-6)


def test_a_mode_leaves_when_nothing_drives_it_to_the_edge():
    """L = y x^2/2 - a (1 - z) y - .9 z: E x^2 = 2 a (1 - z) at y = 2/lr, z' = lr (.9 - a y); y falls after z = 1."""

    def loss(u):
        x, y, z = np.moveaxis(u, -1, 0)
        return y * x**2 / 2 - A * (1 - z) * y - 0.9 * z

    flow = oo.central_flow(GD, oo.Problem(loss, theta0=[0.0, 20.0, 0.0], batched=True), 30)
    z = flow.theta[:, 2]
    held = z < 0.95
    np.testing.assert_allclose(np.diff(z[held]), 0.1 * (0.9 - 20 * A), rtol=1e-6)
    np.testing.assert_allclose(flow.theta[held, 1], 20.0, rtol=1e-6)
    expected = 2 * A * (1 - z[held])
    np.testing.assert_allclose(flow.covariance.trace[held], expected, rtol=1e-5)
    assert not flow.oscillating[z > 1.05].any()
    assert flow.theta[-1, 1] < 20 - 1e-3
