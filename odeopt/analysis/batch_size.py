"""Batch size times kappa: the hyperparameters with which an optimizer sees each sample as before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.noise.base import noise_of
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.symbols import short

Rule = Callable[[Mapping[str, Any], float, float], dict[str, Any]]  # (settings, kappa, q) -> those that change


@dataclass(frozen=True, eq=False)
class BatchScaling:
    """`before` and, for `kappa` times the batch, `optimizer`; `print` it for the rule and its reason.

    q is the factor by which sqrt(E[G]) shrinks: 1 where nothing divides by sqrt(G) or the signal dominates,
    1/sqrt(kappa) where noise does.
    """

    before: Optimizer
    optimizer: Optimizer
    kappa: float
    noise_ratio: float | None
    q: float

    @property
    def rule(self) -> str:
        """linear, square root or between."""
        if self.q == 1:
            return "linear"
        return "square root" if self.noise_ratio == np.inf else "between"

    def steps(self, steps: int) -> int:
        """How many steps see as many samples as `steps` did: steps/kappa."""
        return round(check.count("steps", steps) / self.kappa)

    @property
    def why(self) -> str:
        """The reason, in one sentence."""
        lr = f"lr x {self.kappa * self.q:.4g}"
        if self.noise_ratio is None:
            return (
                f"{lr} keeps drift and noise, lr/batch, per sample; beta stays, so the memory keeps its number of steps "
                f"and is {self.kappa:g} times as long in samples"
            )
        return (
            f"noise ratio {self.noise_ratio:.3g}: sqrt(E[G]) = sqrt(g^2 + Sigma) falls to q = {self.q:.4g} of itself, "
            f"and {lr} = kappa q keeps drift and noise per sample"
        )

    def __str__(self) -> str:
        old, new = _numbers(self.before), _numbers(self.optimizer)
        changes = [f"{key:<13}{short(old[key])} -> {short(new[key])}" for key in old if np.any(old[key] != new[key])]
        title = f"{self.before.name}, batch x {self.kappa:g}: {self.rule} rule"
        return "\n".join([title, *changes, f"{'steps':<13}n -> n/{self.kappa:g}", self.why])

    __repr__ = __str__


def scale_batch(opt: Optimizer, kappa: float, noise_ratio: float | None = None) -> Optimizer:
    """lr -> kappa q lr, 1 - beta -> kappa (1 - beta), eps -> q eps: the optimizer for `kappa` times the batch.

    Run it for steps/kappa.  `batch_scaling` is the same with its reasons.

    >>> from odeopt import optimizers
    >>> scale_batch(optimizers.gd(lr=0.1), 4).lr
    0.4
    """
    return batch_scaling(opt, kappa, noise_ratio).optimizer


def batch_scaling(opt: Optimizer, kappa: float, noise_ratio: float | None = None) -> BatchScaling:
    """E[G] = g^2 + Sigma -> g^2 + Sigma/kappa = q^2 E[G];  lr -> kappa q lr, 1 - beta -> kappa (1 - beta), eps -> q eps.

    Over kappa old steps, one new one, Adam and RMSprop then drift by kappa lr g/sqrt(E[G]) and spread by the variance
    kappa lr^2 Sigma/E[G], as before.  noise_ratio = Sigma/g^2 before the change, see `noise_ratio`: infinite, it is
    the square-root rule, 0 the linear one.  [Malladi et al. 2022, def. 5.1, 5.2]  In between q^2 = (1 + r/kappa)/(1 + r)
    is exact where all coordinates have one ratio, and for as long as they have it.

    SGD, with momentum or not, has q = 1 and keeps beta.  [Goyal et al. 2017]  Its memory is kappa times as long in
    samples; `opt.with_step(kappa * opt.h)` keeps flow, friction and temperature instead, with lr up to kappa^2 lr.
    Decoupled decay keeps its share per sample: weight_decay -> weight_decay/q.  Schedules are compressed to steps/kappa.

    >>> from odeopt import optimizers
    >>> batch_scaling(optimizers.adam(lr=0.001, beta1=0.9, beta2=0.999), 4, noise_ratio=np.inf)
    adam, batch x 4: square root rule
    lr           0.001 -> 0.002
    beta1        0.9 -> 0.6
    beta2        0.999 -> 0.996
    eps          1e-08 -> 5e-09
    steps        n -> n/4
    noise ratio inf: sqrt(E[G]) = sqrt(g^2 + Sigma) falls to q = 0.5 of itself, and lr x 2 = kappa q keeps drift and noise per sample
    """  # noqa: E501
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.adam(), got {opt!r}")
    kappa = check.scalar("kappa", check.positive("kappa", kappa))
    if _innermost(opt).name in LINEAR:
        noise_ratio, q = None, 1.0
    else:
        noise_ratio = _ratio(noise_ratio)
        share = 1.0 if noise_ratio == np.inf else noise_ratio / (1 + noise_ratio)  # of noise in E[G]
        q = float(np.sqrt(1 - share + share / kappa))
    return BatchScaling(opt, _scaled(opt, kappa, q), kappa, noise_ratio, q)


def noise_ratio(problem: Problem, theta: Any = None) -> Any:
    """tr Sigma(theta)/|grad L(theta)|^2, (...): of the noise to the signal in one gradient; default theta0.

    The batch at which it is 1 is the simple noise scale.                                  [McCandlish et al. 2018]

    >>> from odeopt import noise, problems
    >>> noise_ratio(noise.gaussian(problems.quadratic((1, 2), angle=0), 3.0), [1.0, 1.0])
    3.6
    """
    law, at = noise_of(problem), problem if theta is None else problem.at(theta)
    signal, spread = np.sum(problem.grad(at.theta0) ** 2, axis=-1), np.sum(law.variance(at.theta0), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, spread / signal, 0.0)
    return float(ratio) if ratio.ndim == 0 else ratio


def _linear(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"lr": kappa * q * settings["lr"]}


def _adaptive(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    """lr, betas and eps, which adds to sqrt(G), or inside the root to G; decay keeps lr weight_decay per sample."""
    if np.any(settings.get("momentum", 0)) or settings.get("centred"):
        raise ValueError("opt must be RMSprop without momentum and not centred, for which no rule is known")
    betas = {name: _shortened(name, settings[name], kappa) for name in ("rho", "beta1", "beta2") if name in settings}
    eps = settings["eps"] * (q**2 if settings.get("root") == "inside" else q)
    return {**_linear(settings, kappa, q), **betas, "eps": eps, **_decay(settings, q)}


def _decay(settings: Mapping[str, Any], q: float) -> dict[str, Any]:
    return {"weight_decay": settings["weight_decay"] / q} if "weight_decay" in settings else {}


def _shortened(name: str, beta: Any, kappa: float) -> Any:
    """1 - kappa (1 - beta); no memory stays none."""
    kept = np.where(np.asarray(beta) == 0, 0.0, 1 - kappa * (1 - np.asarray(beta)))
    if np.any(kept < 0):
        limit = 1 / (1 - np.min(np.asarray(beta)[np.asarray(beta) > 0]))
        raise ValueError(f"kappa must be at most {limit:.6g}, where {name} = {beta!r} becomes 0, got {kappa:g}")
    return kept[()]


def _scaled(opt: Optimizer, kappa: float, q: float) -> Optimizer:
    """The rule of the optimizer inside, through the wrappers that have one."""
    name, settings = opt.name if "opt" not in opt.settings else opt.recipe.make.__name__, opt.settings
    if opt.recipe is None or name not in RULES:
        raise ValueError(f"opt must be one of {', '.join(RULES)}, whose rule is known, got {name}")
    return opt.recipe.make(**{**settings, **RULES[name](settings, kappa, q)})


def _inside(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {"opt": _scaled(settings["opt"], kappa, q)}


def _scheduled(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {**_inside(settings, kappa, q), "schedule": settings["schedule"].stretched(kappa)}


def _decoupled(settings: Mapping[str, Any], kappa: float, q: float) -> dict[str, Any]:
    return {**_inside(settings, kappa, q), **_decay(settings, q)}


LINEAR = ("gd", "momentum", "nesterov", "heavy_ball")
RULES: dict[str, Rule] = {
    **dict.fromkeys(LINEAR, _linear),
    **dict.fromkeys(("rmsprop", "adam", "adamw", "half_start_adam"), _adaptive),
    "scheduled": _scheduled,
    "l2": _inside,
    "decoupled": _decoupled,
}


def _innermost(opt: Optimizer) -> Optimizer:
    return _innermost(opt.settings["opt"]) if "opt" in opt.settings else opt


def _ratio(value: Any) -> float:
    if value is None:
        raise ValueError("noise_ratio must be given for an adaptive optimizer: odeopt.noise_ratio(problem), or numpy.inf")
    found = check.scalar("noise_ratio", check.numbers_of("noise_ratio", value))
    if not found >= 0:
        raise ValueError(f"noise_ratio must be at least 0, got {value!r}")
    return found


def _numbers(opt: Optimizer) -> dict[str, Any]:
    """The settings that are numbers, of the wrappers and of what is inside."""
    inner = _numbers(opt.settings["opt"]) if "opt" in opt.settings else {}
    return {**inner, **{k: v for k, v in opt.settings.items() if isinstance(v, float | np.ndarray)}}
