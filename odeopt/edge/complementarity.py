"""X >= 0,  S + B[X] >= 0,  <X, S + B[X]> = 0 over symmetric matrices: what keeps multipliers at the unit circle.

X and S + B[X] are the positive and the negative part of one matrix Z.  The parts are smoothed,
p(z) = (z + sqrt(z^2 + 4 mu^2))/2, and Newton's method follows the solution to mu = 0.  [Chen and Tseng 2003]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from odeopt.schemes.base import StepFailure
from odeopt.util.check import Array

FIRST, LAST = 1.0, 1e-13  # the smoothing, in units of S
SHRINK, FASTER = 0.2, 1.5  # it shrinks by this factor, and to this power of itself where that is less
NEWTON = 40  # iterations at one smoothing
SOLVED = 1e-12  # residual at one smoothing, in units of S
SHORTEST = 2.0**-30  # of a Newton step


class Unsolvable(StepFailure):
    """No X keeps the multipliers where they must stay."""


@dataclass(frozen=True, eq=False)
class Complementary:
    """X (k, k), the slack S + B[X] (k, k) that it leaves, and the residual |<X, S>|."""

    X: Array
    slack: Array

    @property
    def residual(self) -> float:
        return float(abs(np.sum(self.X * self.slack)))


def complementary(S: Array, B: Array, allowed: Array | None = None) -> Complementary:
    """The X (k, k) for S (k, k) and B (k, k, k, k), both symmetrised; raises Unsolvable if there is none.

    allowed: which entries of X may differ from 0, blocks on the diagonal (k, k); all by default

    >>> complementary(np.array([[-2.0]]), np.full((1, 1, 1, 1), 4.0)).X
    array([[0.5]])
    """
    k = len(S)
    allowed = np.ones((k, k), bool) if allowed is None else allowed
    S = np.where(allowed, (S + S.T) / 2, 0.0)
    if k == 0 or np.linalg.eigvalsh(S)[0] >= 0:
        return Complementary(np.zeros((k, k)), S)
    if not np.any(B[allowed][:, allowed]):
        raise Unsolvable("an oscillation in these modes does not move their multipliers")
    if k == 1:  # X = -S/B, most often
        if B.item() < 0:
            raise Unsolvable("no oscillation in these modes keeps their multipliers on the unit circle")
        return Complementary(-S / B.item(), np.zeros((1, 1)))
    pairs = [(i, j) for i in range(k) for j in range(i, k) if allowed[i, j]]
    basis = np.array([_unit(i, j, k) for i, j in pairs])
    M = np.einsum("pab,abcd,qcd->pq", basis, B, basis, optimize=True)
    size, steepness = float(np.abs(np.linalg.eigvalsh(S)).max()), float(np.abs(M).max())
    whole: Callable[[Array], Array] = lambda x: np.einsum("...p,pab->...ab", x, basis)
    flat: Callable[[Array], Array] = lambda Z: np.einsum("pab,...ab->...p", basis, Z)
    z = _followed(flat(S) / size, M / steepness, whole, flat)
    Z = whole(z)
    X = size / steepness * _parted(Z, 0.0)[0]
    slack = S + whole(M @ flat(X))
    return Complementary(X, slack)


def _unit(i: int, j: int, k: int) -> Array:
    """The (i, j)-th matrix of an orthonormal basis of symmetric matrices."""
    E = np.zeros((k, k))
    E[i, j] = E[j, i] = 1.0 if i == j else 0.5**0.5
    return E


def _followed(s: Array, M: Array, whole: Callable[[Array], Array], flat: Callable[[Array], Array]) -> Array:
    """The root z of p(-Z) - S - M p(Z) as the smoothing goes to 0."""
    E = whole(np.eye(len(s)))

    def at(z: Array, mu: float) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
        """The residual, and the derivatives of p(Z) and p(-Z)."""
        Z = whole(z)
        (positive, up), (negative, down) = _parted(Z, mu), _parted(-Z, mu)
        return flat(negative) - s - M @ flat(positive), up, down

    z, mu = np.zeros(len(s)), FIRST
    while mu > LAST:
        r, up, down = at(z, mu)
        for _ in range(NEWTON):
            if np.abs(r).max() <= max(SOLVED, 0.1 * mu * (mu > 10 * LAST)):
                break
            J = -flat(down(E)).T - M @ flat(up(E)).T
            move, length, size = np.linalg.lstsq(J, -r, rcond=None)[0], 1.0, np.linalg.norm(r)
            r, up, down = at(z + move, mu)
            while np.linalg.norm(r) > (1 - 1e-4 * length) * size:
                length /= 2
                if length < SHORTEST:
                    raise Unsolvable("no oscillation in these modes keeps their multipliers on the unit circle")
                r, up, down = at(z + length * move, mu)
            z = z + length * move
        else:
            raise Unsolvable("the complementarity problem of these modes was not solved")
        mu = min(SHRINK * mu, mu**FASTER)
    return z


def _parted(Z: Array, mu: float) -> tuple[Array, Callable[[Array], Array]]:
    """p(Z) and its derivative, a map of symmetric matrices.                             [Daleckii and Krein 1965]"""
    z, U = np.linalg.eigh(Z)
    root = np.sqrt(z * z + 4 * mu * mu)
    p, slope = (z + root) / 2, (1 + np.divide(z, root, out=np.zeros_like(z), where=root > 0)) / 2
    apart, sums = z[:, None] - z[None, :], root[:, None] + root[None, :]
    ratio = np.divide(z[:, None] + z[None, :], sums, out=np.zeros_like(apart), where=sums > 0)
    divided = (1 + ratio) / 2  # (p(a) - p(b))/(a - b), without the difference
    divided[np.diag_indices(len(z))] = slope
    return (U * p) @ U.T, lambda E: U @ (divided * (U.T @ E @ U)) @ U.T
