"""What becomes of lr, betas, decay, eps and schedule when batch, width, depth or length of training change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.analysis.batch_rules import Scale, scaled, shrink
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.schedules import Schedule
from odeopt.optimizers.wrappers import scheduled
from odeopt.scaling.horizon_law import horizon_factor, lengthened
from odeopt.scaling.noise_laws import batch_factor, middle
from odeopt.scaling.reasons import Request, losses, schedule_of, table, warnings
from odeopt.scaling.transfer_result import ALL, Transfer
from odeopt.scaling.width_laws import KINDS, powers
from odeopt.util import check

FAR = 1e6  # the largest factor
FLOOR = 0.9  # of a momentum's beta: an average over fewer than ten steps no longer helps along flat directions


def transfer(
    opt: Optimizer,
    *,
    batch: Any = 1,
    width: Any = 1,
    depth: Any = 1,
    horizon: Any = 1,
    noise_ratio: Any = None,
    noise_scale: Any = None,
    schedule: Any = None,
    groups: Mapping[str, str] | None = None,
) -> Transfer:
    """lr -> f lr, beta -> beta^kappa, 1 - lr w -> (1 - lr w)^kappa: the settings when batch, width or horizon change.

    It takes the present settings as well tuned and keeps them so.  An average, of gradients or (by decay) of updates,
    spans as many samples as before [Marek et al. 2025; Wang and Aitchison 2024]; a momentum, at least ten steps.  The
    rate follows the noise when the batch changes [McCandlish et al. 2018; Malladi et al. 2022; Li et al. 2024], muP
    when width and depth do [Yang et al. 2022, 2023], and the bound on the last iterate, half way, when the horizon does
    [Schaipp et al. 2025; Bjorck et al. 2025].

    batch, width, depth, horizon: the factor, or a pair (old, new); horizon counts all samples, depth residual branches
    noise_ratio: r = tr Sigma/|grad L|^2 of a gradient with the old batch, see `odeopt.noise_ratio`; or a range of it
                 (low, high).  None: as if noise dominated
    noise_scale: the batch at which that ratio is 1, or a range, in place of it; batch must then be a pair
    schedule:    of the training loop, if the optimizer has none
    groups:      the kind of each group of parameters: hidden, vector, embedding or output, by names of your own.  By
                 default these four, if the width or the depth changes.  `odeopt.frameworks.torch.parameter_groups`
                 finds them by shape

    scale_batch keeps the path at any rate; this keeps a tuned rate tuned.  Where noise dominates they agree.

    Measured on the digits (figure 29), the loss at the transferred rate is at most so much above the tuned one: batch 8
    to 512 from 32, AdamW 2 %, SGD 5 %, Lion 1 % for larger and 8 % for smaller batches; width 64 to 1024, Adam 1.6 %;
    horizon 1 to 16, Lion 3 %, SGD 6 %, AdamW 8 %, where the old rate as it is costs 19, 2 and 1 %.

    >>> from odeopt import optimizers
    >>> transfer(optimizers.momentum(lr=0.1), batch=(32, 128), noise_ratio=2.0)
    momentum: batch x 4
    lr            0.1 -> 0.2  (0.2 to 0.4)
        because noise, r = 2: x 2, the lowest of the laws; holds while the old rate was the best with the old batch
    steps         n -> n x 0.25
        because 4 times as many in a step; holds while the samples of the run are what is given
    lost: samples: 2 times as many to the same loss, as a larger batch averages noise that is gone
    watch: the noise ratio grows as the loss falls: measure it again with odeopt.noise_ratio
    watch: the lower end of the rate is the safe one; the upper keeps the drift per sample, as scale_batch
    >>> transfer(optimizers.adam(lr=0.001), width=(64, 256)).optimizers["hidden"].lr
    0.00025
    """
    an_optimizer(opt)
    if opt.members:
        raise ValueError(f"opt must have single numbers as hyperparameters, got members of shape {opt.members}")
    pairs = {"batch": batch, "width": width, "depth": depth, "horizon": horizon}
    kappa, wide, deep, long = (_factor(name, value) for name, value in pairs.items())
    opt = opt if schedule is None else scheduled(opt, schedule)
    ratios = _ratios(noise_ratio, noise_scale, batch)
    noise, peak = batch_factor(opt, kappa, ratios, FLOOR), horizon_factor(schedule_of(opt), long)
    q = shrink(middle(ratios), kappa)
    request = Request(opt, kappa, wide, deep, long, ratios, noise, peak)

    def made(factor: float) -> Optimizer:
        return scaled(opt, Scale(kappa, q, noise.best * peak.best * factor, rescheduled, FLOOR))

    def rescheduled(s: Schedule) -> Schedule:
        return lengthened(s.stretched(kappa), long)

    kinds = _kinds(opt, groups, wide, deep)
    factors = {name: wide**a * deep**b for name, (a, b) in kinds.items()}
    optimizers = {name: made(factor) for name, factor in factors.items()}
    rows = table(request, optimizers, factors)
    return Transfer(opt, optimizers, rows, losses(request, FLOOR), warnings(request), kappa, wide, deep, long)


def _factor(name: str, value: Any) -> float:
    """A positive factor, or new/old of a pair."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name} must be a factor or a pair (old, new), got {check.shown(value)}")
        old, new = (check.scalar(name, check.positive(name, u)) for u in value)
        factor = new / old
    else:
        factor = check.scalar(name, check.positive(name, value))
    if not 1 / FAR <= factor <= FAR:
        raise ValueError(f"{name} must change by a factor from {1 / FAR:g} to {FAR:g}, got {factor:g}")
    return factor


def _ratios(noise_ratio: Any, noise_scale: Any, batch: Any) -> tuple[float, float] | None:
    """The range of the noise ratio with the old batch; None if nothing is known."""
    if noise_scale is None:
        return None if noise_ratio is None else _range("noise_ratio", noise_ratio)
    if noise_ratio is not None:
        raise ValueError(f"noise_scale must be None where noise_ratio is given, got {check.shown(noise_scale)}")
    if not isinstance(batch, tuple | list):
        raise ValueError(f"batch must be a pair (old, new) where noise_scale is given, got {check.shown(batch)}")
    low, high = _range("noise_scale", noise_scale)
    return low / batch[0], high / batch[0]


def _range(name: str, value: Any) -> tuple[float, float]:
    ends = value if isinstance(value, tuple | list) else (value, value)
    if len(ends) != 2:
        raise ValueError(f"{name} must be a number or a range (low, high), got {check.shown(value)}")
    low, high = (check.scalar(name, check.numbers_of(name, u)) for u in ends)
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be at least 0, a range from low to high, got {check.shown(value)}")
    return low, high


def _kinds(opt: Optimizer, groups: Any, width: float, depth: float) -> dict[str, tuple[float, float]]:
    """The powers of width and depth of each group."""
    if groups is None and width == depth == 1:
        return {ALL: (0.0, 0.0)}
    if groups is None:
        only = ("hidden",) if opt.name == "muon" else KINDS
        return {kind: powers(opt, kind) for kind in only}
    given = check.mapping("groups", groups, f"names of groups to one of {', '.join(KINDS)}")
    if not given:
        raise ValueError("groups must name at least one group, got none")
    return {name: powers(opt, check.choice(f"groups[{name!r}]", kind, KINDS)) for name, kind in given.items()}
