"""A state is a tuple of arrays, theta first, one per variable of a flow; it is never changed in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from odeopt.util.check import Array

State = tuple[Array, ...]
Grad = Callable[[Array], Array]
Rhs = Callable[[Any, State], State]


def plus(y: State, increment: State) -> State:
    """y + increment, variable by variable."""
    return tuple(u + du for u, du in zip(y, increment, strict=True))


def weighted(h: Any, weights: Sequence[float], slopes: Sequence[State]) -> State:
    """h sum_i w_i k_i, skipping the zero weights of a tableau."""
    used = [(w, k) for w, k in zip(weights, slopes, strict=True) if w != 0]
    return tuple(h * sum(w * k[i] for w, k in used) for i in range(len(slopes[0])))


def named(memory: Sequence[str], y: State) -> dict[str, Array]:
    """The memory of a state by name."""
    return dict(zip(memory, y[1:], strict=True))


def column(value: Any) -> Any:
    """A hyperparameter per member, shape (...), as (..., 1): it then broadcasts against theta (..., d)."""
    return value if np.ndim(value) == 0 else np.expand_dims(value, -1)


def finite(y: State) -> bool:
    """True if no entry is NaN or infinite (by the sum, which either poisons)."""
    return bool(np.isfinite(sum(u.sum() for u in y)))


def finite_members(y: State) -> Any:
    """Shape (...): which members have only finite entries."""
    if finite(y):
        return np.ones(y[0].shape[:-1], dtype=bool)
    return np.logical_and.reduce([np.isfinite(u).all(axis=-1) for u in y])


def pack(y: State) -> Array:
    """One flat vector for SciPy, member after member: what couples coordinates is then near the diagonal."""
    return np.concatenate(y, axis=-1).ravel()


def unpack(vector: Array, like: State) -> State:
    """The inverse of `pack`, with the shapes of `like`; of many vectors (..., N) too."""
    *_, n = ends = list(accumulate(u.shape[-1] for u in like))
    rows = vector.reshape(*vector.shape[:-1], *like[0].shape[:-1], n)
    return tuple(rows[..., end - u.shape[-1] : end] for end, u in zip(ends, like, strict=True))
