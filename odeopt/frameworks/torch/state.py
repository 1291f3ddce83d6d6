"""The memory of an optimizer as torch.load(weights_only=True) reads it: tensors, and clocks as lists of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH


def kept(u: Any) -> Any:
    """From a state, or a tuple of states."""
    if isinstance(u, tuple):
        return tuple(kept(part) for part in u)
    if isinstance(u, Foreign):
        return u.value
    return u.tolist() if isinstance(u, np.ndarray) else u


def restored(u: Any, like: Foreign) -> Any:
    """The inverse, on the device of `like`."""
    if isinstance(u, tuple):
        return tuple(restored(part, like) for part in u)
    if torch.is_tensor(u):
        return Foreign(u.to(like.value.device), TORCH)
    return np.array(u) if isinstance(u, list) else u


def copied(u: Any) -> Any:
    """With tensors of its own."""
    if isinstance(u, tuple):
        return tuple(copied(part) for part in u)
    return u.clone() if torch.is_tensor(u) else u
