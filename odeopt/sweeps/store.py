"""The folder of a sweep: a head that says what is run, and records in files that only grow.

head.json      settings and code identity, with a checksum
cells-*.jsonl  one line for each finished run of a cell; each process that writes has a file of its own

A line is written by one call and flushed to the disk.  A process that is killed in the middle of it leaves a line whose
checksum is wrong: that one run is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odeopt.sweeps.record import Record, read
from odeopt.util import files
from odeopt.util.interrupts import postponed

HEAD, PATTERN = "head.json", "cells-*.jsonl"
LONG = 100  # characters of a value in an error

Place = tuple[str, int]  # the key of a cell and the number of its seed


@dataclass(frozen=True)
class Found:
    """The records of a folder, and what is wrong with other lines: "cells-1f.jsonl, line 3: its checksum is wrong"."""

    records: Mapping[Place, Record]
    damaged: tuple[str, ...]


class Store:
    """A folder with its head, open for more records."""

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        """Opens or makes the folder; ValueError if it belongs to another sweep, OSError if it cannot be written."""
        self.folder = folder
        self._file: int | None = None
        if (folder / HEAD).exists():
            refuse_another(folder, read_head(folder), head)
        else:
            if any(folder.glob(PATTERN)):
                raise ValueError(f"path must be the folder of a sweep, {folder} has records but no {HEAD}")
            files.write(folder / HEAD, _sealed(head).encode())

    def found(self, names: tuple[str, ...]) -> Found:
        """All records of cells with these names."""
        records: dict[Place, Record] = {}
        damaged: list[str] = []
        for path in sorted(self.folder.glob(PATTERN)):
            lines = path.read_bytes().split(b"\n")
            for number, line in enumerate(lines, 1):
                if not line and number == len(lines):
                    continue
                try:
                    record = read(line.decode() + "\n", names)
                except (ValueError, KeyError, TypeError) as error:
                    damaged.append(f"{path.name}, line {number}: {error}")
                    continue
                records.setdefault(record.place, record)
        return Found(records, tuple(damaged))

    def add(self, records: Iterable[Record]) -> None:
        """Appends records; all of them are on the disk when it returns.  Ctrl-C waits for it."""
        data = "".join(record.line() for record in records).encode()
        with postponed():
            if self._file is None:
                name = self.folder / f"cells-{secrets.token_hex(6)}.jsonl"
                self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, files.EVERYONE)
            before = os.fstat(self._file).st_size
            try:
                while data:
                    data = data[os.write(self._file, data) :]
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, before)
                raise OSError(
                    error.errno, f"{error.strerror}; what had finished before is kept", str(self.folder)
                ) from error

    def close(self) -> None:
        """Closes the file of this process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_head(folder: Path) -> dict[str, Any]:
    """The head of a folder; ValueError if it is damaged or there is none."""
    try:
        found = json.loads((folder / HEAD).read_text())
        digest = found.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"path must be the folder of a sweep, {folder / HEAD} cannot be read: {error}") from error
    if digest != _digest(found):
        raise ValueError(f"path must be the folder of a sweep, {folder / HEAD} is damaged: its checksum is wrong")
    return dict(found)


def refuse_another(folder: Path, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """ValueError that names every difference between the sweep in the folder and this one."""
    here = json.loads(json.dumps(asked))
    names = [name for name in {**kept, **here} if kept.get(name) != here.get(name)]
    if names:
        differences = "; ".join(
            f"{name} is {_short(kept.get(name))} there, {_short(here.get(name))} here" for name in names
        )
        raise ValueError(f"path must be the folder of the same sweep, {folder} has another: {differences}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def _digest(head: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


def _sealed(head: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(head))
    return json.dumps({**plain, "sha256": _digest(plain)}, indent=1) + "\n"
