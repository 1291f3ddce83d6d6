"""Several micro-batches, then one update: a "soft batch" around any torch optimizer."""

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
        """Those that the optimizer has now."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    @property
    def waiting(self) -> int:
        """How many micro-batches have been seen since the last update."""
        return self._waiting

    def step(self, weight: Any) -> bool:
        """Takes the gradients of a micro-batch of this weight; the micro-th makes the update.  Did it?"""
        return self.take(weight) and self._update()

    def flush(self) -> bool:
        """The update from the micro-batches that wait, at the end of the data.  Were there any?"""
        return self.finish() and self._update()

    @torch.no_grad()
    def take(self, weight: Any) -> bool:
        """`step` without the update: whether the gradients are now those of the whole window, for you to use."""
        weight = check.scalar("weight", check.nonnegative("weight", weight))
        for j, p in enumerate(self._parameters):
            if weight and p.grad is not None:  # the gradient of a mean over nothing may be NaN
                self._total[p] = self._total.get(p, 0) + weight * _gradient(j, p)
        self._weight, self._waiting = self._weight + weight, self._waiting + 1
        self.optimizer.zero_grad()
        return self._waiting == self.micro and self.finish()

    @torch.no_grad()
    def finish(self) -> bool:
        """`flush` without the update: False where no micro-batch waits, or nothing in them counts."""
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
        """The micro-batches that wait, and the optimizer's own state, as torch.load(weights_only=True) reads them."""
        total = [self._total.get(p) for p in self._parameters]
        waiting = {"waiting": self._waiting, "weight": self._weight, "total": total, "shapes": self._shapes()}
        return {**waiting, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse, for the same parameters."""
        if state_dict["shapes"] != (known := self._shapes()):
            raise ValueError(f"state must be of parameters of shapes {known}, got {state_dict['shapes']}")
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._waiting, self._weight = state_dict["waiting"], state_dict["weight"]
        pairs = zip(self._parameters, state_dict["total"], strict=True)
        self._total = {p: t.to(p.device, copy=True) for p, t in pairs if t is not None}

    def _shapes(self) -> list[tuple[int, ...]]:
        return [tuple(p.shape) for p in self._parameters]


def _gradient(j: int, p: Any) -> Any:
    """At least in single precision."""
    if p.grad.layout != torch.strided:
        raise TypeError(f"gradients must be dense, that of parameter {j} of shape {tuple(p.shape)} is {p.grad.layout}")
    return at_least_single(p.grad)


def soft_batch(optimizer: torch.optim.Optimizer, micro: int) -> SoftBatch:
    """One update from `micro` micro-batches, exactly that of the big batch:  g = sum_k w_k g_k / sum_k w_k.

    Works around every torch optimizer, `to_torch`'s or torch's own, which then sees updates only: its momentum, decay,
    clipping and schedules count those.  Loop:

        loss_of(x, y).backward()
        if soft.step(len(x)):
            scheduler.step()
    and at the end soft.flush(), for what is left of the last window; `soft.waiting` says how much that is.

    The weight is the number of what the loss is the mean of, a number or a tensor.  That is len(x) for a mean over
    samples; for a mean over tokens it is how many of them count, (y != -100).sum() with the ignore_index of
    cross_entropy, and with its class weights w[y].sum().  A micro-batch of weight 0 adds nothing to its window.  A loss
    that is no mean, or compares samples with each other, has no such weight.

    For a GradScaler, or to clip, `take` and `finish` do all but the update, where `step` and `flush` make it:

        scaler.scale(loss_of(x, y)).backward()
        if soft.take(len(x)):
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

    A gradient that is not finite is the optimizer's matter, at the update; its window is then lost.  A scheme that
    needs several gradients (Heun, RKC) takes them from optimizer.step(closure) instead, where the closure adds up
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
