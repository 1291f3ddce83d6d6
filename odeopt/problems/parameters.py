"""Converts theta, one vector, to the named arrays of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util.check import Array


@dataclass(frozen=True, eq=False)
class Parameters:
    """theta = the entries of named arrays, one array after the other.  `put` writes named arrays into the network.

    >>> two = Parameters({"W": (2, 2), "b": ()}, put=dict)
    >>> {name: array.tolist() for name, array in two.named(np.arange(5.0)).items()}
    {'W': [[0.0, 1.0], [2.0, 3.0]], 'b': 4.0}
    """

    shapes: Mapping[str, tuple[int, ...]]
    put: Callable[[dict[str, Array]], Any]

    def named(self, theta: Array) -> dict[str, Array]:
        """theta (..., d) -> name: (..., *shape), new arrays."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])[:-1]
        return {
            name: piece.reshape((*theta.shape[:-1], *shape)).copy()
            for (name, shape), piece in zip(self.shapes.items(), np.split(theta, ends, axis=-1), strict=True)
        }
