"""D^3 L[p, q, .] of a JAX problem, and the central flow by it, against a problem by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")

import jax

import odeopt as oo
from odeopt.edge.step.hessian import Hessian
from odeopt.frameworks.jax import problem

pytestmark = pytest.mark.jax


def valley(params):
    """y x^2/2 - a y at a = .02."""
    x, y = params
    return y * x**2 / 2 - 0.02 * y


def test_third_derivatives_and_the_two_cycle():
    """D^3 L[p, q] = (p_x q_y + p_y q_x, p_x q_x); y = 2/lr, sigma^2 = 2 a."""
    with jax.enable_x64(True):
        made = problem(valley, (np.float64(0.1), np.float64(19.9)))
        p, q = np.random.default_rng(0).normal(size=(2, 3, 2))
        found = Hessian(made).moved(made.theta0, p, q)
        flow = oo.central_flow(oo.optimizers.gd(0.1), made, 60)
    expected = np.stack([p[:, 0] * q[:, 1] + p[:, 1] * q[:, 0], p[:, 0] * q[:, 0]], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert flow.means == "its operations, recorded twice"
    np.testing.assert_allclose(flow.covariance.weights[-1], [0.04], rtol=1e-9)
