"""Numerical derivatives at every scale of theta, against exact ones; and a warning where they cannot be right."""

import warnings

import numpy as np
import pytest

from odeopt import Problem, optimizers, problems
from odeopt.analysis.jacobian import step_jacobian
from odeopt.problems.differences import RoughGradient, derivative_along

SCALES = 10.0 ** np.arange(-12, 13, 2)
SHAPE = np.array([0.7, -1.3, 0.2, 0.0])  # of different sizes, one of them 0
VALLEY = problems.valley(d=4)


def at_scale(s, analytic, by_hand=False):
    """The valley in theta/s, from s SHAPE; its gradient; H p."""
    view = (lambda x: x) if analytic else np.real

    def loss(x):
        return VALLEY.loss(view(x) / s)

    def grad(x):
        return VALLEY.grad(view(x) / s) / s

    return Problem(loss, grad if by_hand else None, theta0=s * SHAPE)


def relative(found, exact):
    return np.max(np.abs(found - exact)) / np.max(np.abs(exact))


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize(("analytic", "tolerance"), [(True, 1e-13), (False, 1e-9)])
def test_gradient_at_every_scale(s, analytic, tolerance):
    problem = at_scale(s, analytic)
    assert problem.gradient_source == ("complex step" if analytic else "central differences")
    for point in (SHAPE, 0 * SHAPE, 30 * SHAPE):
        exact = VALLEY.grad(point) / s
        assert relative(problem.grad(s * point), exact) <= tolerance
        np.testing.assert_array_equal(problem.grad(s * point), problem.grad(s * point))
    together = problem.grad(s * np.array([SHAPE, 0 * SHAPE, 30 * SHAPE]))
    np.testing.assert_allclose(together[1], problem.grad(0 * SHAPE), rtol=1e-12)


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize("size_of_p", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("analytic", "by_hand", "tolerance"),
    [(True, True, 1e-13), (False, True, 1e-9), (True, False, 1e-9), (False, False, 1e-6)],
)
def test_hessian_product_at_every_scale(s, size_of_p, analytic, by_hand, tolerance):
    problem, p = at_scale(s, analytic, by_hand), size_of_p * np.array([0.3, -1.0, 0.5, 2.0])
    for point in (SHAPE, 0 * SHAPE):
        assert relative(problem.hvp(s * point, p), VALLEY.hvp(point, p) / s**2) <= tolerance


@pytest.mark.parametrize("s", SCALES)
@pytest.mark.parametrize("analytic", [True, False])
def test_check_gradient_at_every_scale(s, analytic):
    """A right gradient passes, and a planted error of 1e-5 is found."""
    problem = at_scale(s, analytic, by_hand=True)
    assert problem.check_gradient().max_error <= 1e-6
    assert problem.check_gradient(0 * SHAPE).max_error <= 1e-6
    wrong = Problem(problem.loss, lambda x: problem.grad(x) * (1 + 1e-5), theta0=problem.theta0)
    assert wrong.check_gradient().max_error == pytest.approx(1e-5, rel=0.1)


@pytest.mark.parametrize("s", SCALES)
def test_jacobian_of_a_step_at_every_scale(s):
    """Of momentum, from rest: I - h^2 H and the like, whose entries keep their digits."""
    problem, lr = at_scale(s, True, by_hand=True), 1e-3 * s**2
    opt = optimizers.momentum(lr=lr, beta=0.8)
    DPhi = step_jacobian(opt, problem)
    of_theta = np.array([VALLEY.hvp(SHAPE, e) for e in np.eye(4)])
    np.testing.assert_allclose(DPhi[:4, :4], np.eye(4) - lr * of_theta / s**2, rtol=0, atol=1e-9)
    assert np.linalg.det(DPhi) == pytest.approx(0.8**4, rel=1e-8)


def test_steep_loss_by_the_complex_step():
    """An imaginary part of any size is a derivative if it halves with the step."""
    problem = Problem(lambda x: 1e15 * np.sin(x[0]), theta0=[1.0])
    assert problem.gradient_source == "complex step"
    for x in (1.0, np.pi, 100.0):
        np.testing.assert_allclose(problem.grad(np.array([x])), 1e15 * np.cos(x), rtol=1e-12)


def test_steps_are_cut_where_two_disagree():
    """A function much narrower than its argument is large."""
    slope = derivative_along(lambda x: np.tanh(1e4 * (x - 1)), np.array(1.0 + 1e-5), np.array(1.0), 0)
    assert slope == pytest.approx(1e4 / np.cosh(0.1) ** 2, rel=1e-6)


@pytest.mark.filterwarnings("ignore::odeopt.problems.differences.RoughGradient")
def test_the_step_that_leaves_the_least_doubt_is_taken():
    """sin in six digits: rounding may add 2e-3 to the slope of the first step, and 8 times as much to the next."""
    x = np.linspace(0.9, 1.1, 201)
    error = np.abs(derivative_along(lambda x: np.round(np.sin(x), 6), x, np.ones_like(x), 0) - np.cos(x))
    assert np.median(error) < 2e-3
    assert error.max() < 8e-3


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: np.real(x[0]) + 0.01 * np.sin(1e12 * np.real(x[0])),  # ripples within every step
        lambda x: np.float32(np.sin(np.real(x[0])) + 2),  # single precision
    ],
    ids=["ripples", "single precision"],
)
def test_a_warning_says_that_differences_are_rough(loss):
    problem = Problem(lambda x: float(loss(x)), theta0=[3.0])
    with pytest.warns(RoughGradient, match="two steps give slopes"):
        problem.grad(np.linspace(0.5, 2.5, 20)[:, None])


def test_no_warning_at_a_minimum_or_on_a_plateau():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = Problem(lambda x: 1 + np.abs(x[0] - 1) ** 3 + (np.real(x[0]) - 1) ** 2 + 0 * x[1], theta0=[3.0, 1.0])
        np.testing.assert_allclose(problem.grad(np.array([1.0, 5.0])), 0, atol=1e-6)


UNLIKE = 10.0 ** np.array([-4.0, -1.0, 0.0, 4.0])


def unlike(x):
    """sum_j f(x_j/s_j) with sizes s from 1e-4 to 1e4, its gradient, and its diagonal Hessian."""
    u = x / UNLIKE
    return np.sum(u**4 + np.sin(u), axis=-1), (4 * u**3 + np.cos(u)) / UNLIKE, (12 * u**2 - np.sin(u)) / UNLIKE**2


@pytest.mark.parametrize("view", [lambda x: x, np.real], ids=["analytic", "not analytic"])
def test_every_coordinate_has_steps_of_its_own_size(view):
    """Every entry of the gradient and of H e_j, not only the largest ones; and check_gradient believes and doubts."""
    loss, grad = (lambda x: unlike(view(x))[0]), (lambda x: unlike(view(x))[1])
    start, x = UNLIKE * [1.0, -0.5, 2.0, 0.7], UNLIKE * [0.6, 0.9, -1.1, 0.4]
    np.testing.assert_allclose(Problem(loss, theta0=start).grad(x), unlike(x)[1], rtol=1e-10)
    by_hand = Problem(loss, grad, theta0=start)
    for j, e in enumerate(np.eye(4)):
        np.testing.assert_allclose(by_hand.hvp(x, e), unlike(x)[2] * e, rtol=1e-9)
        wrong = Problem(loss, lambda x, e=e: grad(x) * (1 + 1e-5 * e), theta0=start).check_gradient(x)
        assert (wrong.worst, wrong.max_error) == (j, pytest.approx(1e-5, rel=1e-3))
    assert by_hand.check_gradient(x).max_error < 1e-9
