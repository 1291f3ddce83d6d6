"""The cells of a sweep: all at once, or from round to round as a study chooses them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from odeopt.problems import Problem
from odeopt.sweeps.cells import Cell, expanded, key
from odeopt.sweeps.record import OWN
from odeopt.sweeps.study import Study
from odeopt.sweeps.work import taken


@dataclass(frozen=True, eq=False)
class Grid:
    """The names of a cell, the number of cells, and the cells or the study that chooses them."""

    names: tuple[str, ...]
    total: int
    all: tuple[Cell, ...]
    study: Study | None

    @classmethod
    def of(cls, grid: Any) -> Grid:
        """The cells of the argument `grid`."""
        if isinstance(grid, Study):
            return cls(tuple(grid.distributions), grid.cells, (), grid)
        cells = expanded(grid)
        return cls(tuple(cells[0]), len(cells), tuple(cells), None)

    def facts(self) -> dict[str, Any]:
        """Names, values and number of the cells, whatever their order, for the head of a folder."""
        if self.study is not None:
            return {"study": str(self.study)}
        values = {name: sorted({json.dumps(cell[name]) for cell in self.all}) for name in sorted(self.names)}
        keys = "".join(sorted(map(key, self.all)))
        return {"values": values, "cells": self.total, "grid": hashlib.sha256(keys.encode()).hexdigest()[:16]}

    def check_names(self, make: Callable[..., Any], problem: Any) -> None:
        """ValueError for a name that neither takes, or that a column of records has."""
        one: Cell = dict.fromkeys(self.names)
        used = {*taken(make, one), *([] if isinstance(problem, Problem | None) else taken(problem, one))}
        if unused := [name for name in self.names if name not in used]:
            raise ValueError(f"grid must have names that make or problem takes, got {', '.join(unused)}")
        if reserved := [name for name in self.names if name in OWN]:
            raise ValueError(f"grid must not have the names {', '.join(OWN)}, got {', '.join(reserved)}")

    def rounds(self, score: Callable[[Cell], float]) -> Iterator[tuple[Cell, ...]]:
        """Cells to run, each once; score(cell) is asked for those of a round after it."""
        if self.study is None:
            yield self.all
        else:
            yield from (tuple(each) for each in self.study.rounds(score))
