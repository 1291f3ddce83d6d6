"""Schemes against closed forms: tableaus, stability functions, exact discrete solutions, stages and refusals."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import schemes
from odeopt.analysis import amplification
from odeopt.schemes.exponential import phi1, phi2
from odeopt.schemes.runge_kutta import order_conditions

# R(z) by hand
STABILITY = {
    "euler": (schemes.euler, lambda z: 1 + z),
    "heun": (schemes.heun, lambda z: 1 + z + z**2 / 2),
    "midpoint": (schemes.midpoint, lambda z: 1 + z + z**2 / 2),
    "rk3": (schemes.rk3, lambda z: 1 + z + z**2 / 2 + z**3 / 6),
    "rk4": (schemes.rk4, lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24),
    "bogacki_shampine": (schemes.bogacki_shampine, lambda z: 1 + z + z**2 / 2 + z**3 / 6),
    "implicit_euler": (schemes.implicit_euler, lambda z: 1 / (1 - z)),
    "trapezoid": (schemes.trapezoid, lambda z: (1 + z / 2) / (1 - z / 2)),
}


def linear(eigenvalues):
    return oo.problems.quadratic(tuple(eigenvalues), angle=0.0)


@pytest.mark.parametrize("name", STABILITY)
def test_exact_discrete_solution(name):
    """y_n = R(-h lambda)^n y_0 on L = lambda theta^2/2, to rounding."""
    scheme, R = STABILITY[name]
    h, lam, n = 0.1, np.array([0.5, 3.0]), 50
    problem = linear(lam).at([1.0, -2.0])
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), scheme, h), problem, n).check()
    exact = R(-h * lam) ** np.arange(n + 1)[:, None] * problem.theta0
    np.testing.assert_allclose(run.theta, exact, rtol=1e-13)


@pytest.mark.parametrize("scheme", [schemes.rkc1(4), schemes.rkc2(4)], ids=lambda s: s.name)
def test_exact_discrete_solution_of_chebyshev(scheme):
    """R(z) = a_s + b_s T_s(w0 + w1 z), by NumPy's polynomials."""
    s, h, lam, n = scheme.stages, 0.5, np.array([0.5, 20.0]), 20
    T = np.polynomial.chebyshev.Chebyshev.basis(s)
    w0 = 1 + {1: 0.05, 2: 2 / 13}[scheme.order] / s**2
    if scheme.order == 1:
        a, b, w1 = 0.0, 1 / T(w0), T(w0) / T.deriv()(w0)
    else:
        w1, b = T.deriv()(w0) / T.deriv(2)(w0), T.deriv(2)(w0) / T.deriv()(w0) ** 2
        a = 1 - b * T(w0)
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), scheme, h), linear(lam).at([1.0, -2.0]), n).check()
    factor = a + b * T(w0 - w1 * h * lam)
    np.testing.assert_allclose(run.theta, factor ** np.arange(n + 1)[:, None] * [1.0, -2.0], rtol=1e-13, atol=1e-15)


def test_exact_discrete_solution_of_splittings():
    """Strang's splitting of the heavy ball on lambda theta^2/2: (theta, v) -> M (theta, v), by hand."""
    a, h, lam, n = 1.5, 0.1, 3.0, 40
    D, K, F = np.array([[1, h / 2], [0, 1]]), np.array([[1, 0], [-h / 2 * lam, 1]]), np.diag([1, np.exp(-a * h)])
    M = D @ K @ F @ K @ D
    word = schemes.Splitting("drift kick friction kick drift", order=2)
    run = oo.simulate(oo.Optimizer(oo.flows.heavy_ball(a), word, h), linear([lam]).at([1.0]), n).check()
    exact = np.array([np.linalg.matrix_power(M, k) @ [1.0, 0.0] for k in range(n + 1)])
    np.testing.assert_allclose(np.stack([run.theta[:, 0], run.state["v"][:, 0]], 1), exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("scheme", "roots"), [(schemes.ab2, 2), (schemes.ab3, 3), (schemes.bdf2, 2)])
