"""What an optimizer really solves, and where it stops doing so."""

from odeopt.analysis.modified import ModifiedFlow, modified_flow
from odeopt.analysis.one_step import OneStep, from_step
from odeopt.analysis.stability import amplification, real_stability_limit

__all__ = ["ModifiedFlow", "OneStep", "amplification", "from_step", "modified_flow", "real_stability_limit"]
