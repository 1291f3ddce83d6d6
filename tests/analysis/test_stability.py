"""Limits, regions and charts of stability, from the step itself, to 1e-10 of their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schemes
from odeopt.analysis import amplification, multipliers, spectral_radius, step_matrix
from odeopt.schemes.stabilised import coefficients

BETAS = (0.0, 0.5, 0.9, 0.99)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(
    ("make", "closed_form"),
    [
        (lambda b: opts.gd(0.3), lambda b: 2),
        (lambda b: opts.momentum(0.1, b), lambda b: 2 * (1 + b)),
        (lambda b: opts.momentum(0.1, b, map="naive"), lambda b: 2 * (1 + b)),
        (lambda b: opts.heavy_ball(0.1, b), lambda b: 2 * (1 + b)),
        (lambda b: opts.heavy_ball(0.1, b, map="exponential"), lambda b: 2 * (1 + b)),
        (lambda b: opts.nesterov(0.1, b), lambda b: (2 + 2 * b) / (1 + 2 * b)),
        (lambda b: opts.adam(0.01, beta1=b), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.adam(0.01, beta1=b, like="keras"), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.adam(0.01, beta1=b, corrected=False), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.adamw(0.01, beta1=b, weight_decay=3.0), lambda b: (2 - 0.03) * (1 + b) / (1 - b)),
        (lambda b: opts.amsgrad(0.01, beta1=b), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.amsgrad(0.01, beta1=b, like="optax"), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.adamax(0.01, beta1=b), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.nadam(0.01, beta1=b), lambda b: (2 + 2 * b) / ((1 - b) * (1 + 2 * b))),
        (lambda b: opts.nadam(0.01, beta1=b, like="optax"), lambda b: (2 + 2 * b) / ((1 - b) * (1 + 2 * b))),
        (lambda b: opts.rmsprop(0.01, rho=0.9, momentum=b), lambda b: 2 * (1 + b)),
        (lambda b: opts.adadelta(0.01, rho=b), lambda b: 2),
        (lambda b: opts.l2(opts.gd(0.1), 3.0), lambda b: 2 - 0.3),
        (lambda b: opts.decoupled(opts.momentum(0.1, b), 3.0), lambda b: (2 - 0.3) * (1 + b)),
        (lambda b: opts.rmsprop(0.01, rho=b), lambda b: 2),
        (lambda b: opts.adagrad(0.1), lambda b: 2),
    ],
    ids=map(str, range(21)),
)
def test_optimizers(make, closed_form, beta):
    assert oo.stability_limit(make(beta)) == pytest.approx(closed_form(beta), abs=1e-10, rel=1e-10)


@pytest.mark.parametrize(
    ("scheme", "limit"),
    [
        (schemes.euler, 2.0),
        (schemes.heun, 2.0),
        (schemes.rk3, 2.5127453266),
        (schemes.rk4, 2.7852935634),
        (schemes.implicit_euler, np.inf),
        (schemes.trapezoid, np.inf),
    ],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_schemes(scheme, limit):
    assert oo.stability_limit(scheme) == pytest.approx(limit, abs=1e-9)


@pytest.mark.parametrize(
    ("scheme", "limit"),
    [
        (schemes.midpoint, 2.0),
        (schemes.bogacki_shampine, 2.5127453266),
        (schemes.ab2, 1.0),
        (schemes.ab3, 6 / 11),
        (schemes.bdf2, np.inf),
        (schemes.Theta(0.25), 4.0),  # 2/(1 - 2 weight)
    ],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_schemes_with_memory_and_equations(scheme, limit):
    assert oo.stability_limit(scheme) == pytest.approx(limit, abs=1e-10)


@pytest.mark.parametrize("s", [2, 5, 10])
def test_chebyshevs_polynomial_leaves_the_unit_interval(s):
    """|T_s(w0 - w1 z)/T_s(w0)| = 1 at w0 - w1 z = -w0: 2 w0/w1, a little below the bound 2 s^2."""
    c = coefficients(1, s)
    limit = oo.stability_limit(schemes.rkc1(s))
    assert limit == pytest.approx(2 * c.w0 / c.w1, rel=1e-10)
    assert 2 * s**2 * (1 - 0.05) < limit < 2 * s**2
    second = oo.stability_limit(schemes.rkc2(s)) / s**2
    assert 0.4 < second < 2 / 3 * (1 + 0.05)


@pytest.mark.parametrize("s", [72, 100, pytest.param(200, marks=pytest.mark.slow)])
def test_limits_beyond_ten_thousand(s):
    c = coefficients(1, s)
    assert oo.stability_limit(schemes.rkc1(s)) == pytest.approx(2 * c.w0 / c.w1, rel=1e-8)


@pytest.mark.parametrize("gap", [1e-4, 1e-6, 1e-8])
def test_limits_of_long_memories(gap):
    beta = 1 - gap
    assert oo.stability_limit(opts.adam(0.01, beta1=beta)) == pytest.approx(2 * (1 + beta) / (1 - beta), rel=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: opts.gd(0.1), lambda: opts.momentum(0.1), lambda: opts.adam(0.1), lambda: opts.rmsprop(0.1)]
)
def test_a_schedule_is_frozen_at_each_step(make):
    """lr lambda may be 1/s(k) times as large in step k; the time must be told."""
    schedule = oo.schedules.cosine(10)
    opt = opts.scheduled(make(), schedule)
    k = np.array([0, 3, 9])
    limits = oo.stability_limit(opt, t=k * opt.h)
    np.testing.assert_allclose(limits, oo.stability_limit(make()) / schedule(k), rtol=1e-9)
    assert oo.stability_limit(opt, t=3 * opt.h) == limits[1]
    with pytest.raises(ValueError, match="reads the time t; give t, the time at which the step is taken"):
        oo.stability_limit(opt)
    with pytest.raises(ValueError, match="t must be non-negative"):
        oo.stability_limit(opt, t=-1.0)


def test_the_limit_of_nesterov_k_at_a_late_step_is_that_of_beta_one():
    assert oo.stability_limit(opts.nesterov_k(), t=1e8) == pytest.approx(4 / 3, rel=1e-6)


@pytest.mark.parametrize("run", [oo.simulate, lambda opt, problem: oo.solve(opt.flow, problem, 1.0)])
def test_friction_that_is_infinite_at_the_start_is_named(run):
    flow = oo.flow(
        "theta v",
        name="rolling",
        drift=oo.push("theta", lambda v: v),
        kick=oo.push("v", lambda grad, theta: -grad(theta)),
        friction=oo.relax("v", rate=lambda t: 3 / t),
    )
    with pytest.raises(ValueError, match=r"rolling divides by 0 in the equation of v at t = 0.0: start later, or give"):
        run(oo.Optimizer(flow, schemes.rk4, 0.1), oo.problems.quadratic())


def test_exponential_schemes_of_the_averaged_gradient():
    """Exponential Euler is momentum that reads the old m: det M = q + (1 - q) h lambda = 1 at h lambda = 1."""
    for tau, h in ((0.5, 0.1), (0.1, 0.3)):
        opt = oo.Optimizer(oo.flows.averaged_gradient(tau), schemes.exponential_euler, h)
        assert oo.stability_limit(opt) == pytest.approx(1, abs=1e-10)
        M, q = step_matrix(opt, 0.7), np.exp(-h / tau)
        np.testing.assert_allclose(M, [[1, -h], [(1 - q) * 0.7 / h, q]], rtol=1e-13)


def test_an_ensemble_has_a_limit_per_member():
    beta = np.array(BETAS)
    np.testing.assert_allclose(oo.stability_limit(opts.momentum(0.1, beta)), 2 * (1 + beta), rtol=1e-10)
    np.testing.assert_allclose(oo.stability_limit(opts.adagrad(np.array([0.1, 0.2]))), 2, rtol=1e-10)


@pytest.mark.parametrize(("tau", "h"), [(0.5, 0.1), (0.1, 0.3)])
def test_strang_splitting_of_the_heavy_ball(tau, h):
    """h^2 lambda < 2 a h (1 + q)/(1 - q), q = e^(-ah), in inertial time: here h/tau = ah, h lambda = h^2 lambda/ah."""
    opt = oo.Optimizer(oo.flows.averaged_gradient(tau), schemes.Splitting("drift memory drift", order=2), h)
    q = np.exp(-h / tau)
    assert oo.stability_limit(opt) == pytest.approx(2 * (1 + q) / (1 - q), rel=1e-10)


def test_verlet_with_friction_inside_keeps_verlets_limit():
    """drift kick friction kick drift: h^2 lambda < 4, whatever the friction."""
    for a in (0.1, 1.0, 10.0):
        word = schemes.Splitting("drift kick friction kick drift", order=2)
        h = 0.1
        assert h * oo.stability_limit(oo.Optimizer(oo.flows.heavy_ball(a), word, h)) == pytest.approx(4, rel=1e-9)


def test_the_limit_is_where_runs_diverge():
    """An independent check: the same optimizer on a quadratic, one per mille below and above."""
    for make in (lambda lr: opts.momentum(lr, 0.9), lambda lr: opts.nesterov(lr, 0.9), lambda lr: opts.gd(lr)):
        limit = oo.stability_limit(make(0.1))
        problem = oo.problems.quadratic((1.0,), angle=0.0)
        below, above = (np.abs(oo.simulate(make(s * limit), problem, 20_000).final).max() for s in (0.999, 1.001))
        assert below < 1e-3
        assert above > 1e3


def test_step_matrix_of_momentum():
    """(theta, m) -> (theta - h m+, m+) with m+ = beta m + (1 - beta) lambda theta."""
    M = step_matrix(opts.momentum(0.1, 0.9), 0.5)  # lambda = 5, h = 1
    np.testing.assert_allclose(M, [[1 - 0.5, -0.9], [0.5, 0.9]], rtol=1e-12)
    assert np.linalg.det(M) == pytest.approx(0.9, rel=1e-12)  # beta^d: conformally symplectic


IMPULSE = {  # one gradient a step: the direction is a sum of the gradients so far
    "gd": lambda b: opts.gd(0.3),
    "momentum": lambda b: opts.momentum(0.1, b),
    "heavy_ball": lambda b: opts.heavy_ball(0.1, b),
    "nesterov": lambda b: opts.nesterov(0.1, b),
    "adam": lambda b: opts.adam(0.01, b, beta2=1 - 1e-13, eps=0.0),
    "rmsprop": lambda b: opts.rmsprop(0.01, rho=1 - 1e-13, eps=0.0),
    "AB2": lambda b: oo.Optimizer(oo.flows.gradient_flow(), schemes.ab2, 1.0),
    "AB3": lambda b: oo.Optimizer(oo.flows.gradient_flow(), schemes.ab3, 1.0),
}


def impulse_response(opt, steps=600):
    """w_k with theta_{n+1} = theta_n - lr sum_k w_k g_{n-k}, the gradient being 1 once and 0 before and after."""
    lr, early = opt.settings.get("lr", opt.h), 5  # Adams-Bashforth has started by then
    now = {"g": 0.0}
    step = opt.scheme.bind(opt.flow, lambda theta: np.full_like(theta, now["g"]))
    full = {name: np.ones(1) for name in opt.flow.memory if name in ("G", "c1", "c2")}
    y, memory, w = opt.flow.start(np.zeros(1), **full), (), []
    for n in range(-early, steps):
        now["g"] = float(n == 0)
        y, increment, memory = step(n * opt.h, y, memory, opt.h)
        w.append(-float(increment[0][0]) / lr)
    assert not any(w[:early])
    return np.array(w[early:])


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", IMPULSE)
def test_flip_rule(name, beta):
    """z* = 2/D(-1), D(mu) = sum_k w_k mu^-k: theta_n = (-1)^n is a solution, for all of these the first to appear."""
    opt = IMPULSE[name](beta)
    w = impulse_response(opt)
    limit = 2 / np.sum(w * (-1.0) ** np.arange(w.size))
    assert oo.stability_limit(opt) == pytest.approx(limit, rel=1e-10)
    at_limit = multipliers(opt, limit)
    assert at_limit[np.argmax(np.abs(at_limit))] == pytest.approx(-1, abs=1e-9)


@pytest.mark.parametrize(("scheme", "crossing"), [(schemes.heun, 1), (schemes.rk3, -1), (schemes.rk4, 1)])
def test_schemes_of_even_order_do_not_flip(scheme, crossing):
    """Heun and RK4 have R > 0 everywhere and leave at R = +1: theta then stands still."""
    limit = oo.stability_limit(scheme)
    assert multipliers(scheme, limit)[0] == pytest.approx(crossing, abs=1e-9)


R = {  # the stability functions, written by hand, of z = lr lambda = -h lambda of the books
    "Euler": (schemes.euler, lambda z: 1 - z),
    "RK4": (schemes.rk4, lambda z: 1 - z + z**2 / 2 - z**3 / 6 + z**4 / 24),
    "implicit Euler": (schemes.implicit_euler, lambda z: 1 / (1 + z)),
    "trapezoid": (schemes.trapezoid, lambda z: (1 - z / 2) / (1 + z / 2)),
}


@pytest.mark.parametrize("name", R)
def test_region_of_one_step_schemes(name):
    scheme, exact = R[name]
    region = oo.stability_region(scheme, points=41)
    assert region.z.shape == region.radius.shape == (41, 41)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.abs(exact(region.z))
    np.testing.assert_allclose(region.radius, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("scheme", "locus"),  # rho(mu)/sigma(mu) = -z                           [Hairer and Wanner II, V.1]
    [
        (schemes.ab2, lambda mu: (mu**2 - mu) / (3 / 2 * mu - 1 / 2)),
        (schemes.ab3, lambda mu: (mu**3 - mu**2) / ((23 * mu**2 - 16 * mu + 5) / 12)),
        (schemes.bdf2, lambda mu: 3 / 2 - 2 / mu + 1 / (2 * mu**2)),
    ],
    ids=["AB2", "AB3", "BDF2"],
)
def test_boundary_locus_of_multistep_schemes(scheme, locus):
    """On the root locus curve every mu on the unit circle is a multiplier."""
    mu = np.exp(2j * np.pi * np.arange(1, 40) / 40)
    found = multipliers(scheme, -locus(mu))
    np.testing.assert_allclose(np.abs(found - mu[:, None]).min(axis=-1), 0, atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("make", "scale"), [(opts.momentum, 1), (opts.heavy_ball, 1), (opts.adam, "EMA")])
def test_region_of_momentum_is_an_ellipse(make, scale, beta):
    """mu^2 - (1 + beta - z) mu + beta = 0 at mu = e^(i phi): z = (1 + beta)(1 - cos phi) - i (1 - beta) sin phi."""
    phi = np.linspace(0.1, 6.1, 50)
    ellipse = (1 + beta) * (1 - np.cos(phi)) - 1j * (1 - beta) * np.sin(phi)
    ellipse = ellipse / (1 - beta) if scale == "EMA" else ellipse
    opt = make(0.1, beta)
    np.testing.assert_allclose(spectral_radius(opt, ellipse), 1, atol=1e-12)
    centre = (1 + beta) / (1 - beta) if scale == "EMA" else 1 + beta
    assert np.all(spectral_radius(opt, centre + 0.99 * (ellipse - centre)) < 1)
    assert np.all(spectral_radius(opt, centre + 1.01 * (ellipse - centre)) > 1)


def test_chart_of_momentum():
    beta, z = np.linspace(0, 0.99, 34), np.linspace(0.05, 3.95, 40)
    chart = oo.stability_chart(lambda b: opts.momentum(0.1, b), beta, z)
    assert chart.multipliers.shape == (34, 40, 2)
    np.testing.assert_allclose(chart.multipliers.prod(axis=-1), np.broadcast_to(beta[:, None], (34, 40)), atol=1e-13)
    np.testing.assert_allclose(chart.multipliers.sum(axis=-1), 1 + beta[:, None] - z, atol=1e-13)
    inside = 2 * (1 + beta) < z[-1]
    np.testing.assert_allclose(chart.limit[inside], 2 * (1 + beta[inside]), rtol=1e-10)
    assert np.all(np.isinf(chart.limit[~inside]))
    np.testing.assert_array_equal(chart.stable, z <= 2 * (1 + beta[:, None]))
    np.testing.assert_allclose(chart.discriminant, (1 + beta[:, None] - z) ** 2 - 4 * beta[:, None], atol=1e-12)
    assert np.all(chart.radius == np.abs(chart.multipliers).max(axis=-1))


def test_chart_of_nesterov_oscillates_between_its_critical_curves():
    """mu^2 - (1 + beta)(1 - z) mu + beta (1 - z): both multipliers agree at z = ((1 - beta)/(1 + beta))^2 and z = 1."""
    chart = oo.stability_chart(lambda b: opts.nesterov(0.1, b), [0.3, 0.5, 0.9], np.linspace(0.013, 1.4, 100))
    beta, z = chart.beta[:, None], chart.z
    np.testing.assert_array_equal(chart.discriminant < 0, (z > ((1 - beta) / (1 + beta)) ** 2) & (z < 1))


def test_repr_of_region_and_chart():
    assert repr(oo.stability_region(schemes.euler, (-2, 2), (-2, 2), points=3)) == (
        "StabilityRegion of Euler: 22.2% of (3, 3) values of lr lambda stable"
    )
    chart = oo.stability_chart(lambda b: opts.momentum(0.1, b), [0.0, 0.5], [1.0, 2.5])
    assert repr(chart) == "StabilityChart of momentum: stable on 75.0% of 2 betas x 2 lr lambda"


def test_a_pole_is_infinite():
    assert spectral_radius(schemes.implicit_euler, [-1.0, 1.0]).tolist() == [np.inf, 0.5]


def test_clocks_and_averages_do_not_hide_the_time():
    with pytest.raises(ValueError, match="nesterov_k has no settled step: part 'friction' of .* reads the time t"):
        oo.stability_limit(opts.nesterov_k())


def running_maximum(beta1, lr=0.01):
    """m/sqrt(max G): two variables that only scale."""
    rate = -np.log(max(beta1, 2.0**-54)) / lr
    flow = oo.flow(
        "theta m G M",
        preconditioner="G M",
        memory=(
            oo.relax("m", target=lambda grad, theta: grad(theta), rate=rate),
            oo.relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=1.0),
            oo.project("M", lambda M, G: oo.ops.maximum(M, G)),
        ),
        drift=oo.push("theta", lambda m, M: -m / oo.ops.sqrt(M)),
    )
    return oo.Optimizer(flow, schemes.Splitting("memory drift"), lr)


@pytest.mark.parametrize("beta", BETAS)
def test_two_preconditioners_and_a_projection_are_held_still(beta):
    assert oo.stability_limit(running_maximum(beta)) == pytest.approx(2 * (1 + beta) / (1 - beta), rel=1e-10)


def test_a_preconditioner_is_a_variable():
    with pytest.raises(ValueError, match="preconditioner must be one of G, m, got 'H'"):
        oo.flow("theta G m", preconditioner="G H", drift=oo.push("theta", lambda G, m: -m / G))


def test_a_step_that_is_not_linear_is_refused():
    sign = oo.push("theta", lambda grad, theta: -oo.ops.sign(grad(theta)))
    with pytest.raises(ValueError, match="the step of signsgd is not linear in theta and its memory"):
        oo.stability_limit(oo.Optimizer(oo.flow("theta", descent=sign), schemes.euler, 0.1, name="signsgd"))


def test_bad_arguments():
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        oo.stability_limit("adam")
    with pytest.raises(TypeError, match="z must be numbers"):
        step_matrix(opts.gd(), "1")
    with pytest.raises(ValueError, match="scheme must be a one-step scheme, got AB2"):
        amplification(schemes.ab2, -0.5)
    with pytest.raises(ValueError, match=r"re must be \(low, high\), finite and increasing, got \(1, 0\)"):
        oo.stability_region(schemes.euler, re=(1, 0))
    with pytest.raises(ValueError, match="points must be at least 2"):
        oo.stability_region(schemes.euler, points=1)
    with pytest.raises(ValueError, match=r"opt must be a single optimizer here, got members \(2,\)"):
        oo.stability_region(opts.gd(np.array([0.1, 0.2])))
    with pytest.raises(ValueError, match="z must be at least two increasing numbers"):
        oo.stability_chart(lambda b: opts.momentum(0.1, b), [0.0, 0.5], [2.0, 1.0])
    with pytest.raises(ValueError, match=r"make\(beta\) must have one member per beta, \(2,\), got \(\)"):
        oo.stability_chart(lambda b: opts.momentum(0.1, 0.9), [0.0, 0.5])


@pytest.mark.parametrize("h", [1e-6, 1e-3, 1.0, 1e4])
def test_limits_in_h_lambda_scale_with_the_step(h):
    """Velocity Verlet: h^2 lambda < 4, also where h lambda is below 1e-3; explicit Euler without friction grows."""
    word = schemes.Splitting("drift kick friction kick drift", order=2)
    assert h * oo.stability_limit(oo.Optimizer(oo.flows.heavy_ball(1.0), word, h)) == pytest.approx(4, rel=1e-5)
    assert oo.stability_limit(oo.Optimizer(oo.flows.heavy_ball(0.0), schemes.euler, h)) == 0


def test_members_and_times_of_any_shape_together():
    opt = opts.scheduled(opts.gd(np.array([0.1, 0.2, 0.4])), lambda k: 1 / (1 + k))
    limits = oo.stability_limit(opt, t=[[0.0], [0.4]])
    assert limits.shape == (2, 1, 3)
    np.testing.assert_allclose(limits[1, 0], 2 * (1 + 0.4 / np.array([0.1, 0.2, 0.4])), rtol=1e-9)


def test_a_region_at_a_time():
    """The friction of nesterov_k vanishes late: the step there is that of Nesterov's look-ahead with beta = 1."""
    region = oo.stability_region(opts.nesterov_k(0.01), (0.1, 1.6), (-0.01, 0.01), points=16, t=1e6)
    np.testing.assert_array_equal(region.stable.any(axis=0), region.z[0].real < 4 / 3)


