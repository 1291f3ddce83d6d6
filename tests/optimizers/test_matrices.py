"""Matrix optimizers on a matrix: orders on their own flows, and the limits that their docstrings state."""

from __future__ import annotations

import numpy as np
import pytest
from support import recursions

import odeopt as oo
from odeopt import ops, optimizers

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


def polar(X):
    U, _, V = np.linalg.svd(X, full_matrices=False)
    return U @ V


def test_newton_and_schulz_is_gradient_descent_on_orthogonality():
    """X <- X + X (I - X^T X)/2 is Euler's step 1/2 on the gradient flow of |X^T X - I|^2/4, and finds the polar factor.

    X^T X - I is squared in every step, up to a factor 3/4: the error e has e+ = 3/4 e^2 + ... in each singular value.
    """

    def excess(x):
        X = x.reshape(*x.shape[:-1], 3, 2)
        return X, X.swapaxes(-1, -2) @ X - np.eye(2)

    problem = oo.Problem(
        lambda x: (excess(x)[1] ** 2).sum((-2, -1)) / 4,
        lambda x: (excess(x)[0] @ excess(x)[1]).reshape(x.shape),
        theta0=(THETA0 / np.linalg.norm(THETA0)).ravel(),
        batched=True,
    )
    path = oo.simulate(optimizers.gd(lr=0.5), problem, 12).theta.reshape(-1, 3, 2)
    X = path[0]
    for k in range(12):
        np.testing.assert_allclose(path[k], X, rtol=0, atol=1e-14)
        X = 1.5 * X - 0.5 * X @ X.T @ X
    error = np.array([np.linalg.norm(X - polar(path[0]), 2) for X in path])
    assert error[-1] < 1e-14
    late = error[(error < 0.1) & (error > 1e-7)]
    np.testing.assert_allclose(late[1:] / late[:-1] ** 2, 1.5, rtol=0.1)  # (1 - e) -> 1 - 3/2 e^2 + e^3/2


def test_muons_quintic_does_not_converge():
    """After 5 steps singular values of 0.01 to 1 lie in [0.68, 1.13]; more steps do not bring them nearer to 1."""
    s = np.linspace(0.01, 1, 2001)
    diagonal = np.zeros((len(s), 4))
    diagonal[:, 0], diagonal[:, 3] = s, np.sqrt(1 - s**2)  # of Frobenius norm 1
    for iterations in (5, 10, 20):
        found = ops.msign(diagonal, (2, 2), iterations)[:, 0]
        assert 0.66 < found.min() < 0.75
        assert 1.12 < found.max() < 1.22
    np.testing.assert_allclose(ops.msign(diagonal, (2, 2))[:-1, [0, 3]], 1, rtol=1e-14)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), None])
def test_exact_msign_is_the_polar_factor(shape):
    X = np.random.default_rng(0).standard_normal((4, 6))
    found = ops.msign(X, shape).reshape(4, *(shape or (1, 6)))
    for x, sign in zip(X.reshape(4, *(shape or (1, 6))), found, strict=True):
        np.testing.assert_allclose(sign, polar(x), atol=1e-14)


@pytest.mark.parametrize("iterations", [None, 5])
@pytest.mark.parametrize("like", ["torch", "keras", "optax"])
def test_muon_follows_its_flow_with_order_one(like, iterations):
    def of_step(h):
        return optimizers.muon(h, float(np.exp(-h / 0.2)), 0.3, shape=(2, 3), iterations=iterations, like=like)

    assert order(of_step) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 6), (6, 1)])
@pytest.mark.parametrize(("lr", "eps"), [(0.01, 1e-4), (0.2, 0.1)])
def test_shampoo_is_the_recursion_of_its_authors(shape, lr, eps):
    problem, update = regression(), recursions.shampoo(lr, eps, shape)
    run, theta, state = oo.simulate(optimizers.shampoo(lr, eps, shape=shape), problem, 100), THETA0.ravel(), {}
    for k in range(100):
        np.testing.assert_allclose(run.theta[k], theta, rtol=0, atol=1e-11)
        theta = update(theta, problem.grad(theta), state, k)


def test_shampoo_of_one_number_is_adagrad():
    problem = oo.Problem(lambda x: (x**4).sum(-1), lambda x: 4 * x**3, theta0=[1.0])
    one, other = optimizers.shampoo(0.1, 0.01), optimizers.adagrad(0.1, 0.0, 0.01)
    assert one.h == other.h
    found, expected = (oo.simulate(opt, problem, 100).theta for opt in (one, other))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_shampoo_follows_its_flow_with_order_one():
    assert order(lambda h: optimizers.shampoo(h**0.5, 1 / h, shape=(2, 3))) == pytest.approx(1, abs=0.1)


def test_members_of_shampoo_are_alone():
    lr = np.array([0.01, 0.1])
    runs = oo.simulate(optimizers.shampoo(lr, shape=(2, 3)), regression(), 20).theta
    for i in range(2):
        alone = oo.simulate(optimizers.shampoo(lr[i], shape=(2, 3)), regression(), 20).theta
        np.testing.assert_allclose(runs[:, i], alone, rtol=1e-12)


def test_lengths_are_of_variables():
    with pytest.raises(ValueError, match="name in lengths must be one of L, got 'M'"):
        oo.flow("theta L", lengths={"M": 4})
    with pytest.raises(ValueError, match="length of L must be at least 1, got 0"):
        oo.flow("theta L", lengths={"L": 0})


def test_another_step_begins_at_the_same_matrices():
    opt = optimizers.shampoo(0.1, 0.01, shape=(2, 3))
    half = opt.with_step(opt.h / 4)
    assert half.settings["lr"] == pytest.approx(0.05)
    for u, v in zip(*[o.initial_state(regression().grad, THETA0.ravel()) for o in (opt, half)], strict=True):
        np.testing.assert_allclose(u, v, rtol=1e-14)


@pytest.mark.parametrize(
    ("opt", "clock"),
    [(optimizers.muon(0.1, 0.9), "tau1"), (optimizers.lamb(0.1), "tau2"), (optimizers.lars(0.1), "tau_m")],
)
def test_another_step_keeps_the_time_constants(opt, clock):
    assert opt.with_step(opt.h / 3).flow.params[clock] == pytest.approx(opt.flow.params[clock], rel=1e-12)
    assert opt.rescale(opt.lr / 3).flow.params[clock] == pytest.approx(opt.flow.params[clock], rel=1e-9)
