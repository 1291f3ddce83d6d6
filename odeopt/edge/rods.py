"""y' = F - DF F/2,  Sigma' = (F F^T + sum_i a_i a_i^T)/2 - 2 Sigma: consecutive iterates as the two ends of rods.

One rod is exact: iterates y_n = y - delta and y_{n+1} = y + delta have the middle y and the half difference delta.
With d = Phi - I the middle moves by F = (d(y + delta) + d(y - delta))/2 in a step, and delta delta^T becomes
d(y + delta) d(y + delta)^T/4, from d(y - delta) d(y - delta)^T/4.  The mean of the two, as if either end came first,
gives the flow of Sigma, where a = (d(y + delta) - d(y - delta))/2.      [Regis and Chewi 2026, for gradient descent]

Several rods, the rows delta_i of D with Sigma = D^T D, act together: F = d(y) + sum_i [(d(y + delta_i) +
d(y - delta_i))/2 - d(y)].  The term -DF F/2, F being differentiated by y, is the next order of backward error
analysis: y moves by F in one step, not at the rate F.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array

Increments = Callable[[float, Array], Array]  # the time, in steps, and states (m, n) -> Phi(y) - y of each

SHORT = 1e-4  # of F: the difference by which F is differentiated; its error is this part of the orders left out
NOISE = 1e-12  # of the longest rod: shorter ones are left out


@dataclass(frozen=True, eq=False)
class Rods:
    """The middle y (n,) and the rods D (k, n): iterates at y + delta_i and y - delta_i."""

    y: Array
    D: Array

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        return bool(np.isfinite(self.y).all() and np.isfinite(self.D).all())


@dataclass(frozen=True, eq=False)
class RodMotion:
    """The flow of rods in the time of one step.

    order:  1 leaves out the term -DF F/2
    rank:   the most rods that are kept, the longest ones
    blocks: the variables of a state that swing from iterate to iterate, as slices.  Rods are 0 in the others, and are
            compared by their shares of each variable's Sigma, so that units do not matter
    """

    increments: Increments
    order: int
    rank: int
    blocks: Sequence[slice]

    def after(self, t: float, u: Rods, h: float) -> Rods:
        """The rods after the time h <= 1/2, to order 3.                                 [Shu and Osher 1988, eq. 2.18]

        Every stage is a mean of steps of Euler, each of which keeps Sigma >= 0.
        """
        first = self._euler(t, u, h)
        middle = self._mean(3 / 4, u, 1 / 4, self._euler(t + h, first, h))
        return self._mean(1 / 3, u, 2 / 3, self._euler(t + h / 2, middle, h))

    def _euler(self, t: float, u: Rods, h: float) -> Rods:
        F, a = self._forces(t, u.y, u.D)
        velocity = F - self._along(t, u, F) / 2 if self.order == 2 else F
        moved = self.swinging(np.concatenate([F[None], a]))
        return self._kept(u.y + h * velocity, np.concatenate([np.sqrt(1 - 2 * h) * u.D, np.sqrt(h / 2) * moved]))

    def swinging(self, D: Array) -> Array:
        """The rows D (k, n) with 0 in the variables that do not swing."""
        found = np.zeros_like(D)
        for block in self.blocks:
            found[:, block] = D[:, block]
        return found

    def _forces(self, t: float, y: Array, D: Array) -> tuple[Array, Array]:
        """F (n,) and the a_i (k, n)."""
        middle, *ends = self.increments(t, np.concatenate([y[None], y + D, y - D]))
        ahead, behind = np.reshape(ends, (2, *D.shape))
        return middle + np.sum((ahead + behind) / 2 - middle, axis=0), (ahead - behind) / 2

    def _along(self, t: float, u: Rods, F: Array) -> Array:
        """DF F."""
        return (self._forces(t, u.y + SHORT * F, u.D)[0] - F) / SHORT

    def _mean(self, p: float, u: Rods, q: float, v: Rods) -> Rods:
        return self._kept(p * u.y + q * v.y, np.concatenate([np.sqrt(p) * u.D, np.sqrt(q) * v.D]))

    def _kept(self, y: Array, D: Array) -> Rods:
        """The longest rods with (nearly) the Sigma of all rows of D."""
        if not np.isfinite(D).all():
            return Rods(y, D[: self.rank])
        scaled = np.concatenate([_of_length_one(D[:, block]) for block in self.blocks], axis=1)
        turn, length, _ = np.linalg.svd(scaled, full_matrices=False)
        number = np.count_nonzero(length[: self.rank] > NOISE * length.max(initial=0.0))
        return Rods(y, turn[:, :number].T @ D)


def _of_length_one(D: Array) -> Array:
    length = np.sqrt(np.sum(D**2))
    return D / length if length > 0 else D
