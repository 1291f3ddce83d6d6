"""dy/ds as SciPy's solvers call it: counted against a budget, and never NaN where that would mislead them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from odeopt.problems.oracle import EvaluationError
from odeopt.solvers.initial_value import Function, Functions
from odeopt.util.check import Array
from odeopt.util.status import Status


class Ended(Exception):
    """The integration cannot go on."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Exhausted(Ended):
    """No evaluation is left of the budget."""

    def __init__(self, budget: int, who: str = "") -> None:
        super().__init__(Status.TOO_MANY_EVALUATIONS, f"{who}{budget} evaluations used up")


class Slope:
    """dy/ds as SciPy calls it, counted against a budget."""

    def __init__(self, functions: Functions, budget: int) -> None:
        self.functions, self.budget = functions, budget
        self.count, self.jacobians, self.groups = 0, 0, 1
        self.mean: float | None = None  # of the members' own counts, where they have them

    def __call__(self, s: float, vector: Array) -> Any:
        self.count += 1
        if self.count > self.budget:
            raise Exhausted(self.budget)
        try:
            return self.functions.f(s, vector)
        except Exception as error:
            raise _failed(error) from error

    def where_finite(self) -> Function:
        """The same for a solver that a NaN would mislead; in one call, as LSODA does little but call it."""
        f, budget, isfinite = self.functions.f, self.budget, math.isfinite
        total: Any = sum if self.functions.means == "floats" else np.sum

        def slopes(s: float, vector: Array) -> Any:
            self.count += 1
            if self.count > budget:
                raise Exhausted(self.budget)
            try:
                found = f(s, vector)
            except Exception as error:
                raise _failed(error) from error
            if not isfinite(total(found)):
                raise Ended(Status.NOT_FINITE, "the right-hand side is NaN or infinite")
            return found

        return slopes

    def jacobian(self, s: float, vector: Array) -> Any:
        """d(dy/ds)/dy."""
        assert self.functions.jacobian is not None
        self.jacobians += 1
        return self.functions.jacobian(s, vector)

    def split(self, groups: Sequence[Any]) -> list[Slope]:
        """One for each group of members, each with the whole budget; itself where there is one group."""
        if len(groups) == 1:
            return [self]
        assert self.functions.part is not None
        return [Slope(self.functions.part(members), self.budget) for members in groups]

    def join(self, parts: Sequence[Slope], sizes: Sequence[int]) -> None:
        """Its counts are the largest of its parts', which have so many members."""
        self.groups = len(parts)
        if self.groups > 1:
            self.count, self.jacobians = (
                max(each) for each in zip(*((p.count, p.jacobians) for p in parts), strict=True)
            )
            self.mean = float(np.average([part.count for part in parts], weights=sizes))

    def cost(self) -> str:
        """As a message has it."""
        own = f" at most, {self.mean:.0f} on average" if self.mean not in (None, self.count) else ""
        by_hand = f", {self.jacobians} of its Jacobian" if self.jacobians else ""
        groups = f", in {self.groups} groups of members of like stiffness" if self.groups > 1 else ""
        return f"{self.count} evaluations of the right-hand side{own}{by_hand}{groups}"


def _failed(error: Exception) -> Exception:
    """What the problem's gradient raises says so already."""
    if isinstance(error, EvaluationError):
        return error
    return EvaluationError(f"the flow raised {type(error).__name__}: {error}")
