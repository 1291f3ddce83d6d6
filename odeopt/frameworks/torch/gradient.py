"""The gradients of one step of a torch optimizer: at the present parameters, and by the closure at other points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.core.oracle import Brought
from odeopt.frameworks.torch.state import vector
from odeopt.util.interrupts import postponed

Places = tuple[int, ...]


class NotFinite(Exception):
    """The gradient or the new state of a step is not finite."""


class Evaluations:
    """grad(sees, theta): the gradient of the parameters with indices `sees`, in one vector.

    Each `sees` has an oracle, whose home is the beginning of the step.  Every evaluation draws the same random numbers
    from torch, so dropout keeps one mask during a step.

    loss:   the loss of the first evaluation, None without a closure
    count:  the number of evaluations
    unused: the indices of parameters that had no gradient in any evaluation
    """

    def __init__(self, parameters: Sequence[Any], closure: Callable[[], Any] | None, nan: str) -> None:
        self._parameters, self._closure, self._nan = parameters, closure, nan
        self.loss: Any = None
        self.count = 0
        self.unused: set[int] = set(range(len(parameters)))
        self.has_closure = closure is not None
        self._begun = False
        self._thetas: dict[Places, Foreign] = {}
        self._oracles: dict[Places, Brought] = {}
        self._refused = ""
        self._draws = Draws(parameters[0].device) if closure else None

    def theta(self, sees: Places) -> Foreign:
        """The parameters at the beginning of the step, in one vector."""
        if sees not in self._thetas:
            self._thetas[sees] = Foreign(vector([self._parameters[j] for j in sees]), TORCH)
        return self._thetas[sees]

    def may_move(self, j: int) -> bool:
        """Whether a parameter has a gradient, or may get one from the closure."""
        p = self._parameters[j]
        return p.grad is not None or (self.has_closure and p.requires_grad)

    def refuse_elsewhere(self, reason: str) -> None:
        """Makes every evaluation at another point raise ValueError with this reason."""
        self._refused = reason

    def __call__(self, sees: Places, theta: Foreign) -> Foreign:
        oracle = self._oracles.setdefault(sees, Brought(partial(self._elsewhere, sees)))
        if theta is self.theta(sees) and not oracle.knows(theta):
            self.begin()
            oracle.bring(theta, self._vector(sees))
        return oracle(theta)

    def begin(self) -> None:
        """Evaluates each parameter's gradient at the beginning of the step into its .grad, once."""
        if not self._begun:
            self._evaluate()
            self._begun = True

    def _elsewhere(self, sees: Places, theta: Foreign) -> Foreign:
        if self._closure is None:
            raise ValueError(
                "closure must be given: this scheme needs the gradient elsewhere than at the parameters, "
                "by step(closure) with a closure that evaluates the same batch"
            )
        if self._refused:
            raise ValueError(self._refused)
        with postponed() as gate:
            try:
                self._write(sees, theta)
                gate.open = True  # a closure may take long
                self._evaluate()
                gate.open = False
                return self._vector(sees)
            finally:
                gate.open = False
                with torch.no_grad():
                    self._write(sees, self.theta(sees))

    def _evaluate(self) -> None:
        """Evaluates the gradient at the present parameters."""
        if self._closure is not None and self._draws is not None:
            self._draws.again()
            with torch.enable_grad():
                loss = self._closure()
            self.loss = loss if self.loss is None else self.loss
        self.count += 1
        self.unused &= {j for j, p in enumerate(self._parameters) if p.grad is None}
        if len(self.unused) == len(self._parameters):
            raise ValueError("no parameter has a gradient: call loss.backward() before step(), or step(closure)")

    def _vector(self, sees: Places) -> Foreign:
        """The gradient of these parameters, in the precision of their vector."""
        gradients = [_gradient(j, self._parameters[j]) for j in sees]
        joined = vector(gradients)
        if self._nan != "ignore" and not torch.isfinite(joined).all():
            j, g = next((j, g) for j, g in zip(sees, gradients, strict=True) if not torch.isfinite(g).all())
            raise NotFinite(f"the gradient of parameter {j} of shape {tuple(g.shape)} is not finite")
        return Foreign(joined.to(self.theta(sees).dtype), TORCH)

    def _write(self, sees: Places, theta: Foreign) -> None:
        parameters = [self._parameters[j] for j in sees]
        for p, piece in zip(parameters, theta.value.split([p.numel() for p in parameters]), strict=True):
            p.copy_(piece.view_as(p))


class Draws:
    """The states of torch's generators, on the CPU and on the parameters' device, when this object is made."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._cpu = device, torch.get_rng_state()
        self._own = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def again(self) -> None:
        """Restores the generators to these states."""
        torch.set_rng_state(self._cpu)
        if self._own is not None:
            torch.cuda.set_rng_state(self._own, self._device)


def _gradient(j: int, p: Any) -> Any:
    if p.grad is None:
        return torch.zeros_like(p)
    if p.grad.layout != torch.strided:
        raise TypeError(f"gradients must be dense, that of parameter {j} of shape {tuple(p.shape)} is {p.grad.layout}")
    return p.grad
