"""Vectors, which have one value per coordinate, and sums over the coordinates, which are scalars."""

from __future__ import annotations

from typing import Any

import sympy


class Vector(sympy.Symbol):
    """A symbol with one value per coordinate; all other symbols are scalars."""


DIMENSION = sympy.Symbol("d", positive=True, integer=True)


class Total(sympy.Function):
    """sum_i u_i over the coordinates.  It is linear: sums are split and scalar factors are moved outside."""

    is_real = True

    @classmethod
    def eval(cls, u: Any) -> Any:
        u = expanded(u)
        if u.is_Add:
            return sympy.Add(*[cls(term) for term in u.args])
        scalar, vector = parted(u)
        if vector == 1:
            return scalar * DIMENSION
        return scalar * cls(vector) if scalar != 1 else None

    def _eval_derivative(self, s: Any) -> Any:
        return Total(self.args[0].diff(s))

    def _sympystr(self, printer: Any) -> str:
        return f"sum({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = rf"\sum \left({printer._print(self.args[0])}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _numpycode(self, printer: Any) -> str:
        return f"total({printer._print(self.args[0])})"


def is_vector(u: Any) -> bool:
    """Whether a formula has one value per coordinate, that is, whether it has a Vector outside all sums."""
    return not isinstance(u, Total) and (isinstance(u, Vector) or any(map(is_vector, u.args)))


def parted(product: Any) -> tuple[Any, Any]:
    """The product of the scalar factors, and the product of the others."""
    factors: dict[bool, list[Any]] = {False: [], True: []}
    for factor in sympy.Mul.make_args(product):
        factors[is_vector(factor)].append(factor)
    return sympy.Mul(*factors[False]), sympy.Mul(*factors[True])


def expanded(u: Any) -> Any:
    """The formula as a sum of products; denominators are not expanded."""
    sums = [power for power in u.atoms(sympy.Pow) if power.base.is_Add and power.exp.is_negative]
    held = {p: (Vector if is_vector(p) else sympy.Symbol)(f"_{i}", positive=True) for i, p in enumerate(sums)}
    return sympy.expand(u.xreplace(held)).xreplace({short: power for power, short in held.items()})
