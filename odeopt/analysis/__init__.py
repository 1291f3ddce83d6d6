"""Analysis of optimizers: the flows that they follow, their stability, their rates and their implicit regularizers."""

from odeopt.analysis.charts import StabilityChart, StabilityRegion, stability_chart, stability_region
from odeopt.analysis.energy import Energy, energy
from odeopt.analysis.follow import Following, follow
from odeopt.analysis.jacobian import step_jacobian
from odeopt.analysis.linear import amplification, multipliers, spectral_radius, step_matrix
from odeopt.analysis.memoryless import slow_rate, start_shift
from odeopt.analysis.modified import ModifiedFlow, modified_flow
from odeopt.analysis.preconditioner import preconditioner
from odeopt.analysis.regularizer import ImplicitRegularizer, implicit_regularizer
from odeopt.analysis.sharpness import Sharpness, sharpness
from odeopt.analysis.stability import stability_limit
from odeopt.analysis.tuning import convergence_rate, critical_beta, tuned_gd, tuned_momentum, tuned_nesterov
from odeopt.analysis.worst_case import gradient_bound, nesterov_bound, nesterov_flow_bound, worst_slope
from odeopt.optimizers.one_step import OneStep, from_step
from odeopt.util.door import suggesting

__all__ = [
    "Energy",
    "Following",
    "ImplicitRegularizer",
    "ModifiedFlow",
    "OneStep",
    "Sharpness",
    "StabilityChart",
    "StabilityRegion",
    "amplification",
    "convergence_rate",
    "critical_beta",
    "energy",
    "follow",
    "from_step",
    "gradient_bound",
    "implicit_regularizer",
    "modified_flow",
    "multipliers",
    "nesterov_bound",
    "nesterov_flow_bound",
    "preconditioner",
    "sharpness",
    "slow_rate",
    "spectral_radius",
    "stability_chart",
    "stability_limit",
    "stability_region",
    "start_shift",
    "step_jacobian",
    "step_matrix",
    "tuned_gd",
    "tuned_momentum",
    "tuned_nesterov",
    "worst_slope",
]

suggesting(__name__, __all__)
