"""Energies: their time derivative by the flow's own right-hand side, along solutions and iterates, and volumes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.integrate import quad
from support import tables

import odeopt as oo
from odeopt import flows, ops
from odeopt import optimizers as opts
from odeopt.analysis import step_jacobian
from odeopt.core.flow import Project
from odeopt.flows.roots import ROOTS

ELLIPSE = oo.problems.quadratic((1, 5)).at([1.0, -1.0])  # 1-strongly convex
VALLEY = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])  # not convex
TIGHT = {"rtol": 1e-12, "atol": 1e-14}

# flow: those of its laws that hold on any loss, and those that hold on a 1-strongly convex one
LAWS = {
    "gradient_flow": (flows.gradient_flow(), "loss", "distance lyapunov"),
    "heavy_ball": (flows.heavy_ball(1.5), "energy", "lyapunov"),
    "heavy_ball, damping = 2 sqrt(mu)": (flows.heavy_ball(2.0), "energy", "lyapunov"),
    "averaged_gradient": (flows.averaged_gradient(0.25), "energy", "lyapunov"),
    "quasi_hyperbolic": (flows.quasi_hyperbolic(0.5, 0.9), "energy", ""),
    "hessian_damped": (flows.hessian_damped(1.5, 0.1), "energy", ""),
    "hessian_damped, viscous": (flows.hessian_damped(1.5, 3.0), "energy", ""),
    "su_boyd_candes": (flows.su_boyd_candes(), "energy", "lyapunov"),
    "su_boyd_candes, r = 5": (flows.su_boyd_candes(5.0), "energy", "lyapunov"),
    "high_resolution_nesterov": (flows.high_resolution_nesterov(0.2), "", "lyapunov"),
    "rmsprop": (flows.rmsprop(0.5), "loss energy", ""),
    "rmsprop inside": (flows.rmsprop(0.5, 0.1, "inside"), "loss energy", ""),
    "centred_rmsprop": (flows.centred_rmsprop(0.5, 0.1, "inside"), "loss", ""),
    "adagrad": (flows.adagrad(0.0), "loss balance", ""),
    "adagrad, eps": (flows.adagrad(0.3), "loss balance", ""),
    "adagrad inside": (flows.adagrad(0.3, "inside"), "loss balance", ""),
    "adadelta": (flows.adadelta(0.5, 0.1), "loss", ""),
    "adam": (flows.adam(0.2, 1.0), "energy", ""),
    "adam, tau1 = 4 tau2": (flows.adam(0.4, 0.1, 0.0), "energy", ""),
    "adam_hat": (flows.adam_hat(0.4, 0.1, 0.1), "energy", ""),
    "adam_uncorrected": (flows.adam_uncorrected(0.4, 0.1, 0.1), "energy", ""),
    "sign_flow": (flows.sign_flow(0.1), "loss", ""),
    "normalized_flow": (flows.normalized_flow(0.1), "loss", ""),
}


def test_every_quantity_of_every_flow_has_its_row():
    for name, row in tables.ALL_FLOWS.items():
        declared = set(row.flow.quantities)
        tested = [f"{a} {b}".split() for key, (_, a, b) in LAWS.items() if re.split("[ ,]", key)[0] == name]
        assert all(set(names) == declared for names in tested), name
        assert bool(tested) == bool(declared), name


@pytest.mark.parametrize("case", LAWS)
def test_laws_along_solutions(case):
    """On a valley that is not convex, those of any loss; on an ellipse all: to the solver's error."""
    flow, anywhere, convex = LAWS[case]
    for problem, names in ((VALLEY, anywhere), (ELLIPSE, f"{anywhere} {convex}")):
        found = oo.energy(oo.solve(flow, problem, np.linspace(0, 4, 101), **TIGHT).check())
        for name in names.split():
            assert found.violation[name] < 1e-10, name
            if found.quantities[name].law == "decreasing":
                assert found.values[name][-1] < 0.999 * found.values[name][0]  # it says something


def test_laws_that_need_convexity_fail_without_it():
    """The hypotheses are not idle: on the valley these Lyapunov functions rise."""
    for case in ("gradient_flow", "heavy_ball, damping = 2 sqrt(mu)", "averaged_gradient", "su_boyd_candes"):
        found = oo.energy(oo.solve(LAWS[case][0], VALLEY, 4.0, **TIGHT))
        assert found.violation["lyapunov"] > 1e-4, case
        assert "convex" in found.quantities["lyapunov"].where


