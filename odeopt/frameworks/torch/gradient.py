"""The gradient in one step of a torch optimizer: at the parameters as they are, and by the closure elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from typing import Any

import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.util.interrupts import postponed

Members = tuple[int, ...]


class NotFinite(Exception):
    """A step that would poison the parameters."""


class Evaluations:
    """grad(block, theta), remembered at the beginning and for the last theta of each block.

    Every evaluation draws the same random numbers of torch, so that dropout has one mask in a step.

    theta:  of each block, the parameters at the beginning in one vector
    loss:   of the first evaluation, None where no closure made it
    count:  of the evaluations
    unused: the parameters that had no gradient in any evaluation
    """

    def __init__(
        self, parameters: Sequence[Any], blocks: Sequence[Members], closure: Callable[[], Any] | None, nan: str
    ) -> None:
        self._parameters, self._blocks, self._closure, self._nan = parameters, blocks, closure, nan
        self.loss: Any = None
        self.count = 0
        self.unused: set[int] = set(range(len(parameters)))
        self._begun = False
        self._beginning: list[Foreign] | None = None
        self._last: tuple[Any, Foreign] | None = None
        self._draws = Draws(parameters[0].device) if closure else None

    @cached_property
    def theta(self) -> list[Foreign]:
        return [Foreign(vector([self._parameters[j] for j in members]), TORCH) for members in self._blocks]

    def __call__(self, block: int, theta: Foreign) -> Foreign:
        if theta is self.theta[block]:
            if self._beginning is None:
                self.begin()
                self._beginning = self._vectors()
            return self._beginning[block]
        if self._last is None or self._last[0] is not theta:
            self._last = theta, self._elsewhere(theta)
        return self._last[1]

    def begin(self) -> None:
        """Has each parameter's gradient at the beginning in its .grad, evaluated once."""
        if not self._begun:
            self._evaluate()
            self._begun = True

    def _elsewhere(self, theta: Foreign) -> Foreign:
        if self._closure is None:
            raise ValueError(
                "closure must be given: this scheme needs the gradient elsewhere than at the parameters, "
                "by step(closure) with a closure that evaluates the same batch"
            )
        if len(self._blocks) > 1:
            raise ValueError("an optimizer that sees each parameter alone can read the gradient only at the parameters")
        with postponed() as gate:
            try:
                self.write([theta])
                gate.open = True  # a closure may take long
                self._evaluate()
                gate.open = False
                return self._vectors()[0]
            finally:
                gate.open = False
                with torch.no_grad():
                    self.write(self.theta)

    def _evaluate(self) -> None:
        """The gradient at the parameters as they are now."""
        if self._closure is not None and self._draws is not None:
            self._draws.again()
            with torch.enable_grad():
                loss = self._closure()
            self.loss = loss if self.loss is None else self.loss
        self.count += 1
        self.unused &= {j for j, p in enumerate(self._parameters) if p.grad is None}
        if len(self.unused) == len(self._parameters):
            raise ValueError("no parameter has a gradient: call loss.backward() before step(), or step(closure)")

    def _vectors(self) -> list[Foreign]:
        """The gradient of each block."""
        gradients = [_gradient(j, p, self._nan) for j, p in enumerate(self._parameters)]
        return [
            Foreign(vector([gradients[j] for j in members]).to(theta.dtype), TORCH)
            for members, theta in zip(self._blocks, self.theta, strict=True)
        ]

    def write(self, thetas: Sequence[Foreign]) -> None:
        """Parameters from the vectors of the blocks."""
        for members, theta in zip(self._blocks, thetas, strict=True):
            parameters = [self._parameters[j] for j in members]
            for p, piece in zip(parameters, theta.value.split([p.numel() for p in parameters]), strict=True):
                p.copy_(piece.view_as(p))

    def without_the_unused(self, block: int, new: tuple[Any, ...], y: tuple[Any, ...]) -> tuple[Any, ...]:
        """The state in which parameters without a gradient are, with their memory, as they were."""
        members = self._blocks[block]
        if self.unused.isdisjoint(members):
            return new
        if self.unused.issuperset(members):
            return y
        sizes = [self._parameters[j].numel() for j in members]
        used = [
            torch.full((n,), j not in self.unused, device=y[0].value.device)
            for n, j in zip(sizes, members, strict=True)
        ]
        mask = torch.cat(used)
        return tuple(
            Foreign(torch.where(mask, u.value, v.value), TORCH)
            if isinstance(v, Foreign) and v.shape == mask.shape
            else u
            for u, v in zip(new, y, strict=True)
        )


class Draws:
    """torch's generators, those of the CPU and of the parameters' device, as they are when it is made."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._cpu = device, torch.get_rng_state()
        self._own = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def again(self) -> None:
        """Puts them back."""
        torch.set_rng_state(self._cpu)
        if self._own is not None:
            torch.cuda.set_rng_state(self._own, self._device)


def vector(tensors: Sequence[Any]) -> Any:
    """All numbers in one vector, in the highest precision among them and at least single."""
    dtype = reduce(torch.promote_types, [t.dtype for t in tensors], torch.float32)
    return torch.cat([t.detach().reshape(-1).to(dtype) for t in tensors])


def _gradient(j: int, p: Any, nan: str) -> Any:
    if p.grad is None:
        return torch.zeros_like(p)
    if p.grad.layout != torch.strided:
        raise TypeError(f"gradients must be dense, that of parameter {j} of shape {tuple(p.shape)} is {p.grad.layout}")
    if nan != "ignore" and not torch.isfinite(p.grad).all():
        raise NotFinite(f"the gradient of parameter {j} of shape {tuple(p.shape)} is not finite")
    return p.grad
