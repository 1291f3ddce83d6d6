"""The advice of `odeopt.transfer`: the new optimizer of each group, and a table of what changes and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from odeopt.core.symbols import short
from odeopt.optimizers.base import Optimizer
from odeopt.util import check
from odeopt.util.saved import Saved

ALL = "all"  # the group of every parameter
HEAD = ("group", "setting", "was", "becomes", "from", "to", "because", "holds while")


@dataclass(frozen=True)
class Change:
    """One setting of one group: what it was and becomes, between which values it may lie, why, and while what holds.

    low, high: the range of a learning rate; the value itself for other settings
    """

    group: str
    setting: str
    was: float | str
    becomes: float | str
    low: float | str
    high: float | str
    because: str
    holds: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        numbers = (self.was, self.becomes, self.low, self.high)
        shown = [short(u) if isinstance(u, float) else u for u in numbers]
        if self.low == self.high:
            shown[2:] = ["", ""]
        return (self.group, self.setting, *shown, self.because, self.holds)


@dataclass(frozen=True, eq=False)
class Transfer(Saved):
    """What becomes of the optimizer `before`; `transfer` makes it, printing it shows the table.

    optimizers: the new optimizer of each group of parameters; one group "all" if neither width nor depth changes
    changes:    the rows of the table
    lost:       what no setting keeps
    watch:      what to look at in the new run, and what the model itself needs
    batch, horizon: the factors of the samples in a step and of all samples
    """

    before: Optimizer
    optimizers: Mapping[str, Optimizer] = field(repr=False)
    changes: tuple[Change, ...]
    lost: tuple[str, ...]
    watch: tuple[str, ...]
    batch: float
    width: float
    depth: float
    horizon: float

    @property
    def optimizer(self) -> Optimizer:
        """The new optimizer, if it is the same for all parameters; ValueError if groups differ."""
        if len(self.optimizers) > 1:
            raise ValueError(
                f"optimizer needs one group of parameters, got {', '.join(self.optimizers)}: see optimizers"
            )
        (found,) = self.optimizers.values()
        return found

    def steps(self, steps: int) -> int:
        """The number of steps of a run that had `steps`."""
        return max(1, round(check.count("steps", steps, 1) * self.horizon / self.batch))

    def lr_range(self, group: str | None = None) -> tuple[float, float]:
        """The range of the learning rate, of the first group by default.  The lower end is the safe one."""
        name = check.choice("group", next(iter(self.optimizers)) if group is None else group, self.optimizers)
        for row in self.changes:
            if (row.group, row.setting) == (name, "lr"):
                return float(row.low), float(row.high)
        lr = float(self.optimizers[name].lr)
        return lr, lr

    @property
    def title(self) -> str:
        """What changes."""
        factors = {"batch": self.batch, "width": self.width, "depth": self.depth, "horizon": self.horizon}
        changed = [f"{name} x {value:g}" for name, value in factors.items() if value != 1]
        return f"{self.before.name}: {', '.join(changed) or 'nothing changes'}"

    def __str__(self) -> str:
        lines = [self.title]
        for row in self.changes:
            group, setting, was, becomes, low, high, because, holds = row.cells
            place = f"{group}  " if len(self.optimizers) > 1 and group != ALL else ""
            between = f"  ({low} to {high})" if low else ""
            lines.append(f"{place}{setting:<13} {was} -> {becomes}{between}")
            lines.append(f"    because {because}; holds while {holds}")
        lines += [f"lost: {text}" for text in self.lost]
        return "\n".join(lines + [f"watch: {text}" for text in self.watch])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table, in notebooks."""
        row = lambda cells, tag: "<tr>" + "".join(f"<{tag}>{escape(u)}</{tag}>" for u in cells) + "</tr>"
        table = "".join([row(HEAD, "th"), *(row(change.cells, "td") for change in self.changes)])
        notes = [f"<b>lost</b> {escape(u)}" for u in self.lost] + [f"<b>watch</b> {escape(u)}" for u in self.watch]
        items = "".join(f"<li>{note}</li>" for note in notes)
        return f"<p>{escape(self.title)}</p><table>{table}</table><ul>{items}</ul>"
