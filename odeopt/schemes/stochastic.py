"""y+ = y + increment(f, b, h, dW): derivative-free schemes for the Ito equation dy = f dt + b dW.

b(t, y, w) is linear in w, which has the width of the noise; all parts of a flow share one Brownian motion.  A scheme
with two normals per step uses them as the halves of dW, so all schemes follow the same path.  The signs of their
difference are independent of dW; they serve as the two-point variables S = +-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.flow import Flow
from odeopt.core.formula import reads
from odeopt.core.state import Grad, Rhs, State, plus
from odeopt.schemes.base import Memory, Step, refuse_projected
from odeopt.util import check

Noise = Callable[[Any, State, Any], State]  # (t, y, w) -> b(t, y) w
Rule = Callable[[Rhs, Noise, Any, State, Any, Any, Any], State]  # (f, b, t, y, h, dW, S) -> the increment


def combined(*terms: tuple[Any, State]) -> State:
    """The sum of factor * slope."""
    return tuple(sum(factor * slope[i] for factor, slope in terms) for i in range(len(terms[0][1])))


@dataclass(frozen=True)
class StochasticRungeKutta:
    """A one-step scheme along a flow with noise.

    order:        the order without noise
    strong_order: the order of E|y_n - y(t_n)| on the same path of W, for any noise
    weak_order:   the order of |E phi(y_n) - E phi(y(t_n))|, for any noise
    rule:         the increment;  additive: an equal but cheaper increment if b does not depend on the state
    """

    name: str
    order: int
    strong_order: float
    weak_order: int
    rule: Rule = field(repr=False)
    additive: Rule | None = field(default=None, repr=False)
    halves: int = 1
    refuse: Callable[[str, Flow], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check.label("name", self.name)
        check.count("order", self.order, 1)
        check.scalar("strong_order", check.positive("strong_order", self.strong_order))
        check.count("weak_order", self.weak_order, 1)
        check.function("rule", self.rule, "(f, b, t, y, h, dW, S)")
        for name, f in (("additive", self.additive), ("refuse", self.refuse)):
            if f is not None:
                check.function(name, f, "what its type says")
        if check.count("halves", self.halves, 1) > 2:
            raise ValueError(f"halves must be 1 or 2 normals a step, got {self.halves}")

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projected(self.name, flow)
        if self.refuse is not None:
            self.refuse(self.name, flow)
        f, b, halves = flow.rhs(grad), diffusion(flow, grad), self.halves
        rule = self.additive if self.additive is not None and is_additive(flow) else self.rule

        def step(t: Any, y: State, memory: Memory, h: Any, xi: Any = ()) -> tuple[State, State, Memory]:
            dW = ops.sqrt(h / halves) * sum(xi)
            signs = np.where(xi[0] > xi[1], 1.0, -1.0) if len(xi) == 2 else 1.0
            increment = rule(f, b, t, y, h, dW, signs)
            return plus(y, increment), increment, memory

        return step

    def normals(self, flow: Flow) -> int:
        """The number of normals per step: one, or two for the halves of dW."""
        return self.halves if flow.noisy else 0


def diffusion(flow: Flow, grad: Grad) -> Noise:
    """b(t, y) w, summed over all parts with noise; they share w."""
    terms = [(flow.variables.index(part.slot), flow.diffusion(part)) for part in flow.terms() if part.noise]

    def b(t: Any, y: State, w: Any) -> State:
        total = [np.zeros_like(u) for u in y]
        for i, term in terms:
            total[i] = total[i] + term(t, grad, y, w)
        return tuple(total)

    return b


def is_additive(flow: Flow) -> bool:
    """Whether the noise reads neither the state nor the gradient."""
    seen = {name for part in flow.terms() if part.noise for name in reads(part.noise)}
    return not seen & {"grad", "noise", "sign_noise", *flow.variables}


def _refuse_mixing(scheme: str, flow: Flow) -> None:
    """Raises unless coordinate i of the noise reads only coordinate i of the state and of xi; tested at one point."""
    if is_additive(flow):
        return
    why = f"{scheme} needs diagonal noise, whose coordinates read their own alone, got {flow.name}"
    if {"grad", "noise", "sign_noise"} & {name for part in flow.terms() if part.noise for name in reads(part.noise)}:
        raise ValueError(f"{why}: the gradient and its noise may mix them; use schemes.stochastic_heun")
    rng, moved = np.random.default_rng(0), np.array([1.5, 1.0, 1.0])
    y = tuple(rng.uniform(0.5, 1.5, 1 if name in flow.clocks else 3) for name in flow.variables)
    xi, b = rng.uniform(0.5, 1.5, 3), diffusion(flow, lambda theta: theta)
    elsewhere = tuple(u if u.size == 1 else moved * u for u in y)
    try:
        pairs = list(zip(b(1.0, y, xi), b(1.0, elsewhere, moved * xi), strict=True))
    except ValueError as error:
        raise ValueError(f"{why}: its formula does not act on an arbitrary number of coordinates") from error
    if any(np.any((before != after)[..., 1:]) for before, after in pairs):
        raise ValueError(f"{why}: they mix; use schemes.stochastic_heun")


def _euler_maruyama(f: Rhs, b: Noise, t: Any, y: State, h: Any, dW: Any, S: Any) -> State:
    """h f + b dW."""
    return combined((h, f(t, y)), (1.0, b(t, y, dW)))


def _milstein(f: Rhs, b: Noise, t: Any, y: State, h: Any, dW: Any, S: Any) -> State:
    """h f + b dW + (b(Y) - b) (dW^2 - h)/(2 sqrt(h)),   Y = y + h f + sqrt(h) b."""
    drift, twice = f(t, y), (dW**2 - h) / (2 * ops.sqrt(h))
    Y = plus(y, combined((h, drift), (1.0, b(t, y, ops.sqrt(h) + 0 * dW))))
    return combined((h, drift), (1.0, b(t, y, dW)), (1.0, b(t, Y, twice)), (-1.0, b(t, y, twice)))


def _stochastic_heun(f: Rhs, b: Noise, t: Any, y: State, h: Any, dW: Any, S: Any) -> State:
    """(k1 + k2)/2,   k1 = h f + b (dW - S sqrt(h)),   k2 = h f(Y) + b(Y) (dW + S sqrt(h)),   Y = y + k1."""
    shift = S * ops.sqrt(h)
    k1 = combined((h, f(t, y)), (1.0, b(t, y, dW - shift)))
    Y = plus(y, k1)
    k2 = combined((h, f(t + h, Y)), (1.0, b(t + h, Y, dW + shift)))
    return combined((0.5, k1), (0.5, k2))


euler_maruyama = StochasticRungeKutta("Euler-Maruyama", 1, 0.5, 1, _euler_maruyama)
"""h f + b dW.  Strong order 1 where the noise is additive.                       [Kloeden and Platen 1992, (10.2.4)]"""

milstein = StochasticRungeKutta("Milstein", 1, 1.0, 1, _milstein, refuse=_refuse_mixing)
"""Euler-Maruyama plus a derivative-free b b' (dW^2 - h)/2, strong order 1.        [Kloeden and Platen 1992, 11.1]

It applies if each coordinate of the noise reads only its own coordinate of the state and of xi.  Other noise needs
Levy areas and is refused.  Gradient noise is refused too, because its structure is unknown.
"""

stochastic_heun = StochasticRungeKutta("stochastic Heun", 2, 0.5, 1, _stochastic_heun, halves=2)
"""Heun's scheme for Ito's calculus, with random signs S.                               [Roberts 2012]

Without the signs it would solve the Stratonovich equation.  Strong order 1 if the noise is diagonal or additive.
"""
