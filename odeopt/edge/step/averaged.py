"""y' = Phi(y) - y + (1/2) D^2 Phi(y) : [V X V^T]: a step averaged over iterates that oscillate in the modes V.

The iterates are y + delta, delta = sum_a v_a z_a, and E[z z^T] = X.  The slack S of the modes, 1 - |mu| on its
diagonal, moves with y: dS_ab = N_ab dy.  Both need D^2 Phi along the modes only, by differences of D Phi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from odeopt.analysis.linear import multipliers
from odeopt.analysis.preconditioner import of_memory
from odeopt.analysis.stability import stability_limit
from odeopt.core.state import State, pack, unpack
from odeopt.edge.spectrum.modes import Modes
from odeopt.edge.step.curvature import curvature, third_order
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.map import StepMap
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.oracle import Gradient
from odeopt.util.check import Array

SLOW = 0.05  # the least angle of a pair, where an optimizer leaves the unit circle with a pair and not at -1
BEYOND = 1 + 1e-6  # of the stability limit: where the multiplier that left the circle is looked at


@dataclass(frozen=True, eq=False)
class Pieces:
    """What an oscillation X (k, k) in k modes does:   y' = drift + sum C_ab X_ab,   (S + T[X])' = N y'.

    drift (n,), C and N (k, k, n), S (k, k); `allowed` (k, k) are the entries that X may have; T (k, k, k, k), of
    order 2, is how a finite oscillation moves its own slack
    """

    drift: Array
    C: Array
    N: Array
    S: Array
    allowed: Array
    T: Array | None = None

    def ahead(self, dt: float) -> tuple[Array, Array]:
        """S and B (k, k, k, k) with the slack S + B[X] of a path that has moved for a time dt under X."""
        N = _symmetric(self.N)
        B = np.tensordot(N, _symmetric(self.C), (2, 2))
        return self.S + dt * (N @ self.drift), dt * B + (0.0 if self.T is None else self.T)

    def velocity(self, X: Array) -> Array:
        """y' under the oscillation X."""
        return self.drift + np.tensordot(X, self.C, 2)


def entries(real: Array) -> Array:
    """Which entries X may have (k, k): real modes move together, each complex pair by itself, at its own frequency."""
    return np.eye(len(real), dtype=bool) | np.outer(real, real)


def _symmetric(T: Array) -> Array:
    return (T + np.swapaxes(T, 0, 1)) / 2


class AveragedStep:
    """The average of the step that `simulate` runs, as a field on states packed into vectors y (n,).

    order: 1, or 2 for the modified flow of second order beside the modes
    """

    def __init__(self, opt: Optimizer, problem: Problem, grad: Gradient, y: State, order: int) -> None:
        self.opt, self.order, self.start = opt, order, pack(y)
        self._map = StepMap(opt, problem, grad, y)
        self.hessian, self.means = self._map.hessian, self._map.means
        self._alternates = alternates(opt)

    def split(self, y: Array) -> dict[str, Array]:
        """The variables by name."""
        return dict(zip(self.opt.flow.variables, unpack(y, self._map.like), strict=True))

    def preconditioner(self, y: Array) -> Any:
        """P (d,), in which the theta parts of the modes have unit size; 1 where the optimizer has none, or none yet."""
        return _preconditioner(self.opt, self.split(y))

    def at(self, t: float, y: Array) -> Linearised:
        """The step near y from the time t."""
        here = self._map.at(t, y)
        return here if self._alternates else replace(here, find_parts=lambda: None, turn=SLOW)

    def pieces(self, t: float, y: Array, here: Linearised, modes: Modes) -> Pieces:
        """The pieces of these modes at y."""
        k, n, allowed = len(modes), len(y), entries(modes.real)
        if k == 0:
            none = np.zeros((0, 0, n))
            made = Pieces(here.increment, none, none, np.zeros((0, 0)), allowed)
        else:
            C, N = curvature(self._map, t, y, here, modes)
            made = Pieces(here.increment, C * allowed[..., None], N * allowed[..., None], np.diag(modes.slack), allowed)
        if self.order == 1:
            return made
        T = third_order(self._map, t, y, here, modes) if k else None
        return replace(_second_order(made, here, modes), T=T)


def alternates(opt: Optimizer) -> bool:
    """Whether the first multiplier that leaves the unit circle on L = lambda theta^2/2 is -1; True if not known."""
    try:
        t = 0.0 if opt.flow.timed else None
        limit = stability_limit(opt, t)
        if not 0 < limit < np.inf:
            return True
        mu = multipliers(opt, limit * BEYOND, t)
    except (TypeError, ValueError):
        return True
    outside = mu[np.argmax(np.abs(mu))]
    return bool(abs(outside.imag) < 1e-9 * abs(outside))


def _preconditioner(opt: Optimizer, state: Mapping[str, Array]) -> Any:
    if not opt.flow.preconditioner:
        return 1.0
    P = of_memory(opt, state, state["theta"].size)
    return np.where(np.isfinite(P) & (P > 0), P, 1.0)


def _second_order(made: Pieces, here: Linearised, modes: Modes) -> Pieces:
    """u - (1 - V W) D u / 2 for every velocity u: y' = log(Phi) to second order, but in the modes as it was."""
    k, n = len(modes), len(made.drift)
    rows = np.concatenate([made.drift[None], made.C.reshape(k * k, n)])
    moved = here.product(rows)
    twice = np.where(modes.real, 1.0, 2.0)
    inside = ((moved @ modes.W.T) * twice @ modes.V.T).real
    rows = rows - (moved - inside) / 2
    return replace(made, drift=rows[0], C=rows[1:].reshape(k, k, n))
