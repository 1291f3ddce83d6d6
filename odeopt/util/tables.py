"""Results as tables with named axes, by pandas and xarray if these are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed here: install odeopt-toolkit[tables]") from error


def dataframe(columns: Mapping[Any, Any], index: Mapping[str, Any]) -> Any:
    """A pandas.DataFrame of these columns (n,), whose index consists of these columns (n,)."""
    pandas = _library("pandas")
    (name, first), *more = index.items()
    rows = pandas.MultiIndex.from_arrays([*index.values()], names=[*index]) if more else pandas.Index(first, name=name)
    return pandas.DataFrame(dict(columns), index=rows)


def dataset(data: Mapping[str, Any], coordinates: Mapping[str, Any], facts: Mapping[str, Any]) -> Any:
    """An xarray.Dataset of data {name: (dimensions, array)} with coordinates, and with facts as attributes."""
    return _library("xarray").Dataset(dict(data), dict(coordinates), dict(facts))
