"""lr -> rate lr, beta -> beta^kappa, eps -> q eps: the settings when one step stands for kappa old ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.schedules import Schedule


@dataclass(frozen=True)
class Scale:
    """What changes: a step sees `kappa` times as many samples, and its learning rate is `rate` times the old one.

    q:        the factor of sqrt(E[G]), the size of a gradient
    schedule: what becomes of the schedule
    floor:    a momentum does not fall below this beta, nor rise to it
    """

    kappa: float
    q: float
    rate: float
    schedule: Callable[[Schedule], Schedule]
    floor: float = 0.0

    def momentum(self, beta: Any) -> Any:
        """beta^kappa: the average over as many samples; but a beta above the floor stays above it, others stay."""
        return np.maximum(beta**self.kappa, np.minimum(beta, self.floor))[()]


MOST = 0.99  # of theta that a step forgets by its decay
Rule = Callable[[Mapping[str, Any], Scale], dict[str, Any]]  # (settings, scale) -> the settings that change


def shrink(noise_ratio: float, kappa: float) -> float:
    """q = sqrt((1 + r/kappa)/(1 + r)): E[G] = g^2 + Sigma becomes g^2 + Sigma/kappa, r = Sigma/g^2."""
    share = 1.0 if noise_ratio == np.inf else noise_ratio / (1 + noise_ratio)  # the share of noise in E[G]
    return float(np.sqrt(1 - share + share / kappa))


def averaging(opt: Optimizer) -> float:
    """The sum of squared weights of the gradients in the average that Lion's sign and Muon's matrix sign read; else 1.

    The noise of one gradient times this is the noise of that average.
    """
    if "opt" in opt.settings:
        return averaging(opt.settings["opt"])
    if opt.name == "lion":
        weight, beta = opt.settings["beta1"], opt.settings["beta2"]
    elif opt.name == "muon":
        weight, beta = opt.settings["beta"] ** 2, opt.settings["beta"]
    else:
        return 1.0
    return float((1 - weight) ** 2 + weight**2 * (1 - beta) / (1 + beta))


def is_normalised(opt: Optimizer) -> bool:
    """Whether the step is independent of the gradient's size; ValueError if no rule is known for the optimizer."""
    rule = _rule(opt)
    return is_normalised(opt.settings["opt"]) if "opt" in opt.settings else rule is not _summed


def scaled(opt: Optimizer, scale: Scale) -> Optimizer:
    """The optimizer, and the optimizer that it wraps, with the settings that their rules give."""
    rule = _rule(opt)
    assert opt.recipe is not None
    return opt.recipe.make(**{**opt.settings, **rule(opt.settings, scale)})


def _rule(opt: Optimizer) -> Rule:
    name = opt.recipe.make.__name__ if opt.recipe else opt.name
    if opt.recipe is None or name not in RULES:
        raise ValueError(f"opt must be one of {', '.join(RULES)}, for which a rule is known, got {name}")
    return RULES[name]


def _summed(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """The rule of SGD, with or without momentum, whose beta stays."""
    return {"lr": scale.rate * settings["lr"]}


def _adaptive(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """The rule of RMSprop and Adam.  eps scales with q if it is added to sqrt(G), with q^2 if it is added to G."""
    if np.any(settings.get("momentum", 0)) or settings.get("centred"):
        raise ValueError("opt must be RMSprop without momentum and not centred; no rule is known for other variants")
    betas = {name: settings[name] ** scale.kappa for name in ("rho", "beta2") if name in settings}
    betas |= {"beta1": scale.momentum(settings["beta1"])} if "beta1" in settings else {}
    eps = settings["eps"] * (scale.q**2 if settings.get("root") == "inside" else scale.q)
    return {**_summed(settings, scale), **betas, "eps": eps, **_decay(settings, settings["lr"], scale)}


def _sign(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """The rule of signs, norms and Muon: a step of the same length whatever the gradient's size."""
    small = {name: settings[name] * scale.q for name in ("delta", "eps") if name in settings}
    beta = {"beta": scale.momentum(settings["beta"])} if "beta" in settings else {}
    return {**_summed(settings, scale), **small, **beta, **_decay(settings, settings["lr"], scale)}


def _lion(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """beta1 -> beta1 beta2^(kappa - 1): the weight that the sign gives to gradients older than the new batch.

    It stays below 1: for beta1 > beta2 and kappa < 1 no beta1 would do.
    """
    beta1, beta2, memory = settings["beta1"], settings["beta2"], scale.momentum(settings["beta2"])
    weight = np.minimum(beta1 * memory / beta2, np.maximum(beta1, memory))[()] if np.all(beta2) else beta1
    return {**_sign(settings, scale), "beta1": weight, "beta2": memory}


def _decay(settings: Mapping[str, Any], lr: Any, scale: Scale) -> dict[str, Any]:
    """1 - lr w -> (1 - lr w)^kappa: theta forgets as much per sample as before."""
    if "weight_decay" not in settings:
        return {}
    forgotten = lr * settings["weight_decay"]
    if not np.all(forgotten < 1):
        raise ValueError(f"weight_decay of opt must be below 1/lr, got {settings['weight_decay']!r} with lr = {lr!r}")
    new = np.minimum(-np.expm1(scale.kappa * np.log1p(-forgotten)), MOST)
    return {"weight_decay": (new / (scale.rate * lr))[()]}


def _inside(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    return {"opt": scaled(settings["opt"], scale)}


def _scheduled(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    return {**_inside(settings, scale), "schedule": scale.schedule(settings["schedule"])}


def _decoupled(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    return {**_inside(settings, scale), **_decay(settings, settings["opt"].lr, scale)}


def _clipped(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """The limit moves with the size of the gradient."""
    return {**_inside(settings, scale), "limit": settings["limit"] * scale.q}


def _averaged(settings: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    return {**_inside(settings, scale), "decay": settings["decay"] ** scale.kappa}


RULES: dict[str, Rule] = {
    **dict.fromkeys(("gd", "momentum", "nesterov", "heavy_ball"), _summed),
    **dict.fromkeys(("rmsprop", "adam", "adamw", "half_start_adam", "amsgrad", "adamax", "radam"), _adaptive),
    **dict.fromkeys(("signsgd", "normalized_gd", "muon"), _sign),
    "lion": _lion,
    "scheduled": _scheduled,
    "l2": _inside,
    "decoupled": _decoupled,
    **dict.fromkeys(("clip_norm", "clip_value"), _clipped),
    "ema": _averaged,
}
