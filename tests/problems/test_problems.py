"""Problems: every public one against complex steps and other people's code; user functions; bad input."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import rosen, rosen_der, rosen_hess_prod

from odeopt import problems
from odeopt.problems import Problem

EPS = np.finfo(float).eps
rng = np.random.default_rng(5)
OVERLAP = (rng.normal(size=(40, 3)), rng.integers(0, 2, size=40))  # no plane separates these labels

TABLE = {  # public name: the arguments to test it with
    "beale": [{}],
    "catapult": [{}, {"width": 3, "output": -0.5, "curvature": 1.5}],
    "double_well": [{}, {"d": 4}],
    "himmelblau": [{}],
    "finite_sum": [
        {
            "loss": lambda theta, x, y: np.exp(-theta @ x) + y * theta[0] ** 2,
            "grad": lambda theta, x, y: -x * np.exp(-theta @ x) + y * np.array([2 * theta[0], 0, 0]),
            "data": OVERLAP,
            "theta0": np.ones(3),
        },
        {
            "loss": lambda theta, x: np.sum(x * theta**2, axis=-1) / 2,
            "grad": lambda theta, x: x * theta,
            "data": (OVERLAP[0] ** 2,),
            "theta0": np.ones(3),
            "minimizer": np.zeros(3),
        },
    ],
    "huber": [{}, {"slope": 0.3, "smoothness": 4.0, "theta0": -2.0}],
    "least_squares": [{}, {"features": 4, "ridge": 0.1}, {"data": OVERLAP, "ridge": 0.5}],
    "logistic_regression": [
        {},
        {"features": 10},
        {"data": "digits", "features": 20, "ridge": 0.1},
        {"data": OVERLAP, "ridge": 1.0},
        {"data": OVERLAP, "ridge": 0.0},
    ],
    "quadratic": [{}, {"eigenvalues": (2,)}, {"eigenvalues": (1, 2, 5, 10), "angle": 1.2}, {"eigenvalues": (-1, 3)}],
    "rosenbrock": [{}, {"b": 5}, {"a": 2, "b": 3}],
    "saddle": [{}],
    "tanh_network": [{"hidden": 3, "samples": 30}, {"hidden": 8, "samples": 200, "rng": 7}],
    "valley": [{}, {"d": 2, "b": 100}, {"d": 25}],
}
CASES = [(name, arguments) for name, rows in TABLE.items() for arguments in rows]
IDS = [f"{name}-{'-'.join(k for k in arguments) or 'default'}-{i}" for i, (name, arguments) in enumerate(CASES)]
every_problem = pytest.mark.parametrize(("name", "arguments"), CASES, ids=IDS)


def build(name, arguments):
    return getattr(problems, name)(**arguments)


def points_near(theta0, *members):
    return theta0 + np.random.default_rng(3).normal(size=(*members, theta0.size))


def directional(f, theta, p):
    """Im f(theta + i h p) / h, exact to rounding; independent of odeopt.problems.derivatives."""
    return np.imag(f(theta + 1e-30j * p)) / 1e-30


# --- the ready-made problems --------------------------------------------------------------------------------------


def test_every_public_problem_is_in_the_table():
    assert set(TABLE) == set(problems.__all__) - {"Problem"}


@every_problem
def test_gradient_and_hvp_against_complex_steps(name, arguments):
    problem = build(name, arguments)
    # rounding only: some 10 operations (sums of up to 2000 terms in the regressions) of relative error eps, and
    # cancellation by at most a factor of 100 against the largest entry
    for theta in points_near(problem.theta0, 4):
        g = np.array([directional(problem.loss, theta, e) for e in np.eye(problem.dim)])
        np.testing.assert_allclose(problem.grad(theta), g, rtol=0, atol=2000 * EPS * np.max(np.abs(g)))
        for p in points_near(0 * theta, 2):
            Hp = directional(problem.grad, theta, p)
            np.testing.assert_allclose(problem.hvp(theta, p), Hp, rtol=0, atol=2000 * EPS * np.max(np.abs(Hp)))


@every_problem
def test_stacks_equal_single_calls(name, arguments):
    problem = build(name, arguments)
    theta, p = points_near(problem.theta0, 2, 3), points_near(0 * problem.theta0, 3)
    stacks = problem.loss(theta), problem.grad(theta), problem.hvp(theta, p), problem.hvp(theta[0, 0], p)
    assert [s.shape for s in stacks] == [(2, 3), theta.shape, theta.shape, p.shape]
    for i, j in np.ndindex(2, 3):
        t = theta[i, j]
        singles = problem.loss(t), problem.grad(t), problem.hvp(t, p[j]), problem.hvp(theta[0, 0], p[j])
        for stack, single in zip(
            (stacks[0][i, j], stacks[1][i, j], stacks[2][i, j], stacks[3][j]), singles, strict=True
        ):
            np.testing.assert_allclose(stack, single, rtol=0, atol=200 * EPS * np.max(np.abs(single)))


@every_problem
def test_minimizer(name, arguments):
    problem = build(name, arguments)
    if problem.minimizer is None:
        assert (name, arguments.get("ridge"), arguments.get("eigenvalues")) in {
            ("tanh_network", None, None),  # unknown
            ("catapult", None, None),  # not a single one
            ("finite_sum", None, None),  # unknown
            ("logistic_regression", 0.0, None),  # need not exist
            ("quadratic", None, (-1, 3)),  # unbounded below
        }
        return
    scale = np.max(np.abs(problem.grad(problem.theta0)))
    assert np.max(np.abs(problem.grad(problem.minimizer))) <= 1e-13 * scale
    nearby = problem.minimizer + 1e-2 * points_near(0 * problem.minimizer, 50)
    assert np.all(problem.loss(nearby) > problem.loss(problem.minimizer))


@pytest.mark.parametrize("name", ["beale", "double_well", "himmelblau", "saddle", "rosenbrock"])
def test_gradient_flow_from_theta0_ends_in_the_minimizer(name):
    problem = build(name, {"d": 3} if name == "double_well" else {"b": 5} if name == "rosenbrock" else {})
    end = solve_ivp(lambda t, y: -problem.grad(y), (0, 400), problem.theta0, method="LSODA", rtol=1e-8).y[:, -1]
    np.testing.assert_allclose(end, problem.minimizer, atol=1e-6)


@every_problem
def test_at_keeps_the_problem_and_its_dimension(name, arguments):
    problem = build(name, arguments)
    moved = problem.at(points_near(problem.theta0, 5))
    assert (moved.dim, moved.theta0.shape, repr(moved)) == (problem.dim, (5, problem.dim), repr(problem))
    with pytest.raises(ValueError, match="theta0 must have last axis"):
        problem.at(np.ones(problem.dim + 1))


def test_rosenbrock_against_scipy():
    theta, p = points_near(np.ones(6)), points_near(np.zeros(6))
    valley = problems.valley(d=6, b=100)
    np.testing.assert_allclose(valley.loss(theta), rosen(theta), rtol=1e-13)
    np.testing.assert_allclose(valley.grad(theta), rosen_der(theta), rtol=1e-12)
    np.testing.assert_allclose(valley.hvp(theta, p), rosen_hess_prod(theta, p), rtol=1e-12)
    np.testing.assert_allclose(problems.rosenbrock().grad(theta[:2]), rosen_der(theta[:2]), rtol=1e-13)


def test_values_from_the_literature():
    np.testing.assert_allclose(problems.rosenbrock().loss(np.array([-1.2, 1.0])), 24.2, rtol=1e-14)  # MGH 1981, (1)
    np.testing.assert_allclose(problems.beale().loss(np.array([1.0, 1.0])), 14.203125, rtol=1e-15)  # MGH 1981, (5)
    minima = [[3, 2], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]]  # Himmelblau
    np.testing.assert_allclose(problems.himmelblau().loss(np.array(minima)), 0, atol=1e-8)


def test_quadratic_has_its_eigenvalues_and_its_angle():
    problem = problems.quadratic(eigenvalues=(1, 20), angle=0.3)
    A = problem.hvp(problem.theta0, np.eye(2))
    np.testing.assert_allclose(np.linalg.eigvalsh(A), [1, 20], rtol=1e-14)
    np.testing.assert_allclose(A @ [np.cos(0.3), np.sin(0.3)], [np.cos(0.3), np.sin(0.3)], rtol=1e-14)
    A = problems.quadratic(eigenvalues=(3, 1, 4, 2)).hvp(np.zeros(4), np.eye(4))
    np.testing.assert_allclose(np.linalg.eigvalsh(A), [1, 2, 3, 4], rtol=1e-14)
    assert np.min(np.abs(np.diag(A, 1))) > 0.01  # d > 2 is turned as well
    np.testing.assert_array_equal(
        problems.quadratic((3, 1, 4), angle=0).hvp(np.zeros(3), np.eye(3)), np.diag([3, 1, 4])
    )


@every_problem
def test_flow_in_closed_form(name, arguments):
    problem = build(name, arguments)
    if problem.flow_solution is None:
        assert name not in ("quadratic", "least_squares")
        return
    t, theta0 = np.array([0.0, 0.1, 0.7]), points_near(problem.theta0, 2)
    solution = problem.flow_solution(t, theta0)
    assert solution.shape == (3, 2, problem.dim)
    np.testing.assert_allclose(problem.flow_solution(0.7, theta0), solution[2], rtol=1e-14)
    np.testing.assert_allclose(solution[0], theta0, atol=1e-14)
    A, origin = problem.hvp(problem.theta0, np.eye(problem.dim)), np.zeros(problem.dim)
    b = np.append(problem.grad(origin), 0)  # theta' = -A theta - b as one linear system in (theta, 1)
    system = np.vstack([np.column_stack([A, b[:-1]]), 0 * b])
    for member, start in enumerate(theta0):
        ode = solve_ivp(lambda t, y: -problem.grad(y), (0, 0.7), start, "DOP853", t_eval=t, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(solution[:, member], ode.y.T, atol=1e-10)
        exact = [(expm(-s * system) @ np.append(start, 1))[:-1] for s in t]
        np.testing.assert_allclose(solution[:, member], exact, atol=1e-13)


def test_regressions_against_sklearn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = OVERLAP
    ours = problems.logistic_regression((X, y), ridge=0.01)
    theirs = linear_model.LogisticRegression(C=1 / (0.01 * len(y)), fit_intercept=False, tol=1e-12, solver="newton-cg")
    np.testing.assert_allclose(ours.minimizer, theirs.fit(X, y).coef_[0], rtol=1e-6)
    same = problems.logistic_regression((X, 2 * y - 1), ridge=0.01)  # labels -1 and 1
    np.testing.assert_array_equal(ours.minimizer, same.minimizer)
    ours, theirs = problems.least_squares((X, y), ridge=0.1), linear_model.Ridge(0.1 * len(y), fit_intercept=False)
    np.testing.assert_allclose(ours.minimizer, theirs.fit(X, y).coef_, rtol=1e-10)


def test_logistic_data_and_large_margins():
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    theta = points_near(np.zeros(10))
    by_name, by_hand = problems.logistic_regression(features=10), problems.logistic_regression((X[:, :10], y))
    np.testing.assert_allclose(by_name.loss(theta), by_hand.loss(theta), rtol=1e-13)
    assert problems.logistic_regression().dim == 31  # 30 measurements and the intercept
    lone = problems.logistic_regression(([[1.0]], [1]), ridge=0)  # L = log(1 + exp(-theta))
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(lone.loss(np.array([[-1e4], [0.0], [1e4]])), [1e4, np.log(2), 0], rtol=1e-15)
        np.testing.assert_allclose(lone.grad(np.array([[-1e4], [0.0], [1e4]])), [[-1], [-0.5], [0]], atol=1e-16)


def test_network_loss_against_sklearn():
    metrics, datasets = pytest.importorskip("sklearn.metrics"), pytest.importorskip("sklearn.datasets")
    pixels, label = datasets.load_digits(return_X_y=True)
    problem = problems.tanh_network(hidden=5, samples=50)
    W, b, V, c = np.split(points_near(problem.theta0), [80, 85, 135])
    x = np.array([[image[r : r + 2, s : s + 2].mean() for r in (0, 2, 4, 6) for s in (0, 2, 4, 6)] for image in
                  pixels[:50].reshape(-1, 8, 8)]) / 16  # fmt: skip
    scores = np.exp(np.tanh(x @ W.reshape(16, 5) + b) @ V.reshape(5, 10) + c)
    expected = metrics.log_loss(label[:50], scores / scores.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(problem.loss(np.concatenate([W, b, V, c])), expected, rtol=1e-13)


def test_network_start_is_set_by_rng():
    start = [problems.tanh_network(2, 5, rng=r).theta0 for r in (0, 0, 1, np.random.default_rng(1), None)]
    np.testing.assert_array_equal(start[0], start[1])
    np.testing.assert_array_equal(start[2], start[3])
    assert all(np.any(a != b) for a, b in pairwise((start[0], start[2], start[4])))
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(problems.tanh_network(2, 5).loss(1e4 * start[0]))


# --- functions that users bring -------------------------------------------------------------------------------------

ONE_VECTOR = {  # functions that are right for one vector; on stacks some are, some fail, some are silently wrong
    "indices": lambda x: sum((k + 1) * x[k] ** 2 for k in range(len(x))) + x[0],
    "three indices": lambda x: x[0] ** 2 + 3 * x[-1] + x[0] * x[-1],
    "first only": lambda x: x[0] ** 2,
    "sum": lambda x: np.sum(x**2),
    "sum axis 0": lambda x: np.sum(x**4 - x, axis=0),
    "sum axis -1": lambda x: np.sum(x**4 - x, axis=-1),
    "matmul": lambda x: x @ x,
    "transposed": lambda x: x.T[0] ** 2,
    "squeezed": lambda x: np.sum(np.squeeze(x) ** 2, axis=-1),
    "mean of all": lambda x: 1e6 + np.sum((x - 1.1 * np.mean(x)) ** 2, axis=-1),
    "large offset": lambda x: 1e6 + x[0] ** 2 + 2 * x[-1],
    "ellipsis": lambda x: x[..., 0] ** 2 + 2 * x[..., -1],
    "python float": lambda x: float(np.prod(x)),
    "norm": lambda x: np.linalg.norm(x) ** 2,
}


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("start", [0.0, 0.7])
@pytest.mark.parametrize("name", ONE_VECTOR)
def test_functions_of_one_vector_are_right_on_stacks(name, start, d):
    f = ONE_VECTOR[name]
    problem = Problem(f, theta0=np.full(d, start))
    for members in [(), (1,), (d,), (3,), (2, 3), (3, 1), (0,)]:
        theta = points_near(problem.theta0, *members)
        expected = np.reshape([f(t) for t in theta.reshape(-1, d)], members)
        np.testing.assert_allclose(problem.loss(theta), expected, rtol=1e-14)
        assert problem.grad(theta).shape == problem.hvp(theta, theta).shape == theta.shape


def test_what_was_found_is_said():
    quartic, cubic = lambda x: np.sum(x**4, axis=-1), lambda x: 4 * x**3

    def indexed(x):
        return np.array([4 * x[0] ** 3, 4 * x[1] ** 3, 4 * x[2] ** 3])

    said = {
        "Problem q: d = 3, gradient by hand, batched": (quartic, cubic),
        "Problem q: d = 3, gradient by complex step, batched": (quartic, None),
        "Problem q: d = 3, gradient by central differences, batched": (lambda x: np.sum(np.abs(x) ** 4, axis=-1), None),
        "Problem q: d = 3, gradient by hand, grad looped over members": (quartic, indexed),
        "Problem q: d = 3, gradient by hand, looped over members": (lambda x: x @ x**3, indexed),
    }
    for text, functions in said.items():
        assert repr(Problem(*functions, theta0=np.ones(3), name="q")) == text
    assert repr(Problem(quartic, cubic, theta0=[1.0], batched=False)).endswith("looped over members")
    wrong_but_as_told = Problem(lambda x: np.sum(x**2, axis=0), theta0=np.ones(3), batched=True)
    assert wrong_but_as_told.loss(np.ones((5, 3))).shape == (3,)


def test_gradients_of_one_vector_are_right_on_stacks():
    """[2 x_0, 2 x_1, 2 x_2] happens to be right on a stack of 3 vectors: the probe must use another number."""
    buffer = np.zeros(3)

    def reused(x):
        buffer[:] = 2 * x
        return buffer

    theta = points_near(np.zeros(3), 2, 4)
    for grad in (lambda x: [2 * x[0], 2 * x[1], 2 * x[2]], lambda x: np.array([2 * x[0], 2 * x[1], 2 * x[2]]), reused):
        problem = Problem(lambda x: x @ x, grad, theta0=np.zeros(3), batched=False if grad is reused else None)
        np.testing.assert_array_equal(problem.grad(theta), 2 * theta)
    A = np.array([[2.0, 1, 0], [0, 3, 1], [1, 0, 5]])
    problem = Problem(lambda x: x @ x, theta0=np.zeros(3), hvp=lambda x, p: A @ p)
    np.testing.assert_allclose(problem.hvp(theta, theta), theta @ A.T, rtol=1e-14)


def test_looped_functions_get_a_vector_of_their_own():
    def loss(x):
        assert x.shape == (2,)
        assert x.flags.writeable
        assert x.flags.c_contiguous
        return x @ x

    problem = Problem(loss, theta0=[1.0, 2.0])
    theta = np.broadcast_to(problem.theta0, (5, 2))
    np.testing.assert_array_equal(problem.loss(theta), np.full(5, 5.0))
    assert isinstance(problem.loss(problem.theta0), float)


def test_numerical_gradients_are_as_accurate_as_they_can_be():
    exact, theta = problems.valley(d=4), points_near(np.ones(4), 6)

    def real_only(theta):
        return exact.loss(np.real(theta))

    errors = {}
    for loss in (exact.loss, real_only):
        problem = Problem(loss, theta0=np.ones(4))
        errors[problem.gradient_source] = np.max(np.abs(problem.grad(theta) - exact.grad(theta)))
    scale = np.max(np.abs(exact.grad(theta)))
    assert set(errors) == {"complex step", "central differences"}
    assert errors["complex step"] <= 100 * EPS * scale
    # h = eps^(1/3) max(1, |x|): h^2 L'''/6 and eps L / h are about eps^(2/3) = 4e-11 of grad; measured 4e-11
    assert EPS <= errors["central differences"] / scale <= 1e-9


def test_numerical_hvp_by_every_route():
    exact = problems.valley(d=4)
    theta, p = points_near(np.ones(4), 6), points_near(np.zeros(4), 6)
    Hp = exact.hvp(theta, p)
    routes = {  # how, and its error relative to max |Hp|: rounding, or about eps^(2/3) = 4e-11
        "complex step of grad": (Problem(exact.loss, exact.grad, theta0=np.ones(4)), 100 * EPS),
        "central differences of grad": (Problem(exact.loss, theta0=np.ones(4)), 1e-9),
        "by hand": (exact, 0),
    }
    for source, (problem, tolerance) in routes.items():
        assert problem.hvp_source == source
        np.testing.assert_allclose(problem.hvp(theta, p), Hp, rtol=0, atol=tolerance * np.max(np.abs(Hp)))
        np.testing.assert_array_equal(problem.hvp(theta, 0 * p), 0)
    twice = Problem(lambda x: exact.loss(np.real(x)), theta0=np.ones(4))
    np.testing.assert_allclose(twice.hvp(theta, p), Hp, rtol=0, atol=1e-6 * np.max(np.abs(Hp)))


@pytest.mark.parametrize("theta0", [np.zeros(3), np.ones(3)])
@pytest.mark.parametrize(
    "loss",
    [
        lambda x: np.linalg.norm(x) ** 2,  # zero imaginary part: looks right at the minimum, where the slope is 0
        lambda x: np.sum(x.conj() * x).real,
        lambda x: np.sum(np.asarray(x, dtype=float) ** 2),  # throws imaginary parts away, with a warning
        lambda x: sum(float(v) ** 2 for v in x),  # refuses complex numbers
        lambda x: sum(v**2 if v > -9 else 81 for v in x.tolist()),  # compares
    ],
)
def test_losses_that_are_not_analytic_in_code(loss, theta0):
    problem = Problem(loss, theta0=theta0)
    assert problem.gradient_source == "central differences"
    theta = points_near(theta0, 4)
    np.testing.assert_allclose(problem.grad(theta), 2 * theta, atol=1e-8)


@pytest.mark.parametrize("analytic", [True, False])
@pytest.mark.parametrize("j", range(5))
def test_check_gradient_finds_a_planted_error(j, analytic):
    right = problems.valley(d=5)

    def wrong(theta):
        g = right.grad(theta)
        g[..., j] *= 1 + 1e-5
        return g

    loss = right.loss if analytic else lambda theta: right.loss(np.real(theta))
    theta = points_near(right.theta0, 3)
    checked = Problem(loss, wrong, theta0=right.theta0).check_gradient(theta)
    assert checked.worst == j
    assert checked.max_error == pytest.approx(1e-5, rel=1e-2)
    assert repr(checked).startswith(f"worst coordinate {j}: gradient ")
    assert ("complex step" in repr(checked)) == analytic
    fine = Problem(loss, right.grad, theta0=right.theta0).check_gradient(theta)
    assert fine.max_error <= (1e-12 if analytic else 1e-6)
    with pytest.raises(ValueError, match=r"grad must be written by hand to be checked, got "):
        Problem(loss, theta0=right.theta0).check_gradient()


def test_check_gradient_is_not_alarmed_by_an_entry_that_is_zero():
    problem = Problem(
        lambda x: np.real(x[0]) ** 4 + (np.real(x[1]) - 1) ** 3,
        lambda x: [4 * x[0] ** 3, 3 * (x[1] - 1) ** 2],
        theta0=[1.0, 1.0],
    )
    # numerical h^2 = 3.7e-11 against 0: error 1 relative to itself, 1e-8 relative to 1e-3 max |n| = 4e-3
    assert 1e-9 < problem.check_gradient().max_error < 2e-8


def test_check_gradient_reports_nan():
    checked = Problem(lambda x: x @ x, lambda x: x * [2, np.nan], theta0=[1.0, 1.0]).check_gradient()
    assert checked.worst == 1
    assert np.isnan(checked.max_error)


def test_theta0_is_a_read_only_copy():
    theta0 = np.array([[1.0, 2.0], [3.0, 4.0]])
    problem = Problem(lambda x: x @ x, theta0=theta0)
    theta0[:] = 0
    np.testing.assert_array_equal(problem.theta0, [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="read-only"):
        problem.theta0[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.theta0 = theta0


def test_replace_derives_anew():
    problem = Problem(lambda x: x[0] ** 2 + x[1] ** 2, theta0=[1.0, 2.0])
    other = dataclasses.replace(problem, loss=lambda x: np.sum(np.abs(x) ** 3, axis=-1), name="cubic")
    assert repr(other) == "Problem cubic: d = 2, gradient by central differences, batched"
    np.testing.assert_allclose(other.grad(np.array([1.0, 2.0])), [3, 12], rtol=1e-9)


def test_users_errors_come_through():
    with pytest.raises(ZeroDivisionError):
        Problem(lambda x: 1 / 0, theta0=[1.0])
    assert np.isnan(Problem(lambda x: np.nan * x[0], theta0=[1.0]).loss(np.ones(1)))  # a status for simulate, later


# --- bad input ------------------------------------------------------------------------------------------------------


def square(x):
    return np.sum(x**2, axis=-1)


def shrink(x):
    x *= 0.5
    return x @ x


XY = (np.ones((3, 2)), np.array([0, 1, 1]))
BAD = [
    (lambda: Problem("loss", theta0=[1.0]), TypeError, r"loss must be a function of theta, got 'loss'"),
    (lambda: Problem(square, grad=3, theta0=[1.0]), TypeError, r"grad must be a function or None, got 3"),
    (lambda: Problem(square, hvp=3, theta0=[1.0]), TypeError, r"hvp must be a function or None, got 3"),
    (lambda: Problem(square, flow_solution=3, theta0=[1.0]), TypeError, r"flow_solution must be a function .* got 3"),
    (lambda: Problem(square, theta0=[1.0, np.nan]), ValueError, r"theta0 must be finite, got \[1.0, nan\]"),
    (lambda: Problem(square, theta0=[]), ValueError, r"theta0 must not be empty, got shape \(0,\)"),
    (lambda: Problem(square, theta0=1.0), ValueError, r"theta0 must have shape .* got the single number 1.0"),
    (lambda: Problem(square, theta0="start"), TypeError, r"theta0 must be numbers .* got 'start'"),
    (lambda: Problem(square, theta0=[True]), TypeError, r"theta0 must be numbers .* got \[True\]"),
    (lambda: Problem(square), TypeError, r"theta0"),
    (lambda: Problem(square, theta0=[1.0], minimizer=[1.0, 2.0]), ValueError, r"minimizer .* \(1,\).* got \(2,\)"),
    (lambda: Problem(square, theta0=[1.0], minimizer=[np.inf]), ValueError, r"minimizer must be finite, got \[inf\]"),
    (lambda: Problem(square, theta0=[1.0], name=3), TypeError, r"name must be a str, got 3"),
    (lambda: Problem(square, theta0=[1.0], batched="yes"), TypeError, r"batched must be True, False or None .* 'yes'"),
    (lambda: Problem(lambda x: x, theta0=[1.0, 2.0]), ValueError, r"loss must return one real number .* shape \(2,\)"),
    (lambda: Problem(lambda x: x**2, theta0=[1.0]), ValueError, r"loss must return one real number .* shape \(1,\)"),
    (lambda: Problem(lambda x: x[0] + 1j, theta0=[1.0]), TypeError, r"loss must return one real number .*1\.j"),
    (lambda: Problem(lambda x: None, theta0=[1.0]), TypeError, r"loss must return one real number .*None"),
    (lambda: Problem(lambda x: x, theta0=[1.0, 2.0], batched=True), ValueError, r"loss must return one real number"),
    (lambda: Problem(shrink, theta0=[1.0]), ValueError, r"loss must not change its argument, got array\(\[0.5\]\)"),
    (lambda: Problem(square, square, theta0=[1.0, 2.0]), ValueError, r"grad must return shape \(2,\).*got shape \(\)"),
    (
        lambda: Problem(square, lambda x: np.ones(3), theta0=[1.0, 2.0], batched=True),
        ValueError,
        r"grad must return shape \(2,\) for theta of shape \(2,\), got shape \(3,\)",
    ),
    (
        lambda: Problem(square, theta0=[1.0, 2.0], hvp=lambda x, p: np.ones((2, 2))),
        ValueError,
        r"hvp must return shape \(2,\).*got shape \(2, 2\)",
    ),
    (lambda: problems.quadratic(eigenvalues=3), ValueError, r"eigenvalues must be a sequence of d numbers, got 3"),
    (lambda: problems.quadratic(eigenvalues=(1, np.inf)), ValueError, r"eigenvalues must be finite, got \(1, inf\)"),
    (lambda: problems.quadratic(angle="steep"), TypeError, r"angle must be numbers .* got 'steep'"),
    (lambda: problems.quadratic(theta0=[1.0]), ValueError, r"theta0 must have last axis 2 .* got shape \(1,\)"),
    (lambda: problems.rosenbrock(b=-1), ValueError, r"b must be positive and finite, got -1"),
    (lambda: problems.rosenbrock(a=[1, 2]), ValueError, r"a must be a single number"),
    (lambda: problems.double_well(d=0), ValueError, r"d must be at least 1, got 0"),
    (lambda: problems.valley(d=1), ValueError, r"d must be at least 2, got 1"),
    (lambda: problems.valley(d=2.0), TypeError, r"d must be an integer, got 2.0"),
    (lambda: problems.logistic_regression("breast"), ValueError, r"data must be one of .* got 'breast'"),
    (lambda: problems.logistic_regression("diabetes"), ValueError, r"data must be one of .* got 'diabetes'"),
    (lambda: problems.logistic_regression(3), TypeError, r"data must be \(X, y\) or one of .*, got 3"),
    (lambda: problems.logistic_regression(ridge=-1), ValueError, r"ridge must be non-negative and finite, got -1"),
    (lambda: problems.logistic_regression(XY, features=3), ValueError, r"features must be at most 2, .* got 3"),
    (lambda: problems.logistic_regression(XY, features=0), ValueError, r"features must be at least 1, got 0"),
    (lambda: problems.logistic_regression((XY[0], [0, 1, 2])), ValueError, r"data y must hold the labels .*2"),
    (lambda: problems.logistic_regression((XY[0], [0, -1, 1])), ValueError, r"data y must hold the labels .*-1"),
    (
        lambda: problems.logistic_regression((XY[0], [0, 1])),
        ValueError,
        r"data y must have shape \(3,\), .* got \(2,\)",
    ),
    (lambda: problems.logistic_regression(([1.0, 2.0], [0, 1])), ValueError, r"data X must have shape .* got \(2,\)"),
    (lambda: problems.least_squares((np.full((3, 2), np.nan), XY[1])), ValueError, r"data X must be finite, got"),
    (lambda: problems.least_squares("digits"), ValueError, r"data must be one of diabetes, got 'digits'"),
    (lambda: problems.tanh_network(hidden=0), ValueError, r"hidden must be at least 1, got 0"),
    (lambda: problems.tanh_network(samples=5000), ValueError, r"samples must be at most 1797, .* got 5000"),
    (lambda: problems.tanh_network(rng=True), TypeError, r"rng must be None, an integer >= 0 or .* got True"),
    (lambda: problems.tanh_network(rng=-1), TypeError, r"rng must be None, an integer >= 0 .* got -1"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("build", [problems.tanh_network, problems.least_squares, problems.logistic_regression])
def test_missing_sklearn_says_what_to_install(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"install odeopt-toolkit\[data\]"):
        build()


def test_import_is_light():
    code = "import sys, odeopt.problems; print([m for m in ('scipy', 'sklearn', 'matplotlib') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("f", [np.log, np.sqrt, lambda x: x**1.5], ids=["log", "sqrt", "power"])
def test_complex_step_outside_the_domain_is_nan(f):
    """log(-2) has an imaginary part, which is no derivative."""
    problem = Problem(lambda x: 5 * x[0] - f(x[0]) + x[1] ** 2, theta0=[1.5, 1.0])
    assert problem.gradient_source == "complex step"
    with np.errstate(all="ignore"):
        assert np.isnan(problem.grad(np.array([-2.0, 1.0]))).all()
    assert np.isfinite(problem.grad(np.array([2.0, 1.0]))).all()
