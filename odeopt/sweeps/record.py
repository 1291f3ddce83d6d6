"""A record: how one run of a cell ended, as a line of JSON with its checksum."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odeopt.sweeps.cells import Cell, key
from odeopt.util.status import Status

OWN = ("key", "seed", "status", "message", "sha256")  # columns that no cell and no measure may have
HEX = 16  # digits of the checksum


@dataclass(frozen=True)
class Record:
    """The cell, the number of its seed, how it ended, and what was measured; nothing if the run failed."""

    cell: Cell
    seed: int
    status: Status
    message: str
    values: Mapping[str, float]

    @property
    def place(self) -> tuple[str, int]:
        """What no two records of a sweep share."""
        return key(self.cell), self.seed

    def line(self) -> str:
        """One line of JSON that pandas.read_json(lines=True) reads; null for NaN, 1e999 for inf."""
        facts = json.dumps({"key": key(self.cell), "seed": self.seed, **self.cell})
        values = "".join(f", {json.dumps(name)}: {_number(x)}" for name, x in self.values.items())
        ended = json.dumps({"status": self.status.name, "message": self.message})
        text = f"{facts[:-1]}{values}, {ended[1:]}"
        return f'{text[:-1]}, "sha256": "{checksum(text)}"}}\n'


def _number(x: float) -> str:
    """A number in strict JSON, with all its digits."""
    if math.isnan(x):
        return "null"
    return repr(x) if math.isfinite(x) else ("1e999" if x > 0 else "-1e999")


def checksum(text: str) -> str:
    """The first digits of the SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:HEX]


def read(line: str, names: tuple[str, ...]) -> Record:
    """The record of a line, whose cell has these names; ValueError if the line is damaged."""
    body, mark, tail = line.rpartition(', "sha256": "')
    if not mark or tail != f'{checksum(body + "}")}"}}\n':
        raise ValueError("its checksum is wrong")
    facts: dict[str, Any] = json.loads(body + "}")
    cell = {name: facts.pop(name) for name in names}
    place, seed = facts.pop("key"), facts.pop("seed")
    status, message = Status[facts.pop("status")], facts.pop("message")
    if place != key(cell):
        raise ValueError("it belongs to another cell")
    values = {name: math.nan if x is None else float(x) for name, x in facts.items()}
    return Record(cell, seed, status, message, values)
