"""Adafactor: its memory grows with the step count, so in the time of the flow it shrinks as lr tends to 0."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay as decays
from odeopt.core.flow import Flow, Relax, Speed
from odeopt.core.state import Grad, State
from odeopt.flows._adafactor import adafactor_drift
from odeopt.optimizers.base import Optimizer, drift_paced, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import SHAZEER
from odeopt.optimizers.starts import rest
from odeopt.util import check
from odeopt.util.check import Array, Number


def adafactor(
    lr: Number | None = None,
    decay: Number | None = None,
    eps: Number | None = None,
    floor: Number | None = None,
    clip: Number | None = None,
    *,
    shape: tuple[int, int] | None = None,
    like: str = "torch",
) -> Optimizer:
    """R <- R + n^(-decay) (row mean g^2 - R), C by columns,   theta <- theta - min(lr, n^(-1/2)) max(floor, |theta|) u.

    [torch.optim.Adafactor]  u = g/sqrt(R C/mean(R)), clipped to rms `clip`, and |.| is the rms; for a
    vector (shape=None), V = G.  optax has no n^(-1/2) in its rate.  For weight decay use `decoupled`.

    The flow depends on lr: its rates n^(-decay)/lr, n = t/lr + 1/2, are discretised by Euler's rule, and the iterates
    follow it with order 1 (0.95 measured).  As lr -> 0 these rates diverge and the flow loses its memory.  The limit
    has R and C of the current gradient; the iterates follow it only with order 1 - decay (0.2 by default).

    >>> adafactor(shape=(2, 3)).flow.memory
    ('R', 'C')
    """
    given = {"lr": lr, "decay": decay, "eps": eps, "floor": floor, "clip": clip}
    settings = filled("adafactor", like, given)
    ranges = {"lr": check.rate, "decay": check.positive, "clip": check.positive}
    settings |= {key: ranges.get(key, check.nonnegative)(key, settings[key]) for key in given}
    check.together(**{key: settings[key] for key in given})
    settings["shape"] = shape = check.shape("shape", shape)
    clamped, relative = like == "torch", like != "optax"

    def paced(flow: Flow, speed: Speed) -> Flow:
        """rho = min(lr s(t), n^(-1/2)): the schedule is inside the minimum."""
        return replace(flow, parts=MappingProxyType({**flow.parts, "drift": (adafactor_drift(shape, clamped, speed),)}))

    return named(
        adafactor,
        settings,
        lambda h: {"lr": h},
        Facts(
            1,
            "lr",
            "h = lr; the rates n^(-decay)/lr and the relative step n^(-1/2) count steps, not time",
            "components of g that keep their signs: the memoryless limit jumps where one changes",
            (SHAZEER.at("alg. 4 and 5"),),
        ),
        flows.adafactor(
            settings["lr"],
            *[settings[key] for key in given if key != "lr"],
            shape=shape,
            relative=relative,
            clamped=clamped,
        ),
        schemes.Splitting("memory drift", decays.euler),
        settings["lr"],
        start=rest,
        flow_start=_first,
        pace=paced if relative else drift_paced,
    )


def _first(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """The memory after the first gradient, whose weight is n^(-decay) = 1."""
    y = flow.start(theta0)
    targets = {part.slot: flow.placed(part.target)(0.0, grad, y) for part in flow.terms() if isinstance(part, Relax)}
    return flow.start(theta0, **targets)
