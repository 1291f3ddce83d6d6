"""A cell is {name: value}: what one run is made of.  Its key and its random stream depend on nothing else."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util import check

Value = bool | int | float | str | None
Cell = dict[str, Value]
MOST = 10_000_000  # cells


def key(cell: Mapping[str, Value]) -> str:
    """The name of a cell: 16 digits of the SHA-256 of its values, whatever their order.

    >>> key({"lr": 0.1, "beta": 0.9}) == key({"beta": 0.9, "lr": 0.1})
    True
    """
    return _digest(cell).hex()[:16]


def _digest(cell: Mapping[str, Value]) -> bytes:
    return hashlib.sha256(json.dumps(cell, sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Root:
    """The random numbers of a sweep; each cell and seed has a child of it."""

    entropy: int | tuple[int, ...]
    spawn_key: tuple[int, ...] = ()

    @classmethod
    def of(cls, name: str, rng: Any) -> Root:
        """The root that None, a seed or a Generator gives."""
        sequence: Any = check.generator(name, rng).bit_generator.seed_seq
        (child,) = sequence.spawn(1)
        return cls.kept(child.entropy, child.spawn_key)

    @classmethod
    def kept(cls, entropy: Any, spawn_key: Iterable[int]) -> Root:
        """The root of these numbers: the entropy is one, or as many as a seed was made of."""
        numbers = np.ravel(np.array(entropy, dtype=object)).tolist()
        return cls(int(entropy) if np.ndim(entropy) == 0 else tuple(map(int, numbers)), tuple(map(int, spawn_key)))

    def stream(self, cell: Mapping[str, Value], seed: int) -> np.random.SeedSequence:
        """The stream of a cell: it depends on the values of the cell and the number of the seed alone."""
        words = np.frombuffer(_digest(cell)[:16], "<u4").tolist()
        return np.random.SeedSequence(self.entropy, spawn_key=(*self.spawn_key, *words, seed))


class Streams(np.random.SeedSequence):
    """A seed whose children are the first children of given seeds, one for each member of an array run."""

    def __init__(self, of: Iterable[np.random.SeedSequence]) -> None:
        super().__init__(0)
        self.of = list(of)

    def spawn(self, n_children: int) -> Any:
        """The children; ValueError for another number of members."""
        if n_children != len(self.of):
            raise ValueError(f"n_children must be {len(self.of)}, the number of cells, got {n_children}")
        return [np.random.SeedSequence(one.entropy, spawn_key=(*one.spawn_key, 0)) for one in self.of]


def expanded(grid: Any) -> list[Cell]:
    """All cells of a grid {name: values}, the first name varying slowest, or of a list of cells; each occurs once.

    >>> expanded({"lr": [0.1, 0.2], "beta": 0.9})
    [{'lr': 0.1, 'beta': 0.9}, {'lr': 0.2, 'beta': 0.9}]
    """
    if isinstance(grid, Mapping):
        columns = {_name(name): _values(name, given) for name, given in grid.items()}
        if (total := math.prod(map(len, columns.values()))) > MOST:
            raise ValueError(f"grid must have at most {MOST} cells, got {total}")
        cells = [dict(zip(columns, each, strict=True)) for each in itertools.product(*columns.values())]
    elif isinstance(grid, list | tuple) and all(isinstance(cell, Mapping) for cell in grid):
        cells = [{_name(name): value(name, given) for name, given in cell.items()} for cell in grid]
    else:
        raise TypeError(
            f"grid must be {{name: values}}, a list of cells {{name: value}} or a sampler of odeopt.sweeps, "
            f"got {check.shown(grid)}"
        )
    if not cells or not cells[0]:
        raise ValueError(f"grid must have at least one cell with a name, got {check.shown(grid)}")
    if any(cell.keys() != cells[0].keys() for cell in cells):
        raise ValueError(f"grid must have the same names in each cell, got {check.shown(grid)}")
    if len({tuple(cell[name] for name in cells[0]) for cell in cells}) < len(cells):  # 1, 1.0 and True are the same
        raise ValueError(f"grid must have each cell once, got {check.shown(grid)}")
    return cells


def value(name: str, given: Any) -> Value:
    """One value of a cell: a finite number, text, a bool or None."""
    plain = given.item() if isinstance(given, np.generic) else given
    if not isinstance(plain, bool | int | float | str | None):
        raise TypeError(f"{name} in grid must be numbers, text, True, False or None, got {check.shown(given)}")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"{name} in grid must be finite, got {plain!r}")
    return plain


def _values(name: str, given: Any) -> list[Value]:
    if isinstance(given, np.ndarray) and (given.ndim != 1 or check.is_masked(given)):
        raise ValueError(f"{name} in grid must be one value or a list of them, unmasked, got {check.shown(given)}")
    many = isinstance(given, list | tuple | range | np.ndarray)
    found = [value(name, each) for each in (given if many else [given])]
    if not found:
        raise ValueError(f"{name} in grid must have at least one value, got {check.shown(given)}")
    return found


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise TypeError(f"name in grid must be that of an argument, got {check.shown(name)}")
    return name
