"""Adam with another memory: of surprises (AdaBelief), of two lengths (AdEMAMix), of differences (Adan), or late."""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.newer_sources import PAGLIARDINI, TANIGUCHI, XIE, ZHUANG
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.relaxing import checked, relaxing
from odeopt.optimizers.starts import at_rest_but
from odeopt.util import check
from odeopt.util.check import Array, Number


def adabelief(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    eps_root: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    like: str = "optax",
) -> Optimizer:
    """theta <- theta - lr (m/c1)/(sqrt(G/c2) + eps),   G <- beta2 G + (1 - beta2)(g - m)^2 + eps_root.

    [optax.adabelief]  G is the mean square of the distance to the new mean m; eps_root is added in every step, so G
    settles at eps_root/(1 - beta2) where the gradient is constant.

    >>> adabelief(lr=0.01).flow.name
    'AdaBelief'
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "eps_root": eps_root}
    settings = checked("adabelief", like, map, start, **given)
    rule, floor = decay.of_map(map), settings["eps_root"] / (1 - settings["beta2"])
    tau2 = settings["lr"] / rule.z_of(settings["beta2"])

    def flow(**taus: Any) -> Flow:
        return flows.adabelief(**taus, floor=floor)

    def more(h: Any) -> dict[str, Any]:
        return {"eps_root": floor * (1 - rule.kept(h / tau2))}

    return relaxing(
        adabelief,
        settings,
        flow,
        1,
        ZHUANG.at("alg. 2"),
        valid="lr lambda/sqrt(G) < 2 (1 + beta1)/(1 - beta1); G is small where the gradient is steady",
        more=more,
    )


def ademamix(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    beta3: Number | None = None,
    alpha: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "half",
    *,
    warm_up: float = 0.0,
    like: str = "optax",
) -> Optimizer:
    """theta <- theta - lr (m/c1 + alpha M)/(sqrt(G/c2) + eps),   M <- beta3 M + (1 - beta3) g.

    [optax.contrib.ademamix]  With warm_up steps, alpha grows linearly from 0 and beta3 from beta1, as the paper
    recommends: the memory time -lr/log(beta3) grows linearly.  For weight decay use `decoupled`.

    >>> ademamix(lr=0.01).flow.variables
    ('theta', 'm', 'G', 'c1', 'c2', 'M')
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "beta3": beta3, "alpha": alpha, "eps": eps}
    settings = checked("ademamix", like, map, start, **given)
    settings["warm_up"] = warm_up = check.scalar("warm_up", check.nonnegative("warm_up", warm_up))
    h, rule = settings["lr"], decay.of_map(map)
    tau3, ramp = h / rule.z_of(settings["beta3"]), warm_up * h

    def flow(**taus: Any) -> Flow:
        return flows.ademamix(**taus, tau3=tau3, alpha=settings["alpha"], ramp=ramp, step=h)

    def more(h: Any) -> dict[str, Any]:
        return {"beta3": rule.kept(h / tau3), "warm_up": ramp / h}

    order = 2 if start == "half" else 1
    return relaxing(ademamix, settings, flow, order, PAGLIARDINI.at("alg. 1"), more=more, valid=_MIXED)


_MIXED = "lr lambda/sqrt(G) < 2/((1 - beta1)/(1 + beta1) + alpha (1 - beta3)/(1 + beta3))"


def adan(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    beta3: Number | None = None,
    eps: Number | None = None,
    eps_root: Number | None = None,
    *,
    like: str = "optax",
) -> Optimizer:
    """theta <- theta - lr (m/c1 + (1 - beta3) v/c3)/(sqrt(G/c2 + eps_root) + eps),   v a mean of g - g_old.

    [optax.adan]  v <- beta3 v + (1 - beta3)(g - g_old), and G is the mean of (g + (1 - beta3)(g - g_old))^2.  The first
    difference is 0; in a run with noise it is the first noise, as starts read the exact gradient.  beta2 is the memory
    of the squares and beta3 that of the differences, as their slots in Adam; optax and the paper call them b3 and b2.
    For weight decay use `decoupled`.

    >>> adan(lr=0.01).scheme.word
    'memory lag drift'
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "beta3": beta3, "eps": eps, "eps_root": eps_root}
    settings = checked("adan", like, "exact", "zero", **given)
    settings = {key: settings[key] for key in (*given, "like")}
    h, rule = settings["lr"], decay.exact
    taus = {i: h / rule.z_of(settings[f"beta{i}"]) for i in (1, 2, 3)}

    def at(h: Any) -> dict[str, Any]:
        return {"lr": h, **{f"beta{i}": rule.kept(h / tau) for i, tau in taus.items()}}

    return named(
        adan,
        settings,
        at,
        Facts(
            1,
            "lr",
            "h = lr, beta_i = e^(-h/tau_i); 1 - beta3 is the weight of the differences too",
            "lr lambda/sqrt(G) < 2/((1 - beta1)/(1 + beta1) + 2 (1 - beta3)^2/(1 + beta3))",
            (XIE.at("alg. 1"),),
        ),
        flows.adan(taus[1], taus[2], taus[3], 1 - settings["beta3"], settings["eps"], settings["eps_root"]),
        schemes.Splitting("memory lag drift"),
        h,
        start=_no_difference,
    )


def _no_difference(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """Zero memory; the gradient before the first is the first."""
    return at_rest_but(flow, theta0, "old", grad(theta0))


def adopt(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    power: float | None = None,
    *,
    like: str = "optax",
) -> Optimizer:
    """m <- beta1 m + (1 - beta1) clipped(g/max(sqrt(G), eps)),   theta <- theta - lr m,   then G.

    [optax.contrib.adopt]  G <- beta2 G + (1 - beta2) g^2 after it was used.  The first step only sets G = g^2 (in a
    run with noise that of the exact gradient), and g/max(sqrt(G), eps) is clipped to +-n^power in step n + 1.

    >>> adopt(lr=0.01).flow.name
    'ADOPT'
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "power": power}
    settings = checked("adopt", like, "exact", "zero", **given)
    settings = {key: settings[key] for key in (*given, "like")}
    settings["power"] = check.scalar("power", settings["power"])

    def flow(**taus: Any) -> Flow:
        return flows.adopt(**taus, step=settings["lr"], power=settings["power"])

    return relaxing(
        adopt,
        settings,
        flow,
        1,
        TANIGUCHI.at("alg. 2"),
        starts=(_first_square, _first_square),
        valid="lr lambda/max(sqrt(G), eps) < 2 (1 + beta1)/(1 - beta1)",
    )


def _first_square(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """G = g0^2: the first step relaxes G to the value that it has."""
    return at_rest_but(flow, theta0, "G", grad(theta0) ** 2)
