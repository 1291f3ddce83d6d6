"""D^2 Phi and D^3 Phi of a step along its modes, by differences of D Phi as long as D Phi needs to change.

Near an equilibrium the memory tends to 0, and theta may too.  Their sizes then do not say over which distance the step
is curved.  A difference begins with the size of theta, and grows or shrinks until D Phi changes by more than its
rounding and by much less than itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.core.state import unpack
from odeopt.edge.linearised_step import Linearised, StepMap
from odeopt.edge.modes import Modes
from odeopt.problems.differences import scaled
from odeopt.problems.oracle import EvaluationError
from odeopt.util.check import Array

FAINT = 0.1  # of rounding^(1/2): a smaller relative change of D Phi is little more than rounding
SMALL, LARGE = 1e-4, 0.1  # relative changes of D Phi: over a difference that may still grow, and one that must shrink
TIMES, TRIES = 16.0, 12  # a difference grows or shrinks so many times, at most so often
SHARE = 1e-6  # of the largest: a variable with a smaller share of the modes does not count


def curvature(step: StepMap, t: float, y: Array, here: Linearised, modes: Modes) -> tuple[Array, Array]:
    """C (k, k, n), half of D^2 Phi[v_a, v_b], and N (k, k, n), the derivative of the slack, -u_a w_a D^2 Phi[v_b, .].

    u_a is the conjugate phase mu_a/|mu_a|; of complex vectors C is the average over all phases of the oscillation.
    """
    right, alpha = _real_rows(modes.V.T)
    left, beta = _real_rows(modes.W)
    differences = Differences(step, t, y, here, right, left)

    def second(along: Array) -> tuple[Array, Array]:
        """d/ds of D Phi(y + s along) on the rows `right`, and of its transpose on the rows `left`, at s = 0."""
        found = differences.odd(along)
        transposed = found.ahead.transposed(left) - found.behind.transposed(left)
        return (found.forward - found.backward) / (2 * found.s), transposed / (2 * found.s)

    T, Q = (np.array(u) for u in zip(*map(second, right), strict=True))  # D^2 Phi[r_j, r_i], and l_m D^2 Phi[r_j, .]
    C = 0.5 * np.einsum("aj,bi,jin->abn", alpha, alpha.conj(), T, optimize=True).real
    N = -np.einsum("a,bj,am,jmn->abn", modes.phase.conj(), alpha, beta, Q, optimize=True).real
    return C, N


def third_order(step: StepMap, t: float, y: Array, here: Linearised, modes: Modes) -> Array:
    """T_abcd = w_a D^3 Phi[v_b, v_c, v_d]/6 (k, k, k, k) of real modes.

    Iterates that alternate between y + d and y - d have -d = D Phi d + D^3 Phi[d, d, d]/6 + ..., so that S + T[X] is
    their slack where X is finite.
    """
    k, real = len(modes), modes.real
    v, w = modes.V.T.real * real[:, None], modes.W.real * real[:, None]
    differences = Differences(step, t, y, here, v, w)

    def second(along: Array) -> Array:
        """w_a D^3 Phi[v_b, along, along] (k, k)."""
        found = differences.even(along)
        return w @ ((found.forward - 2 * differences.centre + found.backward) / found.s**2).T

    T = np.zeros((k, k, k, k))
    for c in np.flatnonzero(real):
        T[:, :, c, c] = second(v[c])
    for c, d in zip(*np.triu_indices(k, 1), strict=True):
        if real[c] and real[d]:
            T[:, :, c, d] = T[:, :, d, c] = (second(v[c] + v[d]) - T[:, :, c, c] - T[:, :, d, d]) / 2
    return T / 6


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
        self._step, self._t, self._y, self._right = step, t, y, right
        self.centre = here.product(right)
        self._sizes = [np.abs(u).max() for u in unpack(self.centre, step.like)]
        shares = [np.sum(u) for u in unpack(np.abs(right).max(axis=0) * np.abs(left).max(axis=0), step.like)]
        self._counts = [share > SHARE * max(shares) for share in shares]

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
        largest = float(np.max([np.abs(u).max() / size for u, size, counts in parts if counts]))
        return largest if np.isfinite(largest) else np.inf


def _real_rows(vectors: Array) -> tuple[Array, Array]:
    """Real rows r (m, n), and coefficients (k, m) with which vectors_a = sum_j coefficients_aj r_j."""
    pairs = [(a, factor, part) for a, v in enumerate(vectors) for factor, part in ((1.0, v.real), (1j, v.imag))]
    used = [(a, factor, part) for a, factor, part in pairs if factor == 1.0 or part.any()]
    coefficients = np.zeros((len(vectors), len(used)), complex)
    for j, (a, factor, _) in enumerate(used):
        coefficients[a, j] = factor
    return np.array([part for _, _, part in used]), coefficients
