"""The conformance kit, on all of ours, and on optimizers that do not conform."""

from __future__ import annotations

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schedules, schemes
from odeopt.testing import Nonconformance, check_optimizer

SETTINGS = {  # Adadelta: at torch's eps = 1e-6 the first steps are not resolved, order 0.00
    "adadelta": {"eps": 1.0},
    "shampoo": {"shape": (1, 2), "eps": 1e3},  # far from the singular start, where the order is 1/2
}
WRAPPED = {
    "scheduled": opts.scheduled(opts.adam(lr=0.01), schedules.warm_up(20, schedules.cosine(200))),
    "l2": opts.l2(opts.momentum(lr=0.01), 0.1),
    "clip_norm": opts.clip_norm(opts.adam(lr=0.01), 1.0),
    "clip_value": opts.clip_value(opts.gd(lr=0.01), 1.0),  # momentum's order 2 needs a gradient without kinks
    "decoupled": opts.decoupled(opts.rmsprop(lr=0.01, start="settled"), 0.1),
    "ema": opts.ema(opts.adam(lr=0.01), 0.9),
    "lookahead": opts.lookahead(opts.momentum(lr=0.01), 0.5, 5),
}


@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_every_optimizer_conforms(name):
    report = check_optimizer(getattr(opts, name)(lr=0.01, **SETTINGS.get(name, {})))
    assert "conforms" in str(report)


@pytest.mark.parametrize("name", tables.WRAPPERS)
def test_every_wrapper_conforms(name):
    check_optimizer(WRAPPED[name])


@pytest.mark.slow
@pytest.mark.parametrize("like", ["torch", "keras", "optax"])
@pytest.mark.parametrize("name", ["adam", "adamw", "nesterov", "amsgrad", "nadam", "rmsprop"])
def test_every_convention_conforms(name, like):
    check_optimizer(getattr(opts, name)(lr=0.01, like=like))


def test_one_built_by_hand():
    flow, half = oo.flows.averaged_gradient(0.1), oo.starts.half_step()
    mine = oo.Optimizer(flow, schemes.Splitting("memory drift"), 0.01, flow_start=half)
    assert "none stated" in str(check_optimizer(mine))
    assert "at least 2" in str(check_optimizer(mine, order=2))
    with pytest.raises(Nonconformance, match=r"order 1.0\d, not 2"):
        check_optimizer(oo.Optimizer(flow, schemes.Splitting("memory drift"), 0.01), order=2)


def _broken(**changes):
    """Gradient descent with one thing wrong."""
    flow = oo.flow("theta", drift=oo.push("theta", lambda grad, theta: -grad(theta)))
    return oo.Optimizer(flow, **{"scheme": schemes.euler, "h": 0.01, **changes})


class Dice:
    """Euler's scheme with noise of its own: not deterministic."""

    name, order = "dice", 1

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def bind(self, flow, grad):
        step = schemes.euler.bind(flow, grad)

        def noisy(t, y, memory, h):
            new, increment, memory = step(t, y, memory, h)
            kick = 1e-9 * self.rng.standard_normal(y[0].shape)
            return (new[0] + kick,), (increment[0] + kick,), memory

        return noisy


class Crowd:
    """Euler's scheme with the mean of all members' steps."""

    name, order = "crowd", 1

    def bind(self, flow, grad):
        step = schemes.euler.bind(flow, grad)

        def shared(t, y, memory, h):
            _, (d,), memory = step(t, y, memory, h)
            d = np.broadcast_to(d.mean(axis=tuple(range(d.ndim - 1))), d.shape)
            return (y[0] + d,), (d,), memory

        return shared


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheme": Dice()}, "two runs differ"),
        ({"scheme": Crowd()}, "member 0 differs by .* from its run alone"),
        ({"h": 100.0}, "not finite"),
    ],
)
def test_what_does_not_conform(changes, message):
    with pytest.raises((Nonconformance, RuntimeError), match=message):
        check_optimizer(_broken(**changes))


def careless(lr=0.1):
    """Gradient descent that checks nothing, and whose step does not change its learning rate."""
    flow = oo.flows.gradient_flow()
    facts = opts.gd(0.1).recipe.facts
    return opts.base.named(careless, {"lr": lr}, lambda h: {"lr": lr}, facts, flow, schemes.euler, abs(float(lr)))


def test_a_careless_maker_is_caught():
    with pytest.raises(Nonconformance, match="order|accepted|with_step"):
        check_optimizer(careless())


def test_it_wants_an_optimizer():
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        check_optimizer("adam")
