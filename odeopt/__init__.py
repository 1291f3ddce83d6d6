"""odeopt: optimizers as numerical integrators of the flows that they discretise."""

from importlib import import_module
from typing import Any

from odeopt import analysis, decay, flows, laws, noise, ops, optimizers, problems, schemes, starts
from odeopt.analysis.batch_size import BatchScaling, batch_scaling, noise_ratio, scale_batch
from odeopt.analysis.batches import BatchComparison, batch_schedule, compare_batches
from odeopt.analysis.charts import StabilityChart, StabilityRegion, stability_chart, stability_region
from odeopt.analysis.energy import Energy, energy
from odeopt.analysis.follow import Following, follow
from odeopt.analysis.modified import modified_flow
from odeopt.analysis.one_step import from_step
from odeopt.analysis.regularizer import ImplicitRegularizer, implicit_regularizer
from odeopt.analysis.sde import sde
from odeopt.analysis.sharpness import Sharpness, sharpness
from odeopt.analysis.stability import stability_limit
from odeopt.analysis.tuning import convergence_rate, critical_beta, tuned_gd, tuned_momentum, tuned_nesterov
from odeopt.compare import Comparison, compare
from odeopt.convergence import Convergence, WorkPrecision, convergence, work_precision
from odeopt.ensemble import Ensemble, ensemble
from odeopt.flow import Flow, Onset, conserved, decreasing, flow, project, push, relax
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulate import Snapshot, simulate
from odeopt.solve import solve
from odeopt.trajectory import Status, Trajectory

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`odeopt.plots` (with Matplotlib), `odeopt.testing` and `odeopt.words` are imported when they are first used."""
    if name in ("plots", "testing", "words"):
        return import_module(f"odeopt.{name}")
    raise AttributeError(f"module 'odeopt' has no attribute {name!r}")


__all__ = [
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
    "laws",
    "modified_flow",
    "noise",
    "noise_ratio",
    "ops",
    "optimizers",
    "problems",
    "project",
    "push",
    "relax",
    "scale_batch",
    "schemes",
    "sde",
    "sharpness",
    "simulate",
    "solve",
    "stability_chart",
    "stability_limit",
    "stability_region",
    "starts",
    "tuned_gd",
    "tuned_momentum",
    "tuned_nesterov",
    "work_precision",
]
