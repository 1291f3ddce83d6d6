"""Runs as columns of numbers, a row for each record and each member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from odeopt.analysis.comparison import Comparison
from odeopt.analysis.follow import Following
from odeopt.diagnosis.result import Diagnosis
from odeopt.simulation.trajectory import Trajectory
from odeopt.util.check import Array


class Frame(NamedTuple):
    """Columns, and those that name the rows; all have the same length."""

    columns: Mapping[Any, Any]
    rows: Mapping[str, Any]


def by_coordinate(name: str, values: Array) -> dict[str, Array]:
    """{name[i]: values[..., i] as a column}."""
    return {f"{name}[{i}]": values[..., i].ravel() for i in range(values.shape[-1])}


def by_member(times: Any, name: str = "t") -> dict[str, Array]:
    """The names of rows (record, *members): the time, of this shape, and the number of the member along each axis."""
    members = np.indices(times.shape)[1:]
    axes = ["member"] if len(members) == 1 else [f"member {i}" for i in range(len(members))]
    return {name: times.ravel(), **{axis: number.ravel() for axis, number in zip(axes, members, strict=True)}}


def trajectory(run: Trajectory) -> Frame:
    """theta, loss and memory by t; `name[i]` is coordinate i, and a clock has no coordinates."""
    columns = {**by_coordinate("theta", run.theta), "loss": run.loss.ravel()}
    for name, value in run.state.items():
        clock = value.shape[-1] == 1 < run.theta.shape[-1]
        columns |= {name: value.ravel()} if clock else by_coordinate(name, value)
    return Frame(columns, by_member(run.times))


def comparison(result: Comparison) -> Frame:
    """Each of the three runs by the iterates' t, and the error; NaN where a flow did not reach."""
    ratio = np.asarray(result.optimizer.lr_time) / np.asarray(result.optimizer.h)
    times = {"flow": result.iterates.t, "gradient_flow": result.iterates.t * ratio}
    return _together(result, {name: (getattr(result, name), t) for name, t in times.items()})


def following(result: Following) -> Frame:
    """The iterates and their modified flow by t, and the error; NaN where the flow did not reach."""
    return _together(result, {"flow": (result.flow, result.iterates.t)})


def _together(result: Any, flows: Mapping[str, tuple[Trajectory, Array]]) -> Frame:
    """The iterates, the flows {name: (run, its times at the iterates' records)}, and the error."""
    iterates = result.iterates
    columns = {"error": _padded(result.error, len(iterates)).ravel()}
    for name, (run, times) in {"iterates": (iterates, iterates.t), **flows}.items():
        n = min(len(run), len(times))
        due = n - (0 if np.array_equal(run.t[:n], times[:n]) else 1)  # an early end has a time of its own
        theta, loss = (_padded(u[:due], len(iterates)) for u in (run.theta, run.loss))
        columns |= {f"{name} {key}": u for key, u in by_coordinate("theta", theta).items()}
        columns[f"{name} loss"] = loss.ravel()
    return Frame(columns, by_member(iterates.times))


def _padded(values: Array, length: int) -> Array:
    """The values with rows of NaN up to this length."""
    return np.concatenate([values, np.full((length - len(values), *values.shape[1:]), np.nan)])


def diagnosis(result: Diagnosis) -> Frame:
    """One row for each measured number of a finding."""
    rows = [(f, name, m) for f in result.findings for name, m in f.numbers.items()]
    columns = {key: [getattr(m, key) for *_, m in rows] for key in ("value", "error", "threshold")}
    index = {"finding": [f.name for f, *_ in rows], "number": [name for _, name, _ in rows]}
    return Frame({"fault": [f.fault for f, *_ in rows], **columns}, index)
