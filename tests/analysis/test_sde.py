"""What optimizers follow under noise: weak orders without Monte Carlo, stationary densities, moments of one step."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from support import kernels

import odeopt as oo
from odeopt import flows, noise, optimizers, schemes

ETA = (0.2, 0.1, 0.05, 0.025)


def on_parabola(flow, lam=1.0, sigma=1.0):
    """(a, b) of theta' = a theta + b xi on lam theta^2/2."""
    problem = noise.gaussian(oo.problems.quadratic(eigenvalues=(lam,), angle=0), sigma)
    grad, y = problem.oracle(), (np.ones(1),)
    noises = [flow.diffusion(part)(0.0, grad, y, np.ones(1)) for part in flow.terms() if part.noise]
    return float(flow.rhs(grad)(0.0, y)[0][0]), float(sum(noises)[0]) if noises else 0.0


def second_moment(flow, T=1.0):
    """E[theta(T)^2] from theta = 1: s' = 2 a s + b^2."""
    a, b = on_parabola(flow)
    return np.exp(2 * a * T) + b**2 * np.expm1(2 * a * T) / (2 * a)


def sgd_moment(eta, T=1.0):
    s = 1.0
    for _ in range(round(T / eta)):
        s = (1 - eta) ** 2 * s + eta**2
    return s


@pytest.mark.parametrize(
    ("flow", "order", "expected"),
    [
        (lambda eta: flows.gradient_flow(), 1, (7.12e-2, 3.25e-2, 1.55e-2, 7.59e-3)),
        (flows.sgd_first_order, 1, (-1.53e-2, -1.08e-2, -6.09e-3, -3.22e-3)),
        (flows.sgd_second_order, 2, (1.49e-2, 3.57e-3, 8.73e-4, 2.16e-4)),
    ],
    ids=["ODE", "SDE1", "SDE2"],
)
def test_weak_errors_on_a_parabola(flow, order, expected):
    """E[theta^2] of SGD less that of its equation: three digits, and the order as eta -> 0."""
    errors = [sgd_moment(eta) - second_moment(flow(eta)) for eta in ETA]
    np.testing.assert_allclose(errors, expected, rtol=5e-3)
    small = (0.02, 0.01, 0.005)
    errors = [abs(sgd_moment(eta) - second_moment(flow(eta))) for eta in small]
    assert kernels.slope(small, errors) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("flow", "order"), [(flows.sgd_first_order, 1), (flows.sgd_second_order, 2)])
@pytest.mark.parametrize("observable", [0, 1], ids=["theta", "loss"])
def test_weak_orders_of_sgd_under_state_dependent_noise(flow, order, observable):
    """On no parabola, the noise a function of theta, from every start on the circle: E[theta] and E[L]."""
    problem = noise.gaussian(kernels.PROBLEM, kernels.sigma)
    eta, errors = (1 / 40, 1 / 80, 1 / 160), []
    for h in eta:
        sgd = kernels.of_steps(optimizers.gd(h), problem, round(0.5 / h))
        errors.append(np.abs(sgd - kernels.of_flow(flow(h), problem, 0.5))[observable].max())
    assert kernels.slope(eta, errors) == pytest.approx(order, abs=0.15)


def test_stationary_variances_of_sgd_and_its_equations():
    """SGD eta sigma^2/(lam (2 - eta lam)); SDE1 eta sigma^2/(2 lam), SDE2 eta sigma^2/(lam (2 + eta lam)) is worse."""
    lam, sigma, eta = 3.0, 0.7, 0.1
    exact = eta * sigma**2 / (lam * (2 - eta * lam))
    variances = [-(b**2) / (2 * a) for a, b in (on_parabola(f(eta), lam, sigma) for f in PAIR)]
    expected = [eta * sigma**2 / (2 * lam), eta * sigma**2 / (lam * (2 + eta * lam))]
    np.testing.assert_allclose(variances, expected, rtol=1e-14)
    # SDE1 is short of it by eta lam/2 = 15 %, SDE2 by twice that over 1 + eta lam/2: 26 %
    np.testing.assert_allclose(1 - np.array(variances) / exact, [0.15, 0.3 / 1.15], rtol=1e-12)


PAIR = (flows.sgd_first_order, flows.sgd_second_order)


def test_temperature_of_sgd():
    """T = lr sigma^2/2: SDE1 under the noise sigma is Langevin's flow at that temperature."""
    lr, sigma = 0.1, 0.7
    cold = on_parabola(flows.langevin(lr * sigma**2 / 2))
    np.testing.assert_allclose(np.abs(on_parabola(flows.sgd_first_order(lr), sigma=sigma)), np.abs(cold), rtol=1e-14)


