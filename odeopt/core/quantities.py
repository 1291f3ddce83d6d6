"""Q(t, theta, memory): a scalar function of the state that is non-increasing or conserved along a flow.

The argument names of its formula say what it reads: anything that the parts of the flow may read, and `loss` (L),
`gap` (L - L*) and `offset` (theta - theta*).  `loss` and `gap` are one number per member; `offset` has theta's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odeopt.core.formula import Formula, place, reads
from odeopt.core.letters import GRADIENT, symbol
from odeopt.core.symbols import atom
from odeopt.util import check

OF_MINIMIZER = ("gap", "offset")
OF_PROBLEM = ("loss", *OF_MINIMIZER)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A formula, its law ("decreasing" or "conserved") and the condition under which the law holds ("" for always)."""

    formula: Formula
    law: str
    where: str = ""

    @property
    def needs_minimizer(self) -> bool:
        """Whether the formula reads L* or theta*."""
        return not set(reads(self.formula)).isdisjoint(OF_MINIMIZER)

    def text(self, variables: Sequence[str], params: Sequence[str]) -> str:
        """The printed formula."""
        L, theta = atom("L", "L"), symbol("theta")
        known = (L, L - atom("L*", "L_*"), theta - atom("theta*", r"\theta_*"))
        placed = place(self.formula, (*OF_PROBLEM, *variables), params, [symbol(name) for name in params])
        return str(placed(symbol("t"), GRADIENT, (*known, *[symbol(name) for name in variables])))


def decreasing(value: Formula, where: str = "") -> Quantity:
    """dQ/dt <= 0: `decreasing(lambda loss, v: loss + ops.norm(v) ** 2 / 2)` is mechanical energy under friction.

    >>> import odeopt as oo
    >>> descent = oo.push("theta", lambda grad, theta: -grad(theta))
    >>> falling = oo.flow("theta", descent=descent, quantities={"loss": decreasing(lambda loss: loss)})
    >>> oo.energy(oo.simulate(oo.Optimizer(falling, oo.schemes.euler, h=0.01), oo.problems.quadratic(), 50)).violation
    {'loss': 0.0}
    """
    return _quantity(value, "decreasing", where)


def conserved(value: Formula, where: str = "") -> Quantity:
    """dQ/dt = 0: a first integral.

    >>> import odeopt as oo
    >>> energy = conserved(lambda loss, v: loss + oo.ops.norm(v) ** 2 / 2)
    >>> kick, drift = oo.push("v", lambda grad, theta: -grad(theta)), oo.push("theta", lambda v: v)
    >>> oo.flow("theta v", kick=kick, drift=drift, quantities={"energy": energy}).quantities["energy"].law
    'conserved'
    """
    return _quantity(value, "conserved", where)


def _quantity(value: Any, law: str, where: Any) -> Quantity:
    return Quantity(
        check.function("value", value, "the state, of loss, gap and offset"), law, check.label("where", where)
    )


def check_quantities(quantities: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises unless every formula reads known names."""
    for key, quantity in quantities.items():
        if not isinstance(quantity, Quantity):
            raise TypeError(f"quantity {key!r} must be decreasing(...) or conserved(...), got {quantity!r}")
        for read in reads(quantity.formula):
            check.choice(f"argument of quantity {key!r}", read, (*names, *OF_PROBLEM))
