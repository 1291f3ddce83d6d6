"""What an optimizer really solves, and where it stops doing so."""

from odeopt.analysis.memoryless import slow_rate, start_shift
from odeopt.analysis.modified import ModifiedFlow, modified_flow
from odeopt.analysis.one_step import OneStep, from_step
from odeopt.analysis.regularizer import ImplicitRegularizer, implicit_regularizer
from odeopt.analysis.stability import amplification, stability_limit, step_matrix

__all__ = [
    "ImplicitRegularizer",
    "ModifiedFlow",
    "OneStep",
    "amplification",
    "from_step",
    "implicit_regularizer",
    "modified_flow",
    "slow_rate",
    "stability_limit",
    "start_shift",
    "step_matrix",
]
