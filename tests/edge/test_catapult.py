"""Gradient descent on the linear network, against its exact map of two numbers."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo


def two_numbers(theta):
    u, v = np.split(theta, 2, axis=-1)
    n = u.shape[-1]
    return np.sum(u * v, axis=-1) / np.sqrt(n), np.sum(u**2 + v**2, axis=-1) / n


def exact(f, lam, lr, n, steps):
    """The map of the docstring, from u <- u - lr f v/sqrt(n), v <- v - lr f u/sqrt(n)."""
    found = [(f, lam)]
    for _ in range(steps):
        f, lam = f * (1 - lr * lam + lr**2 * f**2 / n), lam + lr * f**2 / n * (lr * lam - 4)
        found.append((f, lam))
    return np.array(found).T


@pytest.mark.parametrize(("width", "output", "curvature"), [(100, 1.0, 2.0), (1, 0.3, 0.6), (7, -2.0, 3.0)])
@pytest.mark.parametrize("z", [0.5, 1.9, 3.0, 3.9])
def test_the_map_of_two_numbers(width, output, curvature, z):
    problem, lr = oo.problems.catapult(width, output, curvature), z / curvature
    run = oo.simulate(oo.optimizers.gd(lr=lr), problem, 30)
    f, lam = two_numbers(run.theta)
    expected = exact(output, curvature, lr, width, 30)
    # an error of rounding grows at most as fast as f first does, |1 - lr lambda| <= 2.9 a step until it turns
    np.testing.assert_allclose(f, expected[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(lam, expected[1], rtol=1e-9)
    np.testing.assert_allclose(run.loss, f**2 / 2, rtol=1e-12)


@pytest.mark.parametrize(("z", "rises", "ends"), [(1.8, False, True), (2.4, True, True), (3.6, True, True)])
def test_the_loss_falls_up_to_four_and_the_curvature_with_it(z, rises, ends):
    problem = oo.problems.catapult(curvature=2.0)
    run = oo.simulate(oo.optimizers.gd(lr=z / 2), problem, 400)
    assert bool(run.loss.max() > run.loss[0]) == rises
    assert bool(run.loss[-1] < 1e-12) == ends
    _, lam = two_numbers(run.theta)
    assert np.all(np.diff(lam) <= 1e-12)
    assert lam[-1] * z / 2 < 2


def test_beyond_four_it_diverges():
    run = oo.simulate(oo.optimizers.gd(lr=4.2 / 2), oo.problems.catapult(), 400)
    assert run.status is oo.Status.NOT_FINITE


def test_the_curvature_is_the_sharpness_of_the_minimum():
    problem = oo.problems.catapult(width=5, output=0.0, curvature=3.0)
    hessian = problem.hvp(problem.theta0, np.eye(10))
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [0.0] * 9 + [3.0], atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (dict(width=0), ValueError, "width must be at least 1, got 0"),
        (dict(output=np.inf), ValueError, "output must be finite, got inf"),
        (dict(curvature=-1.0), ValueError, "curvature must be positive and finite, got -1.0"),
        (dict(width=4, output=2.0, curvature=1.0), ValueError, r"curvature must be at least .* = 2, got 1.0"),
    ],
)
def test_bad_input(arguments, error, text):
    with pytest.raises(error, match=text):
        oo.problems.catapult(**arguments)
