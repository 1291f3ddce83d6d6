"""The state of a training on disk.  A training that continues from it equals an uninterrupted one to the last bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from odeopt.optimizers._lazy import Lazy, Table
from odeopt.util import check, storage
from odeopt.util.check import Array
from odeopt.word2vec.course import Plan, Progress
from odeopt.word2vec.model import Model
from odeopt.word2vec.text import Corpus

KIND = "word2vec training"


def settings(text: Corpus, model: Model, plan: Plan, lazy: Lazy, dim: int) -> dict[str, Any]:
    """The settings that must be the same for a training to continue, as plain JSON."""
    words = hashlib.sha256("\n".join(text.words).encode() + text.ids.tobytes() + text.document.tobytes())
    facts = {
        "text": words.hexdigest(),
        "model": repr(model),
        "opt": lazy.opt.get_config() if lazy.opt.recipe else str(lazy.opt),
        "clock": lazy.clock,
        "dim": dim,
        **asdict(plan),
    }
    return json.loads(json.dumps(facts))


def save(path: Path, facts: dict[str, Any], progress: Progress, tables: Sequence[Table]) -> None:
    """Writes the tables, their memory and the progress to a file, atomically."""
    arrays = {f"{i} {j}": u for i, table in enumerate(tables) for j, u in enumerate(table.state)}
    arrays |= {f"{i} count": table.count for i, table in enumerate(tables)}
    storage.save(path, KIND, arrays, {"settings": facts, "progress": asdict(progress)})


def load(path: Path, facts: dict[str, Any], tables: Sequence[Table]) -> Progress:
    """Fills the tables from a file and returns the progress; ValueError if it is damaged or of other settings."""
    try:
        arrays, found = storage.load(path, KIND)
    except ValueError as error:
        raise ValueError(f"checkpoint must be a file to continue or none yet: {error}") from error
    for key, value in facts.items():
        if (saved := found["settings"].get(key)) != value:
            raise ValueError(f"{key} must be {saved!r} to continue {path}, got {value!r}")
    for i, table in enumerate(tables):
        for j, u in enumerate(table.state):
            _fill(path, u, arrays, f"{i} {j}")
        _fill(path, table.count, arrays, f"{i} count")
    return Progress(**found["progress"])


def _fill(path: Path, u: Array, arrays: Mapping[str, Array], name: str) -> None:
    """Overwrites u by the array of this name; ValueError if that is missing or of another shape."""
    shape = arrays[name].shape if name in arrays else None
    if shape != u.shape:
        raise ValueError(f"checkpoint must hold an array {name!r} of shape {u.shape}, {path} has {shape}")
    u[:] = arrays[name]


def file_of(path: str | Path | None) -> Path | None:
    """The file of a checkpoint; None for None."""
    return None if path is None else storage.file_of(check.path("checkpoint", path))
