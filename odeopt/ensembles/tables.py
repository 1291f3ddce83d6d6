"""Results with their axes named: pandas and xarray, where they are installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from odeopt.ensembles.result import Ensemble


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"this needs {name}: install odeopt-toolkit[tables]") from error


def ensemble_dataframe(run: Ensemble) -> Any:
    """A row per time; columns alive, loss_mean, loss_variance, mean and variance of each observable, its quantiles."""
    pandas = _library("pandas")
    columns = {"alive": run.alive, "loss_mean": run.loss_mean, "loss_variance": run.loss_variance}
    for i, name in enumerate(run.observables):
        columns[f"mean {name}"], columns[f"variance {name}"] = run.mean[:, i], run.variance[:, i]
        columns.update({f"quantile {p:g} {name}": run.quantiles[:, j, i] for j, p in enumerate(run.probabilities)})
    return pandas.DataFrame(columns, index=pandas.Index(run.t, name="t"))


def ensemble_dataset(run: Ensemble) -> Any:
    """All arrays with the dimensions t, observable, probability, bin, member and path."""
    xarray = _library("xarray")
    names = list(run.observables)
    data = {
        "alive": ("t", run.alive),
        "loss_mean": ("t", run.loss_mean),
        "loss_variance": ("t", run.loss_variance),
        "mean": (("t", "observable"), run.mean),
        "covariance": (("t", "observable", "other"), run.covariance),
        "quantiles": (("t", "probability", "observable"), run.quantiles),
        "counts": (("t", "observable", "bin"), run.counts),
        "first_passage": ("member", run.first_passage),
        "paths": (("t", "path", "coordinate"), run.paths),
    }
    coordinates = {"t": run.t, "observable": names, "other": names, "probability": run.probabilities}
    if run.edges.size:
        coordinates["bin"] = (run.edges[1:] + run.edges[:-1]) / 2
    facts = {"name": run.name, "members": run.members, "status": run.status.name, "message": run.message}
    return xarray.Dataset(data, coordinates, facts)