def test_stationary_density_of_langevin_is_boltzmanns():
    """The adjoint of the generator annihilates exp(-L/T)."""
    T = 0.3
    flow, problem = flows.langevin(T), kernels.PROBLEM
    y = (kernels.GRID[:, None],)
    drift = flow.rhs(problem.grad)(0.0, y)[0][:, 0]
    b = flow.diffusion(flow.parts["drift"][0])(0.0, problem.grad, y, np.ones((kernels.N, 1)))[:, 0]
    density = np.exp(-kernels.loss(y[0]) / T)
    current = drift * density - kernels.D @ (b**2 / 2 * density)
    np.testing.assert_allclose(current / density.max(), 0, atol=1e-9)


def test_stationary_covariance_of_kramers_is_boltzmanns():
    """On lam theta^2/2: A C + C A^T + B B^T = 0 for C = T diag(1/lam, 1)."""
    damping, T, lam = 0.8, 0.3, 2.5
    flow, problem = flows.kramers(damping, T), oo.problems.quadratic(eigenvalues=(lam,), angle=0)
    A = np.array([[u[0] for u in flow.rhs(problem.grad)(0.0, tuple(e[:, None]))] for e in np.eye(2)]).T
    b = flow.diffusion(flow.parts["friction"][0])(0.0, problem.grad, (np.ones(1),) * 2, np.ones(1))
    C = T * np.diag([1 / lam, 1.0])
    np.testing.assert_allclose(A @ C + C @ A.T + np.diag([0.0, b[0] ** 2]), 0, atol=1e-15)


@pytest.mark.parametrize("flow", [lambda lr: oo.sde(optimizers.gd(lr)), flows.sgd_first_order], ids=["sde", "flow"])
def test_sgd_under_gaussian_noise_is_euler_maruyama_on_its_equation(flow):
    """The same map of the same normals, to rounding."""
    lr, problem = 0.05, noise.gaussian(oo.problems.rosenbrock(b=2), lambda x: 0.1 + x**2)
    sgd = oo.simulate(optimizers.gd(lr), problem, 50, rng=3).check()
    em = oo.simulate(oo.Optimizer(flow(lr), schemes.euler_maruyama, lr), problem, 50, rng=3).check()
    np.testing.assert_allclose(em.theta, sgd.theta, rtol=0, atol=1e-13)


def test_naive_momentum_is_euler_maruyama_on_the_memory_of_its_equation():
    """m <- m + (h/tau)(g + noise - m); theta moves by the old m in one, by the new in the other."""
    opt = optimizers.momentum(0.01, 0.9, map="naive")
    problem = noise.gaussian(oo.problems.quadratic(), 0.3)
    xi = np.random.default_rng(0).standard_normal((1, 2))
    em = oo.simulate(oo.Optimizer(oo.sde(opt), schemes.euler_maruyama, opt.h), problem, 1, noise=xi)
    run = oo.simulate(opt, problem, 1, noise=xi)
    np.testing.assert_allclose(em.state["m"][1], run.state["m"][1], rtol=1e-14)
    word = oo.simulate(oo.Optimizer(oo.sde(opt), opt.scheme, opt.h), problem, 1, noise=xi)
    # the word lets the noise decay as m does: (1 - R^2)/(2 rate) instead of h, a relative h/(4 tau) less
    np.testing.assert_allclose(word.state["m"][1], run.state["m"][1], rtol=opt.h / opt.flow.params["tau"])


@pytest.mark.parametrize("make", ["momentum", "nesterov", "heavy_ball"])
def test_equation_of_momentum_has_weak_order_one(make):
    """Second moments on a parabola as h -> 0 at fixed friction: exact recursion against exact exponential."""
    h, errors = (0.01, 0.005, 0.0025), []
    for dt in h:
        beta = float(np.exp(-dt / 0.5))
        opt = getattr(optimizers, make)(dt**2 if make == "heavy_ball" else dt * (1 - beta), beta, start="zero")
        steps = round(1 / opt.h)
        errors.append(abs(_moments_of_steps(opt, steps) - _moments_of_flow(oo.sde(opt), steps * opt.h)))
    found = np.array(errors)
    assert np.all(found > 1e-7)
    for column in found.T:
        assert kernels.slope(h, column) == pytest.approx(1, abs=0.15)


PARABOLA = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0,), angle=0), 3.0)


