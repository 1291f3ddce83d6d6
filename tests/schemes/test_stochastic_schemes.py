"""Orders of the stochastic schemes: strong ones on shared paths, weak ones without Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from support import kernels, tables

import odeopt as oo
from odeopt import flow, flows, noise, push, schemes

MU, SIGMA = 0.5, 0.8
GEOMETRIC = flow(
    "theta",
    {"mu": MU, "sigma": SIGMA},
    growth=push("theta", lambda theta, mu: mu * theta, noise=lambda xi, theta, sigma: sigma * theta * xi),
)
LINE = oo.problems.quadratic(eigenvalues=(1.0,), angle=0).at([1.0])
WELL = oo.problems.double_well()
MEMBERS = 400


def run(scheme, of_flow, problem, path, T, n):
    """theta after n steps to T along a path."""
    opt = oo.Optimizer(of_flow, scheme, T / n)
    rows = n * scheme.normals(of_flow)
    theta0 = np.broadcast_to(problem.theta0, (MEMBERS, problem.dim))
    return oo.simulate(opt, problem, n, theta0, noise=path.coarsened(path.steps // rows), record_every=n).check().final


def strong_order(scheme, of_flow, problem, exact, path, steps):
    """The slope of E|theta_n - exact|: all steps see one path, so that the sampling error is common to all."""
    error = [np.abs(run(scheme, of_flow, problem, path, 1.0, n) - exact).mean() for n in steps]
    return kernels.slope([1 / n for n in steps], error)


@pytest.fixture(scope="module")
def path():
    return noise.brownian_path(512, 1, (MEMBERS,), rng=5)


@pytest.mark.parametrize(
    ("scheme", "order"),
    [("euler_maruyama", 0.5), ("milstein", 1), ("stochastic_heun", 1), ("platen", 1)],
)
def test_strong_orders_on_geometric_brownian_motion(scheme, order, path):
    """theta = theta0 exp((mu - sigma^2/2) T + sigma W): another calculus would not converge."""
    exact = np.exp((MU - SIGMA**2 / 2) + SIGMA * path.values(1.0)[-1])
    found = strong_order(getattr(schemes, scheme), GEOMETRIC, LINE, exact, path, (32, 64, 128, 256))
    assert found == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("scheme", ["euler_maruyama", "milstein", "stochastic_heun", "platen"])
def test_strong_order_under_additive_noise(scheme, path):
    """Langevin in the double well, against Heun's drift on the finest path."""
    langevin = flows.langevin(0.2)
    fine = run(schemes.platen, langevin, WELL, path, 1.0, 256)
    found = strong_order(getattr(schemes, scheme), langevin, WELL, fine, path, (8, 16, 32))
    assert found == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("word", [schemes.baoab, schemes.obabo], ids=["baoab", "obabo"])
def test_strong_order_of_words(word, path):
    """OBABO sees the halves of the increments that BAOAB sees whole."""
    kramers = flows.kramers(1.0, 0.2)
    fine = run(schemes.baoab, kramers, WELL, path, 1.0, 512)
    assert strong_order(word, kramers, WELL, fine, path, (8, 16, 32)) == pytest.approx(1, abs=0.15)


CIRCLE = flow(
    "theta",
    descent=push("theta", lambda grad, theta: -grad(theta), noise=lambda xi, theta: kernels.sigma(theta) * xi),
)


@pytest.mark.parametrize("name", ["euler_maruyama", "milstein", "stochastic_heun", "platen"])
@pytest.mark.parametrize("observable", [0, 1], ids=["theta", "loss"])
def test_weak_orders_under_state_dependent_noise(name, observable):
    """E[theta] and E[L] against Kolmogorov's backward equation, from every start on the circle."""
    scheme, steps = getattr(schemes, name), (10, 20, 40)
    exact = kernels.of_flow(CIRCLE, kernels.PROBLEM, 0.5)
    found = [kernels.of_steps(oo.Optimizer(CIRCLE, scheme, 0.5 / n), kernels.PROBLEM, n) for n in steps]
    error = [np.abs(values - exact)[observable].max() for values in found]
    assert kernels.slope([1 / n for n in steps], error) == pytest.approx(scheme.weak_order, abs=0.15)