def test_a_chart_of_a_schedule_freezes_it():
    schedule = oo.schedules.cosine(10)
    z, beta, t = np.linspace(0.1, 30, 300), [0.0, 0.5, 0.9], 3 * 0.1
    frozen = oo.stability_chart(lambda b: opts.scheduled(opts.adam(0.1, b), schedule), beta, z, t=t)
    plain = oo.stability_chart(lambda b: opts.adam(0.1, b), beta, z * schedule(3))
    np.testing.assert_allclose(frozen.radius, plain.radius, rtol=1e-9)
    np.testing.assert_allclose(frozen.limit, plain.limit / schedule(3), rtol=1e-9)
    with pytest.raises(ValueError, match="give t"):
        oo.stability_chart(lambda b: opts.scheduled(opts.adam(0.1, b), schedule), beta, z)


def test_a_floor_is_declared_and_not_known_by_its_name():
    """theta' = -eps g/(sqrt(G) + delta): delta only keeps the root from 0, and eps is a rate."""
    flow = oo.flow(
        "theta G",
        {"delta": 0.5, "eps": 0.25},
        preconditioner="G",
        floors="delta",
        memory=oo.relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=1.0),
        drift=oo.push("theta", lambda grad, theta, G, delta, eps: -eps * grad(theta) / (oo.ops.sqrt(G) + delta)),
    )
    opt = oo.Optimizer(flow, schemes.Splitting("memory drift"), 0.01)
    assert oo.stability_limit(opt) == pytest.approx(2 / 0.25, rel=1e-10)
    with pytest.raises(ValueError, match="name in floors must be one of delta, got 'eps'"):
        oo.flow("theta G", {"delta": 0.5}, floors="eps", drift=oo.push("theta", 1.0))
