"""The terms of y' = sum of parts in numbers: what each part adds, and the gradient that its formulas read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from odeopt.core.formula import Formula, Placed, reads
from odeopt.core.parts import Part, Project, Push, Relax, slope
from odeopt.core.state import Grad, Rhs, State


class Written(Protocol):
    """The properties of a `Flow` from which its terms are computed."""

    @property
    def name(self) -> str: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    def terms(self) -> list[Part]: ...
    def placed(self, formula: Formula) -> Placed: ...


def right_hand_side(flow: Written, grad: Grad) -> Rhs:
    """f(t, y), the sum of the parts without noise and without projections."""
    rates = [(flow.variables.index(p.slot), term(flow, p)) for p in flow.terms() if not isinstance(p, Project)]

    def f(t: Any, y: State) -> State:
        total: list[Any] = [None] * len(y)
        for i, rate in rates:
            slope = rate(t, grad, y)
            total[i] = slope if total[i] is None else total[i] + slope
        return tuple(np.zeros_like(u) if s is None else s for s, u in zip(total, y, strict=True))

    return f


def term(flow: Written, part: Push | Relax) -> Callable[[Any, Grad, State], Any]:
    """The term that a part adds to the right-hand side, as a function of (t, grad, y)."""
    i, placed = flow.variables.index(part.slot), [_evaluated(flow, part, f) for f in part.formulas()]

    def value(t: Any, grad: Grad, y: State) -> Any:
        return slope(part, y[i], *[f(t, grad, y) for f in placed])

    if isinstance(part, Push) or part.limit is None:
        return value
    limit = flow.placed(part.limit)
    return lambda t, grad, y: value(t, grad, y) if np.all(t) else limit(t, grad, y)


def _evaluated(flow: Written, part: Push | Relax, formula: Formula) -> Placed:
    """The placed formula, which names the equation in which it divides by 0.

    A formula that reads the gradient is left alone, because the error may be the gradient's own.
    """
    placed = flow.placed(formula)
    if "grad" in reads(formula):
        return placed

    def named(t: Any, grad: Grad, y: State) -> Any:
        try:
            return placed(t, grad, y)
        except ZeroDivisionError as error:
            raise ValueError(
                f"{flow.name} divides by 0 in the equation of {part.slot} at t = {t}: start later, or give its relax "
                "the limit of the slope, e.g. limit=lambda grad, theta: ..."
            ) from error

    return named


def filtered(filters: Sequence[Placed], t: Any, grad: Grad, y: State) -> Grad:
    """The filtered gradient; the first filter is applied first."""
    for filter in filters:
        grad = partial(_behind, filter, t, grad, y)
    return grad


def _behind(filter: Placed, t: Any, grad: Grad, y: State, theta: Any) -> Any:
    return filter(t, grad, (theta, *y[1:]))
