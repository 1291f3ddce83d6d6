"""Implicit regularizers: closed forms of papers, runs, and the places where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import odeopt as oo
from odeopt import flows, ops, schemes
from odeopt import optimizers as opts
from odeopt.analysis import slow_rate, start_shift
from odeopt.problems.oracle import Gradient

TIGHT = {"rtol": 1e-12, "atol": 1e-13}
MILD = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])
BETAS = (0.0, 0.3, 0.9, 0.99, 0.999)


def on_gradient_flow(scheme, h=0.1):
    return oo.Optimizer(flows.gradient_flow(), scheme, h)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(
    ("make", "coefficient", "shift"),
    [
        (opts.momentum, lambda b: (1 + b) / (1 - b) / 4, lambda b: b / (1 - b)),
        (lambda lr, b: opts.momentum(lr, b, map="midpoint"), lambda b: (1 + b) / (1 - b) / 4, lambda b: b / (1 - b)),
        (opts.heavy_ball, lambda b: (1 + b) / (1 - b) / 4, lambda b: b / (1 - b)),
        (opts.nesterov, lambda b: (1 - b + 2 * b**2) / (1 - b) / 4, lambda b: b**2 / (1 - b)),
    ],
    ids=["momentum", "midpoint momentum", "heavy_ball", "nesterov"],
)
def test_coefficients_of_papers(make, coefficient, shift, beta):
    """Barrett and Dherin 2021 at beta = 0, Ghosh et al. 2023; h = lr/(1 - beta)."""
    found, h = oo.implicit_regularizer(make(0.01, beta)), 0.01 / (1 - beta)
    assert found.slope == pytest.approx(1, rel=1e-10)
    assert found.coefficient == pytest.approx(h * coefficient(beta), rel=1e-10)
    assert found.shift == pytest.approx(h * shift(beta), rel=1e-10)


def test_schemes_on_gradient_flow():
    """(h/4) |g|^2 for Euler, its negative for implicit Euler, 0 from order 2 on; (1 - 2 R_2) h/4 in general."""
    found = {s.name: oo.implicit_regularizer(on_gradient_flow(s)) for s in (schemes.euler, schemes.implicit_euler)}
    assert found["Euler"].coefficient == pytest.approx(0.025, rel=1e-11)
    assert found["implicit Euler"].coefficient == pytest.approx(-0.025, rel=1e-9)
    for scheme in (schemes.heun, schemes.trapezoid, schemes.rk4, schemes.rkc2(7)):
        assert oo.implicit_regularizer(on_gradient_flow(scheme)).coefficient == 0
    theta = schemes.Theta(0.7)
    assert oo.implicit_regularizer(on_gradient_flow(theta)).coefficient == pytest.approx(0.1 / 4 * (1 - 1.4), rel=1e-9)


@pytest.mark.parametrize(
    "opt", [opts.gd(0.1), opts.momentum(0.01, 0.8), opts.nesterov(0.01, 0.8)], ids=lambda o: o.name
)
def test_agrees_with_the_formula_from_the_symbolic_step(opt):
    pytest.importorskip("sympy")
    from odeopt.symbolic import memoryless_limit

    limit, found = memoryless_limit(opt).field(MILD), oo.implicit_regularizer(opt)
    field = limit.rhs(MILD.grad)(0.0, (MILD.theta0,))[0]
    np.testing.assert_allclose(-found.modified(MILD).grad(MILD.theta0), field, rtol=1e-10)
    np.testing.assert_allclose(limit.start(MILD.theta0)[0], found.modified(MILD).theta0, rtol=1e-10)


@pytest.mark.parametrize(
    "opt",
    [opts.gd(0.1), opts.momentum(0.02, 0.7), opts.nesterov(0.02, 0.7), opts.heavy_ball(0.02, 0.7)],
    ids=lambda o: o.name,
)
def test_start_shift_read_off_a_run_on_a_constant_gradient(opt):
    g0 = MILD.grad(MILD.theta0)
    np.testing.assert_allclose(start_shift(opt, MILD.grad, MILD.theta0), slow_rate(opt).shift * g0, atol=1e-12)


def test_start_shift_of_bias_corrected_adam_is_zero():
    np.testing.assert_allclose(start_shift(opts.adam(0.01), MILD.grad, MILD.theta0), 0, atol=1e-13)


def test_slow_rate_is_the_slow_multiplier():
    """log mu/(-lr_time) = lambda + 2 c lambda^2 + O(lambda^3), from the eigenvalues of the step itself."""
    opt = opts.momentum(0.01, 0.9)
    rate, rest = slow_rate(opt), []
    for lam in (1e-2, 1e-3):
        mu = np.linalg.eigvals(oo.analysis.step_matrix(opt, 0.01 * lam)).real.max()
        rest.append(abs(-np.log(mu) / 0.1 - (rate.slope * lam + 2 * rate.coefficient * lam**2)))
    assert np.log10(rest[0] / rest[1]) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(
    "make",
    [lambda lr: opts.gd(lr), lambda lr: opts.momentum(lr / 2, 0.5), lambda lr: opts.nesterov(lr / 2, 0.5)],
    ids=["gd", "momentum", "nesterov"],
)
def test_gradient_flow_of_the_modified_loss_is_followed_with_order_two(make):
    """Against order 1 for gradient flow of the loss itself."""

    def errors(n):
        opt = make(1 / n)
        run, seen = oo.simulate(opt, MILD, n).check(), oo.implicit_regularizer(opt).modified(MILD)
        flow = flows.gradient_flow()
        paths = [oo.solve(flow, p, np.arange(n + 1) * opt.lr_time, **TIGHT).check() for p in (MILD, seen)]
        return [np.abs(run.theta - path.theta)[n // 2 :].max() for path in paths]

    steps = (50, 100, 200)
    plain, modified = (-np.polyfit(np.log(steps), np.log(e), 1)[0] for e in np.transpose([errors(n) for n in steps]))
    assert plain == pytest.approx(1, abs=0.15)
    assert modified == pytest.approx(2, abs=0.15)


def curl(field, theta):
    """The asymmetry of its Jacobian at theta over the size of that."""
    e = 1e-5
    J = np.array([(field(theta + e * d) - field(theta - e * d)) / (2 * e) for d in np.eye(theta.size)]).T
    return np.abs(J - J.T).max() / np.abs(J).max()


def test_second_order_is_a_gradient_and_third_order_is_not():
    """H g = grad |g|^2/2; H H g/3 + third(L)[g, g]/12 has a Jacobian that is not symmetric off the quadratics."""
    theta, step = np.array([0.3, -0.7]), 1e-4

    def second(x):
        return MILD.hvp(x, MILD.grad(x))

    def third(x):
        g = MILD.grad(x)
        d = (MILD.hvp(x + step * g, g) - MILD.hvp(x - step * g, g)) / (2 * step)
        return MILD.hvp(x, MILD.hvp(x, g)) / 3 + d / 12

    assert curl(second, theta) < 1e-8
    assert curl(third, theta) > 1e-2
    bowl = oo.problems.quadratic((1, 20))
    assert curl(lambda x: bowl.hvp(x, bowl.hvp(x, bowl.grad(x))) / 3, theta) < 1e-8


@pytest.mark.parametrize(("beta1", "beta2", "sign"), [(0.9, 0.999, -1), (0.9, 0.8, 1), (0.5, 0.5, 0), (0.0, 0.9, -1)])
def test_adam_changes_its_sign_at_equal_betas(beta1, beta2, sign):
    found = oo.implicit_regularizer(opts.adam(0.01, beta1, beta2))
    expected = 0.01 * (beta1 / (1 - beta1) - beta2 / (1 - beta2))
    assert found.coefficient == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert np.sign(round(found.coefficient, 14)) == sign
    assert ("anti-regularising" in str(found)) == (sign < 0)


@pytest.mark.parametrize("make", [lambda: opts.adam(0.01, 0.5, 0.9, eps=0), lambda: opts.rmsprop(0.01, 0.9, eps=0)])
def test_adam_and_rmsprop_descend_their_modified_loss_in_the_metric_of_g(make):
    """|g| theta' = -grad(L + c |g|_1) is the memoryless limit of the step, found symbolically, at eps = 0."""
    pytest.importorskip("sympy")
    from odeopt.symbolic import memoryless_limit

    seen, theta = oo.implicit_regularizer(make()).modified(MILD), MILD.theta0
    metric = np.abs(MILD.grad(theta))
    field = memoryless_limit(make()).field(MILD).rhs(MILD.grad)(0.0, (theta,))[0]
    np.testing.assert_allclose(-seen.grad(theta) / metric, field, rtol=1e-12)