LOWEST = VALLEY.minimizer  # where L = 0
RATES = [  # case, quantity, -dQ/dt by hand at t with g the gradient at x
    ("gradient_flow", "loss", lambda t, g, x: g @ g),
    ("gradient_flow", "lyapunov", lambda t, g, x: t * g @ g + g @ (x - LOWEST) - VALLEY.loss(x)),
    ("heavy_ball", "energy", lambda t, g, x, v: 1.5 * v @ v),
    (
        "heavy_ball, damping = 2 sqrt(mu)",
        "lyapunov",
        lambda t, g, x, v: (
            np.exp(t) * (v @ v / 2 + g @ (x - LOWEST) - VALLEY.loss(x) - (x - LOWEST) @ (x - LOWEST) / 2)
        ),
    ),
    ("averaged_gradient", "energy", lambda t, g, x, m: m @ m),
    ("quasi_hyperbolic", "energy", lambda t, g, x, m: 0.1 * g @ g + 0.9 * m @ m),
    ("hessian_damped", "energy", lambda t, g, x, v: 1.5 * (v - 0.1 * g) @ (v - 0.1 * g) + 0.1 * g @ g),
    ("su_boyd_candes", "energy", lambda t, g, x, v: 3 / t * v @ v),
    ("su_boyd_candes, r = 5", "lyapunov", lambda t, g, x, v: 2 * t * g @ (x - LOWEST) - t * VALLEY.loss(x)),
    (
        "high_resolution_nesterov",
        "lyapunov",
        lambda t, g, x, v: (
            0.2 * (t + 0.3) * (t + 0.4) * g @ g
            + 2 * (t + 0.4) * g @ (x - LOWEST)
            - (2 * (t + 0.3) + 0.1) * VALLEY.loss(x)
        ),
    ),
    ("rmsprop", "energy", lambda t, g, x, G: np.sum(G / (np.sqrt(G) + 1e-8))),
    ("adagrad, eps", "balance", lambda t, g, x, G: 0.0),
    (
        "adam_uncorrected",
        "energy",
        lambda t, g, x, m, G: np.sum(
            m**2 / (np.sqrt(G) + 0.1) * (1 + 0.2 * (g**2 - G) / 0.1 / (2 * np.sqrt(G)) / (np.sqrt(G) + 0.1))
        ),
    ),
]


@pytest.mark.parametrize(("case", "name", "rate"), RATES, ids=lambda x: x if isinstance(x, str) else "")
def test_rates_by_hand(case, name, rate):
    """dQ/dt by central differences along the solution, at its middle record, against the formula."""
    h = 1e-3
    run = oo.solve(LAWS[case][0], VALLEY, np.array([0.0, 0.7 - h, 0.7, 0.7 + h]), **TIGHT)
    value = oo.energy(run).values[name]
    by_hand = rate(0.7, VALLEY.grad(run.theta[2]), run.theta[2], *[u[2] for u in run.state.values()])
    assert (value[1] - value[3]) / (2 * h) == pytest.approx(by_hand, abs=2e-5)


def test_the_two_clocks_of_momentum_have_one_energy():
    """t = inertial time / damping, m = -damping v: both laws agree number for number."""
    damping = 2.0
    s = np.linspace(0, 5, 51)
    inertial = oo.energy(oo.solve(flows.heavy_ball(damping), ELLIPSE, s, **TIGHT))
    averaged = oo.energy(oo.solve(flows.averaged_gradient(damping**-2), ELLIPSE, s / damping, **TIGHT))
    for name in ("energy", "lyapunov"):
        np.testing.assert_allclose(averaged.values[name], inertial.values[name], rtol=1e-9)


def test_adam_beyond_its_condition():
    """tau1 = 40 tau2 breaks what tau1 <= 4 tau2 promises; L itself rises even within it."""
    wide = oo.problems.quadratic((1, 50)).at([1.0, 1.0])
    beyond = oo.energy(oo.solve(flows.adam(4.0, 0.1, 1e-3), wide, 20.0))
    assert beyond.violation["energy"] > 1e-3
    within = oo.solve(flows.adam(1.0, 10.0), wide, 20.0)
    assert oo.energy(within).violation["energy"] < 1e-12
    assert np.diff(within.loss).max() > 1e-3 * within.loss[0]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_primitive_is_the_integral(root, eps):
    below = ROOTS[root]
    G = 2.3
    integral = quad(lambda u: 2 * u / below.of(u**2, eps), 0, G**0.5, epsabs=1e-13)[0]  # s = u^2
    assert below.primitive(G, eps) == pytest.approx(integral, rel=1e-12)
    g, rate, t = 1.7, 0.6, 0.9  # and the move from G = 0 is this integral in another variable
    assert below.move(g, rate, t, eps) == pytest.approx(below.primitive(g**2 * rate * t, eps) / (g * rate), rel=1e-12)


