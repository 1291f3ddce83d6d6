"""High-resolution ODEs: Nesterov's iterates follow them with order 2, where the plain flows have order 1."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import flows
from odeopt import optimizers as opts

TIGHT = {"rtol": 1e-13, "atol": 1e-14}
PROBLEMS = {
    "Q": oo.problems.quadratic((1, 5)).at([1.0, -1.0]),
    "R": oo.problems.rosenbrock(b=1).at([-0.3, 0.8]),
}
STEPS = (100, 200, 400)
every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())


def slope(error):
    return -np.polyfit(np.log(STEPS), np.log([error(n) for n in STEPS]), 1)[0]


@every_problem
def test_second_order_form_by_differences(problem):
    """x'' + (3/T) x' + h H x' + (1 + 3h/(2T)) g = 0 with T = t + 3h/2, x' and x'' from the solution itself.

    The 5-point differences of step d = 0.01 err by d^4 and by the solver's 1e-13/d^2.
    """
    h, d, middle = 0.2, 0.01, 1.0
    run = oo.solve(
        flows.high_resolution_nesterov(h), problem, np.array([0.0, *(middle + d * np.arange(-2, 3))]), **TIGHT
    )
    x = run.theta[1:]
    velocity = np.array([1, -8, 0, 8, -1]) @ x / (12 * d)
    acceleration = np.array([-1, 16, -30, 16, -1]) @ x / (12 * d**2)
    T, g = middle + 1.5 * h, problem.grad(x[2])
    forces = 3 / T * velocity + h * problem.hvp(x[2], velocity) + (1 + 1.5 * h / T) * g
    np.testing.assert_allclose(acceleration, -forces, atol=2e-6)


@every_problem
def test_stored_iterates_follow_it_from_rest(problem):
    """y_k at t = k h, which is T = (k + 3/2) h, from X' = -h g0: there v = X' + h g0 = 0."""

    def error(n, flow=flows.high_resolution_nesterov):
        run = oo.simulate(opts.nesterov_k((2 / n) ** 2), problem, n)
        return np.abs(run.theta - oo.solve(flow(2 / n), problem, run.t, **TIGHT).theta).max()

    assert slope(error) == pytest.approx(2, abs=0.1)
    assert slope(lambda n: error(n, lambda h: flows.su_boyd_candes())) == pytest.approx(1, abs=0.1)
    assert error(400) < error(400, lambda h: flows.su_boyd_candes()) / 100


@every_problem
def test_points_after_the_gradient_step_follow_it(problem):
    """x_k at T = (k + 1/2) h, which is t = (k - 1) h, from X = x0, X' = 0: there v = h g0."""

    def error(n, late=0.0):
        h = 2 / n
        y = oo.simulate(opts.nesterov_k(h**2), problem, n).theta
        x = np.concatenate([y[:1], y[:-1] - h**2 * problem.grad(y[:-1])])
        t = h * (np.arange(n + 1) - 1 + late)
        v = h * problem.grad(problem.theta0)
        return np.abs(x - oo.solve(flows.high_resolution_nesterov(h), problem, t, memory={"v": v}, **TIGHT).theta).max()

    assert slope(error) == pytest.approx(2, abs=0.1)
    assert slope(lambda n: error(n, late=0.5)) < 1.5  # the offset is not idle


@every_problem
def test_constant_beta(problem):
    """x'' + (a + h H) x' + g = 0 by the midpoint map, from half a kick: order 2; the plain heavy ball has 1.

    x_{k+1} = z - lr g(z), z = x_k + beta (x_k - x_{k-1}).                                 [Shi, Du, Jordan and Su 2022]
    """
    a = 1.5

    def error(n, flow=flows.hessian_damped, kick=0.5):
        h = 2 / n
        beta = (1 - a * h / 2) / (1 + a * h / 2)
        lr = h**2 * (1 + beta) / 2
        path = [problem.theta0, problem.theta0]
        for _ in range(n):
            z = path[-1] + beta * (path[-1] - path[-2])
            path.append(z - lr * problem.grad(z))
        viscosity = h if flow is flows.hessian_damped else 0.0
        v = (viscosity - kick * lr / h) * problem.grad(problem.theta0)
        settings = (a, h) if viscosity else (a,)
        truth = oo.solve(flow(*settings), problem, h * np.arange(n + 1), memory={"v": v}, **TIGHT)
        return np.abs(np.array(path[1:]) - truth.theta).max()

    assert slope(error) == pytest.approx(2, abs=0.1)
    assert slope(lambda n: error(n, flows.heavy_ball)) == pytest.approx(1, abs=0.1)
    assert slope(lambda n: error(n, kick=0.0)) == pytest.approx(1, abs=0.1)


def test_it_tends_to_the_plain_flow():
    """|x_h - x_0| = O(h), and h = 0 is refused: that is su_boyd_candes."""
    problem = PROBLEMS["R"]
    plain = oo.solve(flows.su_boyd_candes(), problem, 2.0, **TIGHT).theta
    gaps = [
        np.abs(oo.solve(flows.high_resolution_nesterov(h), problem, 2.0, **TIGHT).theta - plain).max()
        for h in (1e-3, 1e-4)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.05)
    with pytest.raises(ValueError, match="step must be positive and finite, got 0"):
        flows.high_resolution_nesterov(0)
