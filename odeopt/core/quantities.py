"""Q(t, theta, memory): a number of a state that a flow never lets grow, or keeps.

Its formula names what it reads: what the parts of its flow may read, and of the problem `loss` (L), `gap` (L - L*)
and `offset` (theta - theta*), each with one number per member or of the shape of theta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odeopt.core.formula import Formula, formula, place, reads
from odeopt.core.symbols import GRADIENT, Symbol, symbol
from odeopt.util import check

OF_MINIMIZER = ("gap", "offset")
OF_PROBLEM = ("loss", *OF_MINIMIZER)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A formula with its law, "decreasing" or "conserved", and where that law holds ("" is everywhere)."""

    formula: Formula
    law: str
    where: str = ""

    @property
    def needs_minimizer(self) -> bool:
        """Whether it reads L* or theta*."""
        return not set(reads(self.formula)).isdisjoint(OF_MINIMIZER)

    def text(self, variables: Sequence[str], params: Sequence[str]) -> str:
        """The formula as it is computed."""
        L, theta = Symbol("L", "L"), symbol("theta")
        known = (L, L - Symbol("L*", "L_*"), theta - Symbol("theta*", r"\theta_*"))
        placed = place(self.formula, (*OF_PROBLEM, *variables), params, [symbol(name) for name in params])
        return str(placed(symbol("t"), GRADIENT, (*known, *[symbol(name) for name in variables])))


def decreasing(value: Formula, where: str = "") -> Quantity:
    """dQ/dt <= 0: `decreasing(lambda loss, v: loss + ops.norm(v) ** 2 / 2)` is mechanical energy under friction."""
    return Quantity(formula("quantity", value), "decreasing", where)


def conserved(value: Formula, where: str = "") -> Quantity:
    """dQ/dt = 0: a first integral."""
    return Quantity(formula("quantity", value), "conserved", where)


def check_quantities(quantities: Mapping[str, Any], names: Sequence[str]) -> None:
    """Every formula reads what there is."""
    for key, quantity in quantities.items():
        if not isinstance(quantity, Quantity):
            raise TypeError(f"quantity {key!r} must be decreasing(...) or conserved(...), got {quantity!r}")
        for read in reads(quantity.formula):
            check.choice(f"argument of quantity {key!r}", read, (*names, *OF_PROBLEM))