A = np.array([[-0.6, 0.4], [-0.3, -0.2]])
B = np.array([[[0.3, -0.5], [0.2, 0.4]], [[-0.4, 0.1], [0.6, 0.3]]])  # they do not commute


def _pulse(t):
    return 1 + np.sin(3 * t) / 2


MATRIX = flow(
    "theta",
    motion=push(
        "theta",
        lambda theta: theta @ A.T,
        noise=lambda xi, t, theta: _pulse(t) * np.einsum("...k,kij,...j->...i", xi, B, theta),
    ),
)


@pytest.mark.parametrize("name", ["euler_maruyama", "stochastic_heun", "platen"])
def test_weak_orders_under_noise_of_channels_that_do_not_commute(name):
    """dX = A X dt + p(t) sum_k B_k X dW_k: E[X X^T] by the linear maps of the steps, averaged over xi and S."""
    scheme, steps, one = getattr(schemes, name), (8, 16, 32), np.eye(2)
    K, noises = np.kron(A, one) + np.kron(one, A), sum(np.kron(b, b) for b in B)
    exact = solve_ivp(
        lambda t, P: ((K + _pulse(t) ** 2 * noises) @ P.reshape(4, 4)).ravel(), (0, 1), np.eye(4).ravel(),
        rtol=1e-11, atol=1e-12,
    ).y[:, -1].reshape(4, 4)  # fmt: skip
    error = []
    for n in steps:
        propagator = np.eye(4)
        for k in range(n):
            propagator = _second_moments(scheme, k / n, 1 / n) @ propagator
        error.append(np.abs(propagator - exact).max())
    assert kernels.slope([1 / n for n in steps], error) == pytest.approx(scheme.weak_order, abs=0.15)


def _second_moments(scheme, t, h):
    """E[M x M], where one step is y+ = M y."""
    x, w = np.polynomial.hermite_e.hermegauss(4)
    signs = [1.0, -1.0] if scheme.normals(MATRIX) == 2 else [1.0]
    grid = np.array(np.meshgrid(x, x, signs, signs)).reshape(4, -1)
    weight = np.array(np.meshgrid(w, w, *[np.ones(len(signs)) / len(signs)] * 2)).reshape(4, -1).prod(axis=0)
    total, sign = grid[:2].T[:, None], grid[2:].T[:, None]
    xi = [total] if len(signs) == 1 else [(total + sign) / np.sqrt(2), (total - sign) / np.sqrt(2)]
    xi = [np.broadcast_to(row, (len(weight), 2, 2)) for row in xi]
    step = scheme.bind(MATRIX, lambda theta: theta)
    M = step(t, (np.broadcast_to(np.eye(2), (len(weight), 2, 2)),), (), h, xi)[0][0].swapaxes(1, 2)
    weight = weight / weight.sum()
    return np.einsum("n,nij,nkl->ikjl", weight, M, M).reshape(4, 4)


def test_heun_with_one_sign_for_all_channels_would_solve_another_equation():
    """Signs of each channel are independent: E[S_1 S_2] = 0 is what keeps the cross terms' mean zero."""
    path = noise.brownian_path(4000, 2, rng=0)
    first, second = path.xi[::2], path.xi[1::2]
    S, dW = np.where(first > second, 1.0, -1.0), first + second
    products = np.stack([S[:, 0] * S[:, 1], S[:, 0] * dW[:, 0], S[:, 0] * dW[:, 1], S[:, 0]])
    assert np.all(np.abs(products.mean(axis=1)) < 4 / np.sqrt(2000) * products.std(axis=1))


