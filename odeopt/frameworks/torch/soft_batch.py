"""Several micro-batches, then one update: a "soft batch" around any torch optimizer."""

from __future__ import annotations

from typing import Any

import torch

from odeopt.arrays.torch import at_least_single
from odeopt.util import check
from odeopt.util.weighted_mean import WeightedMean


class SoftBatch:
    """The micro-batches since the last update of `optimizer`; `soft_batch` makes it."""

    def __init__(self, optimizer: torch.optim.Optimizer, micro: int) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        self.optimizer, self.micro = optimizer, check.count("micro", micro, 1)
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._begin()

    def _begin(self) -> None:
        self._waiting, self._used = 0, [False for _ in self._parameters]
        self._soft = WeightedMean.empty(at_least_single(torch.zeros_like(p.detach())) for p in self._parameters)

    @property
    def waiting(self) -> int:
        """How many micro-batches have been seen since the last update."""
        return self._waiting

    @torch.no_grad()
    def step(self, weight: float) -> bool:
        """Takes the gradients of a micro-batch of `weight` samples; the micro-th makes the update.  Did it?"""
        weight = check.scalar("weight", check.positive("weight", weight))
        gradients = [_gradient(j, p) for j, p in enumerate(self._parameters)]
        self._used = [used or p.grad is not None for used, p in zip(self._used, self._parameters, strict=True)]
        self._soft, self._waiting = self._soft.including(gradients, weight), self._waiting + 1
        self.optimizer.zero_grad()
        return self._waiting == self.micro and self.flush()

    @torch.no_grad()
    def flush(self) -> bool:
        """The update from the micro-batches that wait, at the end of the data.  Were there any?"""
        if not self._waiting:
            return False
        for p, mean, used in zip(self._parameters, self._soft.mean, self._used, strict=True):
            p.grad = mean.to(p.dtype) if used else None
        self._begin()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return True

    def state_dict(self) -> dict[str, Any]:
        """The micro-batches that wait, and the optimizer's own state, as torch.load(weights_only=True) reads them."""
        soft = {"total": list(self._soft.total), "weight": self._soft.weight, "used": self._used}
        return {"waiting": self._waiting, **soft, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse, for the same parameters."""
        total = state_dict["total"]
        shapes = [tuple(t.shape) for t in total]
        if shapes != (known := [tuple(p.shape) for p in self._parameters]):
            raise ValueError(f"state must be of parameters of shapes {known}, got {shapes}")
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._waiting, self._used = state_dict["waiting"], list(state_dict["used"])
        here = (t.to(p.device) for t, p in zip(total, self._parameters, strict=True))
        self._soft = WeightedMean(tuple(here), state_dict["weight"])


def _gradient(j: int, p: Any) -> Any:
    """0 where a micro-batch does not reach a parameter, as in torch."""
    if p.grad is None:
        return torch.zeros_like(p)
    if p.grad.layout != torch.strided:
        raise TypeError(f"gradients must be dense, that of parameter {j} of shape {tuple(p.shape)} is {p.grad.layout}")
    return at_least_single(p.grad)


def soft_batch(optimizer: torch.optim.Optimizer, micro: int) -> SoftBatch:
    """One update from `micro` micro-batches, exactly that of the big batch:  g = sum_k w_k g_k / sum_k w_k.

    Works around every torch optimizer, `to_torch`'s or torch's own, which then sees updates only: its momentum, decay,
    clipping and schedules count those.  The loss must be the mean over the samples of a micro-batch, and the weight
    their number, for micro-batches of different sizes.  Loop:

        loss_of(x, y).backward()
        if soft.step(len(x)):
            scheduler.step()
    and at the end soft.flush(), for what is left of the last window; `soft.waiting` says how much that is.

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
