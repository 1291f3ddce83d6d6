"""The columns that `to_dataframe` shows, by one function for each type of result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from odeopt.analysis.batch_size import BatchScaling, numbers_in
from odeopt.analysis.batches import BatchComparison
from odeopt.analysis.charts import StabilityChart, StabilityRegion
from odeopt.analysis.convergence import Convergence, WorkPrecision
from odeopt.analysis.energy import Energy
from odeopt.analysis.regularizer import ImplicitRegularizer
from odeopt.analysis.sharpness import Sharpness
from odeopt.edge.batch_sharpness import BatchSharpness
from odeopt.edge.comparison_result import EdgeComparison
from odeopt.edge.gauge import EdgeGauge
from odeopt.edge.result import CentralFlow
from odeopt.edge.rod_result import RodFlow
from odeopt.ensembles.result import Ensemble
from odeopt.laws.fokker_planck import FokkerPlanck
from odeopt.laws.moments import Moments
from odeopt.noise.brownian import BrownianPath
from odeopt.problems.gradient_check import GradientCheck
from odeopt.results.run_frames import Frame, by_coordinate, by_member, comparison, diagnosis, following, trajectory
from odeopt.scaling.loss_forecast import LossForecast, LossPrediction
from odeopt.scaling.schedule_bound import ScheduleBound
from odeopt.scaling.transfer_result import Transfer
from odeopt.simulation.trajectory import of_members
from odeopt.sweeps.result import Sweep
from odeopt.trials.result import Bench
from odeopt.util.status import Status
from odeopt.util.tables import dataframe
from odeopt.word2vec.train import Training
from odeopt.word2vec.vectors import Vectors


def to_dataframe(result: Any) -> Any:
    """A pandas.DataFrame of the result; ImportError without the extra `tables`."""
    return dataframe(*FRAMES[type(result).__name__](result))


def _convergence(result: Convergence) -> Frame:
    return Frame({"error": result.error}, {"h": result.h})


def _work_precision(result: WorkPrecision) -> Frame:
    names = np.repeat(list(result.error), [len(error) for error in result.error.values()])
    columns = {key: np.concatenate([*getattr(result, key).values()]) for key in ("gradients", "error")}
    return Frame(columns, {"scheme": names})


def _energy(result: Energy) -> Frame:
    return Frame({name: value.ravel() for name, value in result.values.items()}, by_member(result.times))


def _sharpness(result: Sharpness) -> Frame:
    return Frame({"value": result.value, "threshold": result.threshold, "ratio": result.ratio}, {"t": result.t})


def _stability_region(result: StabilityRegion) -> Frame:
    z = result.z.ravel()
    return Frame({"radius": result.radius.ravel(), "stable": result.stable.ravel()}, {"re": z.real, "im": z.imag})


def _stability_chart(result: StabilityChart) -> Frame:
    beta, z = (u.ravel() for u in np.meshgrid(result.beta, result.z, indexing="ij"))
    return Frame({"radius": result.radius.ravel(), "stable": result.stable.ravel()}, {"beta": beta, "z": z})


def _batch_comparison(result: BatchComparison) -> Frame:
    sizes = list(result.steps)
    of = {key: np.concatenate([getattr(result, key)[size] for size in sizes]) for key in ("samples", "loss", "error")}
    steps = np.concatenate([result.steps[size] for size in sizes])
    return Frame(of, {"batch": np.repeat(sizes, [len(result.steps[size]) for size in sizes]), "step": steps})


def _batch_scaling(result: BatchScaling) -> Frame:
    before, after = numbers_in(result.before), numbers_in(result.optimizer)
    return Frame({"before": [*before.values()], "after": [after[key] for key in before]}, {"setting": [*before]})


def _implicit_regularizer(result: ImplicitRegularizer) -> Frame:
    numbers = {"slope": result.slope, "coefficient": result.coefficient, "shift": result.shift}
    return Frame({key: [value] for key, value in numbers.items()}, {"optimizer": [result.name]})


def _ensemble(run: Ensemble) -> Frame:
    columns = {"alive": run.alive, "loss_mean": run.loss_mean, "loss_variance": run.loss_variance}
    for i, name in enumerate(run.observables):
        columns[f"mean {name}"], columns[f"variance {name}"] = run.mean[:, i], run.variance[:, i]
        columns |= {f"quantile {p:g} {name}": run.quantiles[:, j, i] for j, p in enumerate(run.probabilities)}
    return Frame(columns, {"t": run.t})


def _moments(result: Moments) -> Frame:
    mean, variance = (np.atleast_2d(u) for u in (result.mean, np.diagonal(result.covariance, axis1=-2, axis2=-1)))
    columns = by_coordinate("mean", mean) | by_coordinate("variance", variance)
    return Frame(columns, {"t": np.atleast_1d(result.t)})


def _fokker_planck(law: FokkerPlanck) -> Frame:
    """The stationary density."""
    return Frame({"density": law.stationary().ravel()}, by_coordinate("theta", law.grid.points))


def _gradient_check(result: GradientCheck) -> Frame:
    columns = {key: getattr(result, key).ravel() for key in ("analytic", "numeric", "error")}
    return Frame(columns, {"coordinate": np.arange(result.error.size) % result.error.shape[-1]})


def _brownian_path(path: BrownianPath) -> Frame:
    steps = np.indices(path.xi.shape[:-1])[0]
    return Frame(by_coordinate("xi", path.xi), by_member(steps, "step"))


def _central_flow(result: CentralFlow) -> Frame:
    columns = {"loss": result.loss, "mean_loss": result.mean_loss, "oscillating": result.oscillating}
    columns |= {"oscillation": result.covariance.trace, "threshold": result.threshold}
    return Frame(columns | by_coordinate("theta", result.theta), {"t": result.t})


def _edge_comparison(result: EdgeComparison) -> Frame:
    """One row for each time, NaN after the end of a model."""
    n = len(result.t)
    whole = lambda u: np.concatenate([u, np.full(n - len(u), np.nan)])
    columns = {"loss": result.loss, "sharpness over limit": result.sharpness, "oscillating": result.oscillating}
    columns |= {f"distance {name}": whole(u) for name, u in result.distance.items()}
    columns |= {f"mean loss {name}": whole(u) for name, u in result.mean_loss.items()}
    return Frame(columns, {"t": result.t})


def _edge_gauge(result: EdgeGauge) -> Frame:
    columns = {"zeta": result.zeta.ravel(), "zeta_2": result.zeta_2.ravel()}
    return Frame(columns, by_member(of_members(result.t, result.zeta.shape)))


def _batch_sharpness(result: BatchSharpness) -> Frame:
    return Frame({"value": result.value, "error": result.error}, {"t": result.t})


def _rod_flow(result: RodFlow) -> Frame:
    columns = by_coordinate("theta", result.theta) | {"loss": result.loss, "mean_loss": result.mean_loss}
    for name, value in result.state.items():
        columns |= by_coordinate(name, value)
    return Frame({**columns, "oscillation": result.covariance.trace}, {"t": result.t})


def _schedule_bound(result: ScheduleBound) -> Frame:
    numbers = {key: [getattr(result, key)] for key in ("steps", "lr", "bound", "a", "b")}
    return Frame(numbers, {"schedule": [str(result.schedule)]})


def _loss_forecast(result: LossForecast) -> Frame:
    losses, residuals = np.concatenate(result.losses), np.concatenate(result.residuals)
    curve = np.repeat(np.arange(len(result.losses)), [len(each) for each in result.losses])
    index = {"curve": curve, "step": np.concatenate(result.records)}
    return Frame({"loss": losses, "law": losses - residuals, "residual": residuals}, index)


def _loss_prediction(result: LossPrediction) -> Frame:
    return Frame({key: getattr(result, key) for key in ("loss", "low", "high")}, {"step": result.at})


def _transfer(result: Transfer) -> Frame:
    of = lambda name: [getattr(row, name) for row in result.changes]
    columns = {name: of(name) for name in ("was", "becomes", "low", "high", "because", "holds")}
    return Frame(columns, {"group": of("group"), "setting": of("setting")})


def _bench(result: Bench) -> Frame:
    """One row for each trial; NaN for hyperparameters that an optimizer does not have."""
    p, o, k = (np.ravel(u) for u in np.indices(result.ended.shape))
    names, missing = sorted({key for of in result.settings.values() for key in of}), np.full(result.trials, np.nan)
    table = {key: np.array([result.settings[name].get(key, missing) for name in result.names]) for key in names}
    columns = {
        "tuning": np.median(result.tuning, axis=-1).ravel(),
        "loss": np.median(result.loss[..., -1], axis=-1).ravel(),
        "chosen": k == np.array([found.best for found in result.standings])[p, o],
        "status": [Status(int(each)).name for each in result.ended.ravel()],
        **{key: values[o, k] for key, values in table.items()},
    }
    index = {"problem": np.array(result.problems)[p], "optimizer": np.array(result.names)[o], "trial": k}
    return Frame(columns, index)


def _sweep(result: Sweep) -> Frame:
    """One row for each run."""
    cells, seeds = (np.ravel(u) for u in np.indices(result.ended.shape))
    texts = {(cell, seed): text for cell, seed, text in result.messages}
    columns = {
        **{name: [column[cell] for cell in cells] for name, column in result.columns.items()},
        **{name: each.ravel() for name, each in result.values.items()},
        "status": [Status(int(each)).name for each in result.ended.ravel()],
        "message": [texts.get(place, "") for place in zip(cells.tolist(), seeds.tolist(), strict=True)],
    }
    return Frame(columns, {"cell": cells, "seed": seeds})


def _training(result: Training) -> Frame:
    return Frame({"loss": result.losses}, {"epoch": np.arange(1, len(result.losses) + 1)})


def _vectors(result: Vectors) -> Frame:
    return Frame(dict(enumerate(result.vectors.T)), {"word": list(result.words)})


FRAMES: Mapping[str, Callable[[Any], Frame]] = {
    "Trajectory": trajectory,
    "Comparison": comparison,
    "Following": following,
    "Convergence": _convergence,
    "WorkPrecision": _work_precision,
    "Energy": _energy,
    "Sharpness": _sharpness,
    "StabilityRegion": _stability_region,
    "StabilityChart": _stability_chart,
    "BatchComparison": _batch_comparison,
    "BatchScaling": _batch_scaling,
    "ImplicitRegularizer": _implicit_regularizer,
    "Ensemble": _ensemble,
    "Moments": _moments,
    "FokkerPlanck": _fokker_planck,
    "GradientCheck": _gradient_check,
    "BrownianPath": _brownian_path,
    "CentralFlow": _central_flow,
    "EdgeComparison": _edge_comparison,
    "EdgeGauge": _edge_gauge,
    "BatchSharpness": _batch_sharpness,
    "RodFlow": _rod_flow,
    "ScheduleBound": _schedule_bound,
    "LossForecast": _loss_forecast,
    "LossPrediction": _loss_prediction,
    "Transfer": _transfer,
    "Bench": _bench,
    "Diagnosis": diagnosis,
    "Sweep": _sweep,
    "Training": _training,
    "Vectors": _vectors,
}
