"""Momentum methods: splittings of Newton's equation with friction.

`map` names the rule that turns beta into friction, beta = R(-rate h): "exact" (exponential), "naive" (Euler) or
"midpoint" (trapezoid).  `start` says where the flow starts that the iterates follow: "half" gives its memory the
age h/2, and the iterates follow it to second order where the map is time-symmetric; "zero" starts it at rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from odeopt import check, decay, flows, schemes
from odeopt.check import Number
from odeopt.optimizers.base import Optimizer
from odeopt.starts import Start, half_step, halfway, rest

HEAVY_BALL_MAPS = {"exponential": decay.exact, "naive": decay.euler, "midpoint": decay.trapezoid}


def _hyperparameters(lr: Any, beta: Any, map: Any, start: Any, maps: Iterable[str] = decay.MAPS) -> dict[str, Any]:
    """The checked settings that all of these share."""
    settings: dict[str, Any] = {
        "lr": check.rate("lr", lr),
        "beta": check.fraction("beta", beta),
        "map": check.choice("map", map, maps),
        "start": check.choice("start", start, ("half", "zero")),
    }
    check.together(lr=settings["lr"], beta=settings["beta"])
    return settings


def _averaged(name: str, word: str, lr: Number, beta: Number, map: str, start: str) -> Optimizer:
    """A word over theta' = -m, tau m' = g - m, with h = lr/(1 - beta) and m = (1 - beta) b_torch."""
    settings = _hyperparameters(lr, beta, map, start)
    lr, beta, rule = settings["lr"], settings["beta"], decay.of_map(map)
    h = lr / (1 - beta)
    begin: Start = half_step("memory", rule) if start == "half" else rest
    flow = flows.averaged_gradient(tau=h / rule.z_of(beta))
    return Optimizer(flow, schemes.Splitting(word, rule), h, flow_start=begin, name=name, settings=settings)


def momentum(lr: Number = 0.01, beta: Number = 0.9, map: str = "exact", start: str = "half") -> Optimizer:
    """b <- beta b + g,   theta <- theta - lr b.           [torch.optim.SGD(lr, momentum=beta)]

    Relax the averaged gradient m = (1 - beta) b, then drift: h = lr/(1 - beta), beta = R(-h/tau).

    >>> momentum(lr=0.01, beta=0.9)
    momentum(lr=0.01, beta=0.9, map='exact', start='half'): heavy ball in lr-time by splitting 'memory drift', h = 0.1
    theta' = -m
    m'     = (grad L(theta) - m)/tau
    with tau = 0.949122
    """
    return _averaged("momentum", "memory drift", lr, beta, map, start)


def nesterov(lr: Number = 0.01, beta: Number = 0.9, map: str = "exact", start: str = "zero") -> Optimizer:
    """b <- beta b + g,   theta <- theta - lr (g + beta b).   [torch.optim.SGD(nesterov=True); Sutskever 2013, (3)]

    Momentum whose drift looks one relaxation ahead; theta is the point that libraries store, x + beta (x - x_old).

    >>> nesterov().scheme
    Splitting('memory drift(memory)', exact decay, euler push)
    """
    return _averaged("nesterov", "memory drift(memory)", lr, beta, map, start)


def heavy_ball(lr: Number = 0.01, beta: Number = 0.9, map: str = "midpoint", start: str = "half") -> Optimizer:
    """v <- beta v - (lr/h) g,   theta <- theta + h v: momentum's iterates on the clock of Newton's equation.

    [Polyak 1964; claim I.3.]  A learning rate lr is a time step of about sqrt(lr):
    "midpoint" (leapfrog) lr = h^2/(1 + ah/2), beta = (1 - ah/2)/(1 + ah/2), order 2 with start="half";
    "exponential" h = sqrt(lr), beta = e^(-ah), and "naive" h = sqrt(lr), beta = 1 - ah, order 1.
    start="half" begins the flow with half the first velocity, v(0) = -lr/(2h) g0.

    >>> heavy_ball(lr=0.01, beta=0.9).scheme.word
    'kick friction kick drift'
    """
    settings = _hyperparameters(lr, beta, map, start, HEAVY_BALL_MAPS)
    lr, beta, rule = settings["lr"], settings["beta"], HEAVY_BALL_MAPS[map]
    leapfrog = map == "midpoint"
    h = (2 * lr / (1 + beta) if leapfrog else lr) ** 0.5
    word = "kick friction kick" if leapfrog else "friction kick"
    return Optimizer(
        flows.heavy_ball(damping=rule.z_of(beta) / h),
        schemes.Splitting(f"{word} drift", rule),
        h,
        flow_start=halfway(word, rule) if start == "half" else rest,
        lr_time=lr / (1 - beta),
        name="heavy_ball",
        settings=settings,
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
    scheme = schemes.Splitting("friction kick drift(friction kick)", decay.trapezoid)
    return Optimizer(flows.su_boyd_candes(), scheme, lr**0.5, lr_time=lr, name="nesterov_k", settings={"lr": lr})
