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
    """h sum_i w_i k_i; zero weights are skipped."""
    used = [(w, k) for w, k in zip(weights, slopes, strict=True) if w != 0]
    return tuple(h * sum(w * k[i] for w, k in used) for i in range(len(slopes[0])))


def named(memory: Sequence[str], y: State) -> dict[str, Array]:
    """The memory variables of a state, by name."""
    return dict(zip(memory, y[1:], strict=True))


def column(value: Any) -> Any:
    """Reshapes one hyperparameter per member, (...), to (..., 1), which broadcasts against theta (..., d)."""
    return value if np.ndim(value) == 0 else np.expand_dims(value, -1)


def finite(y: State) -> bool:
    """True if no entry is NaN or infinite; tested on the sum, which any such entry makes non-finite."""
    return bool(np.isfinite(sum(u.sum() for u in y)))


def finite_members(y: State) -> Any:
    """Which members have only finite entries, shape (...)."""
    if finite(y):
        return np.ones(y[0].shape[:-1], dtype=bool)
    return np.logical_and.reduce([np.isfinite(u).all(axis=-1) for u in y])


def pack(y: State) -> Array:
    """One flat vector for SciPy, ordered member by member, so that the Jacobian is nearly block diagonal."""
    return np.concatenate(y, axis=-1).ravel()


def unpack(vector: Array, like: State) -> State:
    """The inverse of `pack`, with the shapes of `like`; also for stacks of vectors (..., N)."""
    *_, n = ends = list(accumulate(u.shape[-1] for u in like))
    rows = vector.reshape(*vector.shape[:-1], *like[0].shape[:-1], n)
    return tuple(rows[..., end - u.shape[-1] : end] for end, u in zip(ends, like, strict=True))
