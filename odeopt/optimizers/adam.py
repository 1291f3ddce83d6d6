"""Adam and its relatives: exact relaxation of the memory, then a drift of theta.

With the memory's age h/2 (start="half") Adam's iterates are those of Strang's splitting, and follow the flow with
order 2 (figure 03); start="zero" gives order 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt import check, decay, flows, ops, schemes
from odeopt.check import Number
from odeopt.flow import Flow, Speed
from odeopt.optimizers.base import Optimizer, drift_paced, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.starts import Start, half_step, rest, settled

WORD = "memory drift"
VALID = "lr lambda/sqrt(G) < 2 (1 + beta1)/(1 - beta1); gradients that keep their signs for some steps"
KINGMA = "Kingma and Ba 2015, alg. 1"


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

    h = lr, beta_i = R(-h/tau_i).  root="hat" (Keras) has (sqrt(G) + eps)/sqrt(c2) below.  corrected=False leaves
    the bias correction out: the flow is then followed with order 1 from zeros, and with order 2 from start="settled",
    m = g0 and G = g0^2.

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
    return relaxing(adam, {**settings, "corrected": corrected}, flow, order, KINGMA)


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
        return flow.paced("drift", lambda t: _time_of(rate * speed(t), w) / _time_of(rate, w))

    return relaxing(
        adamw,
        settings,
        lambda **taus: flow(**taus, weight_decay=w),
        {"half": 2, "zero": 1, "settled": 1}[start],
        "Loshchilov and Hutter 2019, alg. 2",
        h=_time_of(rate, w),
        lr_of=lambda h: ops.ratio(-ops.expm1(-w * h), w, limit=lambda: h),
        pace=pace if w else drift_paced,
    )


def _time_of(lr: Any, w: Any) -> Any:
    """h with e^(-w h) = 1 - lr w."""
    return ops.ratio(-ops.log1p(-lr * w), w, limit=lambda: lr)


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

    Keras has eps hat; optax takes the maximum of G/c2.

    >>> amsgrad(like="optax").flow.name
    Traceback (most recent call last):
        ...
    ValueError: lr must be given: optax has no default for it
    """
    settings = checked("amsgrad", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    forms = {"torch": flows.amsgrad, "keras": flows.amsgrad_hat, "optax": flows.amsgrad_corrected}
    return relaxing(amsgrad, settings, forms[like], 1, "Reddi, Kale and Kumar 2018, alg. 2", "memory ceiling drift")


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

    Keras has max(beta2 u, |g|) and u + eps below.

    >>> adamax().scheme.word
    'memory ceiling drift'
    """
    settings = checked("adamax", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    flow = flows.adamax_outside if like == "keras" else flows.adamax
    return relaxing(adamax, settings, flow, 1, "Kingma and Ba 2015, alg. 2", "memory ceiling drift")


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

    torch has eps hat here (not in its Adam), optax has not.

    >>> radam().flow.name, radam(lr=0.1, like="optax").flow.name
    ('RAdam (eps hat)', 'RAdam')
    """
    settings = checked("radam", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    extra = {"step": settings["lr"], "beta2": settings["beta2"]}
    form = flows.radam_hat if like == "torch" else flows.radam
    return relaxing(radam, settings, lambda **taus: form(**taus, **extra), 1, "Liu et al. 2020, alg. 2")


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

    [Dozat 2016, alg. 1]  mu = beta1 (1 - .96^(n psi)/2) in step n = 1, 2, ..., mu+ is the next, and P the product of
    all so far.  psi is torch's momentum_decay, .004; Keras
    has 1; optax has no schedule of momenta: psi = 0 stands for mu = beta1, with g over 1 - beta1^n.

    >>> nadam().flow.name, nadam(lr=0.1, like="optax").flow.name
    ('NAdam (scheduled)', 'NAdam')
    """
    settings = checked("nadam", like, map, start, lr=lr, beta1=beta1, beta2=beta2, eps=eps, psi=psi)
    rate, beta1, psi = settings["lr"], settings["beta1"], settings["psi"]
    if (psi == 0) != (like == "optax"):
        raise ValueError(f"psi must be {'0' if like == 'optax' else 'positive'} for like={like!r}, got {psi!r}")

    def flow(**taus: Any) -> Flow:
        if not psi:
            return flows.nadam(**taus, beta1=beta1)
        later = 0.96**psi
        return flows.nadam_scheduled(**taus, tau3=-rate / np.log(later), beta1=beta1, later=later, step=rate)

    def more(h: Any) -> dict[str, Any]:
        return {"psi": psi * h / rate}

    return relaxing(nadam, settings, flow, 1, "Dozat 2016, alg. 1", more=more if psi else lambda h: {})


def relaxing(
    make: Callable[..., Optimizer],
    settings: dict[str, Any],
    flow: Callable[..., Flow],
    order: float,
    source: str,
    word: str = WORD,
    *,
    h: Any = None,
    lr_of: Callable[[Any], Any] = lambda h: h,
    more: Callable[[Any], dict[str, Any]] = lambda h: {},
    **fields: Any,
) -> Optimizer:
    """h = lr (unless given), beta_i = R(-h/tau_i), and the start that the settings name."""
    h, rule = settings["lr"] if h is None else h, decay.of_map(settings["map"])
    tau1, tau2 = h / rule.z_of(settings["beta1"]), h / rule.z_of(settings["beta2"])
    starts: dict[str, tuple[Start, Start]] = {
        "half": (rest, half_step("memory", rule)),
        "zero": (rest, rest),
        "settled": (settled, settled),
    }
    begin, matched = starts[settings["start"]]
    exact_lr = "h = lr" if h is settings["lr"] else "h = -log(1 - lr w)/w"
    naive = settings["map"] == "naive"
    facts = Facts(min(order, 1) if naive else order, "lr", f"{exact_lr}, beta_i = R(-h/tau_i), {rule} R", VALID, source)

    def at(h: Any) -> dict[str, Any]:
        return {"lr": lr_of(h), "beta1": rule.kept(h / tau1), "beta2": rule.kept(h / tau2), **more(h)}

    return named(
        make,
        settings,
        at,
        facts,
        flow(tau1=tau1, tau2=tau2, eps=settings["eps"]),
        schemes.Splitting(word, rule),
        h,
        start=begin,
        flow_start=matched,
        **fields,
    )


def checked(name: str, like: str, map: str, start: str, **given: Any) -> dict[str, Any]:
    """The settings, the library's own where none are given, each in its range."""
    ranges = {"lr": check.rate, "beta1": check.fraction, "beta2": check.fraction, "eps": check.nonnegative}
    ranges |= {"weight_decay": check.nonnegative, "psi": check.nonnegative}
    found = filled(name, like, given)
    found = {key: ranges[key](key, value) if key in ranges else value for key, value in found.items()}
    check.together(**{key: found[key] for key in given if key in ranges})
    check.choice("map", map, decay.MAPS)
    return {**found, "map": map, "start": check.choice("start", start, ("half", "zero", "settled"))}
