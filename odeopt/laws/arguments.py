"""The arguments that all laws share."""

from __future__ import annotations

from typing import Any

from odeopt.problems import Problem
from odeopt.util import check


def temperature_of(value: Any) -> float:
    """T > 0, one number."""
    return check.scalar("temperature", check.positive("temperature", value))


def problem_of(problem: Any, dim: int) -> None:
    """A Problem of so many parameters."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a Problem, e.g. odeopt.problems.double_well(), got {problem!r}")
    if problem.dim != dim:
        raise ValueError(f"problem must have d = {dim} here, got d = {problem.dim}")
