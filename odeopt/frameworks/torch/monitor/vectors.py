"""All parameters of an optimizer as one vector theta (d,), and copies of what a step saw."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

NUMBERS = ("grad", "update", "theta", "inner", "update_rms")


@dataclass(frozen=True, eq=False)
class Step:
    """One step: gradient g, update u = theta_after - theta and theta before it (d,), and the groups' sizes.

    g is None where the gradients were not there before the step: with an optimizer that evaluates a closure.
    """

    g: Tensor | None
    u: Tensor
    theta: Tensor
    sizes: tuple[int, ...]

    def numbers(self) -> list[dict[str, float | None]]:
        """|g|, |u|, |theta|, g.u and the root mean square of u, of each group."""
        found = [t.split(self.sizes) for t in (self.u, self.theta, *(() if self.g is None else (self.g,)))]
        return [_numbers(*parts) for parts in zip(*found, strict=True)]


def _numbers(u: Tensor, theta: Tensor, g: Tensor | None = None) -> dict[str, float | None]:
    """Of one group, whose inner products cross from the device together."""
    pairs = [(u, u), (theta, theta)] + ([] if g is None else [(g, g), (g, u)])
    uu, tt, *rest = torch.stack([a.dot(b) for a, b in pairs]).tolist()
    gg, gu = rest or (None, None)
    return {
        "grad": None if gg is None else gg**0.5,
        "update": uu**0.5,
        "theta": tt**0.5,
        "inner": gu,
        "update_rms": (uu / u.numel()) ** 0.5 if u.numel() else None,
    }


def parameters_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The parameters in the order of the groups."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def sizes_of(optimizer: torch.optim.Optimizer) -> tuple[int, ...]:
    """The numbers of parameters in each group."""
    return tuple(sum(p.numel() for p in group["params"]) for group in optimizer.param_groups)


@torch.no_grad()
def vector(tensors: Iterable[Tensor]) -> Tensor:
    """A copy (d,) in at least single precision."""
    found = torch.cat([t.detach().reshape(-1) for t in tensors])
    return found if found.dtype in (torch.float32, torch.float64) else found.float()


def gradient(parameters: Sequence[Tensor], scale: Any = None) -> Tensor | None:
    """The gradients in one vector, divided by the scale of a fused optimizer; 0 where a parameter has none."""
    if all(p.grad is None for p in parameters):
        return None
    dense = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    g = vector(each.to_dense() if each.is_sparse else each for each in dense)
    return g if scale is None else g / scale.to(g.device)


def names_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """The names in the model of the optimizer's parameters; ValueError for one that is not the model's."""
    names = {id(p): name for name, p in model.named_parameters()}
    strangers = [tuple(p.shape) for p in parameters_of(optimizer) if id(p) not in names]
    if strangers:
        raise ValueError(f"optimizer must have parameters of model, got another of shape {strangers[0]}")
    return [names[id(p)] for p in parameters_of(optimizer)]


class Watch:
    """Copies what a step of an optimizer sees and does, by hooks before and after it.

    seen: the last step; None if it was not taken, as a GradScaler does not after an overflow
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer, self.seen, self.seconds = optimizer, None, 0.0  # type: Any, Step | None, float
        self._before: tuple[Tensor | None, Tensor] | None = None
        self._on = False
        self._hooks = [
            optimizer.register_step_pre_hook(self._enter),
            optimizer.register_step_post_hook(self._leave),
        ]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, the optimizer's step is seen."""
        self.seen, self._before, self.seconds, self._on = None, None, 0.0, True
        try:
            yield
        finally:
            self._on = False

    def close(self) -> None:
        """Takes the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, optimizer: Any, *_: Any) -> None:
        if self._on:
            begun = time.perf_counter()
            parameters = parameters_of(optimizer)
            self._before = gradient(parameters, vars(optimizer).get("grad_scale")), vector(parameters)
            self.seconds += time.perf_counter() - begun

    def _leave(self, optimizer: Any, *_: Any) -> None:
        overflow = vars(optimizer).get("found_inf")  # a fused step that a GradScaler makes void
        if self._on and self._before is not None and not (overflow is not None and float(overflow)):
            begun = time.perf_counter()
            g, theta = self._before
            self.seen = Step(g, vector(parameters_of(optimizer)) - theta, theta, sizes_of(optimizer))
            self.seconds += time.perf_counter() - begun
        self._before = None
