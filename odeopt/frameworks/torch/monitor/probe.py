"""The loss of a batch at any theta, with its gradients and Hessian-vector products, without a trace in the run.

The model is called with copies of its parameters and buffers in their places, and each call draws the same random
numbers, which are put back: parameters, gradients, running statistics and generators stay as they are, bit for bit.
Hooks of the model do run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from odeopt.frameworks.torch.backward import holding

Loss = Callable[..., Tensor]
Batch = Sequence[Any]


class Probe:
    """loss(model, *batch) as a function of theta, the vector of the parameters with these names."""

    def __init__(self, model: nn.Module, loss: Loss, names: Sequence[str]) -> None:
        self._model, self._loss = model, loss
        held = dict(model.named_parameters())
        self._like = {name: held[name] for name in names}

    def value(self, theta: Tensor, batch: Batch) -> Tensor:
        """The loss, a tensor without axes that knows how it depends on theta."""
        cut = theta.split([p.numel() for p in self._like.values()])
        named = {
            name: piece.view(p.shape).to(p.dtype) for (name, p), piece in zip(self._like.items(), cut, strict=True)
        }
        copies = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        with _same_draws(theta.device):
            found: Tensor = holding(self._model, {**named, **copies}, lambda: self._loss(self._model, *batch))
        return found

    def gradient(self, theta: Tensor, batch: Batch) -> Tensor:
        """Its gradient (d,)."""
        leaf = theta.detach().requires_grad_()
        with torch.enable_grad():
            return _derivative(self.value(leaf, batch), leaf)

    def hessian(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """The loss, the gradient (d,), and rows (k, d) -> their products with the Hessian (k, d)."""
        leaf = theta.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.value(leaf, batch)
            g = _derivative(loss, leaf, create_graph=True)

        def products(rows: Tensor) -> Tensor:
            if not g.requires_grad:  # a loss that is linear in theta
                return torch.zeros_like(rows)
            return torch.stack([_derivative(g, leaf, grad_outputs=row, retain_graph=True) for row in rows])

        return loss.detach(), g.detach(), products


def _derivative(of: Tensor, at: Tensor, **options: Any) -> Tensor:
    (found,) = torch.autograd.grad(of, at, allow_unused=True, **options)
    return torch.zeros_like(at) if found is None else found


@contextmanager
def _same_draws(device: torch.device) -> Iterator[None]:
    """Puts the generators of torch back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Inside, attention and recurrent layers use the code that has second derivatives."""
    with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
        yield
