"""Starts that read the gradient."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo


@pytest.mark.parametrize("make", [oo.optimizers.adan, oo.optimizers.adopt])
def test_a_gradient_that_is_nan_at_the_start_is_a_status(make):
    """A gradient that fails is a result, whatever the memory starts from; the iterate is kept."""
    nowhere = oo.Problem(lambda x: (x**2).sum(-1), grad=lambda x: np.nan * x, theta0=[1.0, 2.0])
    run = oo.simulate(make(lr=0.1), nowhere, 5)
    assert run.status is oo.Status.NOT_FINITE
    assert run.theta[-1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("make", [oo.optimizers.adan, oo.optimizers.adopt])
def test_a_gradient_in_a_buffer_that_is_used_again(make):
    """The start keeps a copy: otherwise each gradient would be its own predecessor."""
    bowl = oo.problems.quadratic((1.0, 10.0))
    buffer = np.zeros(2)

    def grad(theta):
        buffer[...] = bowl.grad(theta)
        return buffer

    reused = oo.Problem(bowl.loss, grad=grad, theta0=bowl.theta0, batched=False)
    ours, theirs = (oo.simulate(make(lr=0.1), p, 5, backend="numpy").theta for p in (reused, bowl))
    assert np.array_equal(ours, theirs)
