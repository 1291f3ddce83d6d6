"""`sweep`: the cells of a configuration in TOML, run into a folder, and gone on with there."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from odeopt import optimizers, problems
from odeopt.commands.arguments import named, parameters, settings
from odeopt.commands.output import draw, show
from odeopt.optimizers.spacing import between, checked_range
from odeopt.sweeps.result import Sweep
from odeopt.sweeps.store import HEAD
from odeopt.sweeps.sweep import sweep
from odeopt.util import check, files
from odeopt.util.status import Status

CONFIG = "sweep.toml"  # in the folder
RANGE = {"from", "to", "points"}
KEYS = ("optimizer", "problem", "steps", "seeds", "rng", "jobs", "path", "grid", "settings", "problem_settings")
NEEDED = ("optimizer", "problem", "grid")


def swept(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints the sweep; exit status 1 if it was interrupted."""
    settings(rest, {})
    if (given.config is None) == (given.resume is None):
        raise ValueError("config must be the path of a configuration, or --resume the folder of a sweep; give one")
    file = given.config or given.resume / CONFIG
    text = file.read_text()
    config = _config(file, text)
    folder = given.resume or (Path(config["path"]) if "path" in config else None)
    if given.resume is None and folder is not None and not (folder / HEAD).exists():  # until then it may be mended
        files.write(folder / CONFIG, text.encode())
    result = _run(config, folder)
    facts = {
        "cells": len(result),
        "seeds": result.ended.shape[1],
        "failed": result.failed,
        "damaged": result.damaged,
        "digest": result.digest,
        "status": result.status.name,
        "best": vars(result.best()) if result.has_best else None,
    }
    show(given, facts, str(result))
    draw(given.out, result.plot)
    return 1 if result.status is Status.INTERRUPTED else 0


def _config(file: Path, text: str) -> dict[str, Any]:
    """The configuration; ValueError that names the file and what is wrong in it."""
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"config must be TOML, {file} is not: {error}") from error
    for name in config:
        check.choice(f"key in {file}", name, KEYS)
    if missing := [name for name in NEEDED if name not in config]:
        raise ValueError(f"config must have {', '.join(NEEDED)}, {file} is without {', '.join(missing)}")
    return config


def _run(config: Mapping[str, Any], folder: Path | None) -> Sweep:
    make = named("optimizer", config["optimizer"], optimizers)
    grid = {name: _values(name, given) for name, given in check.mapping("grid", config["grid"], "names").items()}
    for name in grid:
        check.choice("name in grid", name, parameters(make))
    fixed = check.mapping("settings", config.get("settings"), "names to values")
    posed = check.mapping("problem_settings", config.get("problem_settings"), "names to values")
    problem = named("problem", config["problem"], problems)(**posed)
    more = {name: config[name] for name in ("steps", "seeds", "rng", "jobs") if name in config}
    return sweep(partial(make, **fixed) if fixed else make, problem, grid, path=folder, **more)


def _values(name: str, given: Any) -> Any:
    """The values of a name; {from = 1e-4, to = 1, points = 20} spaces them as a search does."""
    if not isinstance(given, Mapping):
        return given
    if given.keys() != RANGE:
        raise ValueError(f"{name} in grid must be values or a range with {', '.join(sorted(RANGE))}, got {given!r}")
    ends, points = checked_range(name, [given["from"], given["to"]]), check.count("points", given["points"], 2)
    return [between(name, *ends, i / (points - 1)) for i in range(points)]