def test_exact_discrete_solution_of_multistep(scheme, roots):
    """The recurrences by hand: y+ = y + h sum b_j f_{n-j}, and BDF2's (3 y+ - 4 y + y-)/2 = h f+."""
    z = -0.3
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), scheme, 0.1), linear([3.0]).at([1.0]), 30).check()
    y = list(run.theta[:roots, 0])
    for _ in range(30 - roots + 1):
        if scheme is schemes.ab2:
            y.append(y[-1] + z * (1.5 * y[-1] - 0.5 * y[-2]))
        elif scheme is schemes.ab3:
            y.append(y[-1] + z * (23 * y[-1] - 16 * y[-2] + 5 * y[-3]) / 12)
        else:
            y.append((4 * y[-1] - y[-2]) / (3 - 2 * z))
    np.testing.assert_allclose(run.theta[:, 0], y, rtol=1e-13)


@pytest.mark.parametrize("z", [-0.5, 0.3, -0.7 + 1.3j])
@pytest.mark.parametrize("name", [n for n in STABILITY if n not in ("implicit_euler", "trapezoid")])
def test_amplification_is_read_off_the_step(name, z):
    scheme, R = STABILITY[name]
    assert amplification(scheme, z) == pytest.approx(R(z), rel=1e-14)


@pytest.mark.parametrize("stages", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("order", [1, 2])
def test_chebyshev_is_stable_far_out(order, stages):
    """|R| <= 1 on the whole interval, which grows like s^2: 1.9 s^2 and 0.64 s^2 at least."""
    scheme = schemes.Chebyshev(order, stages)
    z = np.linspace(0, scheme.real_stability, 4001)
    assert np.all(np.abs(amplification(scheme, -z)) <= 1 + 1e-12)
    assert scheme.real_stability >= (1.9 if order == 1 else 0.64) * (stages**2 - (order == 2))
    beyond = np.linspace(1.0, 1.3, 100) * scheme.real_stability  # RKC2 with few odd stages keeps a little more
    assert np.any(np.abs(amplification(scheme, -beyond)) > 1)


def test_chebyshev_polynomial_closed_form():
    """RKC1: R(z) = T_s(w0 + w1 z)/T_s(w0)."""
    s, w0 = 7, 1 + 0.05 / 49
    T = np.polynomial.chebyshev.Chebyshev.basis(s)
    w1 = T(w0) / T.deriv()(w0)
    z = np.linspace(-80, 0, 17)
    np.testing.assert_allclose(amplification(schemes.rkc1(s), z), T(w0 + w1 * z) / T(w0), atol=1e-12)


def test_chebyshev_counts_its_stages():
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), schemes.rkc2(9), 0.1), linear([1.0]).at([1.0]), 10)
    assert run.ngev == 90


@pytest.mark.parametrize("rk", [schemes.euler, schemes.heun, schemes.rk3, schemes.rk4, schemes.bogacki_shampine])
def test_tableaus_meet_no_more_than_their_order(rk):
    """The next order's conditions fail, so the validation could fail too."""
    A, b = np.array(rk.A), np.array(rk.b)
    residuals = [max(map(abs, row)) for row in order_conditions(A, b, A.sum(axis=1))]
    assert max(residuals[: rk.order], default=0) < 1e-14
    if rk.order < 4:
        assert residuals[rk.order] > 1e-3


def test_embedded_error_estimate_is_the_difference_of_the_pair():
    problem = oo.problems.rosenbrock(b=1)
    flow, h = oo.flows.gradient_flow(), 0.01
    low = schemes.RungeKutta("low", schemes.bogacki_shampine.A, schemes.bogacki_shampine.b_hat, order=2)
    y = (problem.theta0,)
    high, *_ = schemes.bogacki_shampine.bind(flow, problem.grad)(0.0, y, (), h)
    lower, *_ = low.bind(flow, problem.grad)(0.0, y, (), h)
    estimate = schemes.bogacki_shampine.error_estimate(flow, problem.grad)(0.0, y, h)
    np.testing.assert_allclose(estimate[0], high[0] - lower[0], rtol=1e-9)
    with pytest.raises(ValueError, match="needs an embedded pair"):
        schemes.rk4.error_estimate(flow, problem.grad)


def test_exponential_euler_is_exact_for_a_pure_relaxation():
    """v' = -a v alone: e^(-a h n), whatever the step."""
    flow = oo.flow("theta", {"a": 3.0}, decay=oo.relax("theta", rate=lambda a: a, target=lambda: 2.0))
    for scheme in (schemes.exponential_euler, schemes.etd2rk):
        run = oo.simulate(oo.Optimizer(flow, scheme, 5.0), linear([1.0]).at([1.0]), 2)
        np.testing.assert_allclose(run.theta[:, 0], 2 - np.exp(-15.0 * np.arange(3)), rtol=1e-15)


