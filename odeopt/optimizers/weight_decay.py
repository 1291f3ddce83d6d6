"""The weight decay of an optimizer, whichever wrapper holds it, and the same optimizer with another one."""

from __future__ import annotations

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.named.sign import normalized_gd
from odeopt.optimizers.rescheduling import inwards, with_inner
from odeopt.optimizers.wrappers import clip_norm, l2


def weight_decay(opt: Optimizer) -> float | None:
    """The weight decay of the optimizer or of one of its wrappers, which have one at most; None without any."""
    settings = [each.recipe.settings for each in inwards(opt) if each.recipe]
    return next((found["weight_decay"] for found in settings if "weight_decay" in found), None)


def with_weight_decay(opt: Optimizer, value: float) -> Optimizer:
    """The same optimizer with another weight decay."""
    if opt.recipe is not None and "weight_decay" in opt.recipe.settings:
        return opt.recipe.make(**{**opt.recipe.settings, "weight_decay": value})
    if opt.recipe is None or "opt" not in opt.recipe.settings:
        raise ValueError(
            f"weight_decay of a group must be 0 for {opt.name}, which has none: use optimizers.adamw, l2 or decoupled"
        )
    return with_inner(opt, with_weight_decay(opt.recipe.settings["opt"], value))


def normalizes_after_l2(opt: Optimizer) -> bool:
    """Whether the optimizer takes a norm of all coordinates of a gradient to which `l2` has added a decay."""
    makers = [each.recipe.make for each in inwards(opt) if each.recipe]
    return l2 in makers and any(make in (clip_norm, normalized_gd) for make in makers[makers.index(l2) :])