def test_iterates_tend_to_the_flow():
    """Momentum's energy from the flow's by O(h): its memory is staggered by half a step; Adagrad's balance by O(h)."""

    def gaps(make, name, steps=(50, 100, 200, 400)):
        found = []
        for n in steps:
            opt = make(2 / n)
            run = oo.simulate(opt, VALLEY, n)
            y = opt.initial_state(VALLEY.grad, VALLEY.theta0)
            flow = oo.solve(opt.flow, VALLEY, run.t, memory=dict(zip(opt.flow.memory, y[1:], strict=True)), **TIGHT)
            found.append(np.abs(oo.energy(run).values[name] - oo.energy(flow).values[name]).max())
        return -np.polyfit(np.log(steps), np.log(found), 1)[0]

    assert gaps(lambda h: opts.momentum(h * -np.expm1(-h / 0.5), np.exp(-h / 0.5)), "energy") == pytest.approx(
        1, abs=0.1
    )
    adagrad = lambda h: opts.adagrad(h**0.5, accumulator=1 / h)
    assert gaps(adagrad, "balance") == pytest.approx(1, abs=0.1)


def test_ensembles():
    """Leading axes: each member has the values that it has alone."""
    starts, lr = np.array([[1.0, -1.0], [0.5, 2.0], [3.0, 0.1]]), np.array([0.01, 0.02, 0.05])
    for make in (opts.momentum, opts.heavy_ball, opts.nesterov_k, opts.adam, opts.adagrad):
        together = oo.energy(oo.simulate(make(lr), ELLIPSE, 20, starts))
        for i in range(3):
            alone = oo.energy(oo.simulate(make(lr[i]), ELLIPSE, 20, starts[i]))
            for name, value in alone.values.items():
                assert together.values[name].shape == (21, 3)
                np.testing.assert_allclose(together.values[name][:, i], value, rtol=1e-12)
                np.testing.assert_allclose(together.violation[name][i], alone.violation[name], rtol=1e-9, atol=1e-15)


def test_without_a_minimizer():
    network = oo.problems.tanh_network(hidden=2, samples=20)
    found = oo.energy(oo.simulate(opts.heavy_ball(), network, 5))
    assert set(found.values) == {"energy"}
    assert found.omitted == ("lyapunov",)
    assert str(found).endswith("without lyapunov: the problem has no known minimizer")


@pytest.mark.parametrize("opt", [opts.l2(opts.gd(), 0.1), opts.decoupled(opts.gd(), 0.1), opts.adamw(), opts.lion()])
def test_flows_without_a_known_quantity(opt):
    """A changed flow loses the quantities of the flow that it was: they hold no longer."""
    with pytest.raises(ValueError, match="run must follow a flow with a known decreasing or conserved quantity, got"):
        oo.energy(oo.simulate(opt, ELLIPSE, 3))


def test_quantities_of_your_own():
    """A pendulum's energy in a flow by hand: conserved along RK4 to order 4 and printed as it is computed."""
    free = oo.flow(
        "theta v",
        {"mass": 2.0},
        a=oo.push("theta", lambda v, mass: v / mass),
        b=oo.push("v", lambda grad, theta: -grad(theta)),
        quantities={"H": oo.conserved(lambda loss, v, mass: loss + ops.norm(v) ** 2 / (2 * mass))},
    )
    drift = [
        oo.energy(oo.simulate(oo.Optimizer(free, oo.schemes.rk4, h), ELLIPSE, round(4 / h))).violation["H"]
        for h in (0.04, 0.02)
    ]
    assert 4 < np.log2(drift[0] / drift[1]) < 5.2  # the secular error of a linear oscillator has order 5
    result = oo.energy(oo.solve(free, ELLIPSE, 1.0))
    assert "  H = L + ||v||^2/(2*mass): conserved; drift" in str(result)
    assert not free.paced("b", lambda t: 2.0).quantities


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: oo.energy(3), TypeError, "run must be a Trajectory of odeopt.simulate or odeopt.solve, got 3"),
        (
            lambda: oo.flow("theta", quantities={"E": 1}, a=oo.push("theta", 1.0)),
            TypeError,
            r"quantity 'E' must be decreasing\(...\) or conserved\(...\), got 1",
        ),
        (
            lambda: oo.flow("theta", quantities={"E": oo.decreasing(lambda los: los)}, a=oo.push("theta", 1.0)),
            ValueError,
            "argument of quantity 'E' must be one of .*, got 'los'; did you mean 'loss'?",
        ),
        (
            lambda: step_jacobian(opts.gd([0.1, 0.2]), ELLIPSE),
            ValueError,
            r"opt must be a single optimizer, got members of shape \(2,\)",
        ),
        (lambda: step_jacobian("gd", ELLIPSE), TypeError, "opt must be an Optimizer, e.g. .*, got 'gd'"),
        (
            lambda: step_jacobian(opts.gd(), ELLIPSE, np.ones((3, 2))),
            ValueError,
            r"theta must have shape \(2,\), got \(3, 2\)",
        ),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_jacobian_of_a_step_on_a_quadratic():
    """Gradient descent: I - lr A."""
    A = np.array([ELLIPSE.grad(e) for e in np.eye(2)])
    np.testing.assert_allclose(step_jacobian(opts.gd(0.1), ELLIPSE), np.eye(2) - 0.1 * A, atol=1e-10)


