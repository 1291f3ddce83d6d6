"""The tables that drive the tests: to test a new optimizer, scheme or flow, add its row here.

`test_registry.py` fails while something public has no row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from support import recursions, zoo
from support.zoo import FlowRow

import odeopt as oo
from odeopt import decay, flows, optimizers, problems, schemes, starts
from odeopt.optimizers.named.momentum import HEAVY_BALL_MAPS


def ones(flow: Any, grad: Any, theta0: Any, h: Any) -> Any:
    """G = 1: Adagrad away from its singular start."""
    return flow.start(theta0, G=np.ones_like(theta0))


def _adam_rhs(t: Any, g: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any) -> tuple[Any, ...]:
    velocity = -(m / c1) / (np.sqrt(G / c2) + 0.01)
    return velocity, (g(theta) - m) / 0.2, (g(theta) ** 2 - G) / 1.0, (1 - c1) / 0.2, (1 - c2) / 1.0


FLOWS = {
    "gradient_flow": FlowRow(flows.gradient_flow(), lambda t, g, x: (-g(x),)),
    "heavy_ball": FlowRow(flows.heavy_ball(1.5), lambda t, g, x, v: (v, -g(x) - 1.5 * v)),
    "averaged_gradient": FlowRow(flows.averaged_gradient(0.5), lambda t, g, x, m: (-m, (g(x) - m) / 0.5)),
    "hessian_damped": FlowRow(
        flows.hessian_damped(1.5, 0.1), lambda t, g, x, v: (v - 0.1 * g(x), -1.5 * v - (1 - 0.15) * g(x))
    ),
    "su_boyd_candes": FlowRow(flows.su_boyd_candes(), lambda t, g, x, v: (v, -g(x) - 3 / t * v)),
    "rmsprop": FlowRow(
        flows.rmsprop(0.5, 0.01),
        lambda t, g, x, G: (-g(x) / (np.sqrt(G) + 0.01), (g(x) ** 2 - G) / 0.5),
        starts.settled,
    ),
    "adagrad": FlowRow(flows.adagrad(0.01), lambda t, g, x, G: (-g(x) / (np.sqrt(G) + 0.01), g(x) ** 2), ones),
    "adam": FlowRow(flows.adam(0.2, 1.0, 0.01), _adam_rhs, starts.aged(0.1)),
}

ALL_FLOWS = {**FLOWS, **zoo.FLOWS}

# scheme -> order on every smooth flow; needs_relaxation says where it is refused
GENERIC = {
    "euler": (schemes.euler, 1),
    "heun": (schemes.heun, 2),
    "midpoint": (schemes.midpoint, 2),
    "rk3": (schemes.rk3, 3),
    "rk4": (schemes.rk4, 4),
    "bogacki_shampine": (schemes.bogacki_shampine, 3),
    "ab2": (schemes.ab2, 2),
    "ab3": (schemes.ab3, 3),
    "implicit_euler": (schemes.implicit_euler, 1),
    "trapezoid": (schemes.trapezoid, 2),
    "bdf2": (schemes.bdf2, 2),
    "rkc1": (schemes.rkc1(5), 1),
    "rkc2": (schemes.rkc2(5), 2),
}
# scheme -> order on a flow without noise; strong and weak orders: test_stochastic_schemes.py
STOCHASTIC = {
    "euler_maruyama": (schemes.euler_maruyama, 1),
    "milstein": (schemes.milstein, 1),
    "stochastic_heun": (schemes.stochastic_heun, 2),
    "platen": (schemes.platen, 2),
}
NEEDS_RELAXATION = {"exponential_euler": (schemes.exponential_euler, 1), "etd2rk": (schemes.etd2rk, 2)}

Split = schemes.Splitting
# (flow, word, rule for forces that depend on their own variable, order): expected orders stand here, never inferred
WORDS = [
    ("heavy_ball", Split("friction kick drift"), 1),
    ("heavy_ball", Split("drift kick friction kick drift"), 2),
    ("heavy_ball", Split("kick friction drift friction kick"), 2),
    ("heavy_ball", Split("friction kick(drift) drift"), 1),
    ("heavy_ball", Split("drift kick friction kick drift", decay.trapezoid), 2),
    ("heavy_ball", Split("drift kick friction kick drift", decay.euler), 1),
    ("heavy_ball", Split("drift kick friction kick drift", decay.backward_euler), 1),
    ("averaged_gradient", Split("memory drift"), 1),
    ("averaged_gradient", Split("drift memory drift"), 2),
    ("averaged_gradient", Split("memory drift memory"), 2),
    ("averaged_gradient", Split("memory drift(memory)"), 1),
    ("hessian_damped", Split("friction kick descent drift"), 1),
    ("hessian_damped", Split("friction kick drift descent drift kick friction", push="midpoint"), 2),
    ("hessian_damped", Split("friction kick drift descent drift kick friction"), 1),
    ("high_resolution_nesterov", Split("friction kick descent drift"), 1),
    ("high_resolution_nesterov", Split("drift kick friction descent friction kick drift", push="midpoint"), 2),
    ("su_boyd_candes", Split("friction kick drift", decay.trapezoid), 1),
    ("su_boyd_candes", Split("drift kick friction kick drift", decay.trapezoid), 2),
    ("rmsprop", Split("memory drift"), 1),
    ("rmsprop", Split("drift memory drift"), 1),
    ("rmsprop", Split("drift memory drift", push="midpoint"), 2),
    ("rmsprop", Split("memory drift memory", push="midpoint"), 2),
    ("adagrad", Split("memory drift"), 1),
    ("adagrad", Split("memory drift memory", push="midpoint"), 2),
    ("adam", Split("memory drift"), 1),
    ("adam", Split("drift memory drift"), 2),
    ("adam", Split("memory drift memory"), 2),
    ("quasi_hyperbolic", Split("memory drift"), 1),
    ("buffered", Split("memory buffer drift"), 1),
    ("buffered", Split("drift buffer memory buffer drift"), 2),
    ("centred_rmsprop", Split("memory drift memory", push="midpoint"), 2),
    ("adadelta", Split("memory [drift delta]"), 1),
    ("adam_hat", Split("memory drift"), 1),
    ("adam_hat", Split("memory drift memory"), 2),
    ("adam_uncorrected", Split("memory drift memory"), 2),
    ("adamw", Split("memory drift"), 1),
    ("adamw", Split("memory drift memory"), 2),
    ("adamw", Split("drift memory drift"), 2),
    ("adamw_hat", Split("memory drift memory"), 2),
    ("radam", Split("memory drift"), 1),
    ("radam", Split("memory drift memory"), 2),
    ("radam_hat", Split("memory drift"), 1),
    ("nadam", Split("memory drift"), 1),
    ("nadam_scheduled", Split("memory drift"), 1),
    ("adafactor", Split("memory drift"), 1),
    ("adafactor", Split("memory drift memory", push="midpoint"), 2),
    ("asgd", Split("drift averaging"), 1),
    ("asgd", Split("drift averaging", push="midpoint"), 2),
    ("lamb", Split("memory drift"), 1),
    ("lamb", Split("memory drift memory", push="midpoint"), 2),
    ("lars", Split("drift"), 1),
    ("lars", Split("drift", push="midpoint"), 2),
    ("muon", Split("memory drift"), 1),
    ("muon", Split("memory drift memory", push="midpoint"), 2),
    ("muon_corrected", Split("memory drift"), 1),
    ("shampoo", Split("memory drift"), 1),
    ("shampoo", Split("memory drift memory", push="midpoint"), 2),
    ("lion", Split("[drift memory]"), 1),
    ("sign_flow", Split("drift"), 1),
    ("langevin", Split("drift"), 1),  # the orders of flows with noise are those without it
    ("kramers", schemes.baoab, 2),
    ("kramers", schemes.obabo, 2),
    ("sgd_first_order", Split("drift"), 1),
    ("sgd_second_order", Split("drift", push="midpoint"), 2),
    ("schedule_free_sgd", Split("[descent kick] pull", decay.trapezoid), 1),
    ("schedule_free_adamw", Split("memory [descent kick] pull", decay.trapezoid), 1),
    ("signum", Split("memory drift"), 1),
    ("signum", Split("memory drift memory"), 2),
    ("adabelief", Split("memory drift"), 1),
    ("ademamix", Split("memory drift"), 1),
    ("ademamix", Split("memory drift memory"), 2),
    ("adopt", Split("memory drift"), 1),
    ("normalized_flow", Split("drift"), 1),
    ("normalized_flow", Split("drift", push="midpoint"), 2),
]


def _averaged(name: str, **settings: Any) -> Callable[[float], oo.Optimizer]:
    """h -> the optimizer with tau = 0.5: lr = h (1 - beta), beta = e^(-h/tau)."""
    make = getattr(optimizers, name)

    def of_step(h: float) -> oo.Optimizer:
        rule = decay.of_map(settings.get("map", "exact"))
        beta = float(rule.kept(h / 0.5))
        return make(lr=h * (1 - beta), beta=beta, **settings)

    return of_step


def _inertial(**settings: Any) -> Callable[[float], oo.Optimizer]:
    """h -> heavy_ball with damping 1.5."""

    def of_step(h: float) -> oo.Optimizer:
        beta = float(HEAVY_BALL_MAPS[settings["map"]].kept(1.5 * h))
        lr = h**2 * (1 + beta) / 2 if settings["map"] == "midpoint" else h**2
        return optimizers.heavy_ball(lr=lr, beta=beta, **settings)

    return of_step


def _beta(tau: float, h: float) -> float:
    return float(np.exp(-h / tau))


BAD_LR = [float("nan"), 0, -1, float("inf"), "0.1", True, 1j, []]
BAD_BETA = [1, 1.5, -0.1, float("nan"), "0.9", True]
BAD_EPS = [-1, "0", float("nan"), True]
PAIRS = [(0.1, 0.9), (1e-3, 0.99)]  # (lr, beta)


@dataclass(frozen=True)
class OptimizerRow:
    """What is tested of an optimizer.

    limits:     (h -> the optimizer of that step on one flow, the order with which it follows that flow)
    recursions: (the optimizer, a recursion written by hand that it equals); the libraries: tests/equality.py
    bad:        argument -> values that must be refused; every argument has some
    """

    limits: list[tuple[Callable[[float], oo.Optimizer], float]]
    recursions: list[tuple[oo.Optimizer, Callable[..., Any]]]
    bad: dict[str, list[Any]]


def _buffered_rmsprop(h: float) -> oo.Optimizer:
    mu = _beta(0.2, h)
    return optimizers.rmsprop(h * (1 - mu), _beta(0.5, h), 0.01, start="settled", momentum=mu)


def _lars(**settings: Any) -> Callable[[float], oo.Optimizer]:
    """h -> LARS with tau = 0.5."""
    rule = decay.of_map(settings.get("map", "exact"))

    def of_step(h: float) -> oo.Optimizer:
        beta = float(rule.kept(h / 0.5))
        return optimizers.lars(h * (1 - beta), beta, 0.3, 0.5, 0.01, **settings)

    return of_step


BAD_SHAPES = [3, (2,), (2, 3, 1), (0, 2), (1.5, 2), "ab"]
BAD_LAYERS = [0, 2.5, (1, 0), (1.5,), "ab", ()]
LIKE = ["jax", "Torch", 1]
BAD_ADAM = {
    "lr": BAD_LR,
    "beta1": BAD_BETA,
    "beta2": BAD_BETA,
    "eps": [-1, "0"],
    "map": ["x"],
    "start": ["x"],
    "like": LIKE,
}


def _short(h: float) -> float:
    """The lr with which weight decay 0.3 makes a step h."""
    return float(-np.expm1(-0.3 * h) / 0.3)


def _schedule_free_adamw(h: float) -> oo.Optimizer:
    """With tau2 = 1."""
    return optimizers.schedule_free_adamw(h, 0.8, float(decay.trapezoid.kept(h)), 0.01, 0.3)


OPTIMIZERS = {
    "gd": OptimizerRow(
        [(lambda h: optimizers.gd(h), 1)],
        [(optimizers.gd(lr), recursions.sgd(lr)) for lr in (0.1, 1e-3)],
        {"lr": BAD_LR, "like": LIKE},
    ),
    "momentum": OptimizerRow(
        [
            (_averaged("momentum"), 2),
            (_averaged("momentum", start="zero"), 1),
            (_averaged("momentum", map="midpoint"), 2),
            (_averaged("momentum", map="naive"), 1),
        ],
        [(optimizers.momentum(lr, b, map=m), recursions.sgd(lr, b)) for lr, b in PAIRS for m in decay.MAPS],
        {
            "lr": BAD_LR,
            "beta": BAD_BETA,
            "map": ["exat", 1, None],
            "start": ["Half", True],
            "dampening": [1, -0.1, "0"],
            "like": LIKE,
        },
    ),
    "nesterov": OptimizerRow(
        [(_averaged("nesterov"), 1), (_averaged("nesterov", like="keras"), 1)],
        [(optimizers.nesterov(lr, b), recursions.sgd(lr, b, True)) for lr, b in PAIRS],
        {"lr": BAD_LR, "beta": BAD_BETA, "map": ["euler"], "start": ["none"], "like": LIKE},
    ),
    "heavy_ball": OptimizerRow(
        [
            (_inertial(map="exponential"), 1),
            (_inertial(map="naive"), 1),
            (_inertial(map="midpoint"), 2),
            (_inertial(map="midpoint", start="zero"), 1),
        ],
        [(optimizers.heavy_ball(lr, b, map=m), recursions.sgd(lr, b)) for lr, b in PAIRS for m in HEAVY_BALL_MAPS],
        {"lr": BAD_LR, "beta": BAD_BETA, "map": ["leapfrog", "exact"], "start": ["none"]},
    ),
    "nesterov_k": OptimizerRow(
        [(lambda h: optimizers.nesterov_k(h**2), 1)],
        [(optimizers.nesterov_k(lr), recursions.nesterov_k(lr)) for lr in (0.1, 1e-3)],
        {"lr": BAD_LR},
    ),
    "rmsprop": OptimizerRow(
        [
            (lambda h: optimizers.rmsprop(h, _beta(0.5, h), 0.01, start="settled"), 1),
            (lambda h: optimizers.rmsprop(h, _beta(0.5, h), 0.01, start="settled", root="inside"), 1),
            (_buffered_rmsprop, 1),
        ],
        [(optimizers.rmsprop(*x), recursions.rmsprop(*x)) for x in [(0.01, 0.99, 1e-8), (1e-3, 0.9, 1e-3)]],
        {
            "lr": BAD_LR,
            "rho": BAD_BETA,
            "eps": BAD_EPS,
            "map": [0],
            "start": ["half"],
            "momentum": [1, -0.1, "x"],
            "centred": [1, "yes"],
            "root": ["hat"],
            "like": LIKE,
        },
    ),
    "adagrad": OptimizerRow(
        [(lambda h: optimizers.adagrad(h**0.5, 0.01, accumulator=1 / h), 1)],
        [(optimizers.adagrad(*x), recursions.adagrad(*x)) for x in [(0.01, 1e-10, 0.0), (0.1, 1e-3, 0.1)]],
        {
            "lr": BAD_LR,
            "eps": BAD_EPS,
            "accumulator": [-1, float("nan"), "1", True],
            "root": ["hat"],
            "like": LIKE,
        },
    ),
    "adam": OptimizerRow(
        [
            (lambda h: optimizers.adam(h, _beta(0.2, h), _beta(1.0, h), 0.01), 2),
            (lambda h: optimizers.adam(h, _beta(0.2, h), _beta(1.0, h), 0.01, start="zero"), 1),
            (lambda h: optimizers.adam(h, _beta(0.2, h), _beta(1.0, h), 1e-7, like="keras"), 2),
            (lambda h: optimizers.adam(h, _beta(0.2, h), _beta(1.0, h), 0.01, corrected=False, start="settled"), 2),
            (lambda h: optimizers.adam(h, _beta(0.2, h), _beta(1.0, h), 0.01, corrected=False, start="zero"), 1),
        ],
        [
            (optimizers.adam(*x, map=m), recursions.adam(*x))
            for x in [(1e-3, 0.9, 0.999, 1e-8), (0.1, 0.5, 0.9, 1e-3), (0.01, 0.0, 0.99, 1e-8)]
            for m in decay.MAPS
        ],
        {**BAD_ADAM, "corrected": [1, "no"], "root": ["inside"]},
    ),
    "adadelta": OptimizerRow(
        [(lambda h: optimizers.adadelta(h, _beta(0.5, h), 1.0), 1)],
        [],
        {"lr": BAD_LR, "rho": BAD_BETA, "eps": [*BAD_EPS, 0], "map": ["x"], "like": LIKE},
    ),
    "half_start_adam": OptimizerRow(
        [(lambda h: optimizers.half_start_adam(h, _beta(0.2, h), _beta(1.0, h), 0.01), 2)],
        [(optimizers.half_start_adam(*x), recursions.half_start_adam(*x)) for x in [(1e-3, 0.9, 0.999, 1e-8)]],
        {key: BAD_ADAM[key] for key in ("lr", "beta1", "beta2", "eps")},
    ),
    "strang_rmsprop": OptimizerRow(
        [(lambda h: optimizers.strang_rmsprop(h, _beta(0.5, h), 0.01), 2)],
        [],
        {"lr": BAD_LR, "rho": BAD_BETA, "eps": BAD_EPS},
    ),
    "adamw": OptimizerRow(
        [
            (lambda h: optimizers.adamw(_short(h), _beta(0.2, h), _beta(1.0, h), 0.01, 0.3), 2),
            (lambda h: optimizers.adamw(_short(h), _beta(0.2, h), _beta(1.0, h), 1e-7, 0.3, root="hat"), 2),
            (lambda h: optimizers.adamw(_short(h), _beta(0.2, h), _beta(1.0, h), 0.01, 0.3, start="zero"), 1),
        ],
        [],
        {**BAD_ADAM, "weight_decay": [-1, 1e3, "0"], "root": ["inside"]},
    ),
    "amsgrad": OptimizerRow([], [], BAD_ADAM),  # its flow needs a reference of its own: test_ceilings.py
    "adamax": OptimizerRow([], [], BAD_ADAM),
    "radam": OptimizerRow(
        [(lambda h: optimizers.radam(h, _beta(0.2, h), _beta(1.0, h), 0.01), 1)],
        [],
        {**BAD_ADAM, "like": ["keras", "jax", 1]},
    ),
    "nadam": OptimizerRow(
        [
            (lambda h: optimizers.nadam(h, _beta(0.2, h), _beta(1.0, h), 0.01, like="optax"), 1),
            (lambda h: optimizers.nadam(h, _beta(0.2, h), _beta(1.0, h), 0.01, psi=h / 0.02), 1),
        ],
        [],
        {**BAD_ADAM, "psi": [-1, 0, "x"]},
    ),
    "lion": OptimizerRow(
        [(lambda h: optimizers.lion(h, 0.9, _beta(0.2, h), 0.3, delta=0.5), 1)],
        [],
        {
            "lr": BAD_LR,
            "beta1": BAD_BETA,
            "beta2": BAD_BETA,
            "weight_decay": [-1, "0"],
            "delta": [-1, "x"],
            "start": ["half"],
            "like": ["torch", "jax"],
        },
    ),
    "adafactor": OptimizerRow(
        [
            (lambda h: optimizers.adafactor(h, clip=5.0), 1),
            (lambda h: optimizers.adafactor(h, shape=(1, 2), like="keras"), 1),
            (lambda h: optimizers.adafactor(h, shape=(2, 1), like="optax"), 1),
        ],
        [],
        {
            "lr": BAD_LR,
            "decay": [0, -1, "x", True],
            "eps": BAD_EPS,
            "floor": [-1, "x"],
            "clip": [0, -1, "x"],
            "shape": BAD_SHAPES,
            "like": LIKE,
        },
    ),
    "asgd": OptimizerRow(
        [(lambda h: optimizers.asgd(h, 0.3), 1)],
        [(optimizers.asgd(*x), recursions.asgd(*x)) for x in [(0.01, 1e-4, 0.75, 1e6), (0.1, 0.5, 0.5, 10.0)]],
        {
            "lr": BAD_LR,
            "lambd": [-1, 20.0, "x"],
            "alpha": [-1, float("nan"), True],
            "t0": [-1, "0"],
            "like": ["keras", "optax", 1],
        },
    ),
    "lamb": OptimizerRow(
        [
            (lambda h: optimizers.lamb(h, _beta(0.2, h), _beta(1.0, h), 0.01, 0.3, like="optax"), 1),
            (lambda h: optimizers.lamb(h, _beta(0.2, h), _beta(1.0, h), 0.01, layers=(1, 1)), 1),
        ],
        [],
        {**BAD_ADAM, "weight_decay": [-1, 0.1, "0"], "layers": BAD_LAYERS, "like": ["torch", "jax", 1]},
    ),
    "lars": OptimizerRow(
        [(_lars(), 2), (_lars(start="zero"), 1), (_lars(layers=(1, 1)), 2), (_lars(map="naive"), 1)],
        [],
        {
            "lr": BAD_LR,
            "beta": BAD_BETA,
            "weight_decay": [-1, "0"],
            "trust": [0, -1, "x"],
            "eps": BAD_EPS,
            "map": ["x"],
            "start": ["settled"],
            "layers": BAD_LAYERS,
            "like": ["torch", "keras", 1],
        },
    ),
    "muon": OptimizerRow(
        [
            (lambda h: optimizers.muon(h, _beta(0.2, h), 0.3, iterations=None), 1),
            (lambda h: optimizers.muon(h, _beta(0.2, h), 0.3, iterations=None, like="optax"), 1),
        ],
        [],
        {
            "lr": BAD_LR,
            "beta": BAD_BETA,
            "weight_decay": [-1, "0"],
            "eps": BAD_EPS,
            "shape": BAD_SHAPES,
            "iterations": [0, -1, 2.5, "x"],
            "like": LIKE,
        },
    ),
    "rprop": OptimizerRow(  # it follows no flow: test_no_flow.py
        [],
        [
            (optimizers.rprop(*x), recursions.rprop(*x))
            for x in [(0.01, 0.5, 1.2, 1e-6, 50.0), (0.1, 0.3, 2.0, 0.01, 1.0)]
        ],
        {
            "lr": [*BAD_LR, 1e-7, 51.0],
            "eta_minus": [0, 1, -1, "x", True],
            "eta_plus": [1, 0.5, float("nan"), "x"],
            "min_step": [0, -1, "x"],
            "max_step": [0, 1e-7, "x"],
            "like": ["keras", "jax", 1],
        },
    ),
    "shampoo": OptimizerRow(  # on matrices: test_matrices.py
        [
            (lambda h: optimizers.shampoo(h**0.5, 1 / h, shape=(2, 1)), 1),
            (lambda h: optimizers.shampoo(h**0.5, 1 / h, shape=(1, 2)), 1),
        ],
        [],
        {"lr": BAD_LR, "eps": [*BAD_EPS, 0], "shape": [*BAD_SHAPES, None]},
    ),
    "signsgd": OptimizerRow(
        [(lambda h: optimizers.signsgd(h, 0.5), 1)],
        [],
        {"lr": BAD_LR, "delta": [-1, "x"], "like": ["torch", "keras"]},
    ),
    "qhm": OptimizerRow(
        [(lambda h: optimizers.qhm(h, _beta(0.5, h), 0.7), 1)],
        [(optimizers.qhm(*x), recursions.qhm(*x)) for x in [(0.01, 0.999, 0.7), (0.1, 0.5, 0.9)]],
        {"lr": BAD_LR, "beta": BAD_BETA, "weight": BAD_BETA},
    ),
    "mars": OptimizerRow(  # it follows no flow
        [],
        [],
        {**{key: BAD_ADAM[key] for key in ("lr", "beta1", "beta2", "eps")}, "gamma": [-1, "x", float("nan")]},
    ),
    "schedule_free_sgd": OptimizerRow(
        [(lambda h: optimizers.schedule_free_sgd(h, 0.8), 1)],
        [(optimizers.schedule_free_sgd(*x), recursions.schedule_free_sgd(*x)) for x in [(0.1, 0.9), (0.01, 0.5)]],
        {"lr": BAD_LR, "weight": [0, *BAD_BETA], "like": ["torch", "keras", 1]},
    ),
    "schedule_free_adamw": OptimizerRow(
        [(_schedule_free_adamw, 1)],
        [],
        {
            **{key: BAD_ADAM[key] for key in ("lr", "beta2", "eps")},
            "weight": [0, *BAD_BETA],
            "weight_decay": [-1, "0"],
            "like": ["torch", "keras", 1],
        },
    ),
    "signum": OptimizerRow(
        [
            (lambda h: optimizers.signum(h, _beta(0.5, h), 0.5), 2),
            (lambda h: optimizers.signum(h, _beta(0.5, h), 0.5, start="zero"), 1),
        ],
        [],
        {"lr": BAD_LR, "beta": BAD_BETA, "delta": [-1, "x"], "start": ["settled"], "like": ["torch", "keras"]},
    ),
    "adabelief": OptimizerRow(
        [(lambda h: optimizers.adabelief(h, _beta(0.2, h), _beta(1.0, h), 0.01, 0.01 * h), 1)],
        [],
        {**BAD_ADAM, "eps_root": BAD_EPS, "like": ["torch", "keras", 1]},
    ),
    "ademamix": OptimizerRow(
        [
            (lambda h: optimizers.ademamix(h, _beta(0.2, h), _beta(1.0, h), _beta(2.0, h), 2.0, 0.01), 2),
            (lambda h: optimizers.ademamix(h, _beta(0.2, h), _beta(1.0, h), _beta(2.0, h), eps=0.01, start="zero"), 1),
        ],
        [],
        {
            **BAD_ADAM,
            "beta3": BAD_BETA,
            "alpha": [-1, "x"],
            "warm_up": [-1, "x", float("nan"), True],
            "like": ["torch", "keras", 1],
        },
    ),
    "adan": OptimizerRow(
        [(lambda h: optimizers.adan(h, _beta(0.2, h), _beta(1.0, h), _beta(1.0, h), 0.01, 0.01), 1)],
        [],
        {
            "lr": BAD_LR,
            **dict.fromkeys(("beta1", "beta2", "beta3"), BAD_BETA),
            **dict.fromkeys(("eps", "eps_root"), BAD_EPS),
            "like": ["torch", "keras", 1],
        },
    ),
    "adopt": OptimizerRow(
        [(lambda h: optimizers.adopt(h, _beta(0.2, h), _beta(1.0, h), 0.01), 1)],
        [],
        {
            **{key: BAD_ADAM[key] for key in ("lr", "beta1", "beta2", "eps")},
            "power": [-1, "x", True],
            "like": ["torch", "keras", 1],
        },
    ),
    "normalized_gd": OptimizerRow(
        [(lambda h: optimizers.normalized_gd(h), 1)], [], {"lr": BAD_LR, "eps": BAD_EPS, "like": ["torch", "keras"]}
    ),
}


WRAPPERS = ("clip_norm", "clip_value", "decoupled", "ema", "l2", "lookahead", "scheduled")


def smooth_problem() -> oo.Problem:
    """A mild Rosenbrock valley, no component of whose gradient vanishes on the way."""
    return problems.rosenbrock(b=1).at([-0.5, 1.0])
