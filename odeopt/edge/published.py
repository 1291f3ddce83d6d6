"""The published central flows of gradient descent and RMSprop.                [Cohen et al. 2024, arXiv 2410.24206]

GD:       w' = -eta [g + (1/2) grad <H, Sigma>],  H <= 2/eta in the modes.
RMSprop:  w' = -[g + (1/2) grad <H, Sigma>]/P,  nu' = ((1 - beta2)/beta2) [g^2 + diag(H Sigma H) - nu],
          P = diag(sqrt(nu) + eps)/eta,  H <= 2 P in the modes.
Time runs in steps.  Sigma = V X V^T with V P V = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.state import State
from odeopt.edge.spectrum.modes import Modes
from odeopt.edge.step.averaged import Pieces, entries
from odeopt.edge.step.hessian import Hessian
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.map import theta_sizes
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.named.adaptive import rmsprop
from odeopt.optimizers.named.gradient import gd
from odeopt.problems import Problem
from odeopt.problems.differences import scaled
from odeopt.problems.oracle import Gradient
from odeopt.util.check import Array


def is_published(opt: Optimizer, y: State) -> bool:
    """Whether there is a published form for this optimizer from this state."""
    made = _maker(opt)
    return made is gd or (made is rmsprop and bool(np.all(y[1] > 0)))


def _maker(opt: Optimizer) -> Any:
    """gd, or rmsprop in its plain form, if it made this optimizer; else None."""
    made = None if opt.recipe is None else opt.recipe.make
    if made is rmsprop:
        settings = opt.settings
        plain = settings["root"] == "outside" and not (settings["momentum"] or settings["centred"])
        return made if plain else None
    return made if made is gd else None


class Published:
    """The published field on y = (w,) or (w, nu), packed into a vector; `modes` are those of the theta block."""

    order = 1

    def __init__(self, opt: Optimizer, problem: Problem, grad: Gradient, y: State) -> None:
        made = _maker(opt)
        if made is None:
            raise ValueError(f"opt must be gd or plain rmsprop for form='published', got {opt.name}")
        if not is_published(opt, y):
            raise ValueError("memory must give G > 0 for form='published' of rmsprop, which divides by sqrt(G)")
        self.opt, self.start, self._grad = opt, np.concatenate(y), grad
        self.hessian, self.means = Hessian(problem), "the published formulas"
        self._d, self._adaptive, self._eta = y[0].size, made is rmsprop, opt.settings["lr"]
        self._s = self.hessian.rounding ** (1 / 3)

    def split(self, y: Array) -> dict[str, Array]:
        """The variables by name."""
        return dict(zip(self.opt.flow.variables, np.split(y, len(y) // self._d), strict=True))

    def preconditioner(self, y: Array) -> Array:
        """eta P (d,)."""
        return np.sqrt(y[self._d :]) + self.opt.settings["eps"] if self._adaptive else np.ones(self._d)

    def at(self, t: float, y: Array) -> Linearised:
        """The drift of y, and -H/P, the derivative of the step in theta with P held still."""
        w, P = y[: self._d], self.preconditioner(y) / self._eta
        g = self._grad(w)
        drift = np.concatenate([-g / P, self._speed() * (g * g - y[self._d :])] if self._adaptive else [-g / P])
        return Linearised(drift, lambda p: -self.hessian(w, p) / P, lambda q: -self.hessian(w, q / P), self._d)

    def pieces(self, t: float, y: Array, here: Linearised, modes: Modes) -> Pieces:
        """The pieces of these modes, whose vectors v have v (eta P) v = 1, at y: S = 2 - eta v H v."""
        k, w, v, curvature = len(modes), y[: self._d], modes.V.T.real, 1 - modes.mu.real
        third = np.array([[self._third(w, a, b) for b in v] for a in v]).reshape(k, k, self._d)
        C, N = [-self._eta * third / (2 * self.preconditioner(y))], [-self._eta * third]
        if self._adaptive:
            Hv, nu = (self.hessian(w, v) if k else v), y[self._d :]
            C.append(self._speed() * Hv[:, None] * Hv[None])
            N.append((curvature[:, None, None] + curvature[:, None]) / 4 * v[:, None] * v[None] / np.sqrt(nu))
        return Pieces(
            here.increment,
            np.concatenate(C, axis=-1),
            np.concatenate(N, axis=-1),
            np.diag(2 - curvature),
            entries(modes.real),
        )

    def _speed(self) -> float:
        rho = self.opt.settings["rho"]
        return (1 - rho) / rho

    def _third(self, w: Array, a: Array, b: Array) -> Array:
        """D^3 L[a, b, .]"""
        if self.hessian.third:
            return self.hessian.moved(w, a, b)
        scale = scaled(a, theta_sizes(w, self.start[: self._d]))
        ahead, behind = (self.hessian(w + sign * self._s * a / scale, b) for sign in (1.0, -1.0))
        return (ahead - behind) / (2 * self._s) * scale
