"""Noise from outside: one stream per member, shared paths, and what a noisy flow or problem is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import odeopt as oo
from odeopt import flow, flows, noise, optimizers, push, relax, schemes
from odeopt.noise._streams import normals
from odeopt.schemes.lookahead import Lookahead
from odeopt.util.status import Status

NOISY = noise.gaussian(oo.problems.rosenbrock(b=2), 0.3)
LANGEVIN = oo.Optimizer(flows.langevin(0.5), schemes.euler_maruyama, 0.01)
KRAMERS = oo.Optimizer(flows.kramers(1.0, 0.5), schemes.obabo, 0.05)
CASES = {
    "gd": (optimizers.gd(0.01), NOISY),
    "adam": (optimizers.adam(0.01), NOISY),
    "langevin": (LANGEVIN, oo.problems.rosenbrock(b=2)),
    "kramers": (KRAMERS, oo.problems.rosenbrock(b=2)),
    "sde": (oo.Optimizer(oo.sde(optimizers.gd(0.01)), schemes.platen, 0.01), NOISY),
}


def start(*members):
    return np.broadcast_to([0.5, 0.4], (*members, 2))


@pytest.mark.parametrize("case", CASES)
def test_a_members_path_does_not_depend_on_the_others(case):
    """260 steps, beyond the first chunk of draws."""
    opt, problem = CASES[case]
    few, many = (oo.simulate(opt, problem, 260, start(n), rng=4).check() for n in (2, 5))
    np.testing.assert_array_equal(few.theta, many.theta[:, :2])
    assert np.unique(many.final[:, 0]).size == 5


@pytest.mark.parametrize("chunk", [1, 7])
def test_a_path_does_not_depend_on_the_chunks_that_are_drawn(chunk, monkeypatch):
    """Nor, then, on how many steps are run."""
    opt, problem = CASES["langevin"]
    long = oo.simulate(opt, problem, 40, start(2), rng=4)
    monkeypatch.setattr(sys.modules["odeopt.noise._streams"], "CHUNK", chunk)
    short = oo.simulate(opt, problem, 25, start(2), rng=4)
    np.testing.assert_array_equal(short.theta, long.theta[:26])


def test_members_of_several_axes():
    opt, problem = CASES["gd"]
    grid, row = oo.simulate(opt, problem, 10, start(2, 3), rng=4), oo.simulate(opt, problem, 10, start(6), rng=4)
    np.testing.assert_array_equal(grid.theta.reshape(row.theta.shape), row.theta)


@pytest.mark.parametrize("case", CASES)
def test_rng_is_a_seed_a_generator_or_none(case):
    opt, problem = CASES[case]
    paths = [oo.simulate(opt, problem, 5, rng=rng).final for rng in (3, np.random.default_rng(3), 4, None, None)]
    np.testing.assert_array_equal(paths[0], paths[1])
    assert all(np.any(paths[i] != paths[j]) for i, j in ((0, 2), (0, 3), (3, 4)))
    generator = np.random.default_rng(3)
    first, second = (oo.simulate(opt, problem, 5, rng=generator).final for _ in range(2))
    np.testing.assert_array_equal(first, paths[0])
    assert np.any(first != second)
    for bad in (True, -1, 1.5, "3"):
        with pytest.raises(TypeError, match="rng must be None"):
            oo.simulate(opt, problem, 5, rng=bad)
    with pytest.raises(ValueError, match="rng must be None if noise is given"):
        oo.simulate(opt, problem, 5, rng=3, noise=np.zeros((10, 2)))


def test_normals_are_normal():
    stream = normals(np.random.default_rng(0), (50,), 4)
    x = np.stack([next(stream) for _ in range(400)])
    assert x.shape == (400, 50, 4)
    n = x.size
    # four standard errors of mean, variance, fourth moment, and of the correlations in time and between members
    assert abs(x.mean()) < 4 / np.sqrt(n)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 4 * np.sqrt(96 / n)
    for product in (x[1:] * x[:-1], x[:, 1:] * x[:, :-1], x[..., 1:] * x[..., :-1]):
        assert abs(product.mean()) < 4 / np.sqrt(product.size)


def test_optimizers_share_a_recorded_path():
    """Recorded draws are those that a seed gives; another optimizer sees the same gradients' noise."""
    xi = noise.brownian_path(30, 2, (3,), rng=9)
    for name in ("gd", "momentum", "adam"):
        opt = getattr(optimizers, name)(0.01)
        drawn, given = oo.simulate(opt, NOISY, 30, start(3), rng=9), oo.simulate(opt, NOISY, 30, start(3), noise=xi)
        np.testing.assert_array_equal(drawn.theta, given.theta)
    for opt in (LANGEVIN, CASES["sde"][0]):  # one path for all members
        assert np.ptp(oo.simulate(opt, NOISY, 5, start(3), noise=xi.xi[:, 0]).final, axis=0).max() == 0


