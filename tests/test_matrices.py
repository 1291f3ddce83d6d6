"""Matrix optimizers on a matrix: orders on their own flows, and the limits that their docstrings state."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers

TARGET = np.array([[2.0, -1.0, 0.5], [0.3, 1.5, -2.0]])
THETA0 = np.array([[-1.0, 0.8, -1.0], [1.2, -0.4, 1.0]])
A = np.array([[1.5, 0.3], [0.3, 0.8]])


def regression(shape=(2, 3)):
    """L = |A (X - T)|^2/2: the minimum is far, so that no component of the gradient changes its sign on the way."""

    def residual(x):
        return A @ (x.reshape(*x.shape[:-1], *shape) - TARGET)

    return oo.Problem(
        lambda x: (residual(x) ** 2).sum((-2, -1)) / 2,
        lambda x: (A.T @ residual(x)).reshape(x.shape),
        theta0=THETA0.ravel(),
        batched=True,
    )


def order(of_step, steps=(100, 200, 400), end=0.25, **solver):
    found = [oo.compare(of_step(end / n), regression(), n, rtol=1e-12, atol=1e-13, **solver).max_error for n in steps]
    return -np.polyfit(np.log(steps), np.log(found), 1)[0]


@pytest.mark.parametrize("like", ["torch", "keras", "optax"])
def test_adafactor_follows_its_flow_with_order_one(like):
    measured = order(lambda h: optimizers.adafactor(h, shape=(2, 3), like=like))
    assert measured == pytest.approx(0.95, abs=0.1)


def test_adafactor_follows_its_memoryless_limit_with_order_one_minus_decay():
    """The memory, h^(1-decay) t^decay long, is what is left of the distance as h -> 0."""

    def velocity(theta, g):
        R, C = (g**2).mean(-1, keepdims=True), (g**2).mean(-2, keepdims=True)
        u = g / np.sqrt(R * C / R.mean())
        return -np.sqrt((theta**2).mean()) * u / max(1.0, np.sqrt((u**2).mean()))

    limit = oo.flow(
        "theta",
        drift=oo.push("theta", lambda grad, theta: velocity(theta, grad(theta).reshape(2, 3)).reshape(6)),
    )
    final = oo.solve(limit, regression(), 0.5).final
    steps = np.array([50, 200, 800, 3200])
    for decay in (0.8, 0.5):
        runs = [oo.simulate(optimizers.adafactor(0.5 / n, decay, shape=(2, 3)), regression(), n).final for n in steps]
        distance = [np.abs(run - final).max() for run in runs]
        assert -np.polyfit(np.log(steps), np.log(distance), 1)[0] == pytest.approx(1 - decay, abs=0.1)


def test_a_shape_that_is_not_theta():
    with pytest.raises(ValueError, match=r"shape must have 6 entries like theta, got \(2, 2\)"):
        oo.simulate(optimizers.adafactor(0.1, shape=(2, 2)), regression(), 1)
