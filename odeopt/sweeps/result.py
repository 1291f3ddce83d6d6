"""The result of a sweep: every cell, how it ended, and what was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.sweeps.cells import Cell, key
from odeopt.sweeps.record import Record
from odeopt.sweeps.views import Best, HeatMap, Marginal, best_of, interval, median, stable
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status
from odeopt.util.tables import dataset


@dataclass(frozen=True, eq=False)
class Sweep(Saved):
    """n cells, each run with the same number of seeds.

    columns:  {name: its value in each cell, (n,)}
    values:   {measure: (n, seeds)}, NaN for a run that failed or is missing
    ended:    (n, seeds), the Status of each run as an integer; INTERRUPTED for one that is missing
    messages: (cell, seed, text) for each run that has one
    damaged:  lines of the folder whose checksum was wrong; their runs were made again
    status:   INTERRUPTED if Ctrl-C ended the sweep: all that had finished is kept
    """

    columns: Mapping[str, tuple[Any, ...]] = field(repr=False)
    values: Mapping[str, Array] = field(repr=False)
    ended: Array = field(repr=False)
    messages: tuple[tuple[int, int, str], ...] = field(repr=False)
    damaged: tuple[str, ...]
    status: Status

    def __len__(self) -> int:
        return len(self.ended)

    def cell(self, i: int) -> Cell:
        """{name: value} of cell i."""
        if not -len(self) <= check.integer("i", i) < len(self):
            raise ValueError(f"i must be the number of one of the {len(self)} cells, got {i}")
        return {name: column[i] for name, column in self.columns.items()}

    @property
    def failed(self) -> int:
        """The number of runs that failed; those that are missing did not."""
        return int(np.count_nonzero((self.ended < 0) & (self.ended != Status.INTERRUPTED)))

    @property
    def digest(self) -> str:
        """The SHA-256 of all records, whatever the order of cells and names: equal if and only if all digits are."""
        texts = {(i, s): text for i, s, text in self.messages}
        lines = [
            Record(
                dict(sorted(self.cell(i).items())), s, Status(int(self.ended[i, s])), texts.get((i, s), ""),
                {name: float(each[i, s]) for name, each in sorted(self.values.items())},
            ).line()
            for i, s in np.ndindex(self.ended.shape)
        ]  # fmt: skip
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    def heatmap(
        self,
        x: str,
        y: str,
        value: str | None = None,
        *,
        make: Callable[..., Any] | None = None,
        sharpness: float | None = None,
    ) -> HeatMap:
        """The medians over two names.

        make, sharpness: that of the sweep, and lambda, the largest curvature.  With both the map has the line
                         lr = stability_limit(make(...))/lambda, for x a learning rate

        >>> import odeopt as oo
        >>> found = oo.sweep(oo.optimizers.momentum, oo.problems.quadratic((1.0, 10.0)),
        ...     {"lr": [0.05, 0.3], "beta": [0.0, 0.9]}, steps=20)
        >>> found.heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=10.0).limit.round(6).tolist()
        [0.2, 0.38]
        """
        name = self._measure(value)
        for argument, given in (("x", x), ("y", y)):
            check.choice(argument, given, self.columns)
        if x == y:
            raise ValueError(f"y must be another name than x, got {y!r}")
        xs, ys = self._axis(x), self._axis(y)
        columns, rows = self._places(x, xs), self._places(y, ys)
        limit = np.zeros(0)
        if (make is None) != (sharpness is None):
            raise ValueError(f"sharpness must be given with make, and only with it, got {sharpness!r} and {make!r}")
        if make is not None:
            check.function("make", make, "the names of a cell")
            curvature = check.scalar("sharpness", check.positive("sharpness", sharpness))
            limit = (
                np.array([stable(make, self.cell(int((rows == i).argmax())), x) for i in range(len(ys))]) / curvature
            )
        place = np.repeat(rows * len(xs) + columns, self.ended.shape[1])
        order = place.argsort(kind="stable")
        ends = np.searchsorted(place[order], np.arange(1, len(xs) * len(ys)))
        table = [median(each, -1) if each.size else np.nan for each in np.split(self.values[name].ravel()[order], ends)]
        return HeatMap((x, y, name), xs, ys, np.array(table, dtype=float).reshape(len(ys), len(xs)), limit)

    def marginal(self, x: str, value: str | None = None, *, largest: bool = False) -> Marginal:
        """The best and the median value for each value of one name."""
        name, sign = self._measure(value), -1 if check.flag("largest", largest) else 1
        xs = self._axis(check.choice("x", x, self.columns))
        medians = sign * median(self.values[name], -1)
        each = [medians[[given == at for given in self.columns[x]]] for at in xs]
        least = [np.nanmin(u) if np.isfinite(u).any() else np.nan for u in each]
        return Marginal((x, name), xs, sign * np.array(least), sign * np.array([median(u, -1) for u in each]))

    def best(self, value: str | None = None, *, largest: bool = False) -> Best:
        """The cell with the least median, or the largest, of those whose runs are all DONE; LookupError if none is."""
        name, sign = self._measure(value), -1 if check.flag("largest", largest) else 1
        whole = self._whole(name)
        if np.isnan(whole).any(axis=1).all():
            raise LookupError(f"no cell has {name} from each of its seeds: see `ended` and `messages`")
        i, measured = best_of(whole, sign)
        return Best(self.cell(i), name, float(np.median(measured)), *interval(measured), len(measured))

    def to_xarray(self) -> Any:
        """An xarray Dataset: a dimension for each name if the cells are a full grid, otherwise `cell`; and `seed`."""
        axes = {name: self._axis(name) for name in self.columns}
        shape = tuple(map(len, axes.values()))
        if int(np.prod(shape)) == len(self):
            order = np.ravel_multi_index([self._places(name, axis) for name, axis in axes.items()], shape).argsort()
            dims, coordinates = [*axes], {name: list(axis) for name, axis in axes.items()}
        else:
            order, shape, dims = np.arange(len(self)), (len(self),), ["cell"]
            coordinates = {name: ("cell", list(column)) for name, column in self.columns.items()}  # type: ignore[misc]
        data = {
            name: ((*dims, "seed"), each[order].reshape(*shape, -1))
            for name, each in {**self.values, "ended": self.ended}.items()
        }
        return dataset(data, coordinates, {"status": self.status.name})

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The map of the first measure over the first two names with more than one value, or the marginal of one."""
        varied = [name for name in self.columns if len(self._axis(name)) > 1]
        view = self.heatmap(*varied[:2]) if len(varied) > 1 else self.marginal((varied or [*self.columns])[0])
        return plotted(view, ax=ax, **options)

    def _measure(self, value: str | None) -> str:
        """The name of a measure, the first for None."""
        if not self.values:
            raise LookupError("nothing was measured, as no run ended: see `ended` and `messages`")
        return next(iter(self.values)) if value is None else check.choice("value", value, self.values)

    def _axis(self, name: str) -> tuple[Any, ...]:
        """The values of a name: numbers in increasing order, others as they come."""
        found = dict.fromkeys(self.columns[name])
        return tuple(sorted(found)) if all(isinstance(each, int | float) for each in found) else tuple(found)

    def _places(self, name: str, axis: tuple[Any, ...]) -> Any:
        """For each cell the index of its value along the axis."""
        at = {value: i for i, value in enumerate(axis)}
        return np.array([at[value] for value in self.columns[name]])

    def __str__(self) -> str:
        names = ", ".join(f"{name} ({len(self._axis(name))})" for name in self.columns)
        missing = np.count_nonzero(self.ended == Status.INTERRUPTED)
        text = f"Sweep of {len(self)} cells over {names}, {self.ended.shape[1]} seeds: {self.failed} runs failed"
        text += f", {missing} missing" if missing else ""
        text += f", {len(self.damaged)} damaged records made again" if self.damaged else ""
        return f"{text}\nbest {self.best()}" if self.has_best else text

    __repr__ = __str__

    @property
    def has_best(self) -> bool:
        """Whether a cell has the first measure from each of its seeds."""
        return bool(self.values) and not np.isnan(self._whole(self._measure(None))).any(axis=1).all()

    def _whole(self, name: str) -> Array:
        """The values of the runs that are DONE, NaN for others."""
        return np.where(self.ended == Status.DONE, self.values[name], np.nan)


def gathered(cells: list[Cell], seeds: int, records: Mapping[tuple[str, int], Record], **more: Any) -> Sweep:
    """The result of these cells, from their records."""
    keys = [key(cell) for cell in cells]
    found = {(i, s): records[k, s] for i, k in enumerate(keys) for s in range(seeds) if (k, s) in records}
    measured: Iterable[str] = dict.fromkeys(name for record in found.values() for name in record.values)
    values = {name: np.full((len(cells), seeds), np.nan) for name in measured}
    ended = np.full((len(cells), seeds), int(Status.INTERRUPTED))
    for place, record in found.items():
        ended[place] = record.status
        for name, x in record.values.items():
            values[name][place] = x
    messages = tuple((*place, record.message) for place, record in found.items() if record.message)
    columns = {name: tuple(cell[name] for cell in cells) for name in cells[0]}
    return Sweep(columns, values, ended, messages, **more)
