"""lr -> kappa q lr, 1 - beta -> kappa (1 - beta), eps -> q eps: the rules for a batch kappa times as large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer

Rule = Callable[[Mapping[str, Any], float, float], dict[str, Any]]  # (settings, kappa, q) -> the settings that change


def shrink(noise_ratio: float, kappa: float) -> float:
    """q = sqrt((1 + r/kappa)/(1 + r)): E[G] = g^2 + Sigma becomes g^2 + Sigma/kappa, r = Sigma/g^2."""
    share = 1.0 if noise_ratio == np.inf else noise_ratio / (1 + noise_ratio)  # the share of noise in E[G]
    return float(np.sqrt(1 - share + share / kappa))


def is_adaptive(opt: Optimizer) -> bool:
    """Whether the optimizer divides the gradient by sqrt(G); raises ValueError if no rule is known for it."""
    if "opt" in opt.settings:
        return _rule(opt) is not None and is_adaptive(opt.settings["opt"])
    return _rule(opt) is _adaptive


def scaled(opt: Optimizer, kappa: float, q: float) -> Optimizer:
    """The optimizer, and the optimizer that it wraps, with the settings that their rules give."""
    rule = _rule(opt)
    assert opt.recipe is not None
    return opt.recipe.make(**{**opt.settings, **rule(opt.settings, kappa, q)})


def _rule(opt: Optimizer) -> Rule:
    name = opt.recipe.make.__name__ if opt.recipe else opt.name
    if opt.recipe is None or name not in RULES:
        raise ValueError(f"opt must be one of {', '.join(RULES)}, for which a rule is known, got {name}")
    return RULES[name]


def _linear(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"lr": kappa * q * settings["lr"]}


def _adaptive(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    """The rule of RMSprop and Adam.  eps scales with q if it is added to sqrt(G), with q^2 if it is added to G."""
    if np.any(settings.get("momentum", 0)) or settings.get("centred"):
        raise ValueError("opt must be RMSprop without momentum and not centred; no rule is known for other variants")
    betas = {name: _shortened(name, settings[name], kappa) for name in ("rho", "beta1", "beta2") if name in settings}
    eps = settings["eps"] * (q**2 if settings.get("root") == "inside" else q)
    return {**_linear(settings, kappa, q), **betas, "eps": eps, **_decay(settings, q)}


def _shortened(name: str, beta: Any, kappa: float) -> Any:
    """1 - kappa (1 - beta); beta = 0, no memory, remains 0."""
    old = np.asarray(beta)
    kept = np.where(old == 0, 0.0, 1 - kappa * (1 - old))
    if np.any((kept < 0) | (kept >= 1)):
        limit = 1 / (1 - np.min(old[old > 0]))
        raise ValueError(f"kappa must be at most {limit:.6g}, where {name} = {beta!r} becomes 0, got {kappa:g}")
    return kept[()]


def _decay(settings: Mapping[str, Any], q: float) -> dict[str, Any]:
    """weight_decay/q: lr weight_decay grows by the factor kappa, so the decay per sample is unchanged."""
    return {"weight_decay": settings["weight_decay"] / q} if "weight_decay" in settings else {}


def _inside(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"opt": scaled(settings["opt"], kappa, q)}


def _scheduled(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    """The same schedule, shortened to steps/kappa."""
    return {**_inside(settings, kappa, q), "schedule": settings["schedule"].stretched(kappa)}


def _decoupled(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {**_inside(settings, kappa, q), **_decay(settings, q)}


RULES: dict[str, Rule] = {
    **dict.fromkeys(("gd", "momentum", "nesterov", "heavy_ball"), _linear),
    **dict.fromkeys(("rmsprop", "adam", "adamw", "half_start_adam"), _adaptive),
    "scheduled": _scheduled,
    "l2": _inside,
    "decoupled": _decoupled,
}
