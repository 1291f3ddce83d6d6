"""Optimizers whose learning rate is set from outside, by a training loop or a replacement schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from odeopt.core.flow import Flow, Speed
from odeopt.optimizers import schedules
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.schedules import Schedule
from odeopt.optimizers.wrappers import scheduled

Rate = Callable[[], Any]  # () -> present learning rate divided by the optimizer's own


def is_paced(opt: Optimizer) -> bool:
    """Whether the learning rate acts in every step; Rprop's sets only the first step size."""
    recipe = innermost_optimizer(opt).recipe
    return recipe is None or recipe.at is not None


def paced(opt: Optimizer, rate: Rate) -> Optimizer:
    """The optimizer under a schedule with the factor rate(), which multiplies its own schedule."""

    def together(own: Schedule | None) -> Schedule:
        if own is None:
            return schedules.Rate("lr", lambda k: rate())
        return replace(own, factor=lambda k: rate() * own.factor(k))

    return rescheduled(opt, together)


def rescheduled(opt: Optimizer, make: Callable[[Schedule | None], Schedule]) -> Optimizer:
    """The optimizer under make(its own schedule); if it was built by hand, h is its learning rate."""
    if not is_paced(opt):
        return opt
    if opt.recipe is None:
        return replace(opt, flow=_paced_throughout(opt.flow, make(None).at_time(opt.h)))
    settings = opt.recipe.settings
    if opt.recipe.make is scheduled:
        return scheduled(settings["opt"], make(settings["schedule"]))
    if "opt" in settings:
        return with_inner(opt, rescheduled(settings["opt"], make))
    return scheduled(opt, make(None))


def _paced_throughout(flow: Flow, speed: Speed) -> Flow:
    parts = {name: tuple(part.paced(speed) for part in group) for name, group in flow.parts.items()}
    return flow.altered(parts=MappingProxyType(parts))


def inwards(opt: Optimizer) -> Iterator[Optimizer]:
    """The optimizer and those inside its wrappers."""
    yield opt
    if opt.recipe and "opt" in opt.recipe.settings:
        yield from inwards(opt.recipe.settings["opt"])


def innermost_optimizer(opt: Optimizer) -> Optimizer:
    """The optimizer inside all wrappers."""
    *_, inner = inwards(opt)
    return inner


def with_settings(opt: Optimizer, **changes: Any) -> Optimizer:
    """The same wrappers around another inner optimizer."""
    assert opt.recipe is not None
    if "opt" in opt.recipe.settings:
        return with_inner(opt, with_settings(opt.recipe.settings["opt"], **changes))
    return opt.recipe.make(**{**opt.recipe.settings, **changes})


def with_inner(opt: Optimizer, inner: Optimizer) -> Optimizer:
    assert opt.recipe is not None
    return opt.recipe.make(**{**opt.recipe.settings, "opt": inner})
