"""Derivatives by `loss.backward()`, for modules that torch.func cannot differentiate once or twice.

Attention, EmbeddingBag, sparse embeddings and checkpointing have a gradient but no second derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from odeopt.frameworks.autodiff import Library, pieces
from odeopt.problems.differences import product_by_differences
from odeopt.problems.members import Function


def by_backward(library: Library, module: torch.nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> Library:
    """A `Library` with the gradient by `loss.backward()` in `module` and H p by differences of that gradient."""

    def grad(f: Function) -> Function:
        def gradient(theta: Any, *arguments: Any) -> Any:
            leaf = theta.detach().clone().requires_grad_()

            def run() -> None:
                with torch.enable_grad():
                    f(leaf, *arguments).backward()

            holding(module, dense(pieces(leaf, shapes)), run)  # checkpoints run the module again, in backward
            return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad

        return gradient

    def hvp(f: Function) -> Function:
        return product_by_differences(grad(f), library.array, library.tensor)

    source = f"differences of {library.name}'s gradient"
    return replace(library.looped(), grad=grad, hvp=hvp, hvp_source=source)


def holding(module: torch.nn.Module, parameters: Mapping[str, Any], run: Callable[[], Any]) -> Any:
    """The result of run(), called while the module has these parameters."""
    named = {f"module.{name}": p for name, p in parameters.items()}
    return torch.func.functional_call(_Running(module), named, (run,))


def dense(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same tensors with dense gradients: the gradient of a vector cannot be assembled from sparse pieces."""
    return {name: _Dense.apply(p) for name, p in parameters.items()}


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        return gradients[0].to_dense()


class _Running(torch.nn.Module):
    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, run: Callable[[], Any]) -> Any:
        return run()
