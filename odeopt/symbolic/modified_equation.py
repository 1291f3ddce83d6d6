"""y' = F_1 + h F_2 + ...: a field in powers of h, to be printed and to be integrated by `solve`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from odeopt.core import ops
from odeopt.core.letters import symbol
from odeopt.core.state import Grad, Rhs, State, column
from odeopt.core.symbols import short
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.differences import product_by_differences, typical
from odeopt.symbolic.loss_derivatives import g, h, scalar, t
from odeopt.symbolic.sums import DIMENSION
from odeopt.util.check import Array, Number


@dataclass(frozen=True, eq=False)
class ModifiedEquation:
    """y' = F_1 + h F_2 + ..., exact to the order that `terms` holds: {variable: (F_1, F_2, ...)}, SymPy expressions.

    In these expressions g is grad L(theta), H[u] is the Hessian times u, third(L)[u, v] is the third derivative applied
    to u and v, and sum(u) is the sum over the d coordinates.  Everything else acts on each coordinate.
    `begin(grad, theta0, memory)` is the initial state with which the iterates follow the field.
    """

    name: str
    terms: Mapping[Any, tuple[Any, ...]]
    params: Mapping[str, Number]
    h: Number
    begin: Callable[..., State]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, theta first."""
        return tuple(u.name for u in self.terms)

    @property
    def order(self) -> int:
        """The order with which the iterates follow the equation."""
        return len(next(iter(self.terms.values())))

    def field(self, problem: Problem) -> EquationField:
        """The field on this problem, for `solve`; it needs the Hessian of the problem."""
        return EquationField(self, a_problem(problem))

    def latex(self) -> str:
        """The equations in a LaTeX `aligned` block."""
        rows = [rf"\dot{{{_latex(u)}}} &= {_joined(terms, _latex)}" for u, terms in self.terms.items()]
        return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def __str__(self) -> str:
        width = max(len(name) for name in self.variables) + 1
        rows = [f"{u.name + chr(39):<{width}} = {_joined(terms, str)}" for u, terms in self.terms.items()]
        values = ", ".join(f"{name} = {short(value)}" for name, value in {"h": self.h, **self.params}.items())
        return "\n".join([*rows, f"with g = grad L(theta), H its Hessian, {values}"])

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class EquationField:
    """A modified equation on a problem, in numbers."""

    equation: ModifiedEquation
    problem: Problem

    @property
    def name(self) -> str:
        return self.equation.name

    @property
    def variables(self) -> tuple[str, ...]:
        return self.equation.variables

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued hyperparameters span."""
        return np.broadcast_shapes(*[np.shape(v) for v in (self.equation.h, *self.equation.params.values())])

    def start(self, theta0: Array, **memory: Array) -> State:
        """The initial state with which the iterates from theta0 follow the field."""
        return self.equation.begin(self.problem.grad, theta0, **memory)

    def rhs(self, grad: Grad) -> Rhs:
        """f(t, y) = F_1 + h F_2 + ..."""
        terms, params = self.equation.terms, self.equation.params
        symbols = [t, *terms, g, h, *map(scalar, params)]
        total = [
            sum(c * h**k for k, c in enumerate(found)).subs(DIMENSION, self.problem.dim) for found in terms.values()
        ]
        modules = [{"derivative": derivative_of(self.problem), "total": ops.total}, "numpy"]
        function = sympy.lambdify(symbols, total, modules=modules)
        constants = [column(value) for value in (self.equation.h, *params.values())]

        def f(t: Any, y: State) -> State:
            values = function(t, *y, grad(y[0]), *constants)
            return tuple(np.broadcast_to(v, u.shape).astype(float) for v, u in zip(values, y, strict=True))

        return f


def derivative_of(problem: Problem) -> Callable[..., Array]:
    """(theta, u) -> H u of the problem; (theta, u, v) -> third derivative, by central differences of H u along v."""

    def derivative(theta: Array, *vectors: Array) -> Array:
        *fewer, last = np.broadcast_arrays(*vectors)
        if not fewer:
            return problem.hvp(theta, last)
        return product_by_differences(lambda x: derivative(x, *fewer), usual=typical(problem.theta0))(theta, last)

    return derivative


def _joined(terms: tuple[Any, ...], spell: Callable[[Any], str]) -> str:
    """F_1 + h F_2 + ... as text, without terms that vanish."""
    text = ""
    for term in [c * h**k for k, c in enumerate(terms) if c != 0] or [sympy.Integer(0)]:
        minus = bool(text) and term.could_extract_minus_sign()
        text += (" - " if minus else " + " if text else "") + spell(-term if minus else term)
    return text


def _latex(expression: Any) -> str:
    names = {s: symbol(s.name).latex for s in expression.free_symbols if s.name.isidentifier()}
    return sympy.latex(expression, symbol_names=names)