def test_phi_functions():
    z = np.array([-30.0, -1.0, -0.5, -1e-3, -1e-9, 0.0, 1e-5, 0.49, 2.0])
    with localcontext(prec=60):
        exact = [Decimal(float(x)) for x in z]
        e1 = [float((x.exp() - 1) / x) if x else 1.0 for x in exact]
        e2 = [float((x.exp() - 1 - x) / x**2) if x else 0.5 for x in exact]
    np.testing.assert_allclose(phi1(z), e1, rtol=1e-15)
    np.testing.assert_allclose(phi2(z), e2, rtol=4e-15)


def test_etd_refuses_a_rate_that_varies():
    with pytest.raises(ValueError, match="constant rates, the rate of 'v' in Su-Boyd-Candes reads t"):
        schemes.etd2rk.bind(oo.flows.su_boyd_candes(), lambda theta: theta)


def test_implicit_failure_is_a_status():
    """theta' = exp(theta): no real solution of the implicit equation for a large step."""
    problem = oo.Problem(lambda x: -np.exp(x).sum(-1), lambda x: -np.exp(x), theta0=[0.0])
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), schemes.implicit_euler, 5.0), problem, 3)
    assert run.status is oo.Status.STEP_FAILED
    assert "the implicit equation was not solved; a smaller step may help (after step 0)" in run.message
    assert run.theta.shape == (1, 1)


@pytest.mark.parametrize("scale", [1.0, 1e-10])
def test_implicit_solves_are_relative(scale):
    eigenvalues = np.linspace(1, 30, 80)
    opt = oo.Optimizer(oo.flows.gradient_flow(), schemes.implicit_euler, 0.5)
    run = oo.simulate(opt, linear(eigenvalues).at(scale * np.ones(80)), 2).check()
    np.testing.assert_allclose(run.final, scale * (1 + 0.5 * eigenvalues) ** -2.0, rtol=1e-8)
    assert oo.simulate(opt, linear(eigenvalues).at(np.zeros(80)), 2).check().final.tolist() == [0.0] * 80


@pytest.mark.parametrize("d", [2, 80])
def test_implicit_scheme_on_a_gradient_that_turns_nan(d):
    problem = oo.Problem(
        lambda x: (x**2).sum(-1), lambda x: np.where(x[..., :1] < 0.5, np.nan, 2 * x), theta0=np.ones(d), batched=True
    )
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), schemes.implicit_euler, 0.1), problem, 50)
    assert run.status < 0
    assert np.isfinite(run.theta).all()
    assert run.final[0] >= 0.5


def test_implicit_scheme_in_many_dimensions():
    """Beyond 60 unknowns Newton-Krylov takes over: implicit Euler on a quadratic is (I + hA)^-1."""
    eigenvalues = np.linspace(1, 30, 80)
    problem = linear(eigenvalues).at(np.ones(80))
    run = oo.simulate(oo.Optimizer(oo.flows.gradient_flow(), schemes.implicit_euler, 0.5), problem, 4).check()
    np.testing.assert_allclose(run.final, (1 + 0.5 * eigenvalues) ** -4.0, rtol=1e-8)


@pytest.mark.parametrize("name", [*tables.GENERIC, *tables.NEEDS_RELAXATION, *tables.STOCHASTIC])
def test_increment_is_the_difference(name):
    scheme, _ = {**tables.GENERIC, **tables.NEEDS_RELAXATION, **tables.STOCHASTIC}[name]
    problem, flow = tables.smooth_problem(), oo.flows.heavy_ball(1.0)
    y = flow.start(problem.theta0)
    new, increment, _ = scheme.bind(flow, problem.grad)(0.0, y, (), 1e-3)
    for a, b, d in zip(new, y, increment, strict=True):
        np.testing.assert_array_equal(a, b + d)


