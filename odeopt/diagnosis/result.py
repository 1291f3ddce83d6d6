"""The result of `diagnose`: findings in order, and what the source cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from odeopt.diagnosis.finding import Finding
from odeopt.diagnosis.records import Records
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class Diagnosis(Saved):
    """Findings about a run; printing it shows each with its numbers, what to do and what would refute it.

    findings: faults first, then where the run is;  untold: {question: why the source cannot answer it}
    records:  what was examined
    """

    findings: tuple[Finding, ...]
    untold: Mapping[str, str]
    records: Records = field(repr=False)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that ask for a change."""
        return tuple(each for each in self.findings if each.fault)

    @property
    def change(self) -> dict[str, float]:
        """The new settings that the faults ask for; of two values for one setting that of the earlier fault."""
        return {name: value for each in reversed(self.faults) for name, value in each.change.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {"findings": [asdict(each) for each in self.findings], "untold": dict(self.untold)}

    def __str__(self) -> str:
        none = [] if self.faults else ["No fault was found."]
        untold = [f"    {name}: {why}" for name, why in self.untold.items()]
        said = [f"{i}. {each}" for i, each in enumerate(self.findings, 1)]
        head = f"Diagnosis of {len(self.records)} steps"
        return "\n".join([head, *none, *said, *(["What this source cannot tell:", *untold] if untold else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = "".join(
            f"<tr><td><b>{escape(f.name)}</b></td><td>{escape(f.sentence)}<br><small>"
            f"{escape(', '.join(f'{name} {value}' for name, value in f.numbers.items()))}; steps {f.steps[0]} to "
            f"{f.steps[1]}</small></td><td>{escape(f.advice)}</td><td>{escape(f.refuted)}</td></tr>"
            for f in self.findings
        )
        untold = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in self.untold.items())
        head = "<tr><th></th><th>finding</th><th>do</th><th>wrong if</th></tr>"
        lacking = f"<p>What this source cannot tell:</p><ul>{untold}</ul>" if untold else ""
        return f"<table>{head}{rows}</table>{lacking}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """One page: the loss with the steps of the faults, and the measured ratios; returns the artists."""
        return plotted(self, ax=ax, **options)
