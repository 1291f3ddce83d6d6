"""Common code of Adam and its variants: moments with exact relaxation, h = lr, beta_i = R(-h/tau_i), and three starts.

With memory of age h/2 (start="half") Adam's iterates equal those of Strang's splitting and follow the flow with
order 2 (figure 03).  start="zero" gives order 1.  "settled" starts iterates and flow with m = g0 and G = g0^2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odeopt import schemes
from odeopt.core import decay
from odeopt.core.flow import Flow
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.bibliography import Source
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.starts import Start, half_step, rest, settled
from odeopt.util import check

WORD = "memory drift"
VALID = "lr lambda/sqrt(G) < 2 (1 + beta1)/(1 - beta1)"
SIGNS = "; gradients that keep their signs for some steps"


def relaxing(
    make: Callable[..., Optimizer],
    settings: dict[str, Any],
    flow: Callable[..., Flow],
    order: float,
    *sources: Source,
    word: str = WORD,
    valid: str = VALID,
    h: Any = None,
    lr_of: Callable[[Any], Any] = lambda h: h,
    more: Callable[[Any], dict[str, Any]] = lambda h: {},
    starts: tuple[Start, Start] | None = None,
    **fields: Any,
) -> Optimizer:
    """The optimizer with h = lr (unless given), beta_i = R(-h/tau_i), and the starts given or named by the settings."""
    h, rule = settings["lr"] if h is None else h, decay.of_map(settings.get("map", "exact"))
    tau1, tau2 = h / rule.z_of(settings["beta1"]), h / rule.z_of(settings["beta2"])
    known: dict[str, tuple[Start, Start]] = {
        "half": (rest, half_step(decay=rule)),
        "zero": (rest, rest),
        "settled": (settled, settled),
    }
    begin, matched = starts or known[settings.get("start", "zero")]
    exact_lr = "h = lr" if h is settings["lr"] else "h = -log(1 - lr w)/w"
    naive = settings.get("map") == "naive"
    facts = Facts(
        min(order, 1) if naive else order, "lr", f"{exact_lr}, beta_i = R(-h/tau_i), {rule} R", valid + SIGNS, sources
    )

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
    """The checked settings, with the library's defaults for those not given."""
    ranges = {"lr": check.rate, "beta1": check.fraction, "beta2": check.fraction, "eps": check.nonnegative}
    ranges |= dict.fromkeys(("weight_decay", "psi", "eps_root", "alpha", "power"), check.nonnegative)
    ranges["beta3"] = check.fraction
    found = filled(name, like, given)
    found = {key: ranges[key](key, value) if key in ranges else value for key, value in found.items()}
    check.together(**{key: found[key] for key in given if key in ranges})
    check.choice("map", map, decay.MAPS)
    return {**found, "map": map, "start": check.choice("start", start, ("half", "zero", "settled"))}