def test_increments_do_not_cancel():
    """At h = 1e-12 the increment still has its digits, where the difference of states has four."""
    problem, flow = oo.problems.quadratic(), oo.flows.averaged_gradient(0.5)
    y = (problem.theta0, np.full(2, 0.25))
    _, increment, _ = schemes.Splitting("memory drift").bind(flow, problem.grad)(0.0, y, (), 1e-12)
    np.testing.assert_allclose(increment[0], -1e-12 * 0.25, rtol=1e-10)


def test_nesterov_in_both_forms():
    """The stored iterate is y_k = x_k + beta (x_k - x_{k-1}) of "friction kick(drift) drift"   (SEEDS I.6)."""
    lr, beta, problem = 0.01, 0.9, oo.problems.rosenbrock(b=5)
    stored = oo.simulate(oo.optimizers.nesterov(lr, beta), problem, 100).theta
    h = lr**0.5
    flow = oo.flows.heavy_ball(-np.log(beta) / h)
    x = oo.simulate(oo.Optimizer(flow, schemes.Splitting("friction kick(drift) drift"), h), problem, 100).theta
    np.testing.assert_allclose(stored[1:], x[1:] + beta * np.diff(x, axis=0), rtol=1e-12)


def test_verlet_costs_one_gradient_per_step():
    """The kick at the end of a step and the one at the start of the next see the same theta."""
    flow = oo.flows.heavy_ball(0.0)
    word = schemes.Splitting("kick drift friction kick", order=2)
    assert oo.simulate(oo.Optimizer(flow, word, 0.1), oo.problems.quadratic(), 50).ngev == 51
    adam = oo.optimizers.adam()
    assert oo.simulate(adam, oo.problems.quadratic(), 50).ngev == 50
    strang = oo.Optimizer(adam.flow, schemes.Splitting("drift memory drift"), 0.01, start=oo.starts.settled)
    assert oo.simulate(strang, oo.problems.quadratic(), 50).ngev == 51


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("kick drift", "word must name every part of heavy ball, got 'kick drift' without friction"),
        ("kick drift fraction", "did you mean 'friction'"),
        ("kick drift friction(kik)", "did you mean 'kick'"),
        ("", "word must be part names"),
        ("kick, drift", "word must be part names"),
        (3, "word must be part names"),
        ("drift(", "word must be part names"),
    ],
)
def test_bad_words(word, message):
    with pytest.raises(ValueError, match=message):
        schemes.Splitting(word).bind(oo.flows.heavy_ball(1.0), lambda theta: theta)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schemes.RungeKutta("x", [[0, 0], [1, 0]], [0.5, 0.5], order=3), "order must be at most 2"),
        (lambda: schemes.RungeKutta("x", [[0, 0], [1, 0]], [0.5, 0.6], order=1), "order must be at most 0"),
        (lambda: schemes.RungeKutta("x", [[1, 0], [1, 0]], [0.5, 0.5], order=1), "strictly lower triangular"),
        (lambda: schemes.RungeKutta("x", [[0, 0]], [0.5, 0.5], order=1), "A must have shape"),
        (
            lambda: schemes.RungeKutta("x", [[0, 0], [1, 0]], [0.5, 0.5], 2, b_hat=[0.5, 0.4]),
            r"order must be at most 0",
        ),
        (lambda: schemes.Theta(0.0), r"weight must be in \(0, 1\]"),
        (lambda: schemes.Theta(1.5), r"weight must be in \(0, 1\]"),
        (lambda: schemes.rkc1(0), "stages must be at least 1"),
        (lambda: schemes.rkc2(1), "stages must be at least 2"),
        (lambda: schemes.Chebyshev(3, 5), "order must be 1 or 2, got 3"),
        (lambda: schemes.Splitting("kick drift", push="heun"), "push must be one of euler, midpoint"),
        (
            lambda: schemes.RungeKutta("x", [[0, 0], [1, 0]], [0.5, 0.5], 2, b_hat=[1.0]),
            r"b_hat must have shape \(2,\)",
        ),
        (
            lambda: schemes.RungeKutta("x", [[0, 0], [1, 0]], [0.5, 0.5], 5),
            "order must be at most 4, the highest order that",
        ),
        (lambda: schemes.AdamsBashforth("x", (1.0, 1.0), schemes.heun), "weights must be those of Adams-Bashforth"),
        (lambda: schemes.Exponential("x", 3), "order must be 1 or 2, got 3"),
    ],
)
def test_bad_schemes(build, message):
    with pytest.raises(ValueError, match=message):
        build()
