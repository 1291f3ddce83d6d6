"""NumPy's functions in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from odeopt.arrays.protocol import CALLED, Library

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(torch, name) for name in CALLED},
    **{name: getattr(torch, name) for name in ("sum", "mean", "any", "all", "broadcast_to", "zeros_like", "isfinite")},
    "svd": torch.linalg.svd,
    "eigh": torch.linalg.eigh,
    "rint": torch.round,
    "clip": torch.clamp,
    "concatenate": torch.cat,
    "maximum": lambda a, b: torch.maximum(*_both(a, b)),
    "minimum": lambda a, b: torch.minimum(*_both(a, b)),
    "where": lambda x, a, b: torch.where(torch.as_tensor(x), a, b),
    "repeat": lambda x, counts, axis: torch.repeat_interleave(x, torch.tensor(counts, device=x.device), dim=axis),
}


def _both(a: Any, b: Any) -> tuple[Any, Any]:
    """Two tensors of one dtype on one device, from tensors or numbers."""
    like = a if torch.is_tensor(a) else b
    first, second = (torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in (a, b))
    return first, second


TORCH = Library("torch", FUNCTIONS, lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device))


def at_least_single(tensor: Any) -> Any:
    """The tensor in single precision, or in its own if that is higher."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
