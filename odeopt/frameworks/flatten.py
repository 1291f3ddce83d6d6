"""Converts arrays of any shape to the vectors of a state and back, for the adapters of the libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from odeopt.core.state import State
from odeopt.optimizers.one_step import OneStep, from_step
from odeopt.util.check import Array

Update = Callable[[list[Array], list[Array]], tuple[Sequence[Any], Sequence[Any]]]
FAR = 1000.5  # a step count that is not an integer and is far from 0


def joined(arrays: Sequence[Any]) -> Array:
    """All entries of the arrays in one new vector.

    >>> joined([[[1, 2], [3, 4]], 5]).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    return np.concatenate([np.array(a, dtype=np.float64).reshape(-1) for a in arrays])


def split(vector: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The inverse of `joined`, for arrays of these shapes.

    >>> [a.tolist() for a in split(np.arange(5.0), [(2, 2), ()])]
    [[[0.0, 1.0], [2.0, 3.0]], 4.0]
    """
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [piece.reshape(shape) for piece, shape in zip(np.split(vector, ends), shapes, strict=True)]


def pure_step(
    update: Update, theta0: Sequence[Any], memory: Mapping[str, Any], counts: Sequence[str], h: float, name: str
) -> OneStep:
    """The one-step map of a pure update(theta, memory) -> (theta, memory).

    `counts` names the entries of the memory that count steps.
    """
    shapes, held_shapes = [np.shape(p) for p in theta0], [np.shape(v) for v in memory.values()]

    def step(y: State) -> State:
        held = [v.reshape(shape) for v, shape in zip(y[1:], held_shapes, strict=True)]
        theta, after = update(split(y[0], shapes), held)
        return joined(theta), *[joined([v]) for v in after]

    start = {key: joined([value]) for key, value in memory.items()}
    _check_counts(step, (joined(theta0), *start.values()), [list(start).index(key) + 1 for key in counts], counts, name)
    return from_step(step, start, h=h, name=name)


def _check_counts(step: Callable[[State], State], y: State, where: list[int], counts: Sequence[str], name: str) -> None:
    """Raises ValueError unless each step count accepts any real number and grows by 1.

    A modified flow evaluates the step at times between two steps.
    """
    between = tuple(np.full_like(u, FAR) if i in where else u for i, u in enumerate(y))
    try:
        after = step(between)
    except TypeError as error:
        raise ValueError(f"{name} must take a real step count, e.g. {FAR}, for its modified flow: {error}") from error
    for i, key in zip(where, counts, strict=True):
        if not np.all(after[i] == FAR + 1):
            raise ValueError(f"{name}: {key} must grow by 1 per step from any real count, got {FAR} -> {after[i]}")
