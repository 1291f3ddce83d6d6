"""A "soft batch" around any torch optimizer: several micro-batches, then one update."""

from __future__ import annotations

from typing import Any

import torch

from odeopt.arrays.torch import at_least_single
from odeopt.util import check


class SoftBatch:
    """The micro-batches since the last update of `optimizer`; `soft_batch` makes it."""

    def __init__(self, optimizer: torch.optim.Optimizer, micro: int) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        self.optimizer, self.micro = optimizer, check.count("micro", micro, 1)
        self._begin()

    def _begin(self) -> None:
        self._waiting, self._weight = 0, 0.0
        self._total: dict[Any, Any] = {}  # sum_k w_k g_k of each parameter that a micro-batch has reached

    @property
    def _parameters(self) -> list[Any]:
        """The parameters that the optimizer has at present."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    @property
    def waiting(self) -> int:
        """The number of micro-batches since the last update."""
        return self._waiting

    def step(self, weight: Any) -> bool:
        """Adds the gradients of a micro-batch of this weight; every micro-th call updates.  Returns whether it did."""
        return self.take(weight) and self._update()

    def flush(self) -> bool:
        """Updates from the waiting micro-batches, at the end of the data.  Returns whether there were any."""
        return self.finish() and self._update()

    @torch.no_grad()
    def take(self, weight: Any) -> bool:
        """`step` without the update.  Returns whether the .grad fields now hold the gradient of the whole window."""
        weight = check.scalar("weight", check.nonnegative("weight", weight))
        for j, p in enumerate(self._parameters):
            if weight and p.grad is not None:  # the gradient of a mean over nothing may be NaN
                self._total[p] = self._total.get(p, 0) + weight * _gradient(j, p)
        self._weight, self._waiting = self._weight + weight, self._waiting + 1
        self.optimizer.zero_grad()
        return self._waiting == self.micro and self.finish()

    @torch.no_grad()
    def finish(self) -> bool:
        """`flush` without the update.  Returns False if no micro-batch waits or their total weight is 0."""
        total, weight = self._total, self._weight
        self._begin()
        if not weight:
            return False
        for p in self._parameters:
            p.grad = (total[p] / weight).to(p.dtype) if p in total else None
        return True

    def _update(self) -> bool:
        self.optimizer.step()
        self.optimizer.zero_grad()
        return True

    def state_dict(self) -> dict[str, Any]:
        """The waiting micro-batches and the optimizer's own state, readable by torch.load(weights_only=True)."""
        total = [self._total.get(p) for p in self._parameters]
        waiting = {"waiting": self._waiting, "weight": self._weight, "total": total, "shapes": self._shapes()}
        return {**waiting, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the result of `state_dict` for the same parameters."""
        if state_dict["shapes"] != (known := self._shapes()):
            raise ValueError(f"state must be of parameters of shapes {known}, got {state_dict['shapes']}")
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._waiting, self._weight = state_dict["waiting"], state_dict["weight"]
        pairs = zip(self._parameters, state_dict["total"], strict=True)
        self._total = {p: t.to(p.device, copy=True) for p, t in pairs if t is not None}

    def _shapes(self) -> list[tuple[int, ...]]:
        return [tuple(p.shape) for p in self._parameters]


def _gradient(j: int, p: Any) -> Any:
    """The gradient of parameter j, at least in single precision."""
    if p.grad.layout != torch.strided:
        raise TypeError(f"gradients must be dense, that of parameter {j} of shape {tuple(p.shape)} is {p.grad.layout}")
    return at_least_single(p.grad)


def soft_batch(optimizer: torch.optim.Optimizer, micro: int) -> SoftBatch:
    """One update from `micro` micro-batches, exactly that of the large batch:  g = sum_k w_k g_k / sum_k w_k.

    It wraps any torch optimizer, from `to_torch` or torch's own, which then sees whole updates only: its momentum,
    decay, clipping and schedules count updates.  The loop is

        loss_of(x, y).backward()
        if soft.step(len(x)):
            scheduler.step()
    and at the end soft.flush() for the rest of the last window; `soft.waiting` is its number of micro-batches.

    The weight, a number or a tensor, is the number of items over which the loss is a mean.  That is len(x) for a mean
    over samples.  For a mean over tokens it is the number of tokens that count: (y != -100).sum() with the ignore_index
    of cross_entropy, or w[y].sum() with its class weights.  A micro-batch of weight 0 adds nothing to its window.  A
    loss that is not a mean, or that compares samples with each other, has no such weight.

    With a GradScaler, or to clip, use `take` and `finish` in place of `step` and `flush`; they do all but the update:

        scaler.scale(loss_of(x, y)).backward()
        if soft.take(len(x)):
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

    A gradient that is not finite is passed on to the optimizer at the update; its window is then lost.  For a scheme
    that needs several gradients (Heun, RKC) use optimizer.step(closure) instead, with a closure that sums
    (loss_of(x, y) * len(x) / samples).backward() over the micro-batches.

    >>> from odeopt import optimizers
    >>> from odeopt.frameworks.torch import to_torch
    >>> theta = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    >>> soft = soft_batch(to_torch(optimizers.momentum(lr=0.5), [theta]), micro=2)
    >>> for x in torch.tensor([1.0, 2.0, 6.0]), torch.tensor([3.0]):
    ...     ((theta - x) ** 2).mean().div(2).backward()  # the minimum is the mean of all x, 3
    ...     print(soft.step(len(x)), theta.item())
    False 1.0
    True 2.0
    """
    return SoftBatch(optimizer, micro)
