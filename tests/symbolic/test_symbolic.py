"""Modified equations as formulas against papers, against the black box, and against the iterates themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import odeopt as oo
from odeopt import decay, flows, schemes
from odeopt import optimizers as opts
from odeopt.core.state import named
from odeopt.problems.oracle import Gradient

sympy = pytest.importorskip("sympy")

from odeopt.symbolic import eliminate_velocity, memoryless_limit, modified_equation  # noqa: E402
from odeopt.symbolic.high_resolution import velocity  # noqa: E402
from odeopt.symbolic.loss_derivatives import Derivative as H  # noqa: E402
from odeopt.symbolic.loss_derivatives import g, h, rate, scalar, t, theta  # noqa: E402
from odeopt.symbolic.series import Series  # noqa: E402
from odeopt.symbolic.sums import DIMENSION, Total, Vector, expanded  # noqa: E402

TIGHT = {"rtol": 1e-12, "atol": 1e-13}
MILD = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])
STEADY = oo.problems.rosenbrock(b=1).at([-1.0, 3.0])  # no gradient component of Adam and RMSprop vanishes until T
T = 0.25
a, tau, beta, beta1, beta2, eps = map(scalar, ("damping", "tau", "beta", "beta1", "beta2", "eps"))
v, m, G = Vector("v", real=True), Vector("m", real=True), Vector("G", positive=True)
BLOCKWISE = schemes.Splitting("friction kick drift", decay.euler)


def same(found, expected):
    """Equal as formulas."""
    return sympy.simplify(sympy.expand(found - expected)) == 0


def on(flow, scheme):
    return lambda h: oo.Optimizer(flow, scheme, h)


def _beta(rate, h):
    return float(np.exp(-rate * h))


FAMILIES = {
    "gd": opts.gd,
    "heun": on(flows.gradient_flow(), schemes.heun),
    "implicit Euler": on(flows.gradient_flow(), schemes.implicit_euler),
    "trapezoid on the heavy ball": on(flows.heavy_ball(1.5), schemes.trapezoid),
    "rkc": on(flows.gradient_flow(), schemes.rkc1(3)),
    "momentum": lambda h: opts.momentum(h * (1 - _beta(2, h)), _beta(2, h)),
    "midpoint momentum": lambda h: opts.momentum(h * (1 - (1 - h) / (1 + h)), (1 - h) / (1 + h), map="midpoint"),
    "naive heavy ball": lambda h: opts.heavy_ball(h**2, 1 - 1.5 * h, map="naive"),
    "exponential heavy ball": lambda h: opts.heavy_ball(h**2, _beta(1.5, h), map="exponential"),
    "leapfrog": on(flows.heavy_ball(1.5), schemes.Splitting("drift kick friction kick drift", order=2)),
    "nesterov": lambda h: opts.nesterov(h * (1 - _beta(2, h)), _beta(2, h)),
    "nesterov_k": lambda h: opts.nesterov_k(h**2),
    "rmsprop": lambda h: opts.rmsprop(h, _beta(2, h), 0.01),
    "adagrad": lambda h: opts.adagrad(h**0.5, 0.01 / h**0.5, accumulator=1 / h),
    "adam": lambda h: opts.adam(h, _beta(5, h), _beta(1, h), 0.01),
}
MEMORY = {"m": [0.4, -0.3], "v": [0.7, 0.2], "G": [0.8, 1.3], "c1": [0.6], "c2": [0.4]}


def off_by(make, order, h):
    """|formula - black box| at one state with all memory present, at t = 1."""
    opt, theta0 = make(h), np.array([0.3, -0.4])
    y = opt.flow.start(theta0, **{name: np.array(MEMORY[name]) for name in opt.flow.memory})
    formula = modified_equation(opt, order).field(MILD).rhs(MILD.grad)(1.0, y)
    box = oo.modified_flow(opt, order).rhs(MILD.grad)(1.0, y)
    return max(np.abs(p - q).max() for p, q in zip(formula, box, strict=True))


@pytest.mark.parametrize("order", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_black_box_to_its_order(family, order):
    """Both are F_1 + ... + h^(K-1) F_K up to O(h^K), from the same step on numbers and on symbols.

    From h = 4e-3 to 1e-3 the difference falls by 4^K; 0.25 of slope for the next power.
    """
    coarse, fine = (off_by(FAMILIES[family], order, h) for h in (4e-3, 1e-3))
    assert fine < 1e-8 or np.log(coarse / fine) / np.log(4) == pytest.approx(order, abs=0.25)


def test_norms_print_as_sums_over_the_coordinates():
    first, second = modified_equation(opts.normalized_gd(0.1)).terms[theta]
    size = sympy.sqrt(Total(g**2))
    assert first == -g / (size + eps)
    assert same(second, (g * Total(g * H(g)) / (size * (size + eps)) - H(g)) / (size + eps) ** 2 / 2)
    assert str(modified_equation(opts.normalized_gd(0.1), 1)).startswith("theta' = -g/(eps + sqrt(sum(g**2)))\n")
    assert r"\sum \left(g^{2}\right)" in modified_equation(opts.normalized_gd(0.1), 1).latex()


def test_sums_are_linear_and_scalars():
    assert Total(2 * h * g + a * v) == 2 * h * Total(g) + a * Total(v)
    assert Total(Total(g) * v) == Total(g) * Total(v)
    assert Total(a) == a * DIMENSION
    assert H(Total(g) * v) == Total(g) * H(v)
    assert same(rate(Total(g * v), {theta: v, v: -g}), Total(v * H(v)) - Total(g**2))


@pytest.mark.slow
def test_memoryless_limit_of_lars():
    """The step of LARS on a memory at its value: trust |theta|/(|u| + eps) u, u = g + w theta."""
    trust, w = scalar("trust"), scalar("weight_decay")
    first = memoryless_limit(opts.lars(0.1)).terms[theta][0]
    u = sympy.sqrt(Total(expanded((g + w * theta) ** 2)))
    assert same(first, -trust * sympy.sqrt(Total(theta**2)) / (u + eps) * (g + w * theta))


REDUCTIONS = {
    "np.max": lambda grad, theta: -grad(theta) / np.max(grad(theta)),
    "np.mean": lambda grad, theta: -grad(theta) / np.mean(grad(theta), axis=-1, keepdims=True),
    "np.sum": lambda grad, theta: -grad(theta) / np.sum(grad(theta)),
    "np.linalg.norm": lambda grad, theta: -grad(theta) / np.linalg.norm(grad(theta)),
    "np.mean of theta": lambda theta: -theta * np.mean(theta),
    "entries": lambda grad, theta: -grad(theta) / grad(theta)[..., :1],
    "an entry": lambda grad, theta: -grad(theta) / grad(theta)[..., 0],
    "a row": lambda grad, theta: -grad(theta) / grad(theta)[0],
    "a shape": lambda grad, theta: -grad(theta) / theta.shape[-1],
    "a matrix product": lambda grad, theta: -grad(theta) @ np.ones((2, 2)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_other_reductions_of_a_formula_are_refused(name):
    flow = oo.flow("theta", drift=oo.push("theta", REDUCTIONS[name]), name="mine")
    with pytest.raises(ValueError, match="mine by Euler cannot be run on symbols"):
        modified_equation(oo.Optimizer(flow, schemes.euler, 0.1))


def test_gradient_descent():
    """Barrett and Dherin 2021, thm 3.1; the third order is theirs too (appendix A)."""
    first, second, third = modified_equation(opts.gd(0.1), 3).terms[theta]
    assert (first, second) == (-g, -H(g) / 2)
    assert same(third, -H(H(g)) / 3 - H(g, g) / 12)


def test_schemes_of_second_order_have_no_second_term():
    for scheme in (schemes.heun, schemes.midpoint, schemes.trapezoid, schemes.rk4):
        assert modified_equation(oo.Optimizer(flows.gradient_flow(), scheme, 0.1)).terms[theta][1] == 0
    strang = oo.Optimizer(flows.adam(0.1, 1.0), schemes.Splitting("drift memory drift", order=2), 0.1)
    assert all(same(F2, 0) for _, F2 in modified_equation(strang).terms.values())


def test_implicit_euler_has_the_opposite_sign():
    opt = oo.Optimizer(flows.gradient_flow(), schemes.implicit_euler, 0.1)
    first, second, third = modified_equation(opt, 3).terms[theta]
    assert (first, second) == (-g, H(g) / 2)
    assert same(third, -H(H(g)) / 3 - H(g, g) / 12)  # of the adjoint of a method, F_k has the sign (-1)^(k+1)


def test_explicit_momentum():
    """theta' = v + (h/2) A, v' = A + (h/2)(a A + H v), A = -a v - g."""
    A, terms = -a * v - g, modified_equation(opts.heavy_ball(0.01, map="naive")).terms
    assert all(same(x, y) for x, y in zip(terms[theta], (v, A / 2), strict=True))
    assert all(same(x, y) for x, y in zip(terms[v], (A, (a * A + H(v)) / 2), strict=True))


def test_block_sequential_euler():
    """F_2 = (L - D - U) F/2, with L, D, U the parts of the Jacobian below, on and above the diagonal of update order.

    Order (v, theta): v' = A(v, theta), theta' = v has D = (-a, 0), L = dtheta'/dv = 1, U = dv'/dtheta = -H.
    """
    A = -a * v - g
    correction = {v: (a * A + H(v)) / 2, theta: A / 2}
    terms = modified_equation(oo.Optimizer(flows.heavy_ball(1.0), BLOCKWISE, 0.1)).terms
    assert all(same(terms[u][1], correction[u]) for u in (v, theta))


@pytest.mark.parametrize(("map", "friction"), [("exponential", a), ("naive", a + h * a**2 / 2), ("midpoint", None)])
def test_heavy_ball_without_its_velocity(map, friction):
    """X'' + a X' + (1 + a h/2) g = 0 for the exponential map; the naive one has more friction, leapfrog neither."""
    side = eliminate_velocity(opts.heavy_ball(0.01, 0.9, map=map)).left_side
    expected = a * velocity + g if friction is None else friction * velocity + (1 + a * h / 2) * g
    assert same(side, expected)


