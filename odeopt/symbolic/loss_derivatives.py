"""grad L(theta + u) = g + H u + third(L)[u, u]/2 + ...

Formulas of optimizers act on each coordinate or sum over all coordinates, so a vector is a commuting symbol here.
Derivatives of L are multilinear functions of vectors that are not evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import factorial
from typing import Any

import sympy

from odeopt.symbolic.series import Series
from odeopt.symbolic.sums import Vector, expanded, parted


def scalar(name: str) -> Any:
    """The symbol of a positive number, such as a parameter or a clock."""
    return sympy.Symbol(name, positive=True)


h, t = scalar("h"), scalar("t")
g, theta = Vector("g", real=True), Vector("theta", real=True)


class Derivative(sympy.Function):
    """H[u] = grad^2 L u, third(L)[u, v], ...: symmetric and multilinear; sums are split, scalars moved outside."""

    is_real = True

    @classmethod
    def eval(cls, *vectors: Any) -> Any:
        for i, u in enumerate(map(expanded, vectors)):
            if u.is_Add:
                return sympy.Add(*[cls(*vectors[:i], term, *vectors[i + 1 :]) for term in u.args])
            scalar, vector = parted(u)
            if u == 0 or scalar != 1:
                return scalar * cls(*vectors[:i], vector, *vectors[i + 1 :]) if u != 0 else u
        ordered = sorted(vectors, key=sympy.default_sort_key)
        return None if list(vectors) == ordered else cls(*ordered)

    def _eval_derivative(self, s: Any) -> Any:
        pieces = [(*self.args[:i], u.diff(s), *self.args[i + 1 :]) for i, u in enumerate(self.args)]
        return sympy.Add(*[Derivative(*piece) for piece in pieces])

    def _sympystr(self, printer: Any) -> str:
        name = {1: "H", 2: "third(L)"}.get(len(self.args), f"D^{len(self.args) + 1} L")
        return f"{name}[{', '.join(map(printer._print, self.args))}]"

    def _latex(self, printer: Any, exp: Any = None) -> str:
        name = "H" if len(self.args) == 1 else rf"\nabla^{len(self.args) + 1} L"
        text = rf"{name}\left[{', '.join(map(printer._print, self.args))}\right]"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _numpycode(self, printer: Any) -> str:
        return f"derivative(theta, {', '.join(map(printer._print, self.args))})"


def gradient(point: Any) -> Any:
    """grad L(theta + u) for u = O(h)."""
    u = (point - Series({0: theta}, point.cut)).coefficients
    if min(u, default=1) < 1:
        raise ValueError(f"the step reads the gradient at {point}, which does not tend to theta as h -> 0")
    total: dict[int, Any] = {0: g}
    for m in range(1, point.cut + 1):
        for powers in (found for found in product(u, repeat=m) if sum(found) <= point.cut):
            term = Derivative(*[u[k] for k in powers]) / factorial(m)
            total[sum(powers)] = total.get(sum(powers), 0) + term
    return Series(total, point.cut)


def rate(expression: Any, velocity: Mapping[Any, Any]) -> Any:
    """d/dt of an expression along y' = velocity, which maps each variable to its derivative."""
    s, along = sympy.Dummy("s", positive=True), velocity[theta]
    moved = expression.replace(Derivative, lambda *u: Derivative(*u) + s * Derivative(*u, along))
    shifts = {u: u + s * w for u, w in velocity.items()} | {g: g + s * Derivative(along), t: t + s}
    return expanded(moved.xreplace(shifts).diff(s).subs(s, 0))
