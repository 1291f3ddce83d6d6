"""Records from a file of a monitor, a log in JSON lines or CSV, a mapping or a DataFrame."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odeopt.diagnosis.records import Records, of_log
from odeopt.util import check

FORMAT, VERSION = "odeopt-monitor", 1
Line = Mapping[str, Any]


def records(source: Any, columns: Mapping[str, str] | None = None) -> Records:
    """The records of any source; TypeError for what is none."""
    if isinstance(source, Records):
        return source
    if isinstance(source, str | Path):
        return read(source, columns)
    if isinstance(source, Mapping):
        return of_log(source, columns)
    if type(source).__name__ == "DataFrame":  # of any library: its columns by name, and an index called step
        table = {name: list(source[name]) for name in source.columns}
        return of_log(table, columns)
    raise TypeError(
        f"source must be a file (.jsonl, .csv), a mapping of columns or a DataFrame, got {check.shown(source)}"
    )


def read(path: str | Path, columns: Mapping[str, str] | None = None) -> Records:
    """The records of a file: CSV by its ending, JSON lines otherwise.  A line that is torn is left out."""
    where = check.path("source", path)
    if not where.is_file():
        raise ValueError(f"source must be a file that exists, got {where}")
    text = where.read_text(encoding="utf-8", errors="replace")
    if where.suffix.lower() == ".csv":
        return of_log(_table([*csv.DictReader(text.splitlines())]), columns)
    lines = [line for line in map(_parsed, text.splitlines()) if line is not None]
    headers = [line for line in lines if line.get("kind") == "header"]
    if not headers:
        return of_log(_table(lines), columns)
    if headers[-1].get("format") != FORMAT or headers[-1].get("version") != VERSION:
        raise ValueError(f"source must have the format {FORMAT}, version {VERSION}, got {check.shown(headers[-1])}")
    return Records(of_log(_table(_monitored(lines)), columns).columns, _header(headers[-1]))


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _table(rows: list[Any]) -> dict[str, list[Any]]:
    """{column: values} of rows that may lack some."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _monitored(lines: list[dict[str, Any]]) -> list[Line]:
    """The rows of a monitor's file: of each step what its line and the gauge of the same step say."""
    gauges = {line.get("step"): _gauged(line) for line in lines if line.get("kind") == "gauge"}
    return [
        {**_stepped(line), **gauges.get(line.get("step"), {})} for line in lines if line.get("kind") == "step"
    ]  # fmt: skip


def _stepped(line: Line) -> Line:
    groups = line.get("groups") or [{}]
    names = {"step": "step", "loss": "loss", "batch": "batch"}
    names |= {"grad_norm": "grad", "update_norm": "update", "weight_norm": "theta"}
    return {"lr": groups[0].get("lr"), **{ours: line.get(theirs) for ours, theirs in names.items()}}


def _gauged(line: Line) -> Line:
    sharpness, noise = line.get("sharpness") or {}, line.get("noise_scale") or {}
    found = {"sharpness": sharpness.get("value"), "signal": noise.get("signal"), "noise": noise.get("noise")}
    found["v_ratio"] = (line.get("second_moment") or {}).get("ratio")
    return {**found, "dead": line.get("dead")}


def _header(line: Line) -> Line:
    optimizer, groups = line.get("optimizer") or {}, line.get("groups") or []
    parameters = sum(group.get("parameters") or 0 for group in groups)
    return {
        "name": optimizer.get("name"),
        "settings": optimizer.get("settings") or {},
        "parameters": parameters or None,
        "samples": line.get("samples"),
    }
