"""The flows of the zoo beyond those of tables.FLOWS, with their right-hand sides written by hand.

Every scheme is run on tables.FLOWS; these differ from them in what stands under the gradient, and are run with the
words of tables.WORDS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import odeopt as oo
from odeopt import flows, starts


@dataclass(frozen=True)
class FlowRow:
    """A flow, the start away from its singularity, and its right-hand side written by hand."""

    flow: oo.Flow
    rhs: Callable[..., tuple[Any, ...]]
    start: Any = starts.rest


def _signed(u: Any, delta: float) -> Any:
    return u / (np.abs(u) + delta)


def _variance(flow: Any, grad: Any, theta0: Any, h: Any) -> Any:
    """G = 2 g0^2, a = g0: away from the variance 0, where the root is singular."""
    g = grad(theta0)
    return flow.start(theta0, G=2 * g**2, a=g)


def _moments(g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any) -> tuple[Any, ...]:
    return (g(x) - m) / 0.2, (g(x) ** 2 - G) / 1.0, (1 - c1) / 0.2, (1 - c2) / 1.0


def _adam(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any, hat: bool = False, decay: float = 0) -> Any:
    below = (np.sqrt(G) + 0.01) / np.sqrt(c2) if hat else np.sqrt(G / c2) + 0.01
    return (-(m / c1) / below - decay * x, *_moments(g, x, m, G, c1, c2))


def _lamb(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any) -> tuple[Any, ...]:
    u = (m / c1) / (np.sqrt(G / c2) + 0.01) + 0.3 * x
    return (-np.array([np.abs(x[i] / u[i]) * u[i] for i in range(2)]), *_moments(g, x, m, G, c1, c2))


def _lars(t: Any, g: Any, x: Any) -> tuple[Any, ...]:
    u = g(x) + 0.3 * x
    return (-0.5 * np.linalg.norm(x) / (np.linalg.norm(u) + 0.01) * u,)


def _first_moments(flow: Any, grad: Any, theta0: Any, h: Any) -> Any:
    square = grad(theta0) ** 2 + 0.01
    return flow.start(theta0, R=square, C=square.mean())


def _adafactor(n: float, g: Any, x: Any, R: Any, C: Any) -> tuple[Any, ...]:
    u = g / np.sqrt(R * C / R.mean())
    rho = min(1, 10 / np.sqrt(n)) * max(0.1, np.sqrt(np.mean(x**2)))
    rate = 10 * n**-0.6
    squares = g**2 + 0.01
    return -rho * u / max(1, np.sqrt(np.mean(u**2)) / 2), rate * (squares - R), rate * (np.mean(squares) - C)


def _unit(u: Any) -> Any:
    """msign of a single row."""
    return u / np.linalg.norm(u)


def _eye(flow: Any, grad: Any, theta0: Any, h: Any) -> Any:
    return flow.start(theta0, L=np.eye(2).ravel(), R=1.0)


def _shampoo(t: Any, g: Any, x: Any, L: Any, R: Any) -> tuple[Any, ...]:
    """For two rows: the root of a 2 x 2 matrix A is (A + sqrt(det A) I)/sqrt(tr A + 2 sqrt(det A))."""

    def root(A: Any) -> Any:
        det = np.sqrt(np.linalg.det(A))
        return (A + det * np.eye(2)) / np.sqrt(np.trace(A) + 2 * det)

    left = np.linalg.inv(root(root(L.reshape(2, 2))))
    return -left @ g(x) * R**-0.25, np.outer(g(x), g(x)).ravel(), (g(x) @ g(x))[None]


def _radam(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any, hat: bool) -> tuple[Any, ...]:
    steps, longest = t / 0.01 + 0.5, 2 / (1 - 0.99) - 1
    rho = longest - 2 * steps * (1 - c2) / c2
    eps = 0.01 / np.sqrt(c2) if hat else 0.01
    if rho > 5:
        r = np.sqrt((rho - 4) * (rho - 2) * longest / (longest - 4) / (longest - 2) / rho)
        return (-r * (m / c1) / (np.sqrt(G / c2) + eps), *_moments(g, x, m, G, c1, c2))
    return (-m / c1, *_moments(g, x, m, G, c1, c2))


def _nadam(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any) -> tuple[Any, ...]:
    mean = 0.9 * m / (1 - 0.9 * (1 - c1)) + 0.1 * g(x) / c1
    return (-mean / (np.sqrt(G / c2) + 0.01), *_moments(g, x, m, G, c1, c2))


def _scheduled_nadam(t: Any, g: Any, x: Any, m: Any, G: Any, c2: Any, c3: Any, p: Any) -> tuple[Any, ...]:
    mu, after = 0.9 * (1 - (1 - c3) / 2), 0.9 * (1 - 0.99 * (1 - c3) / 2)
    mean = after * m / (1 - (1 - p) * after) + (1 - mu) * g(x) / p
    first, second, _, clock = _moments(g, x, m, G, 0.0, c2)
    return -mean / (np.sqrt(G / c2) + 0.01), first, second, clock, (1 - c3) / 0.5, (1 - p) * -np.log(mu) / 0.01


def _amsgrad(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any, M: Any, below: Any) -> tuple[Any, ...]:
    return (-(m / c1) / below(M, c2), *_moments(g, x, m, G, c1, c2), 0 * M)


def _adamax(t: Any, g: Any, x: Any, m: Any, u: Any, c1: Any, eps: float) -> tuple[Any, ...]:
    return -(m / c1) / (u + eps), (g(x) - m) / 0.2, -u / 1.0, (1 - c1) / 0.2


def _adabelief(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any) -> tuple[Any, ...]:
    surprise = (g(x) - m) ** 2 + 0.02
    return -(m / c1) / (np.sqrt(G / c2) + 0.01), (g(x) - m) / 0.2, surprise - G, (1 - c1) / 0.2, 1 - c2


def _ademamix(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any, M: Any) -> tuple[Any, ...]:
    return (
        -(m / c1 + 2 * M) / (np.sqrt(G / c2) + 0.01),
        *_moments(g, x, m, G, c1, c2),
        (g(x) - M) / 2,
    )


def _adan(t: Any, g: Any, x: Any, m: Any, v: Any, G: Any, c1: Any, c2: Any, c3: Any, old: Any) -> tuple[Any, ...]:
    diff = g(x) - old
    first, second, one, two = _moments(g, x, m, G, c1, c2)
    second = (g(x) + 0.3 * diff) ** 2 - G
    velocity = -(m / c1 + 0.3 * v / c3) / (np.sqrt(G / c2 + 0.02) + 0.01)
    return velocity, first, (diff - v) / 0.5, second, one, two, (1 - c3) / 0.5, 0 * old


def _adopt(t: Any, g: Any, x: Any, m: Any, G: Any) -> tuple[Any, ...]:
    """Long after the first step, whose length is 1e-4."""
    return -m, (np.clip(g(x) / np.maximum(np.sqrt(G), 0.01), -1.0, 1.0) - m) / 0.2, g(x) ** 2 - G


def _mars(t: Any, g: Any, x: Any, m: Any, G: Any, c1: Any, c2: Any, old: Any) -> tuple[Any, ...]:
    u = 1.3 * g(x) - 0.3 * old
    c = u / max(1, np.linalg.norm(u))
    velocity, _, _, one, two = _adam(t, g, x, m, G, c1, c2, hat=True)
    return velocity, (c - m) / 0.2, c**2 - G, one, two, 0 * old


def _together(flow: Any, grad: Any, theta0: Any, h: Any) -> Any:
    return flow.start(theta0, z=theta0)


def _schedule_free_adamw(t: Any, g: Any, x: Any, z: Any, G: Any, c2: Any) -> tuple[Any, ...]:
    speed = -g(x) / (np.sqrt(G / c2) + 0.01) - 0.3 * x
    return (z - x) / t + 0.2 * speed, speed, g(x) ** 2 - G, 1 - c2


YOUNG = starts.aged(0.1)

FLOWS = {
    "langevin": FlowRow(flows.langevin(0.5), lambda t, g, x: (-g(x),)),
    "kramers": FlowRow(flows.kramers(1.5, 0.5), lambda t, g, x, v: (v, -g(x) - 1.5 * v)),
    "sgd_first_order": FlowRow(flows.sgd_first_order(0.1), lambda t, g, x: (-g(x),)),
    "sgd_second_order": FlowRow(  # H g by the complex step along g
        flows.sgd_second_order(0.1), lambda t, g, x: (-g(x) - 0.05 * np.imag(g(x + 1e-30j * g(x))) / 1e-30,)
    ),
    "high_resolution_nesterov": FlowRow(
        flows.high_resolution_nesterov(0.1),
        lambda t, g, x, v: (v - 0.1 * g(x), -3 / (t + 0.15) * v - (1 - 0.15 / (t + 0.15)) * g(x)),
    ),
    "quasi_hyperbolic": FlowRow(
        flows.quasi_hyperbolic(0.5, 0.9), lambda t, g, x, m: (-0.9 * m - 0.1 * g(x), (g(x) - m) / 0.5)
    ),
    "buffered": FlowRow(
        flows.buffered(flows.rmsprop(0.5, 0.01), 0.2),
        lambda t, g, x, G, m: (-m, (g(x) ** 2 - G) / 0.5, (g(x) / (np.sqrt(G) + 0.01) - m) / 0.2),
        starts.settled,
    ),
    "centred_rmsprop": FlowRow(
        flows.centred_rmsprop(0.5, 0.01),
        lambda t, g, x, G, a: (-g(x) / (np.sqrt(G - a**2) + 0.01), (g(x) ** 2 - G) / 0.5, (g(x) - a) / 0.5),
        _variance,
    ),
    "adadelta": FlowRow(
        flows.adadelta(0.5, 0.01),
        lambda t, g, x, G, X: (
            -np.sqrt((X + 0.01) / (G + 0.01)) * g(x),
            (g(x) ** 2 - G) / 0.5,
            ((X + 0.01) / (G + 0.01) * g(x) ** 2 - X) / 0.5,
        ),
        starts.settled,
    ),
    "adam_hat": FlowRow(flows.adam_hat(0.2, 1.0, 0.01), partial(_adam, hat=True), YOUNG),
    "adam_uncorrected": FlowRow(
        flows.adam_uncorrected(0.2, 1.0, 0.01),
        lambda t, g, x, m, G: (-m / (np.sqrt(G) + 0.01), (g(x) - m) / 0.2, g(x) ** 2 - G),
        starts.settled,
    ),
    "adamw": FlowRow(flows.adamw(0.2, 1.0, 0.01, 0.3), partial(_adam, decay=0.3), YOUNG),
    "adamw_hat": FlowRow(flows.adamw_hat(0.2, 1.0, 0.01, 0.3), partial(_adam, hat=True, decay=0.3), YOUNG),
    "radam": FlowRow(flows.radam(0.2, 1.0, 0.01, 0.01, 0.99), partial(_radam, hat=False), YOUNG),
    "radam_hat": FlowRow(flows.radam_hat(0.2, 1.0, 0.01, 0.01, 0.99), partial(_radam, hat=True), YOUNG),
    "nadam": FlowRow(flows.nadam(0.2, 1.0, 0.01, 0.9), _nadam, YOUNG),
    "nadam_scheduled": FlowRow(flows.nadam_scheduled(0.2, 1.0, 0.5, 0.01, 0.9, 0.99, 0.01), _scheduled_nadam, YOUNG),
    "amsgrad": FlowRow(
        flows.amsgrad(0.2, 1.0, 0.01), partial(_amsgrad, below=lambda M, c2: np.sqrt(M / c2) + 0.01), YOUNG
    ),
    "amsgrad_hat": FlowRow(
        flows.amsgrad_hat(0.2, 1.0, 0.01),
        partial(_amsgrad, below=lambda M, c2: (np.sqrt(M) + 0.01) / np.sqrt(c2)),
        YOUNG,
    ),
    "amsgrad_corrected": FlowRow(
        flows.amsgrad_corrected(0.2, 1.0, 0.01), partial(_amsgrad, below=lambda M, c2: np.sqrt(M) + 0.01), YOUNG
    ),
    "adamax": FlowRow(flows.adamax(0.2, 1.0, 0.01), partial(_adamax, eps=0.0), YOUNG),
    "adamax_outside": FlowRow(flows.adamax_outside(0.2, 1.0, 0.01), partial(_adamax, eps=0.01), YOUNG),
    "lion": FlowRow(
        flows.lion(0.2, 0.9, 0.3, 0.5),
        lambda t, g, x, m: (-_signed(0.9 * m + 0.1 * g(x), 0.5) - 0.3 * x, (g(x) - m) / 0.2),
        starts.settled,
    ),
    "adafactor": FlowRow(
        flows.adafactor(0.1, 0.6, 0.01, 0.1, 2.0, shape=(2, 1)),
        lambda t, g, x, R, C: _adafactor(t / 0.1 + 0.5, g(x), x, R, C),
        _first_moments,
    ),
    "asgd": FlowRow(
        flows.asgd(0.3, 0.5, 10, 0.01),
        lambda t, g, x, average: (-(g(x) + 0.3 * x) / np.sqrt(1 + 0.3 * (t - 0.005)), 0 * average),
    ),
    "lamb": FlowRow(flows.lamb(0.2, 1.0, 0.01, 0.3, (1, 1)), _lamb, YOUNG),
    "lars": FlowRow(flows.lars(0.5, 0.3, 0.01), _lars),
    "muon": FlowRow(
        flows.muon(0.2, 0.9, 0.5, 0.3),
        lambda t, g, x, m: (-0.5 * _unit(0.9 * m + 0.1 * g(x)) - 0.3 * x, (g(x) - m) / 0.2),
        starts.settled,
    ),
    "muon_corrected": FlowRow(
        flows.muon_corrected(0.2, 0.9, 0.5, 0.3),
        lambda t, g, x, m, c: (
            -0.5 * _unit(0.9 * m / (1 - 0.9 * (1 - c)) + 0.1 * g(x) / c) - 0.3 * x,
            (g(x) - m) / 0.2,
            (1 - c) / 0.2,
        ),
        YOUNG,
    ),
    "shampoo": FlowRow(flows.shampoo((2, 1)), _shampoo, _eye),
    "rprop": FlowRow(flows.rprop(), lambda t, g, *y: tuple(0 * u for u in y)),  # nothing moves in time
    "rprop_late": FlowRow(flows.rprop_late(), lambda t, g, *y: tuple(0 * u for u in y)),
    "mars": FlowRow(flows.mars(0.2, 1.0, 0.3, 0.01), _mars, YOUNG),
    "schedule_free_sgd": FlowRow(
        flows.schedule_free_sgd(0.8), lambda t, g, x, z: ((z - x) / t - 0.2 * g(x), -g(x)), _together
    ),
    "schedule_free_adamw": FlowRow(flows.schedule_free_adamw(1.0, 0.8, 0.01, 0.3), _schedule_free_adamw, _together),
    "signum": FlowRow(flows.signum(0.2, 0.5), lambda t, g, x, m: (-_signed(m, 0.5), (g(x) - m) / 0.2)),
    "adabelief": FlowRow(flows.adabelief(0.2, 1.0, 0.01, 0.02), _adabelief, YOUNG),
    "ademamix": FlowRow(flows.ademamix(0.2, 1.0, 2.0, 0.01, 2.0), _ademamix, YOUNG),
    "adan": FlowRow(flows.adan(0.2, 1.0, 0.5, 0.3, 0.01, 0.02), _adan, YOUNG),
    "adopt": FlowRow(flows.adopt(0.2, 1.0, 0.01, 1e-4, 0.0), _adopt, starts.settled),
    "sign_flow": FlowRow(flows.sign_flow(0.5), lambda t, g, x: (-_signed(g(x), 0.5),)),
    "normalized_flow": FlowRow(flows.normalized_flow(0.5), lambda t, g, x: (-g(x) / (np.linalg.norm(g(x)) + 0.5),)),
}
