"""The right-hand side as solvers call it: evaluations are counted against a budget, and exceptions are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from odeopt.problems.oracle import EvaluationError
from odeopt.solvers.ending import Ended, Reason
from odeopt.solvers.initial_value import Function, Functions
from odeopt.util.check import Array


class CountedRhs:
    """f(s, y) with a budget of evaluations; `count` is the number made so far.

    The first value must be finite.  An exception becomes an EvaluationError.  A call beyond the budget raises `Ended`.
    """

    def __init__(self, functions: Functions, budget: int) -> None:
        self.functions, self.budget = functions, budget
        self.count, self.jacobians, self.groups = 0, 0, 1
        self.mean: float | None = None  # mean of the members' counts, if each member has its own

    def __call__(self, s: float, vector: Array) -> Any:
        self.count += 1
        if self.count > self.budget:
            raise exhausted(self.budget)
        try:
            found = self.functions.f(s, vector)
        except Exception as error:
            raise _named(error) from error
        if self.count == 1 and not np.isfinite(found).all():
            raise Ended(Reason.RHS_NOT_FINITE, f"{Reason.RHS_NOT_FINITE} at the start")
        return found

    def where_finite(self) -> Function:
        """f for a solver that a NaN would mislead: every value must be finite.

        The body repeats `__call__` because LSODA spends most of its time in this call.
        """
        f, budget, isfinite = self.functions.f, self.budget, math.isfinite
        total: Any = sum if self.functions.means == "floats" else np.sum

        def slopes(s: float, vector: Array) -> Any:
            self.count += 1
            if self.count > budget:
                raise exhausted(budget)
            try:
                found = f(s, vector)
            except Exception as error:
                raise _named(error) from error
            if not isfinite(total(found)):
                raise Ended(Reason.RHS_NOT_FINITE)
            return found

        return slopes

    def jacobian(self, s: float, vector: Array) -> Any:
        """d(dy/ds)/dy."""
        assert self.functions.jacobian is not None
        self.jacobians += 1
        return self.functions.jacobian(s, vector)

    def split(self, groups: Sequence[Any]) -> list[CountedRhs]:
        """One CountedRhs per group of members, each with the whole budget; [self] if there is one group."""
        if len(groups) == 1:
            return [self]
        assert self.functions.part is not None
        return [CountedRhs(self.functions.part(members), self.budget) for members in groups]

    def join(self, parts: Sequence[CountedRhs], sizes: Sequence[int]) -> None:
        """Takes over the largest counts of the parts; `sizes` are their numbers of members."""
        self.groups = len(parts)
        if self.groups > 1:
            self.count, self.jacobians = (
                max(each) for each in zip(*((p.count, p.jacobians) for p in parts), strict=True)
            )
            self.mean = float(np.average([part.count for part in parts], weights=sizes))

    def cost(self) -> str:
        """The evaluations, worded for the message of a run."""
        own = f" at most, {self.mean:.0f} on average" if self.mean not in (None, self.count) else ""
        by_hand = f", {self.jacobians} of its Jacobian" if self.jacobians else ""
        groups = f", in {self.groups} groups of members of like stiffness" if self.groups > 1 else ""
        return f"{self.count} evaluations of the right-hand side{own}{by_hand}{groups}"


def exhausted(budget: int, who: str = "") -> Ended:
    """The exception of a solver that has used its budget; `who` names the member."""
    return Ended(Reason.BUDGET, f"{who}{budget} {Reason.BUDGET}")


def _named(error: Exception) -> EvaluationError:
    """An exception of the right-hand side as an EvaluationError; the problem's gradient already raises one."""
    if isinstance(error, EvaluationError):
        return error
    return EvaluationError(f"the right-hand side raised {type(error).__name__}: {error}")
