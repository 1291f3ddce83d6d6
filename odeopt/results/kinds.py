"""The types that a file may hold: results, their parts, and stand-ins for objects that hold functions."""

from __future__ import annotations

from odeopt.analysis.batch_size import BatchScaling
from odeopt.analysis.batches import BatchComparison
from odeopt.analysis.charts import StabilityChart, StabilityRegion
from odeopt.analysis.comparison import Comparison
from odeopt.analysis.convergence import Convergence, WorkPrecision
from odeopt.analysis.energy import Energy
from odeopt.analysis.follow import Following
from odeopt.analysis.modified import ModifiedFlow
from odeopt.analysis.regularizer import ImplicitRegularizer
from odeopt.analysis.sharpness import Sharpness
from odeopt.core.time_map import Clock
from odeopt.diagnosis.finding import Finding, Measured
from odeopt.diagnosis.records import Records
from odeopt.diagnosis.result import Diagnosis
from odeopt.edge.batch_sharpness import BatchSharpness
from odeopt.edge.comparison_result import EdgeComparison
from odeopt.edge.covariance import Covariance
from odeopt.edge.gauge import EdgeGauge
from odeopt.edge.result import CentralFlow
from odeopt.edge.rod_result import RodFlow
from odeopt.ensembles.result import Ensemble
from odeopt.laws.flux import Flux
from odeopt.laws.fokker_planck import FokkerPlanck
from odeopt.laws.grid import Grid
from odeopt.laws.moments import Moments
from odeopt.noise.brownian import BrownianPath
from odeopt.problems.gradient_check import GradientCheck
from odeopt.results.interpolants import Group, Stacked
from odeopt.results.stand_ins import (
    AtPoint,
    FlowOf,
    Law,
    Named,
    NamedPenalty,
    NamedSchedule,
    NamedStatus,
    Repeated,
    StepOf,
)
from odeopt.scaling.loss_forecast import LossForecast, LossPrediction
from odeopt.scaling.schedule_bound import ScheduleBound
from odeopt.scaling.transfer_result import Change, Transfer
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.closed_form import ClosedForm
from odeopt.sweeps.result import Sweep
from odeopt.trials.result import Bench
from odeopt.util.absent import Absent
from odeopt.word2vec.train import Training
from odeopt.word2vec.vectors import Vectors

RESULTS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Trajectory, Comparison, Following, Convergence, WorkPrecision, Energy, Sharpness, StabilityRegion,
        StabilityChart, BatchComparison, BatchScaling, ImplicitRegularizer, Ensemble, Moments, FokkerPlanck,
        GradientCheck, BrownianPath, CentralFlow, EdgeComparison, EdgeGauge, BatchSharpness, RodFlow, ScheduleBound,
        LossForecast, LossPrediction, Transfer, Bench, Diagnosis, Sweep, Training, Vectors,
    )
}  # fmt: skip
PARTS = (Absent, Change, Clock, ClosedForm, Covariance, Finding, Flux, Grid, Group, Measured, ModifiedFlow, Records)
STAND_INS = (AtPoint, FlowOf, Law, Named, NamedPenalty, NamedSchedule, NamedStatus, Repeated, Stacked, StepOf)

KINDS: dict[str, type] = {**RESULTS, **{kind.__name__: kind for kind in (*PARTS, *STAND_INS)}}
