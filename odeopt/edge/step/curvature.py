"""D^2 Phi and D^3 Phi of a step along its modes."""

from __future__ import annotations

import numpy as np

from odeopt.edge.spectrum.modes import Modes
from odeopt.edge.step.differences import Differences
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.map import StepMap
from odeopt.util.check import Array


def curvature(step: StepMap, t: float, y: Array, here: Linearised, modes: Modes) -> tuple[Array, Array]:
    """C (k, k, n), half of D^2 Phi[v_a, v_b], and N (k, k, n), the derivative of the slack, -u_a w_a D^2 Phi[v_b, .].

    u_a is the conjugate phase mu_a/|mu_a|; of complex vectors C is the average over all phases of the oscillation.
    """
    right, alpha = _real_rows(modes.V.T)
    left, beta = _real_rows(modes.W)
    second = step.curved(t, y, right, left) or Differences(step, t, y, here, right, left).curved
    T, Q = (np.array(u) for u in zip(*map(second, right), strict=True))  # D^2 Phi[r_j, r_i], and l_m D^2 Phi[r_j, .]
    C = 0.5 * (alpha.conj() @ np.tensordot(alpha, T, 1)).real
    slopes = np.swapaxes(beta @ np.tensordot(alpha, Q, 1), 0, 1)  # w_a D^2 Phi[v_b, .]
    N = -(modes.phase.conj()[:, None, None] * slopes).real
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


def _real_rows(vectors: Array) -> tuple[Array, Array]:
    """Real rows r (m, n), and coefficients (k, m) with which vectors_a = sum_j coefficients_aj r_j."""
    pairs = [(a, factor, part) for a, v in enumerate(vectors) for factor, part in ((1.0, v.real), (1j, v.imag))]
    used = [(a, factor, part) for a, factor, part in pairs if factor == 1.0 or part.any()]
    coefficients = np.zeros((len(vectors), len(used)), complex)
    for j, (a, factor, _) in enumerate(used):
        coefficients[a, j] = factor
    return np.array([part for _, _, part in used]), coefficients
