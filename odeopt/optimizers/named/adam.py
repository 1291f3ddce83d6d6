"""Adam and AdamW as splittings of their flows: exact relaxation of the memory, then a drift of theta."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from odeopt import flows
from odeopt.core import ops
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import column
from odeopt.optimizers.base import Optimizer, drift_paced
from odeopt.optimizers.relaxing import checked, relaxing
from odeopt.optimizers.sources import KINGMA, LOSHCHILOV, STRANG
from odeopt.optimizers.starts import aged_steps
from odeopt.util import check
from odeopt.util.check import Number


def adam(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    corrected: bool = True,
    root: str | None = None,
    like: str = "torch",
) -> Optimizer:
    """theta <- theta - lr (m/c1)/(sqrt(G/c2) + eps), with m, G and c relaxed before.              [torch.optim.Adam]

    h = lr, beta_i = R(-h/tau_i).  root="hat" (Keras) divides by (sqrt(G) + eps)/sqrt(c2).  corrected=False
    omits the bias correction: the iterates then follow the flow with order 1 from zero memory, and with order 2 from
    start="settled", m = g0 and G = g0^2.

    >>> print(adam(lr=0.01).scheme)
    Splitting('memory drift', exact decay, euler push)
    """
    settings = checked("adam", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps, root=root)
    if not isinstance(corrected, bool):
        raise TypeError(f"corrected must be True or False, got {corrected!r}")
    roots = {"outside": flows.adam, "hat": flows.adam_hat}
    flow = roots[check.choice("root", settings["root"], roots)]
    if not corrected:
        flow = flows.adam_uncorrected
    order = {"half": 2 if corrected else 1, "zero": 1, "settled": 2}[start]
    return relaxing(adam, {**settings, "corrected": corrected}, flow, order, KINGMA.at("alg. 1"))


def half_start_adam(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
) -> Optimizer:
    """Adam with sqrt(beta_i) in the first step and c_i = 1 - beta_i^(n - 1/2): its memory starts at age -h/2.

    In theta it is A(h/2) B(h) A(h/2), Strang's splitting of Adam's flow from t = 0.  It has order 2 at one gradient per
    step; Adam has order 1.  No library contains it; the defaults are torch's.

    >>> half_start_adam(lr=0.01).scheme
    Splitting('memory drift', exact decay, euler push)
    """
    found = checked("adam", "torch", "exact", "zero", lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    settings = {key: found[key] for key in ("lr", "beta1", "beta2", "eps")}
    made = relaxing(half_start_adam, settings, flows.adam, 2, KINGMA.at("alg. 1"), STRANG)
    return replace(made, start=aged_steps(-1 / 2))


def adamw(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    root: str | None = None,
    like: str = "torch",
) -> Optimizer:
    """theta <- (1 - lr w) theta - lr (m/c1)/(sqrt(G/c2) + eps), with m, G and c relaxed before.  [torch.optim.AdamW]

    The flow's decay w is solved exactly over the step h = -log(1 - lr w)/w, a little longer than lr.

    >>> round(adamw(lr=0.01, weight_decay=0.1).h, 12)
    0.010005003336
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay, "root": root}
    settings = checked("adamw", like, map, start, **given)
    roots = {"outside": flows.adamw, "hat": flows.adamw_hat}
    flow = roots[check.choice("root", settings["root"], roots)]
    rate, w = settings["lr"], settings["weight_decay"]
    if not np.all(np.asarray(rate * w) < 1):
        raise ValueError(f"weight_decay must be below 1/lr, got {w!r} with lr = {rate!r}")

    def pace(flow: Flow, speed: Speed) -> Flow:
        lr, decay = column(rate), column(w)
        return flow.theta_paced(lambda t: _time_of(lr * speed(t), decay) / _time_of(lr, decay))

    return relaxing(
        adamw,
        settings,
        lambda **taus: flow(**taus, weight_decay=w),
        {"half": 2, "zero": 1, "settled": 1}[start],
        LOSHCHILOV.at("alg. 2"),
        valid="lr lambda/sqrt(G) < (2 - lr w)(1 + beta1)/(1 - beta1)",
        h=_time_of(rate, w),
        lr_of=lambda h: ops.ratio(-ops.expm1(-w * h), w, limit=lambda: h),
        pace=pace if np.any(w) else drift_paced,
    )


def _time_of(lr: Any, w: Any) -> Any:
    """h with e^(-w h) = 1 - lr w."""
    return ops.ratio(-ops.log1p(-lr * w), w, limit=lambda: lr)
