"""The public names, and where each lives."""

from . import (
    analysis,
    decay,
    flows,
    laws,
    noise,
    ops,
    optimizers,
    plots,
    problems,
    schedules,
    schemes,
    starts,
    testing,
    words,
)
from .analysis.batch_size import BatchScaling, batch_scaling, noise_ratio, scale_batch
from .analysis.batches import BatchComparison, batch_schedule, compare_batches
from .analysis.charts import StabilityChart, StabilityRegion, stability_chart, stability_region
from .analysis.energy import Energy, energy
from .analysis.follow import Following, follow
from .analysis.modified import modified_flow
from .analysis.one_step import from_step
from .analysis.regularizer import ImplicitRegularizer, implicit_regularizer
from .analysis.sde import sde
from .analysis.sharpness import Sharpness, sharpness
from .analysis.stability import stability_limit
from .analysis.tuning import convergence_rate, critical_beta, tuned_gd, tuned_momentum, tuned_nesterov
from .comparison import Comparison, compare
from .ensembles import Ensemble, ensemble
from .flow import Flow, Onset, conserved, decreasing, flow, project, push, relax
from .optimizers.base import Optimizer
from .orders import Convergence, WorkPrecision, convergence, work_precision
from .problems import Problem
from .simulation import Snapshot, simulate
from .solution import solve
from .solvers.ivp import IVP, ivp
from .trajectory import Status, Trajectory

__version__: str

__all__ = [
    "IVP",
    "BatchComparison",
    "BatchScaling",
    "Comparison",
    "Convergence",
    "Energy",
    "Ensemble",
    "Flow",
    "Following",
    "ImplicitRegularizer",
    "Onset",
    "Optimizer",
    "Problem",
    "Sharpness",
    "Snapshot",
    "StabilityChart",
    "StabilityRegion",
    "Status",
    "Trajectory",
    "WorkPrecision",
    "analysis",
    "batch_scaling",
    "batch_schedule",
    "compare",
    "compare_batches",
    "conserved",
    "convergence",
    "convergence_rate",
    "critical_beta",
    "decay",
    "decreasing",
    "energy",
    "ensemble",
    "flow",
    "flows",
    "follow",
    "from_step",
    "implicit_regularizer",
    "ivp",
    "laws",
    "modified_flow",
    "noise",
    "noise_ratio",
    "ops",
    "optimizers",
    "plots",
    "problems",
    "project",
    "push",
    "relax",
    "scale_batch",
    "schedules",
    "schemes",
    "sde",
    "sharpness",
    "simulate",
    "solve",
    "stability_chart",
    "stability_limit",
    "stability_region",
    "starts",
    "testing",
    "tuned_gd",
    "tuned_momentum",
    "tuned_nesterov",
    "words",
    "work_precision",
]