def _moments_of_steps(opt, steps):
    """E[theta], E[theta^2] from theta = 1 at rest: y <- M y + c xi."""
    grad = PARABOLA.oracle()
    step = opt.scheme.bind(opt.flow, grad)

    def moved(y, xi):
        grad.use_draw(np.array([xi]))
        return np.concatenate(step(0.0, tuple(np.array([u]) for u in y), (), opt.h)[0])

    M, c = np.array([moved(e, 0.0) for e in np.eye(2)]).T, moved(np.zeros(2), 1.0)
    mean, C = np.array([1.0, 0.0]), np.zeros((2, 2))
    for _ in range(steps):
        mean, C = M @ mean, M @ C @ M.T + np.outer(c, c)
    return np.array([mean[0], C[0, 0] + mean[0] ** 2])


def _moments_of_flow(flow, T):
    """The same of y' = A y + b xi."""
    grad = PARABOLA.oracle()
    A = np.array([np.concatenate(flow.rhs(grad)(0.0, tuple(e[:, None]))) for e in np.eye(2)]).T
    b = np.concatenate(schemes.stochastic.diffusion(flow, grad)(0.0, (np.ones(1),) * 2, np.ones(1)))
    K = np.kron(A, np.eye(2)) + np.kron(np.eye(2), A)
    rates = np.block([[K, np.outer(b, b).reshape(-1, 1)], [np.zeros((1, 5))]])
    mean, C = expm(T * A) @ [1.0, 0.0], expm(T * rates)[:4, 4]
    return np.array([mean[0], C[0] + mean[0] ** 2])


def _rmsprop(eta):
    return optimizers.rmsprop(eta, 1 - 0.5 * eta**2, 0.1 / eta), {"G": 2.0 / eta**2}


def _adam(eta):
    return optimizers.adam(eta, 1 - 0.8 * eta**2, 1 - 0.5 * eta**2, 0.1 / eta), {
        "m": 0.7,
        "G": 2.0 / eta**2,
        "c1": 0.6,
        "c2": 0.4,
    }


@pytest.mark.parametrize("make", [_rmsprop, _adam])
def test_one_step_of_rmsprop_and_adam_has_the_moments_of_its_equation(make):
    """Where noise is 1/eta, 1 - beta_i and eps go with eta^2 and 1/eta: every drift and variance to O(eta^2).

    [Malladi et al. 2022, def. 4.1]  There the noise moves theta by as much as the gradient does.
    """
    eta, errors = (0.1, 0.05, 0.025), []
    for lr in eta:
        opt, memory = make(lr)
        problem = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.5,), angle=0), 0.9 / lr)
        y = opt.flow.start(np.array([1.3]), **memory)
        drift, b = _rates(oo.sde(opt), problem, y)
        xi = kernels.NODES[:, None]
        theta0 = np.broadcast_to(y[0], xi.shape)
        aged = oo.Optimizer(opt.flow, opt.scheme, opt.h, start=_with(memory))
        run = oo.simulate(aged, problem, 1, theta0, noise=xi[None]).check()
        moved = [run.theta[1] - run.theta[0], *(run.state[name][1] - run.state[name][0] for name in memory)]
        means = [kernels.WEIGHTS @ u[:, 0] for u in moved]
        spread = [kernels.WEIGHTS @ (u[:, 0] - mean) ** 2 for u, mean in zip(moved, means, strict=True)]
        ratios = [mean / (opt.h * f) for mean, f in zip(means, drift, strict=True)]
        ratios += [v / (opt.h * w**2) for v, w in zip(spread, b, strict=True) if w]
        errors.append(np.abs(np.array(ratios) - 1))
    assert len(errors[0]) == len(y) + 1
    for column in np.array(errors).T:
        assert kernels.slope(eta, column) == pytest.approx(2, abs=0.15)


def _with(memory):
    return lambda flow, grad, theta0, h: flow.start(theta0, **memory)


def _rates(flow, problem, y):
    """Drift and noise of each variable, for xi = 1."""
    grad = problem.oracle()
    b = schemes.stochastic.diffusion(flow, grad)(0.0, y, np.ones(1))
    return [float(u[0]) for u in flow.rhs(grad)(0.0, y)], [float(u[0]) for u in b]


