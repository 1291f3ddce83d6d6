"""W(t): a Brownian path that runs with different step lengths can share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from odeopt.noise._streams import normals
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_memory
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class BrownianPath(Saved):
    """W at the times k T/n: xi (n, *members, width) holds its increments over sqrt(T/n), standard normals.

    `coarsened(k)` is the same path at every k-th of these times, `refined(rng)` at twice as many times.  As the noise
    of `simulate`, its rows are used in order: one row per step for Euler-Maruyama or BAOAB, two for a scheme that also
    needs W at the middle of its step (OBABO, stochastic Heun, Platen).

    >>> path = brownian_path(8, 1, rng=0)
    >>> path.steps, path.coarsened(4).steps
    (8, 2)
    >>> bool(np.allclose(path.coarsened(4).values(T=2.0)[-1], path.values(T=2.0)[-1]))
    True
    """

    xi: Array = field(repr=False)

    def __post_init__(self) -> None:
        xi = check.point("xi", self.xi)
        if xi.ndim < 2:
            raise ValueError(f"xi must have shape (steps, ..., width), got {xi.shape}")
        xi.flags.writeable = False
        object.__setattr__(self, "xi", xi)

    @property
    def steps(self) -> int:
        """n, the number of increments."""
        return len(self.xi)

    def coarsened(self, k: int) -> BrownianPath:
        """The same path in steps k times as long; each increment is the sum of k over sqrt(k)."""
        if self.steps % check.count("k", k, 1):
            raise ValueError(f"k must divide the {self.steps} steps of the path, got {k}")
        return BrownianPath(self.xi.reshape(-1, k, *self.xi.shape[1:]).sum(axis=1) / np.sqrt(k))

    def refined(self, rng: Seed = None) -> BrownianPath:
        """The same path in steps half as long, dW/2 +- eta sqrt(h)/2 with eta normal.             [Levy's bridge]"""
        eta = check.generator("rng", rng).standard_normal(self.xi.shape)
        halves = np.stack([self.xi + eta, self.xi - eta], axis=1) / np.sqrt(2)
        return BrownianPath(halves.reshape(-1, *self.xi.shape[1:]))

    def values(self, T: float) -> Array:
        """W at the times k T/n, (n + 1, *members, width), with W = 0 at t = 0."""
        dW = np.sqrt(check.scalar("T", check.positive("T", T)) / self.steps) * self.xi
        return np.concatenate([np.zeros_like(dW[:1]), np.cumsum(dW, axis=0)])


def brownian_path(steps: int, width: int, members: tuple[int, ...] = (), *, rng: Seed = None) -> BrownianPath:
    """A Brownian path of `steps` increments of this width, each member from its own stream.

    The increments are those that `simulate(..., rng=rng)` would draw for these members.

    >>> path = brownian_path(steps=4, width=2, rng=0)
    >>> path.xi.shape, path.coarsened(2).xi.shape
    ((4, 2), (2, 2))
    """
    shape = check.members("members", members)
    numbers = check.count("steps", steps, 1) * check.count("width", width, 1) * math.prod(shape)
    for name, value in (("width", width), ("steps", steps)):
        within_memory(name, value, NUMBER * value if name == "width" else 3 * NUMBER * numbers)
    stream = normals(check.generator("rng", rng), shape, width)
    return BrownianPath(np.stack(list(islice(stream, steps))))
