"""lr -> kappa q lr, 1 - beta -> kappa (1 - beta), eps -> q eps: what a batch kappa times as large changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer

Rule = Callable[[Mapping[str, Any], float, float], dict[str, Any]]  # (settings, kappa, q) -> those that change


def shrink(noise_ratio: float, kappa: float) -> float:
    """q = sqrt((1 + r/kappa)/(1 + r)): E[G] = g^2 + Sigma becomes g^2 + Sigma/kappa, r = Sigma/g^2."""
    share = 1.0 if noise_ratio == np.inf else noise_ratio / (1 + noise_ratio)  # of noise in E[G]
    return float(np.sqrt(1 - share + share / kappa))


def is_adaptive(opt: Optimizer) -> bool:
    """Whether sqrt(G) divides the gradient; an optimizer without a known rule is refused."""
    if "opt" in opt.settings:
        return _rule(opt) is not None and is_adaptive(opt.settings["opt"])
    return _rule(opt) is _adaptive


def scaled(opt: Optimizer, kappa: float, q: float) -> Optimizer:
    """The optimizer, and what it wraps, under their rules."""
    rule = _rule(opt)
    assert opt.recipe is not None
    return opt.recipe.make(**{**opt.settings, **rule(opt.settings, kappa, q)})


def _rule(opt: Optimizer) -> Rule:
    name = opt.recipe.make.__name__ if opt.recipe else opt.name
    if opt.recipe is None or name not in RULES:
        raise ValueError(f"opt must be one of {', '.join(RULES)}, whose rule is known, got {name}")
    return RULES[name]


def _linear(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"lr": kappa * q * settings["lr"]}


def _adaptive(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    """eps is added to sqrt(G), or inside the root to G."""
    if np.any(settings.get("momentum", 0)) or settings.get("centred"):
        raise ValueError("opt must be RMSprop without momentum and not centred: for others no rule is known")
    betas = {name: _shortened(name, settings[name], kappa) for name in ("rho", "beta1", "beta2") if name in settings}
    eps = settings["eps"] * (q**2 if settings.get("root") == "inside" else q)
    return {**_linear(settings, kappa, q), **betas, "eps": eps, **_decay(settings, q)}


def _shortened(name: str, beta: Any, kappa: float) -> Any:
    """1 - kappa (1 - beta); no memory stays none."""
    old = np.asarray(beta)
    kept = np.where(old == 0, 0.0, 1 - kappa * (1 - old))
    if np.any((kept < 0) | (kept >= 1)):
        limit = 1 / (1 - np.min(old[old > 0]))
        raise ValueError(f"kappa must be at most {limit:.6g}, where {name} = {beta!r} becomes 0, got {kappa:g}")
    return kept[()]


def _decay(settings: Mapping[str, Any], q: float) -> dict[str, Any]:
    """lr weight_decay grows by kappa: the share that is lost per sample stays."""
    return {"weight_decay": settings["weight_decay"] / q} if "weight_decay" in settings else {}


def _inside(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"opt": scaled(settings["opt"], kappa, q)}


def _scheduled(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    """The same schedule over steps/kappa."""
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
