"""Derivatives of D Phi by differences, as long as D Phi needs to change by more than its rounding.

Near an equilibrium the memory tends to 0, and theta may too.  Their sizes then do not say over which distance the step
is curved.  A difference begins with the size of theta, and grows or shrinks until D Phi changes by more than its
rounding and by much less than itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.core.state import unpack
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.map import StepMap
from odeopt.problems.differences import scaled
from odeopt.problems.oracle import EvaluationError
from odeopt.util.check import Array

FAINT = 0.1  # of rounding^(1/2): a smaller relative change of D Phi is little more than rounding
SMALL, LARGE = 1e-4, 0.1  # relative changes of D Phi: over a difference that may still grow, and one that must shrink
TIMES, TRIES = 16.0, 12  # a difference grows or shrinks so many times, at most so often
SHARE = 1e-6  # of the largest: a variable with a smaller share of the modes does not count


@dataclass(frozen=True, eq=False)
class Difference:
    """The step near y + s along and near y - s along, and D Phi there on the rows `right`.

    changes: the sizes of the odd and of the even part of the difference, relative to D Phi
    """

    s: float
    ahead: Linearised
    behind: Linearised
    forward: Array
    backward: Array
    changes: tuple[float, float]


class Differences:
    """Differences of D Phi on the rows `right` (m, n) about y; the rows `left` say which variables count."""

    def __init__(self, step: StepMap, t: float, y: Array, here: Linearised, right: Array, left: Array) -> None:
        self._step, self._t, self._y, self._right, self._left = step, t, y, right, left
        self.centre = here.product(right)
        self._sizes = [np.abs(u).max() for u in unpack(self.centre, step.like)]
        shares = [np.sum(u) for u in unpack(np.abs(right).max(axis=0) * np.abs(left).max(axis=0), step.like)]
        self._counts = [share > SHARE * max(shares) and s > 0 for share, s in zip(shares, self._sizes, strict=True)]

    def curved(self, along: Array) -> tuple[Array, Array]:
        """D^2 Phi[along, right_i] and left_j D^2 Phi[along, .]."""
        found = self.odd(along)
        transposed = found.ahead.transposed(self._left) - found.behind.transposed(self._left)
        return (found.forward - found.backward) / (2 * found.s), transposed / (2 * found.s)

    def odd(self, along: Array) -> Difference:
        """A difference over which D Phi(y + s along) - D Phi(y - s along) is more than rounding."""
        return self._found(along, self._step.rounding ** (1 / 3), 0)

    def even(self, along: Array) -> Difference:
        """A difference over which D Phi(y + s along) - 2 D Phi(y) + D Phi(y - s along) is more than rounding."""
        return self._found(along, self._step.rounding**0.25, 1)

    def _found(self, along: Array, part: float, wanted: int) -> Difference:
        """A difference that begins with this part of the size of y, and of which odd (0) or even (1) must show."""
        found = self._around(along, part / float(scaled(along, self._step.sizes(self._y))[0]))
        for _ in range(TRIES):
            if max(found.changes) < LARGE:
                break
            found = self._around(along, found.s / TIMES)
        for _ in range(TRIES):
            if found.changes[wanted] >= FAINT * self._step.rounding**0.5 or max(found.changes) >= SMALL:
                break
            try:
                longer = self._around(along, found.s * TIMES)
            except EvaluationError:  # a loss need not be defined where no iterate has been
                break
            if max(longer.changes) >= LARGE:
                break
            found = longer
        return found

    def _around(self, along: Array, s: float) -> Difference:
        ahead, behind = (self._step.at(self._t, self._y + sign * s * along) for sign in (1.0, -1.0))
        forward, backward = ahead.product(self._right), behind.product(self._right)
        odd, even = (forward - backward) / 2, (forward - 2 * self.centre + backward) / 2
        return Difference(s, ahead, behind, forward, backward, (self._relative(odd), self._relative(even)))

    def _relative(self, change: Array) -> float:
        """The largest change of a variable that counts, relative to D Phi; inf where it is not finite."""
        parts = zip(unpack(change, self._step.like), self._sizes, self._counts, strict=True)
        largest = float(np.max([np.abs(u).max() / size for u, size, counts in parts if counts], initial=0.0))
        return largest if np.isfinite(largest) else np.inf