def test_all_gradients_of_a_step_see_the_same_noise():
    """Heun under additive noise: y+ = y + h/2 (F(y) + F(y*)) with one g + sigma xi throughout."""
    problem, h, xi = NOISY, 0.01, np.array([[1.0, -2.0], [0.5, 0.3]])
    found = oo.simulate(oo.Optimizer(flows.gradient_flow(), schemes.heun, h), problem, 2, noise=xi).theta
    y = problem.theta0
    for k, row in enumerate(xi):
        slope = lambda x, row=row: -(problem.grad(x) + 0.3 * row)
        y = y + h / 2 * (slope(y) + slope(y + h * slope(y)))
        np.testing.assert_allclose(found[k + 1], y, rtol=1e-14)


def test_state_dependent_noise_and_its_law():
    sigma = lambda x: 0.1 * (1 + x**2)
    problem = noise.gaussian(oo.problems.quadratic(), sigma)
    x, xi = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([0.7, -0.2])
    grad = problem.oracle()
    np.testing.assert_allclose(grad.noise(x, xi), sigma(x) * xi, rtol=1e-15)
    np.testing.assert_allclose(grad.variance(x), sigma(x) ** 2, rtol=1e-15)
    np.testing.assert_array_equal(grad(x), problem.grad(x))
    grad.use_draw(xi)
    np.testing.assert_allclose(grad(x), problem.grad(x) + sigma(x) * xi, rtol=1e-15)
    assert noise.gaussian(oo.problems.quadratic(), 0.5).noise.variance(x).tolist() == [[0.25, 0.25]] * 2
    assert "Gaussian noise" in repr(problem)


@pytest.mark.parametrize(
    ("sigma", "error"),
    [(-1.0, ValueError), ([1.0, 2.0, 3.0], ValueError), ("1", TypeError), (True, TypeError), (lambda x: -x[:1], None)],
)
def test_bad_sigma(sigma, error):
    if error is None:  # a number for all coordinates broadcasts
        noise.gaussian(oo.problems.quadratic(), sigma)
        return
    with pytest.raises(error, match="sigma"):
        noise.gaussian(oo.problems.quadratic(), sigma)


@pytest.mark.parametrize("case", ["langevin", "kramers", "sde"])
def test_bad_recorded_noise(case):
    opt, problem = CASES[case]
    rows = 5 * opt.scheme.normals(opt.flow)
    with pytest.raises(ValueError, match=f"noise must have {rows} rows for 5 steps of .*, got {rows - 1}"):
        oo.simulate(opt, problem, 5, noise=np.zeros((rows - 1, 2)))
    with pytest.raises(ValueError, match=r"noise must have shape \('rows', 2\)"):
        oo.simulate(opt, problem, 5, noise=np.zeros((rows, 3)))
    with pytest.raises(ValueError, match="noise must be finite"):
        oo.simulate(opt, problem, 5, noise=np.full((rows, 2), np.nan))
    for bad in (3, "abc", iter([1.0]), np.array(1.0), {1: 2}):
        with pytest.raises(TypeError, match="noise must be"):
            oo.simulate(opt, problem, 5, noise=bad)


def test_noise_where_there_is_none():
    problem = oo.problems.quadratic()
    with pytest.raises(ValueError, match="noise must be None for gd"):
        oo.simulate(optimizers.gd(0.1), problem, 5, noise=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="problem must have noise"):
        oo.simulate(CASES["sde"][0], problem, 5, rng=1)
    with pytest.raises(TypeError, match="noise must be made by odeopt.noise"):
        oo.Problem(problem.loss, theta0=[1.0], noise=0.1)


def test_what_needs_an_ordinary_differential_equation_refuses_a_noisy_flow():
    problem = oo.problems.quadratic()
    for refused in (
        lambda: oo.solve(LANGEVIN.flow, problem, np.linspace(0, 1, 3)),
        lambda: oo.compare(LANGEVIN, problem, 5),
        *[lambda s=s: oo.Optimizer(LANGEVIN.flow, s, 0.1) for s in (schemes.heun, schemes.rk4, schemes.ab2)],
        *[lambda s=s: oo.Optimizer(LANGEVIN.flow, s, 0.1) for s in (schemes.bdf2, schemes.trapezoid, schemes.rkc1(3))],
        lambda: oo.Optimizer(flows.kramers(1.0, 1.0), schemes.etd2rk, 0.1),
    ):
        with pytest.raises(ValueError, match="needs a flow without noise"):
            refused()
    assert oo.solve(LANGEVIN.flow.quiet(), problem, np.linspace(0, 1, 3)).success
    with pytest.raises(ValueError, match="needs a flow without noise"):
        LANGEVIN.flow.filtered(lambda grad, theta: 2 * grad(theta))


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        (0.1, TypeError),
        (lambda theta: theta, ValueError),
        (lambda xi, noise, theta: xi, ValueError),
        (lambda *xi: 1.0, TypeError),
    ],
)
def test_noise_formulas_are_checked(formula, error):
    with pytest.raises(error, match="noise|formula"):
        push("theta", 0.0, noise=formula)
    with pytest.raises(ValueError, match="argument of the noise of part 'drift'"):
        flow("theta", drift=push("theta", 0.0, noise=lambda xi, rate: rate * xi))


