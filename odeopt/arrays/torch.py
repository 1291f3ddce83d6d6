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
    "spacing": lambda x: torch.nextafter(x, torch.full_like(x, torch.inf)) - x,
    "interp": lambda x, at, values: _interp(x, *(torch.as_tensor(u, dtype=x.dtype).reshape(-1) for u in (at, values))),
    "repeat": lambda x, counts, axis: torch.repeat_interleave(x, torch.tensor(counts, device=x.device), dim=axis),
}


def _both(a: Any, b: Any) -> tuple[Any, Any]:
    """Two tensors of one dtype on one device, from tensors or numbers."""
    like = a if torch.is_tensor(a) else b
    first, second = (torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in (a, b))
    return first, second


def _interp(x: Any, at: Any, values: Any) -> Any:
    """Straight lines between the values at these places, and the first and last value outside."""
    if len(at) == 1:
        return values + 0 * x
    left = (torch.searchsorted(at, x.contiguous(), right=True) - 1).clamp(0, len(at) - 2)
    share = ((x - at[left]) / (at[left + 1] - at[left])).clamp(0, 1)
    return values[left] + share * (values[left + 1] - values[left])


TORCH = Library("torch", FUNCTIONS, lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device))


def at_least_single(tensor: Any) -> Any:
    """The tensor in single precision, or in its own if that is higher."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
