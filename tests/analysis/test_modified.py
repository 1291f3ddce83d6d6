"""Modified flows: the ODE of order K that an optimizer follows, from nothing but its step (MATHS 0.2, C)."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.analysis import from_step, modified_flow
from odeopt.analysis.modified import central_weights, forward_weights
from odeopt.problems.oracle import Gradient

TIGHT = {"rtol": 1e-13, "atol": 1e-14}
PROBLEMS = {
    "Q": lambda: oo.problems.quadratic((1, 5)).at([1.0, -1.0]),
    "R": lambda: oo.problems.rosenbrock(b=1).at([-0.3, 0.8]),
}


def _beta(tau, h):
    return float(np.exp(-h / tau))


FAMILIES = {
    "gd": opts.gd,
    "momentum": lambda h: opts.momentum(h * (1 - _beta(0.5, h)), _beta(0.5, h)),
    "nesterov": lambda h: opts.nesterov(h * (1 - _beta(0.5, h)), _beta(0.5, h)),
    "rmsprop": lambda h: opts.rmsprop(h, _beta(0.5, h), 0.01, start="settled"),
    "adam": lambda h: opts.adam(h, _beta(0.2, h), _beta(1.0, h), 0.01),
}


def deviation(opt, problem, steps, order, **flow):
    """max |theta_n - theta(t_n)| of the iterates from the modified flow that starts where they do."""
    run = oo.simulate(opt, problem, steps).check()
    y = opt.initial_state(Gradient(problem.grad), problem.theta0)
    memory = dict(zip(opt.flow.memory, y[1:], strict=True))
    truth = oo.solve(modified_flow(opt, order, **flow), problem, run.t, memory=memory, **TIGHT).check()
    return np.abs(run.theta - truth.theta).max()


def slope(make, problem, order, steps=(80, 160, 320), **flow):
    errors = [deviation(make(1 / n), problem, n, order, **flow) for n in steps]
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("problem", [pytest.param("Q", marks=pytest.mark.slow), "R"])
def test_followed_with_order_K(problem, family, order):

    assert slope(FAMILIES[family], PROBLEMS[problem](), order) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("family", ["gd", "momentum"])
@pytest.mark.parametrize("order", [2, 4])
def test_central_variant(family, order):
    measured = slope(FAMILIES[family], PROBLEMS["R"](), order, (20, 40, 80), central=True)
    assert measured == pytest.approx(order, abs=0.25)


def test_adam_is_followed_to_1e_8():
    problem = oo.problems.quadratic((1, 20)).at([1.0, -1.0])
    assert deviation(opts.adam(0.01), problem, 300, 6) < 1e-8
    assert deviation(opts.adam(0.01), problem, 300, 2) > 1e-6


def test_a_singular_start_caps_the_order():
    """RMSprop from G = 0 at 1/2, whatever K (MATHS C)."""
    problem = PROBLEMS["R"]()
    zero = slope(lambda h: opts.rmsprop(h, _beta(0.5, h), 0.0), problem, 3, (200, 400, 800))
    assert zero == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("order", [3, 4, 5])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_nesterov_from_time_zero_is_followed_with_order_2_at_most(problem, order):
    """Its friction 3/t caps the order at 2, whatever K > 2 (MATHS C); with K = 3 on R the cap shows only at small h."""
    steps = (400, 800, 1600) if (problem, order) == ("R", 3) else (50, 100, 200)
    measured = slope(lambda h: opts.nesterov_k((2 * h) ** 2), PROBLEMS[problem](), order, steps)
    assert measured == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("order", [1, 2])
def test_nesterov_from_time_zero_is_followed_with_low_orders(order):
    measured = slope(lambda h: opts.nesterov_k((2 * h) ** 2), PROBLEMS["R"](), order, (50, 100, 200))
    assert measured == pytest.approx(order, abs=0.1)


def test_gradient_descent_on_a_quadratic_in_closed_form():
    """The rate of F_K tends to -log(1 - h lambda)/h, with the first K terms of its series."""
    h, lam = 0.1, np.array([1.0, 4.0])
    problem = oo.problems.quadratic(tuple(lam), angle=0.0)
    for K in range(1, 9):
        rate = modified_flow(opts.gd(h), K).rhs(problem.grad)(0.0, (problem.theta0,))[0]
        series = -sum((h * lam) ** k / k for k in range(1, K + 1)) / h
        np.testing.assert_allclose(rate, series * problem.theta0, rtol=1e-13)


def test_first_correction_of_gradient_descent_is_the_implicit_regularizer():
    """F_2 = -grad(L + (h/4) |g|^2)   [Barrett and Dherin 2021, thm 3.1]; |F_2 - that| = O(h^2)."""
    problem = oo.problems.rosenbrock(b=1)
    theta = np.array([0.3, -0.4])
    g, difference = problem.grad(theta), []
    for h in (1e-2, 1e-3):
        modified = -g - h / 2 * problem.hvp(theta, g)
        difference.append(np.abs(modified_flow(opts.gd(h), 2).rhs(problem.grad)(0.0, (theta,))[0] - modified).max())
    assert np.log10(difference[0] / difference[1]) == pytest.approx(2, abs=0.05)


def test_momentum_correction():
    """theta' = v + (h/2) A, v' = A + (h/2)(a A + H v), A = -a v - g, for the explicit map (MATHS C)."""
    problem, h, a = oo.problems.rosenbrock(b=1), 1e-4, 1.5
    theta, v = np.array([0.3, -0.4]), np.array([0.7, 0.2])
    opt = opts.heavy_ball(h**2, 1 - a * h, map="naive")
    F = modified_flow(opt, 2).rhs(problem.grad)(0.0, (theta, v))
    A = -a * v - problem.grad(theta)
    np.testing.assert_allclose(F[0], v + h / 2 * A, atol=20 * h**2)
    np.testing.assert_allclose(F[1], A + h / 2 * (a * A + problem.hvp(theta, v)), atol=50 * h**2)


@pytest.mark.parametrize("h", [1e-2, 1e-4, 1e-6])
def test_no_cancellation_at_small_steps(h):
    problem = oo.problems.quadratic((1.0, 4.0), angle=0.0)
    F = modified_flow(opts.gd(h), 8).rhs(problem.grad)(0.0, (problem.theta0,))[0]
    np.testing.assert_allclose(
        F, np.log1p(-h * np.array([1.0, 4.0])) / h * problem.theta0, rtol=1e-9 * (h > 1e-3) + 1e-14
    )


def test_indicator():
    """|mu - 1| = h lambda for gradient descent: the series converges below 1."""
    problem = oo.problems.quadratic((1, 20))
    for h in (0.01, 0.049, 0.06):
        assert modified_flow(opts.gd(h), 3).indicator(problem) == pytest.approx(20 * h, rel=1e-8)


@pytest.mark.parametrize("K", range(1, 9))
def test_weights_differentiate_polynomials_exactly(K):
    """With y_j = j^m the field at 0 is y'(0), for all m <= K."""
    for m in range(1, K + 1):
        increments = [(j + 1) ** m - j**m for j in range(K)]
        assert sum(w * d for w, d in zip(forward_weights(K), increments, strict=True)) == pytest.approx(
            float(m == 1), abs=1e-8
        )
        if K % 2 == 0:
            differences = [j**m - (-j) ** m for j in range(1, K // 2 + 1)]
            central = sum(c * d for c, d in zip(central_weights(K // 2), differences, strict=True))
            assert central == pytest.approx(float(m == 1), abs=1e-9)


def test_foreign_step():
    """Adam written by hand, without a word of odeopt in it, is followed like ours."""
    problem, lr, b1, b2 = oo.problems.quadratic((1, 20)).at([1.0, -1.0]), 0.01, 0.9, 0.999

    def step(y):
        theta, m, v, c1, c2 = y
        g = problem.grad(theta)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        c1, c2 = b1 * c1 + 1 - b1, b2 * c2 + 1 - b2
        return theta - lr * (m / c1) / (np.sqrt(v / c2) + 1e-8), m, v, c1, c2

    zero = {"m": np.zeros(2), "v": np.zeros(2), "c1": [0.0], "c2": [0.0]}
    hand = from_step(step, zero, h=lr, name="hand")
    path = hand.iterates(problem.theta0, 300)
    np.testing.assert_allclose(path, oo.simulate(opts.adam(lr), problem, 300).theta, rtol=1e-10)
    flow = oo.solve(modified_flow(hand, 6), problem, lr * np.arange(301), rtol=1e-11, atol=1e-13).check()
    assert np.abs(flow.theta - path).max() < 1e-8


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: modified_flow(opts.gd(0.1), 0), ValueError, "order must be at least 1, got 0"),
        (lambda: modified_flow(opts.gd(0.1), 9), ValueError, "order must be 1 to 8, got 9"),
        (lambda: modified_flow(opts.gd(0.1), 2.0), TypeError, "order must be an integer, got 2.0"),
        (
            lambda: modified_flow(opts.gd(0.1), 3, central=True),
            ValueError,
            "order must be even for central=True, got 3",
        ),
        (lambda: modified_flow("gd", 3), TypeError, "opt must be an Optimizer or come from from_step, got 'gd'"),
        (lambda: from_step("x"), TypeError, "step must be a function of a state, got 'x'"),
        (lambda: from_step(abs, h=0), ValueError, "h must be positive and finite, got 0"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_multistep_schemes_are_no_map():
    opt = oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.ab2, 0.1)
    with pytest.raises(ValueError, match="AB2 is a multistep scheme"):
        oo.solve(modified_flow(opt, 2), oo.problems.quadratic(), 1.0)