@pytest.mark.parametrize("name", tables.STOCHASTIC)
@pytest.mark.parametrize("on", ["heavy_ball", "adam"])
def test_order_without_noise(name, on):
    scheme, expected = tables.STOCHASTIC[name]
    assert scheme.order == expected
    row = tables.ALL_FLOWS[on]
    solver = {"rtol": 1e-12, "atol": 1e-13, "start": row.start}
    found = oo.convergence(row.flow, scheme, tables.smooth_problem(), 1.0, (40, 80, 160), **solver).order
    assert found == pytest.approx(expected, abs=0.1)


TIMED = {
    "additive": (lambda xi, t: np.cos(3 * t) * xi, 0.0),
    "linear": (lambda xi, t, theta: np.cos(3 * t) * (1 + theta / 2) * xi, 0.5),
}


@pytest.mark.parametrize("name", tables.STOCHASTIC)
@pytest.mark.parametrize("kind", TIMED)
def test_noise_that_reads_the_time(name, kind):
    """theta' = sin(2t) - theta + cos(3t) (1 + c theta) xi: E[theta^2] by the scheme's own affine maps, averaged."""
    (scheme, order), (law, c), steps = tables.STOCHASTIC[name], TIMED[kind], (40, 80, 160)
    wave = flow("theta", wave=push("theta", lambda t, theta: np.sin(2 * t) - theta, noise=law))
    exact = solve_ivp(
        lambda t, s: [
            np.sin(2 * t) - s[0],
            2 * np.sin(2 * t) * s[0] - 2 * s[1] + np.cos(3 * t) ** 2 * (1 + 2 * c * s[0] + c**2 * s[1]),
        ],
        (0, 1), [1.0, 1.0], rtol=1e-12, atol=1e-13,
    ).y[1, -1]  # fmt: skip
    error = []
    for n in steps:
        step, mean, square = scheme.bind(wave, lambda theta: theta), 1.0, 1.0
        rows, weights = kernels.rows_of(scheme, wave)
        for k in range(n):
            shift, sum_ = (step(k / n, (0 * rows[0] + u,), (), 1 / n, rows)[0][0][:, 0] for u in (0.0, 1.0))
            growth = sum_ - shift
            square = weights @ (growth**2 * square + 2 * growth * shift * mean + shift**2)
            mean = weights @ (growth * mean + shift)
        error.append(abs(square - exact))
    # Heun too has order 2 here: on linear equations of one channel its E[M^2] is 1 + z + z^2/2, z = (2 a + b^2) h
    assert kernels.slope([1 / n for n in steps], error) == pytest.approx(order, abs=0.15)


def _step_in_a_well(word, h, damping, T, lam):
    """(M, N) of y+ = M y + c xi on lam theta^2/2, N = sum c c^T."""
    kramers, problem = flows.kramers(damping, T), oo.problems.quadratic(eigenvalues=(lam,), angle=0)
    step, k = word.bind(kramers, problem.grad), word.normals(kramers)

    def moved(y, xi):
        return np.concatenate(step(0.0, tuple(u[None] for u in np.asarray(y)), (), h, [np.array([x]) for x in xi])[0])

    M = np.array([moved(e, np.zeros(k)) for e in np.eye(2)]).T
    c = np.array([moved(np.zeros(2), e) for e in np.eye(k)]).T
    return M, c @ c.T


def _covariance(word, h, damping, T, lam):
    """The stationary covariance (theta, v): C = M C M^T + N."""
    M, N = _step_in_a_well(word, h, damping, T, lam)
    return np.linalg.solve(np.eye(4) - np.kron(M, M), N.ravel()).reshape(2, 2)