def test_a_flow_reads_one_kind_of_noise():
    with pytest.raises(ValueError, match="xi or noise"):
        flow(
            "theta v",
            drift=push("theta", lambda v: v, noise=lambda xi: xi),
            kick=push("v", lambda grad, theta: -grad(theta), noise=lambda noise, theta: noise(theta)),
        )


def test_words_over_noise():
    kramers = flows.kramers(1.0, 1.0)
    with pytest.raises(ValueError, match="must not look ahead through the noise of 'friction'"):
        oo.Optimizer(kramers, schemes.Splitting("friction kick drift(friction)"), 0.1)
    two = flow(
        "theta v",
        drift=push("theta", lambda v: v, noise=lambda xi: xi),
        friction=relax("v", rate=1.0, noise=lambda xi: xi),
    )
    with pytest.raises(ValueError, match="equally often"):
        oo.Optimizer(two, schemes.Splitting("friction drift friction"), 0.1)
    assert schemes.obabo.normals(kramers) == 2
    assert schemes.baoab.normals(kramers) == 1


@pytest.mark.parametrize("decay", [oo.decay.exact, oo.decay.euler, oo.decay.backward_euler, oo.decay.trapezoid])
def test_ornstein_uhlenbeck_keeps_its_stationary_variance_under_every_rule(decay):
    """v' = -gamma v + s xi has s^2/(2 gamma), and its noise over dt (1 - R^2) of that; dt s^2 as gamma vanishes."""
    sigma, dt = 0.7, 0.3
    for rate in (2.0, 0.0):
        bath = flow("theta", bath=relax("theta", rate=rate, noise=lambda xi: sigma * xi))
        step = schemes.Splitting("bath", decay).bind(bath, lambda theta: theta)
        zero, one = np.zeros(1), np.ones(1)
        kept, fresh = step(0.0, (one,), (), dt, [zero])[0][0], step(0.0, (zero,), (), dt, [one])[0][0]
        stationary = sigma**2 / (2 * rate) * (1 - kept**2) if rate else sigma**2 * dt
        np.testing.assert_allclose(fresh**2, stationary, rtol=1e-13)


def test_memory_and_starts_of_noisy_flows():
    """The start is of the quiet flow: the memory of Adam's equation of age h, of every member."""
    opt = optimizers.adam(0.01)
    aged = oo.Optimizer(oo.sde(opt), schemes.euler_maruyama, opt.h, start=oo.starts.aged(5 * opt.h))
    run = oo.simulate(aged, NOISY, 20, start(3), rng=1).check()
    assert run.state["m"].shape == (21, 3, 2)
    assert run.state["c1"].shape == (21, 3, 1)
    assert np.ptp(run.state["m"][0], axis=0).max() == 0
    np.testing.assert_allclose(run.state["c1"][0], 1 - 0.9**5, rtol=1e-12)


def test_lookahead_over_a_noisy_flow():
    fast = schemes.euler_maruyama
    opt = oo.Optimizer(flows.langevin(0.5), Lookahead(fast, 0.5, 4), 0.01)
    assert oo.simulate(opt, oo.problems.quadratic(), 8, rng=1).success


def test_divergence_is_a_status():
    opt = oo.Optimizer(flows.langevin(0.5), schemes.euler_maruyama, 1.0)
    run = oo.simulate(opt, oo.problems.double_well(), 200, [5.0], rng=1)
    assert run.status is Status.NOT_FINITE
    assert np.isfinite(run.theta).all()
    assert "not finite at step" in run.message


def test_gradients_are_counted_as_without_noise():
    assert oo.simulate(optimizers.gd(0.01), NOISY, 10, rng=1).ngev == 10
    assert oo.simulate(LANGEVIN, NOISY, 10, rng=1).ngev == 10
    assert oo.simulate(oo.Optimizer(LANGEVIN.flow, schemes.stochastic_heun, 0.01), NOISY, 10, rng=1).ngev == 20


def test_a_flow_of_its_own_noise_sees_the_exact_gradient():
    xi = np.zeros((10, 2))
    a, b = (oo.simulate(LANGEVIN, p, 10, noise=xi).theta for p in (NOISY, oo.problems.rosenbrock(b=2)))
    np.testing.assert_array_equal(a, b)


def test_paced_noise():
    """A clock that runs at the speed s multiplies drift and noise alike: lr s where lr was."""
    opt = oo.Optimizer(oo.sde(optimizers.gd(0.1)).paced("drift", 0.5), schemes.euler_maruyama, 0.1)
    sgd = oo.simulate(optimizers.gd(0.05), NOISY, 20, rng=2)
    np.testing.assert_allclose(oo.simulate(opt, NOISY, 20, rng=2).theta, sgd.theta, rtol=1e-12)