CONFORMAL = [
    opts.momentum(0.05, 0.8),
    opts.momentum(0.05, 0.8, map="midpoint"),
    opts.heavy_ball(0.05, 0.8),
    opts.heavy_ball(0.05, 0.8, map="exponential"),
    opts.heavy_ball(0.05, 0.8, map="naive"),
]


@pytest.mark.parametrize("opt", CONFORMAL, ids=lambda opt: f"{opt.name} {opt.settings['map']}")
def test_momentum_is_conformally_symplectic(opt):
    """DPhi^T J DPhi = beta J, and so det DPhi = beta^d, at any state of any loss: here far from any quadratic."""
    problem = oo.problems.valley(d=3)
    rng = np.random.default_rng(2)
    J = np.kron([[0, 1], [-1, 0]], np.eye(3))
    for _ in range(5):
        memory = {opt.flow.memory[0]: rng.normal(size=3)}
        D = step_jacobian(opt, problem, theta=rng.normal(size=3), **memory)
        scale = np.abs(D).max() ** 2
        np.testing.assert_allclose(D.T @ J @ D, 0.8 * J, atol=1e-9 * scale)
        assert np.linalg.det(D) == pytest.approx(0.8**3, abs=1e-8 * scale)


def test_adam_shrinks_volumes_by_its_betas():
    """(beta1 beta2)^(d + 1) with its clocks, at any state: theta moves by the memory alone, which is a shear."""
    problem, opt = oo.problems.valley(d=3), opts.adam(0.01, beta1=0.8, beta2=0.95)
    rng = np.random.default_rng(3)
    for _ in range(5):
        memory = {"m": rng.normal(size=3), "G": rng.uniform(0.1, 1, size=3), "c1": [0.5], "c2": [0.3]}
        D = step_jacobian(opt, problem, theta=rng.normal(size=3), **memory)
        assert np.linalg.det(D) == pytest.approx((0.8 * 0.95) ** 4, rel=1e-6)


@pytest.mark.parametrize(
    "opt",
    [
        oo.Optimizer(flows.heavy_ball(1.0), oo.schemes.rk4, 0.5),
        oo.Optimizer(flows.heavy_ball(1.0), oo.schemes.euler, 0.5),
        opts.nesterov(0.05, 0.8),
    ],
    ids=["RK4", "Euler", "Nesterov"],
)
def test_others_are_not(opt):
    """Their factor depends on the state: it is not that of the flow (RK4's misses it by h^5)."""
    problem, memory = oo.problems.valley(d=3), opt.flow.memory[0]
    volumes = [
        np.linalg.det(step_jacobian(opt, problem, theta=x, **{memory: [0.1, 0.2, 0.3]}))
        for x in ([0.5, 0.1, -0.3], [-0.2, 0.4, 0.6])
    ]
    assert abs(volumes[0] - volumes[1]) > 1e-3


def test_projections_declare_nothing():
    for row in tables.ALL_FLOWS.values():
        if any(isinstance(part, Project) for part in row.flow.terms()):
            assert not row.flow.quantities


@pytest.mark.parametrize("value", [lambda theta: theta, lambda theta: np.ones(7)])
def test_a_quantity_of_wrong_shape_is_named(value):
    descent = oo.push("theta", lambda grad, theta: -grad(theta))
    flow = oo.flow("theta", descent=descent, quantities={"size": oo.decreasing(value)})
    run = oo.simulate(oo.Optimizer(flow, oo.schemes.euler, 0.01), oo.problems.quadratic(), 5)
    with pytest.raises(
        ValueError, match="quantity 'size' must be one number per state, got shape .*: use ops.total for sums"
    ):
        oo.energy(run)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (lambda theta: 1 / 0, ValueError, "it raised ZeroDivisionError"),
        (lambda theta: theta @ theta, ValueError, "it raised ValueError: matmul"),
        (lambda theta: theta.nothing, ValueError, "it raised AttributeError"),
        (lambda theta: "x", TypeError, "real numbers, got array"),
        (lambda theta: None, TypeError, "real numbers, got array"),
        (lambda theta: 1j, TypeError, "real numbers, got array"),
    ],
)
def test_a_quantity_that_fails_is_named(value, kind, message):
    descent = oo.push("theta", lambda grad, theta: -grad(theta))
    flow = oo.flow("theta", descent=descent, quantities={"size": oo.decreasing(value)})
    run = oo.simulate(oo.Optimizer(flow, oo.schemes.euler, 0.01), oo.problems.quadratic(), 5)
    with pytest.raises(kind, match=f"quantity 'size' must be .*{message}"):
        oo.energy(run)
