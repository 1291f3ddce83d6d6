"""Momentum methods: splittings of Newton's equation with friction.

`map` names the rule that turns beta into friction, beta = R(-rate h): "exact" (exponential), "naive" (Euler) or
"midpoint" (trapezoid).  `start` is the initial state of the flow: "half" gives its memory the age h/2, so that
the iterates follow it with order 2 if the map is time-symmetric; "zero" starts it at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.core.decay import Decay
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State, column
from odeopt.optimizers.base import Optimizer, drift_paced, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import NESTEROV, POLYAK, SUTSKEVER
from odeopt.optimizers.starts import Start, ageing, halfway, rest
from odeopt.util import check
from odeopt.util.check import Array, Number

HEAVY_BALL_MAPS = {"exponential": decay.exact, "naive": decay.euler, "midpoint": decay.trapezoid}


def gradient_paced(flow: Flow, speed: Speed) -> Flow:
    """g <- s(t) g: the learning rate is inside the buffer, as in Keras."""
    return flow.filtered(lambda t, grad, theta: speed(t) * grad(theta))


def kick_paced(flow: Flow, speed: Speed) -> Flow:
    """v' = -s(t) g - friction v: the learning rate multiplies the force."""
    return flow.paced("kick", speed)


def _checked(settings: dict[str, Any], maps: Iterable[str] = decay.MAPS) -> dict[str, Any]:
    """The checked settings that all momentum methods share."""
    found = {
        **settings,
        "lr": check.rate("lr", settings["lr"]),
        "beta": check.fraction("beta", settings["beta"]),
        "map": check.choice("map", settings["map"], maps),
        "start": check.choice("start", settings["start"], ("half", "zero")),
    }
    check.together(lr=found["lr"], beta=found["beta"])
    return found


def _averaged(
    make: Callable[..., Optimizer], word: str, settings: dict[str, Any], facts: Facts, flow: Any
) -> Optimizer:
    """The optimizer of a word over theta' = -m, tau m' = g - m, with h = lr/(1 - beta) and m = (1 - beta) b_torch."""
    lr, beta, rule = settings["lr"], settings["beta"], decay.of_map(settings["map"])
    d = settings.get("dampening", 0.0)
    h = lr * (1 - d) / (1 - beta)
    tau = h / rule.z_of(beta)
    begin = _first_buffer(beta, d)

    def at(h: Any) -> dict[str, Any]:
        beta = rule.kept(h / tau)
        return {"lr": h * (1 - beta) / (1 - d), "beta": beta}

    return named(
        make,
        settings,
        at,
        replace(facts, map=f"h = lr/(1 - beta), beta = R(-h/tau), {rule} R"),
        flow(tau=tau),
        schemes.Splitting(word, rule),
        h,
        start=begin,
        flow_start=_half_step_later(begin, rule) if settings["start"] == "half" else begin,
        pace=gradient_paced if settings["like"] == "keras" else drift_paced,
    )


