"""Cells that an Optuna study chooses, a round at a time, from the values of the rounds before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from odeopt.sweeps.cells import Cell, value
from odeopt.util import check
from odeopt.util.immutable import Immutable


@dataclass(frozen=True, eq=False)
class Study(Immutable):
    """`cells` cells of study.ask(distributions), `at_once` in each round; `from_study` makes it."""

    study: Any
    distributions: dict[str, Any]
    cells: int
    at_once: int

    def rounds(self, score: Callable[[Cell], float]) -> Iterator[list[Cell]]:
        """The cells of each round; the study is told score(cell) of them, in their order.

        A cell that is chosen again is not run again.  Rounds have the same size whatever the number of workers, so a
        study with a seeded sampler chooses the same cells on any of them, and after a restart.
        """
        for done in range(0, self.cells, self.at_once):
            trials = [self.study.ask(self.distributions) for _ in range(min(self.at_once, self.cells - done))]
            cells = [{name: value(name, found) for name, found in trial.params.items()} for trial in trials]
            yield cells
            for trial, cell in zip(trials, cells, strict=True):
                found = score(cell)
                if math.isfinite(found):
                    self.study.tell(trial, found)
                else:
                    self.study.tell(trial, state=_failed())

    def __str__(self) -> str:
        return f"study of {self.cells} cells, {self.at_once} at once, of {self.distributions}"

    __repr__ = __str__


def from_study(study: Any, distributions: dict[str, Any], cells: int, at_once: int = 8) -> Study:
    """A grid of cells that an Optuna study asks for; it is told the mean of the first measure over the seeds.

    distributions: {name: optuna.distributions.FloatDistribution(...), ...}
    at_once:       cells of a round, which run side by side.  ImportError without Optuna

    Give the study's sampler a seed, and the sweep can be resumed with a new study of the same kind.

    >>> import optuna  # doctest: +SKIP
    >>> tpe = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))  # doctest: +SKIP
    >>> lr = optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)  # doctest: +SKIP
    >>> oo.sweep(make, problem, from_study(tpe, {"lr": lr}, cells=40), steps=300)  # doctest: +SKIP
    """
    try:
        from optuna import Study as OptunaStudy
        from optuna.distributions import BaseDistribution
    except ImportError as error:
        raise ImportError("optuna is needed here: install odeopt-toolkit[studies]") from error
    check.instance("study", study, OptunaStudy, "an optuna.Study")
    found = check.mapping("distributions", distributions, "names to distributions of Optuna")
    if not found:
        raise ValueError("distributions must name at least one hyperparameter, got none")
    for name, each in found.items():
        check.instance(f"distributions[{name!r}]", each, BaseDistribution, "a distribution of Optuna")
    return Study(study, found, check.count("cells", cells, 1), check.count("at_once", at_once, 1))


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL
