"""Batch size times kappa: the hyperparameters that preserve an optimizer's dynamics per sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.batch_rules import Scale, averaging, is_normalised, scaled, shrink
from odeopt.core.symbols import short
from odeopt.noise.base import noise_of
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.problems.base import Problem, point_of
from odeopt.util import check
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class BatchScaling(Saved):
    """The optimizer `before`, and `optimizer` for a batch `kappa` times as large.

    Printing it shows the rule and its reason.  q is the factor by which sqrt(E[G]) shrinks: 1 if the optimizer does not
    divide by sqrt(G) or the signal dominates, 1/sqrt(kappa) if noise dominates.  noise_ratio is None if the rule does
    not depend on it.
    """

    before: Optimizer
    optimizer: Optimizer
    kappa: float
    noise_ratio: float | None
    q: float

    @property
    def rule(self) -> str:
        """The name of the rule: linear, square root or, between the two, the factor of lr."""
        if self.noise_ratio in (None, 0):
            return "linear"
        return "square root" if self.noise_ratio == np.inf else f"lr x {self.kappa * self.q:.4g}"

    @property
    def why(self) -> str:
        """The reason for the rule."""
        if self.noise_ratio is None:
            return (
                "lr/batch (the temperature), lr per sample and beta are unchanged: "
                f"a memory is {self.kappa:g} times as long in samples"
            )
        return (
            f"noise ratio {self.noise_ratio:.3g}: sqrt(E[G]) shrinks by q = {self.q:.4g}; "
            "lr -> kappa q lr keeps the drift per sample"
        )

    def steps(self, steps: int) -> int:
        """steps/kappa: the number of steps that see as many samples as `steps` did before."""
        return round(check.count("steps", steps) / self.kappa)

    def __str__(self) -> str:
        old, new = numbers_in(self.before), numbers_in(self.optimizer)
        changes = [f"{key:<13}{short(old[key])} -> {short(new[key])}" for key in old if np.any(old[key] != new[key])]
        title = f"{self.before.name}, batch x {self.kappa:g}: {self.rule} rule"
        return "\n".join([title, *changes, f"{'steps':<13}n -> n/{self.kappa:g}", self.why])

    __repr__ = __str__


def scale_batch(opt: Optimizer, kappa: float, noise_ratio: float | None = None) -> Optimizer:
    """lr -> kappa q lr, beta -> beta^kappa, eps -> q eps: the optimizer with the same drift at `kappa` times the batch.

    Run it for steps/kappa steps.  `batch_scaling` also gives the reasons and defines q; `odeopt.transfer` gives the
    rate that is best with the new batch, if the old one was best with the old batch.

    >>> from odeopt import optimizers
    >>> scale_batch(optimizers.gd(lr=0.1), 4).lr
    0.4
    """
    return batch_scaling(opt, kappa, noise_ratio).optimizer


def batch_scaling(opt: Optimizer, kappa: float, noise_ratio: float | None = None) -> BatchScaling:
    """lr -> kappa q lr, beta -> beta^kappa, eps -> q eps, where q^2 E[G] = g^2 + Sigma/kappa, E[G] = g^2 + Sigma.

    During one new step, as during kappa old steps, Adam and RMSprop drift by kappa lr g/sqrt(E[G]), and signs likewise.
    A memory spans as many samples as before; to first order 1 - beta -> kappa (1 - beta).  Lion and Muon take the sign
    of such a memory, whose noise then hardly changes: their q is near 1 at any noise ratio.
    noise_ratio = Sigma/g^2 before the change, see `odeopt.noise_ratio`: inf gives the square-root rule,
    q = 1/sqrt(kappa), which preserves the noise too, and 0 the linear rule, q = 1.  [Malladi et al. 2022]  In between,
    the drift is exact to leading order if and as long as all coordinates have the same ratio; the noise is not
    preserved, because the noise of G itself then matters.

    SGD, with or without momentum, has q = 1 and keeps beta, for kappa lr far below its stability limit.  [Goyal et al.
    2017]  Its memory is then kappa times as long in samples; `opt.with_step(kappa * opt.h)` preserves the memory too.
    Decoupled decay per sample is unchanged: 1 - lr weight_decay -> (1 - lr weight_decay)^kappa.  Limits of clipping
    move with the gradient, by q.  A schedule is shortened to steps/kappa.

    >>> from odeopt import optimizers
    >>> batch_scaling(optimizers.adam(lr=0.001, beta1=0.9, beta2=0.999), 4, noise_ratio=np.inf)
    adam, batch x 4: square root rule
    lr           0.001 -> 0.002
    beta1        0.9 -> 0.6561
    beta2        0.999 -> 0.996006
    eps          1e-08 -> 5e-09
    steps        n -> n/4
    noise ratio inf: sqrt(E[G]) shrinks by q = 0.5; lr -> kappa q lr keeps the drift per sample
    """
    an_optimizer(opt)
    kappa = check.scalar("kappa", check.positive("kappa", kappa))
    given = None if noise_ratio is None else _ratio(noise_ratio)
    ratio = _required(given) if is_normalised(opt) else None
    whole = Scale(kappa, 1.0, 1.0, lambda schedule: schedule.stretched(kappa))
    before = averaging(opt)
    fewer = kappa * before / averaging(scaled(opt, whole))  # how many times less noise the step reads
    q = 1.0 if ratio is None else shrink(ratio * before, fewer)
    return BatchScaling(opt, scaled(opt, replace(whole, q=q, rate=kappa * q)), kappa, ratio, q)


def noise_ratio(problem: Problem, theta: ArrayLike | None = None) -> Any:
    """tr Sigma(theta)/|grad L(theta)|^2, (...): the ratio of noise to signal in one gradient, by default at theta0.

    The batch size at which it is 1 is the simple noise scale.                             [McCandlish et al. 2018]

    >>> from odeopt import noise, problems
    >>> noise_ratio(noise.gaussian(problems.quadratic((1, 2), angle=0), 3.0), [1.0, 1.0])
    3.6
    """
    law, at = noise_of(problem), problem.theta0 if theta is None else point_of(problem, "theta", theta)
    signal, spread = np.sum(problem.grad(at) ** 2, axis=-1), np.sum(law.variance(at), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, spread / signal, 0.0)
    return float(ratio) if ratio.ndim == 0 else ratio


def _required(ratio: float | None) -> float:
    if ratio is None:
        raise ValueError(
            "noise_ratio must be given for an adaptive optimizer: odeopt.noise_ratio(problem), "
            "or numpy.inf if noise dominates"
        )
    return ratio


def _ratio(value: Any) -> float:
    found = check.scalar("noise_ratio", check.numbers_of("noise_ratio", value))
    if not found >= 0:
        raise ValueError(f"noise_ratio must be at least 0, got {value!r}")
    return found


def numbers_in(opt: Optimizer) -> dict[str, Any]:
    """The numerical settings of the optimizer and of the optimizers that it wraps."""
    inner = numbers_in(opt.settings["opt"]) if "opt" in opt.settings else {}
    return {**inner, **{k: v for k, v in opt.settings.items() if isinstance(v, float | np.ndarray)}}