@pytest.mark.parametrize("word", [schemes.baoab, schemes.obabo], ids=["baoab", "obabo"])
def test_words_have_weak_order_two(word):
    """Mean and covariance at T = 1 on a parabola: C = C_oo - e^(At) C_oo e^(A^T t), C_oo = T diag(1/lam, 1)."""
    damping, T, lam, steps = 0.9, 0.4, 2.0, (10, 20, 40)
    propagator = expm(np.array([[0.0, 1.0], [-lam, -damping]]))
    boltzmann = T * np.diag([1 / lam, 1.0])
    exact, error = boltzmann - propagator @ boltzmann @ propagator.T, []
    for n in steps:
        M, N = _step_in_a_well(word, 1 / n, damping, T, lam)
        C = np.zeros((2, 2))
        for _ in range(n):
            C = M @ C @ M.T + N
        error.append((np.abs(np.linalg.matrix_power(M, n) - propagator).max(), np.abs(C - exact).max()))
    for column in np.array(error).T:
        assert kernels.slope([1 / n for n in steps], column) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("h", [0.1, 0.7, 1.2])
def test_baoab_is_exact_in_the_positions_of_a_harmonic_well(h):
    """E[theta^2] = T/lam for every stable h; OBABO has T/(lam (1 - h^2 lam/4)), and exact velocities."""
    damping, T, lam = 0.9, 0.4, 2.0
    baoab, obabo = (_covariance(word, h, damping, T, lam) for word in (schemes.baoab, schemes.obabo))
    np.testing.assert_allclose(baoab, np.diag([T / lam, T * (1 - h**2 * lam / 4)]), atol=1e-14)
    np.testing.assert_allclose(obabo, np.diag([T / (lam * (1 - h**2 * lam / 4)), T]), atol=1e-14)


def test_milstein_refuses_what_is_not_diagonal():
    for refused in (MATRIX, oo.sde(oo.optimizers.gd(0.1)), flows.sgd_first_order(0.1)):
        with pytest.raises(ValueError, match="Milstein needs diagonal noise"):
            oo.Optimizer(refused, schemes.milstein, 0.1)
    for allowed in (GEOMETRIC, CIRCLE, flows.langevin(1.0), flows.kramers(1.0, 1.0), flows.gradient_flow()):
        oo.Optimizer(allowed, schemes.milstein, 0.1)


@pytest.mark.parametrize("name", tables.STOCHASTIC)
def test_projections_are_refused(name):
    with pytest.raises(ValueError, match="projection"):
        oo.Optimizer(flows.amsgrad(0.1, 1.0), tables.STOCHASTIC[name][0], 0.1)


def test_coarsening_and_refining_keep_the_path():
    fine = noise.brownian_path(24, 2, (3,), rng=1)
    for k in (1, 2, 3, 8, 24):
        np.testing.assert_allclose(fine.coarsened(k).values(2.0), fine.values(2.0)[::k], atol=1e-14)
    refined = fine.refined(rng=2)
    np.testing.assert_allclose(refined.values(2.0)[::2], fine.values(2.0), atol=1e-14)
    long = noise.brownian_path(20000, 1, rng=1).refined(rng=2).xi[:, 0]
    assert abs(long.var() - 1) < 4 * np.sqrt(2 / 40000)
    assert abs(np.mean(long[::2] * long[1::2])) < 4 / np.sqrt(20000)
    with pytest.raises(ValueError, match="k must divide the 24 steps of the path, got 5"):
        fine.coarsened(5)
    with pytest.raises(ValueError, match="xi must have shape"):
        noise.BrownianPath(np.ones(3))
    with pytest.raises(ValueError, match="steps must be at least 1"):
        noise.brownian_path(0, 1)
    with pytest.raises(ValueError):
        fine.xi[0] = 1


def test_a_path_is_what_simulate_draws():
    opt, problem = oo.Optimizer(flows.langevin(0.5), schemes.euler_maruyama, 0.1), oo.problems.quadratic()
    theta0 = np.ones((3, 2))
    drawn = oo.simulate(opt, problem, 40, theta0, rng=7)
    given = oo.simulate(opt, problem, 40, theta0, noise=noise.brownian_path(40, 2, (3,), rng=7))
    np.testing.assert_array_equal(drawn.theta, given.theta)