def test_high_resolution_odes_of_shi_du_jordan_su():
    """With a = 2 sqrt(mu), h = sqrt(s): (1.10) heavy ball, (1.11) NAG-SC, (1.12) NAG-C at t + 3 sqrt(s)/2."""
    mu, s = scalar("mu"), scalar("s")
    theirs = {a: 2 * sympy.sqrt(mu), h: sympy.sqrt(s)}
    flow = flows.heavy_ball(1.0)
    polyak, nesterov = (
        oo.Optimizer(flow, schemes.Splitting(word, decay.trapezoid), 0.1)
        for word in ("friction kick drift", "friction kick drift(friction kick)")
    )
    common = 2 * sympy.sqrt(mu) * velocity + (1 + sympy.sqrt(mu * s)) * g
    assert same(eliminate_velocity(polyak).left_side.xreplace(theirs), common)
    assert same(eliminate_velocity(nesterov).left_side.xreplace(theirs), common + sympy.sqrt(s) * H(velocity))
    r = scalar("r")
    ours = eliminate_velocity(opts.nesterov_k(0.01)).left_side.subs({r: 3, t: t - 3 * h / 2})
    nag_c = 3 / t * velocity + h * H(velocity) + (1 + 3 * h / (2 * t)) * g
    difference = sympy.expand(ours - nag_c)
    assert difference.subs(h, 0) == 0
    assert sympy.simplify(difference.diff(h).subs(h, 0)) == 0


