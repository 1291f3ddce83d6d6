"""Schedules of odeopt as torch schedulers, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler

from odeopt.frameworks.schedules import rate, recorded, table_length
from odeopt.optimizers.schedules import Schedule
from odeopt.optimizers.schedules.base import checked
from odeopt.util import check


class FlowScheduler(LRScheduler):
    """lr s(k) in each group of a torch optimizer; `schedule` makes it.

    Its state holds the step, and the settings of the schedule by which `load_state_dict` knows it again.  Functions of
    your own cannot be told apart: for them the state has what is printed, such as custom().
    """

    def __init__(self, s: Schedule, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        self.schedule = s
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group in the present step."""
        factor = float(self.schedule(self.last_epoch))
        return [base * factor for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """The state as torch's schedulers have it, with the settings of the schedule."""
        return {**super().state_dict(), "schedule": _settings(self.schedule)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """ValueError if the state belongs to another schedule, but for functions of your own."""
        if (given := state_dict.get("schedule")) != _settings(self.schedule):
            raise ValueError(f"state_dict must be one of {self.schedule!r}, got one of {check.shown(given)}")
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "schedule"})


def _settings(s: Schedule) -> Any:
    """Equal for equal schedules; functions of your own look alike."""
    return repr(s) if s.own else s.get_config()


def schedule(s: Any, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> FlowScheduler:
    """lr_k = lr s(k) for each group of a torch optimizer: a torch scheduler, whose `step` follows each step of it.

    s:          a schedule of odeopt or a function of the step count
    last_epoch: the number of the last step, as in torch; -1 starts anew

    >>> from odeopt import schedules
    >>> sgd = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
    >>> scheduler = schedule(schedules.linear(4), sgd)
    >>> sgd.step(), scheduler.step()
    (None, None)
    >>> scheduler.get_last_lr()
    [0.375]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch optimizer, got {check.shown(optimizer)}")
    made, last = checked("s", s), check.count("last_epoch", last_epoch, -1)
    try:
        return FlowScheduler(made, optimizer, last)
    except KeyError as error:  # the groups of a new optimizer do not have the rate from which they began
        raise ValueError(f"last_epoch must be -1 for an optimizer that no scheduler has seen, got {last}") from error


def _advance(scheduler: LRScheduler) -> None:
    try:
        scheduler.step()
    except TypeError as error:  # such as ReduceLROnPlateau, whose step takes a loss
        raise TypeError(f"theirs must make a scheduler of the step alone, got {check.shown(scheduler)}") from error


def from_schedule(theirs: Callable[[torch.optim.Optimizer], LRScheduler], steps: int, lr: float = 1.0) -> Schedule:
    """The factors lr_k/lr of the first `steps` steps, as a table; the last one stays.

    theirs: makes the scheduler of an optimizer, for a scheduler cannot be read without running it; a function of the
            step alone, not of losses as ReduceLROnPlateau
    lr:     the rate of the optimizer that it is made for

    >>> from torch.optim.lr_scheduler import StepLR
    >>> from_schedule(lambda optimizer: StepLR(optimizer, 2, gamma=0.5), steps=5)(range(5)).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    steps, lr = table_length(steps), rate("lr", lr)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = theirs(optimizer) if callable(theirs) else theirs
    if not isinstance(scheduler, LRScheduler) or scheduler.optimizer is not optimizer:
        raise TypeError(f"theirs must be a function that makes a scheduler of its optimizer, got {check.shown(theirs)}")
    rates = np.empty(steps)
    for k in range(steps):
        rates[k] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        _advance(scheduler)
    return recorded(rates, lr)
