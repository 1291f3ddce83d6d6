"""Results as tables with named axes, by pandas and xarray if these are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from odeopt.util.check import Array


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed here: install odeopt-toolkit[tables]") from error


def dataframe(columns: Mapping[str, Array], t: Array) -> Any:
    """A pandas.DataFrame of these columns (n+1,), with one row for each time t (n+1,)."""
    pandas = _library("pandas")
    return pandas.DataFrame(dict(columns), index=pandas.Index(t, name="t"))


def dataset(data: Mapping[str, Any], coordinates: Mapping[str, Any], facts: Mapping[str, Any]) -> Any:
    """An xarray.Dataset of data {name: (dimensions, array)} with coordinates, and with facts as attributes."""
    return _library("xarray").Dataset(dict(data), dict(coordinates), dict(facts))