def deviation(opt, field, problem, steps, **given):
    run = oo.simulate(opt, problem, steps).check()
    return np.abs(run.theta - oo.solve(field, problem, run.t, **given, **TIGHT).check().theta).max()


def slope(error, steps=(50, 100, 200)):
    return -np.polyfit(np.log(steps), np.log([error(n) for n in steps]), 1)[0]


@pytest.mark.parametrize("word", ["friction kick drift", "friction kick drift(friction kick)"])
def test_iterates_follow_the_high_resolution_ode_one_order_better(word):
    def make(n):
        return oo.Optimizer(flows.heavy_ball(1.5), schemes.Splitting(word, decay.trapezoid), 1 / n)

    plain = slope(lambda n: deviation(make(n), make(n).flow, MILD, n))
    better = slope(lambda n: deviation(make(n), eliminate_velocity(make(n)).field(MILD), MILD, n))
    assert plain == pytest.approx(1, abs=0.15)
    assert better == pytest.approx(2, abs=0.15)


@pytest.mark.slow
def test_iterates_follow_the_modified_equation_to_third_order():
    def error(n):
        opt = opts.adam(1 / n, _beta(5, 1 / n), _beta(1, 1 / n), 0.01)
        start = opt.flow_start(opt.flow, Gradient(MILD.grad), MILD.theta0, opt.h)
        aged = oo.Optimizer(opt.flow, opt.scheme, opt.h, start=opt.flow_start)
        memory = named(opt.flow.memory, start)
        return deviation(aged, modified_equation(opt, 3).field(MILD), MILD, n, memory=memory)

    assert slope(error) == pytest.approx(3, abs=0.25)