def _first_buffer(beta: Any, dampening: float) -> Start:
    """Zero memory; with dampening, torch's first buffer is g and not (1 - dampening) g."""
    if not dampening:
        return rest

    def start(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        surplus = column((1 - beta) / beta * dampening / (1 - dampening))
        return theta0, surplus * grad(theta0)

    return start


def _half_step_later(begin: Start, rule: Decay) -> Start:
    """The memory half a step after the first one, with theta fixed."""
    return lambda flow, grad, theta0, h: ageing(flow, grad, begin(flow, grad, theta0, h), h / 2, decay=rule)


def momentum(
    lr: Number | None = None,
    beta: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    dampening: float | None = None,
    like: str = "torch",
) -> Optimizer:
    """b <- beta b + (1 - dampening) g,   theta <- theta - lr b.       [torch.optim.SGD(lr, momentum=beta)]

    Relax the averaged gradient m = (1 - beta) b, then drift: h = lr/(1 - beta), beta = R(-h/tau).  The libraries
    agree at constant lr; under a schedule, Keras has lr inside the buffer.  Dampening is torch's; its first buffer is
    g0 for any dampening.

    >>> momentum(lr=0.01, beta=0.9)
    momentum(lr=0.01, beta=0.9): heavy ball in lr-time by splitting 'memory drift', h = 0.1
    theta' = -m
    m'     = (grad L(theta) - m)/tau
    with tau = 0.949122
    """
    settings = filled("momentum", like, {"lr": lr, "beta": beta, "dampening": dampening})
    settings = _checked({**settings, "map": map, "start": start})
    d = check.scalar("dampening", check.fraction("dampening", settings["dampening"]))
    if d and (like != "torch" or not np.all(settings["beta"])):
        raise ValueError(f"dampening must be 0 for like={like!r} and beta={settings['beta']!r}, got {d!r}")
    facts = Facts(
        2 if start == "half" and map != "naive" else 1,
        "lr/(1 - beta)",
        "",
        "lr lambda < 2 (1 + beta)",
        (POLYAK.at("eq. 9"),),
    )
    return _averaged(momentum, "memory drift", {**settings, "dampening": d}, facts, flows.averaged_gradient)


def nesterov(
    lr: Number | None = None,
    beta: Number | None = None,
    map: str = "exact",
    start: str = "zero",
    *,
    like: str = "torch",
) -> Optimizer:
    """b <- beta b + g,   theta <- theta - lr (g + beta b).   [torch.optim.SGD(nesterov=True); Sutskever 2013, (3)]

    Momentum whose drift looks ahead by one relaxation.  theta is the point that libraries store, x + beta (x - x_old).
    For Keras the look-ahead is written out, beta m + (1 - beta) g, because its lr multiplies both terms.

    >>> nesterov().scheme
    Splitting('memory drift(memory)', exact decay, euler push)
    """
    settings = _checked({**filled("nesterov", like, {"lr": lr, "beta": beta}), "map": map, "start": start})
    sources = (NESTEROV, SUTSKEVER.at("eq. 3"))
    facts = Facts(1, "lr/(1 - beta)", "", "lr lambda < (2 + 2 beta)/(1 + 2 beta)", sources)
    if like == "keras":
        weighted = partial(flows.quasi_hyperbolic, weight=settings["beta"])
        return _averaged(nesterov, "memory drift", settings, facts, weighted)
    return _averaged(nesterov, "memory drift(memory)", settings, facts, flows.averaged_gradient)


def heavy_ball(lr: Number = 0.01, beta: Number = 0.9, map: str = "midpoint", start: str = "half") -> Optimizer:
    """v <- beta v - (lr/h) g,   theta <- theta + h v: the iterates of momentum in the time of Newton's equation.

    [Polyak 1964; claim I.3.]  A learning rate lr is a time step of about sqrt(lr):
    "midpoint" (leapfrog) lr = h^2/(1 + ah/2), beta = (1 - ah/2)/(1 + ah/2), order 2 with start="half";
    "exponential" h = sqrt(lr), beta = e^(-ah), and "naive" h = sqrt(lr), beta = 1 - ah, order 1.
    start="half" starts the flow with half the first velocity, v(0) = -lr/(2h) g0.

    >>> heavy_ball(lr=0.01, beta=0.9).scheme.word
    'kick friction kick drift'
    """
    settings = _checked({"lr": lr, "beta": beta, "map": map, "start": start}, HEAVY_BALL_MAPS)
    lr, beta, rule = settings["lr"], settings["beta"], HEAVY_BALL_MAPS[map]
    leapfrog = map == "midpoint"
    h = (2 * lr / (1 + beta) if leapfrog else lr) ** 0.5
    damping = rule.z_of(beta) / h
    word = "kick friction kick" if leapfrog else "friction kick"
    facts = Facts(
        2 if leapfrog and start == "half" else 1,
        "sqrt(lr): the time of Newton's equation",
        "h^2 = 2 lr/(1 + beta), damping = 2 (1 - beta)/((1 + beta) h)"
        if leapfrog
        else f"h^2 = lr, beta = R(-damping h), {rule} R",
        "lr lambda < 2 (1 + beta)",
        (POLYAK.at("eq. 9"),),
    )

    def at(h: Any) -> dict[str, Any]:
        beta = rule.kept(damping * h)
        return {"lr": h**2 * (1 + beta) / 2 if leapfrog else h**2, "beta": beta}

    return named(
        heavy_ball,
        settings,
        at,
        facts,
        flows.heavy_ball(damping=damping),
        schemes.Splitting(f"{word} drift", rule),
        h,
        flow_start=halfway(word, rule) if start == "half" else rest,
        lr_time=lr / (1 - beta),
    )


def nesterov_k(lr: Number = 0.01) -> Optimizer:
    """x <- y - lr g(y),   y <- x + k/(k+3) (x - x_old): the stored iterate is y.         [Su, Boyd, Candes 2016, (1)]

    The same look-ahead word on x'' + (3/t) x' + g = 0 with h = sqrt(lr): trapezoidal friction 3/t at the middle of
    the step k is (k-1)/(k+2).

    >>> nesterov_k(lr=0.01)
    nesterov_k(lr=0.01): Su-Boyd-Candes by splitting 'friction kick drift(friction kick)', h = 0.1
    theta' = v
    v'     = -grad L(theta) - r/t*v
    with r = 3
    """
    lr = check.rate("lr", lr)
    facts = Facts(1, "sqrt(lr)", "h = sqrt(lr), friction 3/t by the trapezoid", "lr < 1/lambda", (NESTEROV,))
    return named(
        nesterov_k,
        {"lr": lr},
        lambda h: {"lr": h**2},
        facts,
        flows.su_boyd_candes(),
        schemes.Splitting("friction kick drift(friction kick)", decay.trapezoid),
        lr**0.5,
        lr_time=lr,
        pace=kick_paced,
    )
