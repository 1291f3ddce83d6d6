"""The public names, and where each lives."""

from . import (
    analysis,
    flows,
    laws,
    noise,
    optimizers,
    plots,
    problems,
    schemes,
    sweeps,
    symbolic,
    testing,
    word2vec,
)
from .analysis.batch_size import BatchScaling, batch_scaling, noise_ratio, scale_batch
from .analysis.batches import BatchComparison, batch_schedule, compare_batches
from .analysis.charts import StabilityChart, StabilityRegion, stability_chart, stability_region
from .analysis.comparison import Comparison, compare
from .analysis.convergence import Convergence, WorkPrecision, convergence, work_precision
from .analysis.energy import Energy, energy
from .analysis.follow import Following, follow
from .analysis.modified import modified_flow
from .analysis.regularizer import ImplicitRegularizer, implicit_regularizer
from .analysis.sde import sde
from .analysis.sharpness import Sharpness, sharpness
from .analysis.stability import stability_limit
from .analysis.tuning import convergence_rate, critical_beta, tuned_gd, tuned_momentum, tuned_nesterov
from .core import decay, ops
from .core.flow import Flow, Onset, conserved, decreasing, flow, project, push, relax
from .diagnosis.diagnose import diagnose
from .diagnosis.result import Diagnosis
from .edge.batch_sharpness import BatchSharpness, batch_sharpness
from .edge.central_flow import central_flow
from .edge.comparison import compare_at_edge
from .edge.comparison_result import EdgeComparison
from .edge.gauge import EdgeGauge, edge_gauge
from .edge.result import CentralFlow
from .edge.rod_flow import rod_flow
from .edge.rod_result import RodFlow
from .edge.transfer_function import transfer_function
from .ensembles import Ensemble, ensemble
from .optimizers import schedules, starts
from .optimizers.base import Optimizer
from .optimizers.one_step import from_step
from .problems import Problem
from .results import load
from .scaling.loss_forecast import LossForecast, LossPrediction, loss_forecast
from .scaling.schedule_bound import ScheduleBound, schedule_bound
from .scaling.transfer import transfer
from .scaling.transfer_result import Transfer
from .simulation.simulate import Snapshot, simulate
from .simulation.trajectory import Trajectory
from .solvers.ivp import IVP, ivp
from .solvers.solve import solve
from .sweeps.result import Sweep
from .sweeps.sweep import sweep
from .trials.bench import bench
from .trials.result import Bench
from .trials.search_space import SearchSpace, search_space
from .util.status import Status

__version__: str

__all__ = [
    "IVP",
    "BatchComparison",
    "BatchScaling",
    "BatchSharpness",
    "Bench",
    "CentralFlow",
    "Comparison",
    "Convergence",
    "Diagnosis",
    "EdgeComparison",
    "EdgeGauge",
    "Energy",
    "Ensemble",
    "Flow",
    "Following",
    "ImplicitRegularizer",
    "LossForecast",
    "LossPrediction",
    "Onset",
    "Optimizer",
    "Problem",
    "RodFlow",
    "ScheduleBound",
    "SearchSpace",
    "Sharpness",
    "Snapshot",
    "StabilityChart",
    "StabilityRegion",
    "Status",
    "Sweep",
    "Trajectory",
    "Transfer",
    "WorkPrecision",
    "analysis",
    "batch_scaling",
    "batch_schedule",
    "batch_sharpness",
    "bench",
    "central_flow",
    "compare",
    "compare_at_edge",
    "compare_batches",
    "conserved",
    "convergence",
    "convergence_rate",
    "critical_beta",
    "decay",
    "decreasing",
    "diagnose",
    "edge_gauge",
    "energy",
    "ensemble",
    "flow",
    "flows",
    "follow",
    "from_step",
    "implicit_regularizer",
    "ivp",
    "laws",
    "load",
    "loss_forecast",
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
    "rod_flow",
    "scale_batch",
    "schedule_bound",
    "schedules",
    "schemes",
    "sde",
    "search_space",
    "sharpness",
    "simulate",
    "solve",
    "stability_chart",
    "stability_limit",
    "stability_region",
    "starts",
    "sweep",
    "sweeps",
    "symbolic",
    "testing",
    "transfer",
    "transfer_function",
    "tuned_gd",
    "tuned_momentum",
    "tuned_nesterov",
    "word2vec",
    "work_precision",
]