def test_modified_problem_is_a_problem():
    """Its gradient is that of its loss, on one point and on stacks; the minimum stays where |g|^2 is added."""
    for opt in (opts.gd(0.1), opts.momentum(0.01, 0.9), opts.adam(0.01)):
        seen = oo.implicit_regularizer(opt).modified(MILD)
        numeric = oo.Problem(seen.loss, theta0=MILD.theta0).grad(np.array([0.4, -0.3]))
        np.testing.assert_allclose(seen.grad(np.array([0.4, -0.3])), numeric, rtol=1e-6)
        assert seen.loss(np.zeros((3, 4, 2))).shape == (3, 4)
    assert oo.implicit_regularizer(opts.gd(0.1)).modified(MILD).minimizer is not None
    assert oo.implicit_regularizer(opts.adam(0.01)).modified(MILD).minimizer is None


def test_says_what_it_is():
    said = {
        name: str(oo.implicit_regularizer(make(0.01)))
        for name, make in vars(opts).items()
        if name in ("gd", "momentum", "rmsprop")
    }
    assert said["gd"] == "gd: theta' = -grad(L + 0.0025 |grad L|^2)"
    assert said["momentum"] == "momentum: theta' = -grad(L + 0.475 |grad L|^2), from theta0 + 0.9 grad L(theta0)"
    assert said["rmsprop"].endswith("(L - 0.99 |grad L|_1), by coordinate: anti-regularising, for rho > 0")
    assert str(oo.implicit_regularizer(on_gradient_flow(schemes.heun))) == "optimizer: theta' = -grad(L)"