def test_memoryless_limits_of_papers():
    kappa = {
        "gd": (opts.gd(0.1), sympy.Rational(1, 2)),
        "momentum": (opts.momentum(), (1 + beta) / (1 - beta) / 2),  # Ghosh et al. 2023
        "naive": (opts.momentum(map="naive"), (1 + beta) / (1 - beta) / 2),
        "midpoint": (opts.momentum(map="midpoint"), (1 + beta) / (1 - beta) / 2),
        "nesterov": (opts.nesterov(), (1 - beta + 2 * beta**2) / (1 - beta) / 2),
    }
    for opt, coefficient in kappa.values():
        first, second = memoryless_limit(opt).terms[theta]
        assert first == -g
        assert same(second, -coefficient * H(g))


def test_memoryless_limit_of_adam():
    """Cattaneo, Klusowski and Shigida 2024: -u - h [b1/((1-b1) D) - b2 |g|/((1-b2) D^2) + eps/(2 D^2)] H u."""
    D = sympy.Abs(g) + eps
    u = g / D
    second = eps / (2 * D**2) - beta2 / (1 - beta2) * sympy.Abs(g) / D**2
    F1, F2 = memoryless_limit(opts.adam()).terms[theta]
    assert same(F1, -u)
    assert same(F2, -(beta1 / (1 - beta1) / D + second) * H(u))
    F1, F2 = memoryless_limit(opts.rmsprop()).terms[theta]
    assert same(F1, -u)
    assert same(F2, -second.subs(beta2, beta) * H(u))


MEMORYLESS = {
    "gd": lambda lr: opts.gd(lr),
    "momentum": lambda lr: opts.momentum(lr / 2, 0.5),
    "nesterov": lambda lr: opts.nesterov(lr / 2, 0.5),
    "adam": lambda lr: opts.adam(lr, 0.5, 0.7, 0.1),
    "rmsprop": lambda lr: opts.rmsprop(lr, 0.7, 0.1, start="settled"),
    "rmsprop from zero": lambda lr: opts.rmsprop(lr, 0.7, 0.1),
    "normalized_gd": lambda lr: opts.normalized_gd(lr, 0.1),
}


