"""The equations of sign methods under noise: weak orders without Monte Carlo, and one step's moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from support import kernels

import odeopt as oo
from odeopt import noise, optimizers, schemes
from odeopt.noise._standard import Normal, StudentT
from odeopt.problems.gradient_noise import coordinates_of
from odeopt.schemes.stochastic import diffusion

LAWS = {
    "normal": (Normal(), noise.gaussian),
    "nu = 3": (StudentT(3.0), lambda problem, sigma: noise.student(problem, sigma, 3.0)),
    "Cauchy": (StudentT(1.0), lambda problem, sigma: noise.student(problem, sigma, 1.0)),
}
LINE = oo.problems.quadratic(eigenvalues=(1.0,), angle=0)


def shift(a):
    """phi -> phi(theta + a) on the circle, exact for trigonometric polynomials."""
    waves = np.fft.fft(np.eye(kernels.N), axis=0)
    moved = np.exp(1j * a * np.fft.fftfreq(kernels.N, 1 / kernels.N))[:, None] * waves
    return np.real(np.fft.ifft(moved, axis=0))


def of_signsgd(lr, sigma, cdf, steps):
    """E[L] after so many steps: up by lr with probability F(-g/sigma), else down."""
    theta = kernels.GRID[:, None]
    up = cdf(-kernels.PROBLEM.grad(theta) / sigma(theta))
    P = up * shift(lr) + (1 - up) * shift(-lr)
    return np.linalg.matrix_power(P, steps) @ kernels.loss(theta)


def of_flow(flow, problem, T, noisy=True):
    """E[L] of the stochastic flow, by Kolmogorov's backward equation."""
    grad, y = problem.oracle(), (kernels.GRID[:, None],)
    A = flow.rhs(grad)(0.0, y)[0] * kernels.D
    b = diffusion(flow, grad)
    square = sum(b(0.0, y, np.broadcast_to(e, (kernels.N, 2)))[0] ** 2 for e in np.eye(2))
    A = A + noisy * square / 2 * (kernels.D @ kernels.D)
    return expm(T * A) @ kernels.loss(kernels.GRID[:, None])


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("power", "order"), [(0, 1), (1, 2)], ids=["noise of the gradient's size", "noise 1/lr"])
def test_weak_order_of_signsgd(name, power, order):
    """E[L] from every start.  With noise sigma the time is n lr; with sigma/lr it is n lr^2, as for Adam."""
    law, noisy = LAWS[name]
    lrs, errors, quiet = ((1 / 8, 1 / 12, 1 / 16) if power else (1 / 40, 1 / 80, 1 / 160)), [], []
    for lr in lrs:
        sigma = lambda theta, lr=lr: kernels.sigma(theta) / lr**power
        problem, steps = noisy(kernels.PROBLEM, sigma), round(0.5 / lr ** (1 + power))
        exact, flow = of_signsgd(lr, sigma, law.cdf, steps), oo.sde(optimizers.signsgd(lr))
        errors.append(np.abs(exact - of_flow(flow, problem, steps * lr)).max())
        quiet.append(np.abs(exact - of_flow(flow, problem, steps * lr, noisy=False)).max())
    assert kernels.slope(lrs, errors) == pytest.approx(order, abs=0.25)
    if power:  # there the mean sign alone, without its noise, is no limit
        assert min(quiet) > 10 * errors[-1]


@pytest.mark.parametrize("name", ["normal", "nu = 3"])
def test_one_step_of_lion_has_the_moments_of_its_equation(name):
    """Where noise is 1/lr and 1 - beta2 is lr^2/2: drift, variance, and the covariance of theta and m, to O(lr^2)."""
    law, noisy = LAWS[name]
    lrs, errors = (0.1, 0.05, 0.025), []
    for lr in lrs:
        opt = optimizers.lion(lr, 0.9, 1 - lr**2 / 2, weight_decay=0.3)
        problem = noisy(LINE, 0.9 / lr)
        y = opt.flow.start(np.array([1.3]), m=0.7)
        grad, flow = problem.oracle(), oo.sde(opt)
        drift = np.concatenate(flow.rhs(grad)(0.0, y))
        b = diffusion(flow, grad)
        B = np.array([np.concatenate(b(0.0, y, e)) for e in np.eye(2)]).T
        mean, C = moments_of_lion_step(opt, law, 0.9 / lr, *(float(u[0]) for u in y))
        errors.append(np.abs(np.array([mean / (lr * drift) - 1, *(C / (lr * B @ B.T) - 1)])).ravel())
    for column in np.array(errors).T:
        assert column.max() < 1e-11 or kernels.slope(lrs, column) == pytest.approx(2, abs=0.15)


def moments_of_lion_step(opt, law, sigma, theta, m):
    """Mean and covariance of (theta, m) after one step, by quadrature over the noise Z."""
    from scipy import integrate, stats

    density = stats.norm() if isinstance(law, Normal) else stats.t(law.nu)
    beta1, beta2, decay, lr = (opt.settings[key] for key in ("beta1", "beta2", "weight_decay", "lr"))
    jump = -(beta1 * m + (1 - beta1) * theta) / ((1 - beta1) * sigma)

    def change(z):
        g = theta + sigma * z
        return np.array([-lr * (np.sign(beta1 * m + (1 - beta1) * g) + decay * theta), (1 - beta2) * (g - m)])

    def expected(f):
        parts = [integrate.quad_vec(lambda z: f(z) * density.pdf(z), *ends)[0] for ends in
                 ((-np.inf, jump), (jump, np.inf))]  # fmt: skip
        return sum(parts)

    mean = expected(change)
    return mean, expected(lambda z: np.outer(change(z) - mean, change(z) - mean))


