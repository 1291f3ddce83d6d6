"""What a diagnosis consists of: findings, and the examinations that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from odeopt.diagnosis.case import Case


@dataclass(frozen=True)
class Measured:
    """A number, its standard error (NaN where none is known), and the threshold with which it is compared."""

    value: float
    error: float = float("nan")
    threshold: float = float("nan")

    def __str__(self) -> str:
        error = f" +- {self.error:.1g}" if self.error == self.error else ""
        threshold = f" (threshold {self.threshold:.3g})" if self.threshold == self.threshold else ""
        return f"{self.value:.3g}{error}{threshold}"


@dataclass(frozen=True)
class Finding:
    """A sentence about a run, and what it rests on.

    fault:   whether something should be changed; a finding that is none says where the run is
    numbers: what was measured;  steps: where it is seen, (first, last)
    advice:  what to do;  change: the same as new settings, such as {"lr": 0.01}
    refuted: the observation that would show the finding to be wrong
    """

    name: str
    fault: bool
    sentence: str
    numbers: Mapping[str, Measured]
    steps: tuple[int, int]
    advice: str
    refuted: str
    change: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        return "\n".join(
            [
                f"{self.name}: {self.sentence}",
                f"    measured: {numbers}; steps {self.steps[0]} to {self.steps[1]}",
                f"    do: {self.advice}",
                f"    wrong if: {self.refuted}",
            ]
        )


@dataclass(frozen=True)
class Examination:
    """A question to a run.  `find` may use what `needs` names: columns, `opt` or `parameters`.

    explained_by: faults that have this one as a consequence; it is then no finding of its own
    """

    name: str
    needs: tuple[str, ...]
    find: Callable[[Case], Finding | None]
    explained_by: tuple[str, ...] = ()
    least: int = 20  # rows
