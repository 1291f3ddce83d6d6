"""Tests whether a user's function is correct on stacks (..., d), and otherwise applies it vector by vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.problems.differences import typical
from odeopt.util.check import Array

Function = Callable[..., Any]  # f(theta) or f(theta, p)

GOLDEN = (np.sqrt(5) - 1) / 2
ROUNDING = 1e-12  # a stack and single calls may differ in the order of summation only


@dataclass(frozen=True, eq=False)
class Looped:
    """f(theta)[i] = f(theta[i]) for every member i; `rank` is 0 for one number per member, 1 for a vector."""

    f: Function
    rank: int

    def __call__(self, *arguments: Any) -> Any:
        if len(arguments) == 1 and arguments[0].ndim == 1:
            return np.array(self.f(arguments[0].copy()))[()]
        arguments = tuple(np.broadcast_arrays(*arguments))
        *members, d = arguments[0].shape
        # copies: a function may need an argument that it can write to, or return the same buffer every time
        rows = [np.array(self.f(*(a[i].copy() for a in arguments))) for i in np.ndindex(*members)]
        return np.reshape(rows, (*members, *(d,) * self.rank))[()]


def of_one(f: Any) -> Any:
    """The function of one vector that the user gave: f itself, or the function that `Looped` calls."""
    return f.f if isinstance(f, Looped) else f


def probe_points(theta0: Array) -> Array:
    """(3, d): theta0 and points near it, so irregular that a function that confuses axes cannot agree by chance.

    (4, 3) for d = 3: [2 * x[0], 2 * x[1], 2 * x[2]] is correct on a stack of exactly d vectors, and on no other.
    """
    number = 4 if theta0.size == 3 else 3
    spread = GOLDEN * np.arange(1, (number - 1) * theta0.size + 1) % 1  # Weyl's sequence: all entries differ
    nearby = 0.2 + 0.8 * spread.reshape(number - 1, theta0.size)
    outward = np.where(theta0 < 0, -1, 1)  # positive stays positive: the loss may take logarithms
    return np.concatenate([theta0[None], theta0 + 0.01 * (typical(theta0) + np.abs(theta0)) * outward * nearby])


def batches(f: Function, *points: Array) -> bool:
    """Whether f on stacks of shape (n, d) and (n, 1, d) agrees with n single calls, to rounding."""
    try:
        single = np.stack([np.asarray(f(*(p.copy() for p in row))) for row in zip(*points, strict=True)])
        flat = np.asarray(f(*(p.copy() for p in points)))
        nested = np.asarray(f(*(p[:, None].copy() for p in points)))
        if flat.shape != single.shape or nested.shape != single[:, None].shape:
            return False
        error = np.abs([flat - single, nested[:, 0] - single])
    except Exception:  # whatever the user's function raises on a stack: it is a function of one vector
        return False
    return bool(np.all(error <= ROUNDING * np.max(np.abs(single))))  # NaN compares false


def single_value(name: str, f: Function, rank: int, *vectors: Array) -> None:
    """Raises an error unless f returns one real number (rank 0) or d of them (rank 1) for each vector."""
    copies = tuple(v.copy() for v in vectors)
    value = np.asarray(f(*copies))
    expected = vectors[0].shape if rank else vectors[0].shape[:-1]
    wanted = f"shape {expected}" if expected else "one real number"
    if value.dtype.kind not in "iuf":
        raise TypeError(f"{name} must return {wanted} for theta of shape {vectors[0].shape}, got {value!r}")
    if value.shape != expected:
        raise ValueError(f"{name} must return {wanted} for theta of shape {vectors[0].shape}, got shape {value.shape}")
    if not all(np.array_equal(c, v) for c, v in zip(copies, vectors, strict=True)):
        raise ValueError(f"{name} must not change its argument, got {copies[0]!r} back from {vectors[0]!r}")


def over_members(name: str, f: Function, rank: int, batched: bool | None, *points: Array) -> Function:
    """f itself if it is correct on stacks, else f looped over members."""
    single_value(name, f, rank, *(p[0] for p in points))
    if batched is None:
        batched = batches(f, *points)
    return f if batched else Looped(f, rank)