@pytest.mark.slow
def test_weak_order_of_lion_by_coupled_paths():
    """Noise 0.9/lr, 1 - beta2 = lr^2/2, time n lr^2 = 1: the error of E[theta] falls by 4 when lr is halved.

    Lion sees each increment of the Brownian path whole, its equation in eight or four pieces.
    """
    errors, doubts = np.array([_coupled_error(lr, pieces) for lr, pieces in ((0.2, 8), (0.1, 4))]).T
    assert abs(errors[0]) > 8 * doubts[0]
    assert abs(errors[0] / 4 - errors[1]) < 4 * np.hypot(doubts[0] / 4, doubts[1])


def _coupled_error(lr, pieces, members=40_000):
    """E[theta of Lion - theta of its equation] at the end, and the standard error."""
    opt, problem, steps = optimizers.lion(lr, 0.9, 1 - lr**2 / 2), noise.gaussian(LINE, 0.9 / lr), round(1 / lr**2)
    path = noise.BrownianPath(np.random.default_rng(0).standard_normal((steps * pieces, members, 2)))
    theta0, whole = np.full((members, 1), 1.3), path.coarsened(pieces).xi[..., :1]
    lion = oo.simulate(opt, problem, steps, theta0, noise=whole, record_every=steps)
    equation = oo.Optimizer(oo.sde(opt), schemes.euler_maruyama, opt.h / pieces)
    apart = lion.final - oo.simulate(equation, problem, steps * pieces, theta0, noise=path, record_every=steps).final
    return apart.mean(), apart.std() / np.sqrt(members)


def test_sign_and_memory_share_their_noise():
    """Lion's sign and its memory see one zeta: correlation sqrt(2/pi) = 0.798 where the mean sign is 0."""
    opt = optimizers.lion(0.01)
    y = opt.flow.start(np.zeros(1))
    b = diffusion(oo.sde(opt), noise.gaussian(LINE, 2.0).oracle())
    B = np.array([np.concatenate(b(0.0, y, e)) for e in np.eye(2)]).T
    C = B @ B.T
    assert C[0, 1] / np.sqrt(C[0, 0] * C[1, 1]) == pytest.approx(-np.sqrt(2 / np.pi), abs=1e-12)


def test_equations_read_as_in_a_textbook():
    assert str(oo.sde(optimizers.signsgd(lr=0.05))) == (
        "theta' = -E sign(grad L(theta) + zeta(theta)) - sqrt(h)*noise(sign(grad L(theta) + zeta(theta)))\n"
        "with delta = 0, h = 0.05"
    )
    lion = str(oo.sde(optimizers.lion(lr=0.05, weight_decay=0.1))).splitlines()
    u = "sign(weight*m + (1 - weight)*grad L(theta) + (1 - weight)*zeta(theta))"
    assert lion[:2] == [
        f"theta' = -E {u} - weight_decay*theta - sqrt(h)*noise({u})",
        "m'     = (grad L(theta) - m)/tau1 + sqrt(h)*noise(theta)/tau1",
    ]
    decayed = oo.sde(optimizers.decoupled(optimizers.rmsprop(lr=0.01), 0.1))
    assert str(decayed).startswith(
        "theta' = -grad L(theta)/(sqrt(G) + eps) - weight_decay*theta - sqrt(h)*noise(theta)/(sqrt(G) + eps)\n"
    )


def test_members_with_their_own_rates():
    lr, xi = np.array([0.1, 0.2]), np.random.default_rng(0).standard_normal((3, 2, 4))
    problem = noise.gaussian(oo.problems.quadratic(), 1.0)
    both = oo.simulate(oo.Optimizer(oo.sde(optimizers.lion(lr)), schemes.euler_maruyama, lr), problem, 3, noise=xi)
    one = oo.Optimizer(oo.sde(optimizers.lion(0.2)), schemes.euler_maruyama, 0.2)
    np.testing.assert_allclose(both.final[1], oo.simulate(one, problem, 3, noise=xi[:, 1]).final, rtol=1e-14)


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_ensembles_of_the_equation(backend):
    """They have no program: the step itself runs, and says why."""
    opt = oo.Optimizer(oo.sde(optimizers.signsgd(0.1)), schemes.euler_maruyama, 0.1)
    run = oo.ensemble(opt, noise.gaussian(LINE, 1.0), 50, 20, rng=0, backend=backend).check()
    assert "numpy" in run.backend
    assert np.isfinite(run.variance).all()


def test_refuses():
    flow = oo.sde(optimizers.signsgd(0.1))
    opt = oo.Optimizer(flow, schemes.euler_maruyama, 0.1)
    with pytest.raises(ValueError, match="problem must have noise for sign flow"):
        oo.simulate(opt, LINE, 3)
    for dependent in (noise.correlated(LINE, [[1.0]]), noise.minibatches(oo.problems.least_squares(), 4, replace=True)):
        with pytest.raises(ValueError, match="problem must have noise with independent coordinates"):
            oo.simulate(opt, dependent, 3)
    with pytest.raises(ValueError, match=r"delta > 0"):
        oo.sde(optimizers.signsgd(0.1, delta=0.1))
    with pytest.raises(ValueError, match="nu must be above 2"):  # the memory would have infinite variance
        oo.simulate(
            oo.Optimizer(oo.sde(optimizers.lion(0.1)), schemes.euler_maruyama, 0.1), LAWS["Cauchy"][1](LINE, 1.0), 3
        )
    assert coordinates_of(None) is None
