"""D^3 L[p, q, .] of a torch module, against differences of H p, and where torch has no second derivative."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from odeopt.edge.step.hessian import Hessian
from odeopt.frameworks.torch import problem

pytestmark = pytest.mark.torch


def test_third_derivatives_of_a_network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    x = np.random.default_rng(0).normal(size=(8, 2))
    made = problem(net, torch.nn.functional.mse_loss, (x, np.sin(x[:, :1])))
    H, (p, q) = Hessian(made), np.random.default_rng(1).normal(size=(2, 13))
    assert H.third
    s, w = 1e-4, made.theta0
    by_differences = (H(w + s * q, p) - H(w - s * q, p)) / (2 * s)
    np.testing.assert_allclose(H.moved(w, p, q), by_differences, atol=1e-6 * np.abs(by_differences).max())
    np.testing.assert_allclose(H.moved(w, q, p), H.moved(w, p, q), rtol=1e-10)
