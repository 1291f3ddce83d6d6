"""Multipliers of a step near the unit circle, with right vectors v and left vectors w: DPhi v = mu v, w DPhi = mu w."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.edge.step.linearised import TURN

Matrices = NDArray[Any]  # real or complex, or of bools

REAL = 1e-9  # relative imaginary part of a multiplier that counts as real
NEAR = 0.05  # 1 - |mu| below which a real mode is about to reach the unit circle
NEAR_PAIR = 0.01  # the same for a complex pair: many of momentum's stay at |mu| = sqrt(beta), whatever the loss


@dataclass(frozen=True, eq=False)
class Modes:
    """k modes: multipliers mu (k,), complex, right vectors V (n, k) and left vectors W (k, n), with W V = I.

    A real mode has real vectors.  Of a complex pair only the mode in the upper half plane is kept.
    """

    mu: Matrices
    V: Matrices
    W: Matrices

    def __len__(self) -> int:
        return len(self.mu)

    @property
    def real(self) -> Matrices:
        """Which modes are real (k,)."""
        return _real(self.mu)

    @property
    def phase(self) -> Matrices:
        """mu/|mu| (k,); -1 for a real mode at the edge."""
        return self.mu / np.abs(self.mu)

    @property
    def slack(self) -> Matrices:
        """1 - |mu| (k,): how far each is inside the unit circle."""
        return 1 - np.abs(self.mu)

    def kept(self, which: Matrices) -> Modes:
        """The modes of these indices."""
        return Modes(self.mu[which], self.V[:, which], self.W[which])

    def scaled(self, size: Matrices) -> Modes:
        """The same modes with right vectors divided by these sizes (k,)."""
        return Modes(self.mu, self.V / size, self.W * size[:, None])


def oscillates(mu: Matrices, turn: float = TURN) -> Matrices:
    """Which multipliers alternate, or turn by at least this angle a step; of a pair the one in the upper half plane."""
    return np.where(_real(mu), mu.real < 0, np.angle(mu) >= turn)


def near(mu: Matrices, turn: float = TURN) -> Matrices:
    """Which multipliers oscillate at the unit circle or are about to reach it."""
    return oscillates(mu, turn) & (1 - np.abs(mu) < np.where(_real(mu), NEAR, NEAR_PAIR))


def _real(mu: Matrices) -> Matrices:
    return np.abs(mu.imag) <= REAL * np.abs(mu)


def plain_rows(mu: Matrices, vectors: Matrices) -> Matrices:
    """The vectors (m, n), real for real multipliers: two equal ones may come as a pair with tiny imaginary parts."""
    real = np.where(mu.imag < 0, vectors.imag.T, vectors.real.T).T
    return np.where(_real(mu)[:, None], real, vectors)


def kept_modes(mu: Matrices, V: Matrices, W: Matrices, least: int, turn: float) -> Modes:
    """The modes to keep among these, which come in the order of |mu - 1|, scaled so that W V = I."""
    mu = np.where(_real(mu), mu.real, mu)
    turning = np.flatnonzero(oscillates(mu, turn) | (mu.imag > REAL * np.abs(mu)))
    keep = np.array([i for rank, i in enumerate(turning) if rank < least or near(mu[i : i + 1], turn)[0]], dtype=int)
    mu, V, W = mu[keep].astype(complex), V[:, keep].astype(complex), W[keep].astype(complex)
    return Modes(mu, V, np.linalg.solve(W @ V, W) if len(mu) else W)
