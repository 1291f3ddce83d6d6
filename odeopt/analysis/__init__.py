"""What an optimizer really solves, and where it stops doing so."""

from odeopt.analysis.charts import StabilityChart, StabilityRegion, stability_chart, stability_region
from odeopt.analysis.linear import amplification, multipliers, spectral_radius, step_matrix
from odeopt.analysis.modified import ModifiedFlow, modified_flow
from odeopt.analysis.one_step import OneStep, from_step
from odeopt.analysis.preconditioner import preconditioner
from odeopt.analysis.sharpness import Sharpness, sharpness
from odeopt.analysis.stability import stability_limit
from odeopt.analysis.tuning import convergence_rate, critical_beta, tuned_gd, tuned_momentum, tuned_nesterov

__all__ = [
    "ModifiedFlow",
    "OneStep",
    "Sharpness",
    "StabilityChart",
    "StabilityRegion",
    "amplification",
    "convergence_rate",
    "critical_beta",
    "from_step",
    "modified_flow",
    "multipliers",
    "preconditioner",
    "sharpness",
    "spectral_radius",
    "stability_chart",
    "stability_limit",
    "stability_region",
    "step_matrix",
    "tuned_gd",
    "tuned_momentum",
    "tuned_nesterov",
]
