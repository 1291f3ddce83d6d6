"""Variants of Adam: with a running maximum, a rectified start, or Nesterov's look-ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt import flows
from odeopt.core.flow import Flow
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.relaxing import checked, relaxing
from odeopt.optimizers.sources import DOZAT, KINGMA, LIU_RADAM, REDDI
from odeopt.util import check
from odeopt.util.check import Number


def amsgrad(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    like: str = "torch",
) -> Optimizer:
    """M <- max(M, G),   theta <- theta - lr (m/c1)/(sqrt(M/c2) + eps).           [torch.optim.Adam(amsgrad=True)]

    Keras uses root="hat"; optax takes the maximum of G/c2.

    >>> amsgrad(like="optax").flow.name
    Traceback (most recent call last):
        ...
    ValueError: lr must be given for amsgrad: there is no default with like='optax'
    """
    settings = checked("amsgrad", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    forms = {"torch": flows.amsgrad, "keras": flows.amsgrad_hat, "optax": flows.amsgrad_corrected}
    order = 2 if start == "half" else 1
    return relaxing(amsgrad, settings, forms[like], order, REDDI.at("alg. 2"), word="memory ceiling drift")


def adamax(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    like: str = "torch",
) -> Optimizer:
    """u <- max(beta2 u, |g| + eps),   theta <- theta - lr (m/c1)/u.                            [torch.optim.Adamax]

    Keras uses max(beta2 u, |g|) and divides by u + eps.

    >>> adamax().scheme.word
    'memory ceiling drift'
    """
    settings = checked("adamax", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    flow = flows.adamax_outside if like == "keras" else flows.adamax
    return relaxing(adamax, settings, flow, 1, KINGMA.at("alg. 2"), word="memory ceiling drift")


def radam(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    like: str = "torch",
) -> Optimizer:
    """theta <- theta - lr r (m/c1)/(sqrt(G/c2) + eps) once rho > 5, and theta - lr m/c1 before.     [torch.optim.RAdam]

    torch uses root="hat" here, unlike in its Adam; optax does not.

    >>> radam().flow.name, radam(lr=0.1, like="optax").flow.name
    ('RAdam (eps hat)', 'RAdam')
    """
    settings = checked("radam", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    extra = {"step": settings["lr"], "beta2": settings["beta2"]}
    form = flows.radam_hat if like == "torch" else flows.radam
    return relaxing(radam, settings, lambda **taus: form(**taus, **extra), 1, LIU_RADAM.at("alg. 2"))


STEEPEST = 10_000  # psi: 0.96^psi underflows soon after


def nadam(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    psi: float | None = None,
    like: str = "torch",
) -> Optimizer:
    """theta <- theta - lr (mu+ m/(1 - P mu+) + (1 - mu) g/(1 - P))/(sqrt(G/c2) + eps).            [torch.optim.NAdam]

    [Dozat 2016, alg. 1]  mu = beta1 (1 - .96^(n psi)/2) in step n = 1, 2, ...; mu+ is its next value, and P the
    product of all mu so far.  psi is torch's momentum_decay, .004; Keras uses 1.  optax has no momentum schedule:
    psi = 0 means mu = beta1, with g divided by 1 - beta1^n.

    >>> nadam().flow.name, nadam(lr=0.1, like="optax").flow.name
    ('NAdam (scheduled)', 'NAdam')
    """
    settings = checked("nadam", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps, psi=psi)
    rate, beta1, psi = settings["lr"], settings["beta1"], check.scalar("psi", settings["psi"])
    if (psi == 0) != (like == "optax"):
        raise ValueError(f"psi must be {'0' if like == 'optax' else 'positive'} for like={like!r}, got {psi!r}")
    if psi > STEEPEST:
        raise ValueError(f"psi must be at most {STEEPEST:g}, got {psi!r}")

    def flow(**taus: Any) -> Flow:
        if not psi:
            return flows.nadam(**taus, beta1=beta1)
        later = 0.96**psi
        return flows.nadam_scheduled(**taus, tau3=-rate / np.log(later), beta1=beta1, later=later, step=rate)

    def more(h: Any) -> dict[str, Any]:
        return {"psi": psi * h / rate}

    return relaxing(
        nadam,
        settings,
        flow,
        1,
        DOZAT.at("alg. 1"),
        valid="lr lambda/sqrt(G) < (2 + 2 beta1)/((1 - beta1)(1 + 2 beta1))",
        more=more if psi else lambda h: {},
    )
