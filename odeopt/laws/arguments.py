"""Checks of the arguments that all laws share."""

from __future__ import annotations

from typing import Any

from odeopt.problems.base import a_problem
from odeopt.util import check


def temperature_of(value: Any) -> float:
    """T > 0 as one number; ValueError or TypeError otherwise."""
    return check.scalar("temperature", check.positive("temperature", value))


def problem_of(problem: Any, dim: int) -> None:
    """Refuses anything but a Problem with `dim` parameters."""
    if a_problem(problem).dim != dim:
        raise ValueError(f"problem must have d = {dim} here, got d = {problem.dim}")
