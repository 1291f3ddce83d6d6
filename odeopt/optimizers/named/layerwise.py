"""LAMB and LARS: the step of each layer is a fraction of the layer's own norm."""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.core.flow import Flow
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.named.adaptive import buffer_paced
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.relaxing import checked, relaxing
from odeopt.optimizers.sources import YOU_LAMB, YOU_LARS
from odeopt.optimizers.starts import half_step, rest
from odeopt.util import check
from odeopt.util.check import Number

Layers = tuple[int, ...] | None


def lamb(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    layers: Layers = None,
    like: str = "keras",
) -> Optimizer:
    """theta <- theta - lr |theta|/|u| u,   u = (m/c1)/(sqrt(G/c2) + eps) + w theta, layer by layer.       [optax.lamb]

    `layers` are the sizes of the layers in theta, None for a single layer.  Keras' Lamb has no w: it applies its decay
    before the norms are computed, which differs from `decoupled`.

    >>> lamb().flow.name
    'LAMB'
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    settings = {**checked("lamb", like, map, start, **given), "layers": check.layers("layers", layers)}
    w = settings["weight_decay"]
    if like == "keras" and check.scalar("weight_decay", w):
        raise ValueError(f"weight_decay must be 0 for like='keras', got {w!r}")

    def flow(**taus: Any) -> Flow:
        return flows.lamb(**taus, weight_decay=w, layers=settings["layers"])

    return relaxing(lamb, settings, flow, 1, YOU_LAMB.at("alg. 2"))


def lars(
    lr: Number | None = None,
    beta: Number | None = None,
    weight_decay: Number | None = None,
    trust: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    layers: Layers = None,
    like: str = "optax",
) -> Optimizer:
    """b <- beta b + lr trust |theta|/(|u| + eps) u,   u = g + w theta,   theta <- theta - b by layers.    [optax.lars]

    h = lr/(1 - beta), beta = R(-h/tau), like momentum; start="half" gives the buffer the age h/2, for order 2.
    `layers` are the sizes of the layers in theta, None for a single layer.

    >>> lars(lr=0.1).scheme.word
    'buffer drift'
    """
    given = {"lr": lr, "beta": beta, "weight_decay": weight_decay, "trust": trust, "eps": eps}
    ranges = {"lr": check.rate, "beta": check.fraction, "trust": check.positive}
    settings = filled("lars", like, given)
    settings |= {key: ranges.get(key, check.nonnegative)(key, settings[key]) for key in given}
    check.together(**{key: settings[key] for key in given})
    settings |= {"map": check.choice("map", map, decay.MAPS), "layers": check.layers("layers", layers)}
    settings["start"] = check.choice("start", start, ("half", "zero"))
    beta, rule = settings["beta"], decay.of_map(map)
    h = settings["lr"] / (1 - beta)
    tau = h / rule.z_of(beta)

    def at(h: Any) -> dict[str, Any]:
        kept = rule.kept(h / tau)
        return {"lr": h * (1 - kept), "beta": kept}

    plain = flows.lars(settings["trust"], settings["weight_decay"], settings["eps"], settings["layers"])
    return named(
        lars,
        settings,
        at,
        Facts(
            2 if start == "half" and map != "naive" else 1,
            "lr/(1 - beta)",
            f"h = lr/(1 - beta), beta = R(-h/tau), {rule} R",
            "lr trust < 2 (1 + beta), whatever the curvature; the ratio jumps to 1 at theta = 0 and at g = 0",
            (YOU_LARS.at("alg. 1"),),
        ),
        flows.buffered(plain, tau),
        schemes.Splitting("buffer drift", rule),
        h,
        flow_start=half_step("buffer", rule) if start == "half" else rest,
        pace=buffer_paced,
    )
