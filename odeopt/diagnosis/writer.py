"""A monitor's file: one JSON object a line, appended, so that a killed run loses at most the line being written.

A header {"kind": "header", "format", "version", ...} stands first, and again after each resumption.  Lines of kind
"step" and "gauge" follow, and "end" where the run was closed.  JSON has no infinities and no NaN: they are the strings
"inf", "-inf" and "nan".  A reader leaves out a last line that is torn.
"""

from __future__ import annotations

import json
import math
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odeopt.util import check

FORMAT, VERSION = "odeopt-monitor", 1
TAIL = 2**20  # bytes at the end of a file in which its last step is looked for


class Writer:
    """Appends lines to a file, or keeps nothing where the path is None.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = Writer(f"{folder}/run.jsonl")
    ...     writer.write("step", step=0, loss=float("nan"))
    ...     writer.close()
    ...     print(Path(folder, "run.jsonl").read_text().strip(), last_step(Path(folder, "run.jsonl")))
    {"kind": "step", "step": 0, "loss": "nan"} 0
    """

    def __init__(self, path: str | Path | None) -> None:
        self._file = None
        if path is not None:
            where = check.path("path", path)
            where.parent.mkdir(parents=True, exist_ok=True)
            torn = _is_torn(where)
            self._file = open(where, "a", encoding="utf-8")  # noqa: SIM115  (stays open during the run)
            weakref.finalize(self, self._file.close)
            if torn:
                self._file.write("\n")

    def write(self, kind: str, **fields: Any) -> None:
        """Appends one line and hands it to the operating system."""
        if self._file is not None:
            self._file.write(json.dumps(plain({"kind": kind, **fields}), allow_nan=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Closes the file; what is written later is dropped."""
        if self._file is not None:
            self._file.close()
            self._file = None


def plain(value: Any) -> Any:
    """The value with numbers that JSON lacks as strings; what is no JSON becomes its text."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def last_step(path: Path) -> int | None:
    """The largest step among the last lines of a file; None if there is none."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    return max((step for step in map(_step, lines) if step is not None), default=None)


def _step(line: str) -> int | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    step = found.get("step") if isinstance(found, dict) else None
    return step if isinstance(step, int) else None


def _is_torn(path: Path) -> bool:
    """Whether the last line of a file lacks its end."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