class Unshifted:
    """A field, started where the iterates start."""

    def __init__(self, field):
        self.name, self.variables, self.members, self.rhs = field.name, field.variables, field.members, field.rhs

    def start(self, theta0, **memory):
        return (theta0,)


def behind_startup(opt, field, problem, steps):
    """max |theta_n - theta(t_n)| over the second half, where the start-up is forgotten."""
    run = oo.simulate(opt, problem, steps).check()
    path = oo.solve(field, problem, run.t, **TIGHT).check()
    return np.abs(run.theta - path.theta)[steps // 2 :].max()


@pytest.mark.parametrize("name", MEMORYLESS)
def test_iterates_at_fixed_beta_follow_the_memoryless_limit(name):
    """Order 2 with the second term and the shift of the start, 1 without either where there is one."""
    make = MEMORYLESS[name]

    def error(wrap, n):
        opt = make(T / n)
        return behind_startup(opt, wrap(memoryless_limit(opt)), STEADY, n)

    def plain(equation):
        return replace(equation, terms={theta: equation.terms[theta][:1]})

    assert slope(lambda n: error(lambda e: e.field(STEADY), n)) == pytest.approx(2, abs=0.15)
    assert slope(lambda n: error(lambda e: plain(e).field(STEADY), n)) == pytest.approx(1, abs=0.15)
    if name in ("momentum", "nesterov", "rmsprop from zero"):
        unshifted = slope(lambda n: error(lambda e: Unshifted(e.field(STEADY)), n))
        assert unshifted == pytest.approx(1, abs=0.15)


def test_third_derivatives_of_the_loss_by_differences():
    """third(L)[u, w] of the Rosenbrock valley with b = 1: L_xxx = 24 x, L_xxy = -4."""
    from odeopt.symbolic.modified_equation import derivative_of

    x, u, w = np.array([0.3, -0.4]), np.array([0.5, 2.0]), np.array([-1.0, 0.7])
    exact = np.array([24 * x[0] * u[0] * w[0] - 4 * (u[0] * w[1] + u[1] * w[0]), -4 * u[0] * w[0]])
    np.testing.assert_allclose(derivative_of(MILD)(x, u, w), exact, rtol=1e-8)


def test_field_of_an_ensemble():
    """One learning rate per member, as one field."""
    lrs = np.array([0.01, 0.1])
    field = modified_equation(opts.gd(lrs)).field(MILD)
    together = field.rhs(MILD.grad)(0.0, (np.tile(MILD.theta0, (2, 1)),))[0]
    alone = [modified_equation(opts.gd(lr)).field(MILD).rhs(MILD.grad)(0.0, (MILD.theta0,))[0] for lr in lrs]
    np.testing.assert_allclose(together, alone, rtol=1e-14)
    assert field.members == (2,)


def test_derivatives_are_linear_and_symmetric():
    assert H(2 * h * g + a * v) == 2 * h * H(g) + a * H(v)
    assert H(g, v) == H(v, g)
    assert H(h * 0 * g) == 0
    assert H(g * v) not in (g * H(v), v * H(g))  # vectors stay inside


def test_rate_of_change():
    """d/dt along theta' = v, v' = -g: (H v)' = third(L)[v, v] - H g, g' = H v, (g v)' = v H v - g^2."""
    along = {theta: v, v: -g}
    assert rate(g, along) == H(v)
    assert same(rate(H(v), along), H(v, v) - H(g))
    assert same(rate(g * v / t, along), (v * H(v) - g**2) / t - g * v / t**2)
    w = v / (eps + sympy.Abs(g))  # inside the brackets too
    assert same(
        rate(H(w), along),
        H(w, v) - H(g / (eps + sympy.Abs(g))) - H(v * sympy.sign(g) * H(v) / (eps + sympy.Abs(g)) ** 2),
    )


def test_series_are_those_of_sympy():
    """1/(1 + x), sqrt, exp, a negative power, against sympy.series."""
    x, cut = Series({0: tau, 1: 1, 2: beta}, 3), 3
    X = tau + h + beta * h**2
    for found, expected in [
        (1 / x, 1 / X),
        (np.sqrt(x), sympy.sqrt(X)),
        (np.expm1(-x), sympy.exp(-X) - 1),
        (x**2.5, X ** sympy.Rational(5, 2)),
        (Series({1: 1}, cut) / Series({1: tau, 2: 1}, cut), 1 / (tau + h)),
    ]:
        exact = sympy.series(expected, h, 0, 3).removeO()
        assert all(same(found.of(k), exact.coeff(h, k)) for k in range(3))


def test_prints_as_text_and_latex():
    equation = modified_equation(opts.gd(0.1), 3)
    first, last = str(equation).splitlines()
    assert first == "theta' = -g - h*H[g]/2 - h**2*(4*H[H[g]] + third(L)[g, g])/12"
    assert last == "with g = grad L(theta), H its Hessian, h = 0.1"
    assert r"\nabla^3 L\left[g, g\right]" in equation._repr_latex_()
    high = eliminate_velocity(opts.heavy_ball(0.01, 0.9, map="exponential"))
    assert r"\ddot X" in high._repr_latex_()
    assert r"\frac{" in memoryless_limit(opts.adam()).latex()


def _squared_rate():
    memory = oo.relax("m", target=lambda grad, theta: grad(theta), rate=lambda k: k**2)
    flow = oo.flow("theta m", {"k": 2.0}, drift=oo.push("theta", lambda m: -m), memory=memory)
    return oo.Optimizer(flow, schemes.Splitting("memory drift"), 0.1)


def _sign_descent():
    descent = oo.push("theta", lambda grad, theta: -oo.ops.sign(grad(theta)))
    return oo.Optimizer(oo.flow("theta", descent=descent, name="sign flow"), schemes.euler, 0.1)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: modified_equation("gd"), TypeError, "opt must be an Optimizer"),
        (lambda: modified_equation(opts.gd(), 5), ValueError, "order must be 1 to 4, got 5"),
        (lambda: modified_equation(opts.gd(), 0), ValueError, "order must be at least 1, got 0"),
        (lambda: modified_equation(_sign_descent()), ValueError, "sign flow by Euler cannot be run on symbols: sign"),
        (
            lambda: modified_equation(oo.Optimizer(flows.averaged_gradient(0.1), schemes.etd2rk, 0.1)),
            ValueError,
            "heavy ball in lr-time by ETD2RK cannot be run on symbols",
        ),
        (
            lambda: modified_equation(oo.Optimizer(flows.gradient_flow(), schemes.ab2, 0.1)),
            ValueError,
            "AB2 is a multistep scheme",
        ),
        (lambda: memoryless_limit("gd"), TypeError, "opt must be an Optimizer"),
        (lambda: memoryless_limit(opts.adagrad()), ValueError, "its memory does not relax to a value"),
        (lambda: memoryless_limit(opts.nesterov_k()), ValueError, "the rate of v must be a parameter or 1/parameter"),
        (lambda: memoryless_limit(_squared_rate()), ValueError, "the rate of m must be a parameter or 1/parameter"),
        (
            lambda: memoryless_limit(opts.heavy_ball()),
            ValueError,
            "heavy_ball has no memoryless limit: theta stands",
        ),
        (
            lambda: eliminate_velocity(opts.gd()),
            ValueError,
            "opt must have the variables theta and one velocity",
        ),
        (lambda: eliminate_velocity(opts.rmsprop()), ValueError, "theta' must be a multiple of G at leading order"),
        (
            lambda: memoryless_limit(opts.gd()).field(MILD).start(MILD.theta0, m=1.0),
            ValueError,
            "memory must be empty, because the limit has none, got m",
        ),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
