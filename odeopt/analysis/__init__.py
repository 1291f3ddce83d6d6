"""What an optimizer really solves, and where it stops doing so."""

from odeopt.analysis.modified import ModifiedFlow, modified_flow
from odeopt.analysis.one_step import OneStep, from_step
from odeopt.analysis.stability import amplification, stability_limit, step_matrix

__all__ = ["ModifiedFlow", "OneStep", "amplification", "from_step", "modified_flow", "stability_limit", "step_matrix"]
