"""X'' + a X' + (1 + a h/2) g = 0: the modified equation of theta and a velocity as one second-order equation.

For a = 2 sqrt(mu) and h = sqrt(s) these are the high-resolution ODEs of Polyak's and Nesterov's methods.
[Shi, Du, Jordan and Su 2022, (1.10)-(1.12)]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sympy

from odeopt.core.letters import symbol
from odeopt.core.state import Grad, State
from odeopt.problems import Problem
from odeopt.symbolic.loss_derivatives import Derivative, expanded, g, h, rate, theta
from odeopt.symbolic.modified_equation import EquationField, ModifiedEquation
from odeopt.symbolic.sums import Vector
from odeopt.util import check
from odeopt.util.check import Array

velocity = Vector("X'", real=True)


@dataclass(frozen=True, eq=False)
class HighResolution:
    """X'' = A_1 + h A_2.  `acceleration` is (A_1, A_2); g and H are evaluated at X, and `velocity` is X'."""

    modified: ModifiedEquation
    acceleration: tuple[Any, Any]

    @property
    def left_side(self) -> Any:
        """-A_1 - h A_2, collected in X', g and derivatives of the loss; the equation is X'' + left_side = 0."""
        total = sympy.expand(-self.acceleration[0] - h * self.acceleration[1])
        return sympy.collect(total, [velocity, g, *total.atoms(Derivative)])

    def field(self, problem: Problem) -> EquationField:
        """The field of (theta, v = X') on this problem; by default v starts as the initial velocity of the iterates."""
        v = Vector("v", real=True)
        follows = self.modified.field(problem).rhs

        def begin(grad: Grad, theta0: Array, **given: Array) -> State:
            for name in given:
                check.choice("state variable", name, ("v",))
            moving = follows(grad)(1.0, self.modified.begin(grad, theta0))[0]
            return theta0, check.spread("v", given.get("v", moving), theta0.shape)

        terms = {theta: (v, sympy.Integer(0)), v: tuple(a.xreplace({velocity: v}) for a in self.acceleration)}
        name = self.modified.name.replace("modified equation", "high-resolution ODE")
        return replace(self.modified, name=name, terms=terms, begin=begin).field(problem)

    def latex(self) -> str:
        """The equation."""
        names = {velocity: r"\dot X", **{u: symbol(u.name).latex for u in self.left_side.free_symbols - {velocity}}}
        return rf"\ddot X + {sympy.latex(self.left_side, symbol_names=names)} = 0"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def __str__(self) -> str:
        return f"X'' + {self.left_side} = 0\n{str(self.modified).splitlines()[-1]}"

    __repr__ = __str__


def eliminated(modified: ModifiedEquation) -> HighResolution:
    """X'' from theta' = s v + h P and v' = Q_1 + h Q_2, by substituting v = (X' - h P)/s."""
    if len(modified.terms) != 2:
        raise ValueError(f"opt must have the variables theta and one velocity, got {', '.join(modified.variables)}")
    v = list(modified.terms)[1]
    (first, P), (Q1, Q2) = (modified.terms[u] for u in (theta, v))
    s = sympy.simplify(first / v)
    if s.has(Vector, Derivative):
        raise ValueError(f"theta' must be a multiple of {v} at leading order in h, got {first}")
    of_state = s * Q1 + h * (s * Q2 + rate(P, {theta: first, v: Q1}))
    settled = P.xreplace({v: velocity / s})
    of_velocity = of_state.xreplace({v: velocity / s - h * settled / s})
    return HighResolution(modified, tuple(expanded(u.subs(h, 0)) for u in (of_velocity, of_velocity.diff(h))))
