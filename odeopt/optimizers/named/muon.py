"""Muon: momentum, orthogonalised before it updates theta."""

from __future__ import annotations

import math
from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import JORDAN, LIU_MUON
from odeopt.optimizers.starts import half_step, rest
from odeopt.util import check
from odeopt.util.check import Number


def muon(
    lr: Number | None = None,
    beta: Number | None = None,
    weight_decay: Number | None = None,
    eps: Number | None = None,
    *,
    shape: tuple[int, int] | None = None,
    iterations: int | None = 5,
    like: str = "keras",
) -> Optimizer:
    """m <- beta m + (1 - beta) g,   theta <- (1 - lr w) theta - lr s msign(beta m + (1 - beta) g).   [Keras' Muon]

    theta is a row-major matrix of `shape` (None: one row).  s is sqrt(max(1, rows/columns)) in torch,
    sqrt(max(1, columns/rows)) in optax, which corrects the bias of m, and 0.2 sqrt(max(rows, columns)) in Keras.
    msign uses 5 Newton-Schulz iterations, which map singular values of 0.01 to 1 times the norm to 0.68 to 1.13;
    iterations=None is exact.  torch computes msign in bfloat16 and agrees to 1.3 % of the displacement; its max(norm,
    eps) instead of norm + eps accounts for 6e-7.

    >>> muon(lr=0.1).scheme.word
    'memory drift'
    """
    given = {"lr": lr, "beta": beta, "weight_decay": weight_decay, "eps": eps}
    settings = filled("muon", like, given)
    ranges = {"lr": check.rate, "beta": check.fraction}
    settings |= {key: ranges.get(key, check.nonnegative)(key, settings[key]) for key in given}
    check.together(**{key: settings[key] for key in given})
    settings |= {"shape": check.shape("shape", shape), "iterations": iterations}
    h, beta = settings["lr"], settings["beta"]
    tau = h / decay.exact.z_of(beta)
    corrected, in_buffer = like == "optax", 1 - beta if like == "keras" else 1.0  # Keras' buffer is m/(1 - beta)

    def at(h: Any) -> dict[str, Any]:
        beta = decay.exact.kept(h / tau)
        eps = settings["eps"] * in_buffer / (1 - beta) if like == "keras" else settings["eps"]
        return {"lr": h, "beta": beta, "eps": eps}

    form = flows.muon_corrected if corrected else flows.muon
    return named(
        muon,
        settings,
        at,
        Facts(
            1,
            "lr",
            "h = lr, beta = e^(-h/tau); as the look-ahead's weight, beta tends to 1 with the step",
            "means of full rank: msign jumps where a singular value passes 0, and the iterates chatter by lr",
            (JORDAN, LIU_MUON),
        ),
        form(tau, beta, _scale(like, shape), settings["weight_decay"], settings["eps"] * in_buffer, shape=shape,
             iterations=iterations),
        schemes.Splitting("memory drift"),
        h,
        flow_start=half_step() if corrected else rest,
    )  # fmt: skip


def _scale(like: str, shape: tuple[int, int] | None) -> float:
    """The factor by which the library scales lr for a shape."""
    rows, columns = shape or (1, 1)
    factors = {"torch": max(1.0, rows / columns), "optax": max(1.0, columns / rows), "keras": 0.04 * max(rows, columns)}
    return math.sqrt(factors[like])
