"""The public names, and where each lives."""

from .base import Rate, Schedule, schedule
from .compositions import hold, restarts, sequence, trapezoid, warm_up, wsd
from .configs import of_config, of_name
from .decays import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    one_cycle,
    one_minus_sqrt,
    optimal,
    polynomial,
    step,
    table,
)

__all__ = [
    "Rate",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "hold",
    "inverse_sqrt",
    "inverse_time",
    "linear",
    "of_config",
    "of_name",
    "one_cycle",
    "one_minus_sqrt",
    "optimal",
    "polynomial",
    "restarts",
    "schedule",
    "sequence",
    "step",
    "table",
    "trapezoid",
    "warm_up",
    "wsd",
]