EQUATIONS = {
    "gd": "theta' = -grad L(theta) - sqrt(h)*noise(theta)",
    "momentum": "theta' = -m\nm'     = (grad L(theta) - m)/tau + sqrt(h)*noise(theta)/tau",
    "nesterov": "theta' = -m\nm'     = (grad L(theta) - m)/tau + sqrt(h)*noise(theta)/tau",
    "heavy_ball": "theta' = v\nv'     = -grad L(theta) - sqrt(h)*noise(theta) - damping*v",
    "rmsprop": (
        "theta' = -grad L(theta)/(sqrt(G) + eps) - sqrt(h)*noise(theta)/(sqrt(G) + eps)\n"
        "G'     = (grad L(theta)^2 + diag Sigma(theta) - G)/tau"
    ),
    "adam": (
        "theta' = -m/c1/(sqrt(G/c2) + eps)\nm'     = (grad L(theta) - m)/tau1 + sqrt(h)*noise(theta)/tau1\n"
        "G'     = (grad L(theta)^2 + diag Sigma(theta) - G)/tau2"
    ),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_read_as_in_a_textbook(name):
    assert str(oo.sde(getattr(optimizers, name)(lr=0.01))).startswith(EQUATIONS[name])


def test_affine_formulas_pass_on_the_noise_alone():
    """What does not read g drops out: Keras' Nesterov, and decoupled decay."""
    problem = noise.gaussian(oo.problems.quadratic(), 1.0)
    opt = optimizers.nesterov(0.01, 0.9, like="keras")
    y = (np.ones(2), np.full(2, 3.0))
    theta, m = schemes.stochastic.diffusion(oo.sde(opt), problem.oracle())(0.0, y, np.ones(2))
    np.testing.assert_allclose(theta, -np.sqrt(opt.h) * 0.1, rtol=1e-12)
    np.testing.assert_allclose(m, np.sqrt(opt.h) / opt.flow.params["tau"], rtol=1e-12)


@pytest.mark.parametrize("name", ["normalized_gd", "adamax", "amsgrad", "muon", "shampoo", "rprop"])
def test_no_equation_where_the_gradient_stands_under_a_norm_or_a_maximum(name):
    with pytest.raises(ValueError, match="gradient|matrices|projections"):
        oo.sde(getattr(optimizers, name)(lr=0.01))


def test_affine_formulas_may_mix_coordinates():
    """theta' = -sum(g) - theta: the noise of every coordinate moves every coordinate."""
    pull = oo.push("theta", lambda grad, theta: -oo.ops.total(grad(theta)) - theta)
    opt = oo.Optimizer(oo.flow("theta", drift=pull), schemes.euler, 0.25)
    grad = noise.gaussian(oo.problems.quadratic(), [1.0, 2.0]).oracle()
    (moved,) = schemes.stochastic.diffusion(oo.sde(opt), grad)(0.0, (np.ones(2),), np.ones(2))
    np.testing.assert_allclose(moved, -0.5 * 3.0)


def test_sde_refuses():
    sum_ = oo.relax("G", target=lambda grad, theta: oo.ops.total(grad(theta)) ** 2, rate=1.0)
    mixed = oo.flow("theta G", drift=oo.push("theta", lambda grad, theta: -grad(theta)), memory=sum_)
    with pytest.raises(ValueError, match="coordinate by coordinate"):  # its mean needs all of Sigma
        oo.sde(oo.Optimizer(mixed, schemes.euler, 0.1))
    rate = oo.relax("v", rate=lambda grad, theta: grad(theta))
    with pytest.raises(ValueError, match="the rate of part 'drift'"):
        oo.sde(oo.Optimizer(oo.flow("theta v", drift=rate), schemes.euler, 0.1))
    with pytest.raises(ValueError, match="filters"):
        oo.sde(optimizers.clip_norm(optimizers.gd(0.1), 1.0))
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        oo.sde(flows.gradient_flow())
    with pytest.raises(ValueError, match="order must be 1 for momentum, got 2"):
        oo.sde(optimizers.momentum(0.1), order=2)
    with pytest.raises(ValueError, match="order must be 1 or 2 for gd, got 3"):
        oo.sde(optimizers.gd(0.1), order=3)
    with pytest.raises(ValueError, match="without noise"):
        oo.sde(oo.Optimizer(flows.langevin(1.0), schemes.euler_maruyama, 0.1))
    assert str(oo.sde(optimizers.gd(0.1), order=2)) == str(flows.sgd_second_order(0.1))


def test_equations_of_an_ensemble():
    """One learning rate per member: each is its own equation."""
    lr, problem = np.array([0.1, 0.2]), noise.gaussian(oo.problems.quadratic(), 1.0)
    xi = np.random.default_rng(0).standard_normal((5, 2, 2))
    both = oo.simulate(oo.Optimizer(oo.sde(optimizers.gd(lr)), schemes.platen, lr), problem, 2, noise=xi)
    one = oo.simulate(oo.Optimizer(oo.sde(optimizers.gd(0.2)), schemes.platen, 0.2), problem, 2, noise=xi[:, 1])
    np.testing.assert_allclose(both.final[1], one.final, rtol=1e-14)