def _of(part, **rest):
    return oo.Optimizer(oo.flow("theta", descent=part, **rest), schemes.euler, 0.1)


@pytest.mark.parametrize(
    ("opt", "kind", "message"),
    [
        ("adam", TypeError, "opt must be an Optimizer"),
        (opts.gd(np.array([0.1, 0.2])), ValueError, "h must be a single number here"),
        (opts.adagrad(), ValueError, "adagrad has no known implicit regularizer; only Adam, RMSprop"),
        (opts.nesterov_k(), ValueError, "nesterov_k has no implicit regularizer: its step changes with time"),
        (on_gradient_flow(schemes.ab2), ValueError, "AB2 is a multistep scheme"),
        (
            oo.Optimizer(flows.adam(0.1, 1.0), schemes.heun, 0.1),
            ValueError,
            "the scheme must be the splitting 'memory drift' for Adam, got Heun",
        ),
        (
            _of(oo.push("theta", lambda grad, theta: -ops.sign(grad(theta)))),
            ValueError,
            "no known implicit regularizer: its step is not linear",
        ),
        (
            _of(oo.push("theta", lambda grad, theta: -grad(theta) - 0.1 * theta)),
            ValueError,
            "moves theta where the gradient is 0",
        ),
        (oo.Optimizer(flows.heavy_ball(0.0), schemes.rk4, 0.1), ValueError, "does not forget: without friction"),
    ],
    ids=str,
)
def test_says_where_there_is_none(opt, kind, message):
    with pytest.raises(kind, match=message):
        oo.implicit_regularizer(opt)


def test_start_shift_needs_a_memory_that_settles():
    with pytest.raises(ValueError, match="adagrad did not settle on a constant gradient"):
        start_shift(opts.adagrad(), MILD.grad, MILD.theta0)


def test_slow_rate_needs_a_linear_step():
    with pytest.raises(ValueError, match="opt must be linear in the gradient, got adam with its preconditioner"):
        slow_rate(opts.adam())


def test_start_shift_asks_once_for_the_gradient():
    grad = Gradient(MILD.grad)
    start_shift(opts.momentum(), grad, MILD.theta0.copy())
    assert grad.count == 1


def test_a_flow_that_is_only_called_adam_is_not_taken_for_it():
    """The known coefficient belongs to Adam's equations, not to the name."""
    adam = opts.adam(0.01)
    other = replace(adam.flow, parts={**adam.flow.parts, "drift": (oo.push("theta", lambda m, G: -m / (1 + G)),)})
    with pytest.raises(ValueError, match="only Adam, RMSprop"):
        oo.implicit_regularizer(replace(adam, flow=other))
    renamed = replace(adam, flow=replace(adam.flow, name="mine"))
    assert oo.implicit_regularizer(renamed).coefficient == oo.implicit_regularizer(adam).coefficient
