"""The result of `compare_at_edge`: filtered iterates beside the models of their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status

LOST = 0.1  # of the way from the start: a model that is farther from the filtered iterates has lost them


@dataclass(frozen=True, eq=False)
class EdgeComparison(Saved):
    """The filtered iterates (w- + 2 w + w+)/4 beside the models, at the inner steps, t (n-1,).

    theta (n-1, d), loss (n-1,):  of the iterates, filtered; the loss is that of each iterate
    models[name]:                 the path of a model there; shorter than theta if the model ended early
    mean_loss[name]:              its prediction of `loss`
    endings[name]:                the status of a model and its message; of the iterates too, by the name "iterates"
    sharpness, oscillating:       (n-1,) of the central flow: sharpness over the optimizer's limit, NaN where it is
                                  unknown, and the number of directions that oscillate
    perturbed:                    the step before which theta was perturbed, the central flow's first at the edge, or -1
    beyond:                       whether the central flow was beyond the edge, where no oscillation holds it

    What raises, leaves the finite numbers or is interrupted ends early.  After Ctrl-C no other model begins.
    """

    name: str
    problem: str
    t: Array = field(repr=False)
    theta: Array = field(repr=False)
    loss: Array = field(repr=False)
    start: Array = field(repr=False)
    models: Mapping[str, Array] = field(repr=False)
    mean_loss: Mapping[str, Array] = field(repr=False)
    endings: Mapping[str, str]
    sharpness: Array = field(repr=False)
    oscillating: Array = field(repr=False)
    perturbed: int
    beyond: bool
    size: float | None
    seed: int

    @property
    def distance(self) -> Mapping[str, Array]:
        """|model - filtered iterates| of each model, as long as it lasts."""
        with np.errstate(all="ignore"):
            n = len(self.theta)
            return {name: np.linalg.norm(u[:n] - self.theta[: len(u)], axis=1) for name, u in self.models.items()}

    @property
    def median_distance(self) -> Mapping[str, float]:
        """The median distance of each model from the perturbation on, as long as it lasts; NaN if it does not."""
        first = max(self.perturbed, 0)
        return {name: float(np.median(d[first:])) if len(d) > first else np.nan for name, d in self.distance.items()}

    @property
    def lost(self) -> Mapping[str, float]:
        """The first time at which a model is farther from the iterates than a tenth of their way, or has ended; or inf.

        It counts from the perturbation on: a tenth of the first steps is less than the O(lr) between steps and flows.
        """
        first, found = max(self.perturbed, 0), {}
        with np.errstate(all="ignore"):
            way = self.tenth
            for name, d in self.distance.items():
                far = np.flatnonzero(d[first:] > way[first : len(d)])
                at = first + far[0] if len(far) else len(d)
                found[name] = float(self.t[at]) if at < len(self.t) else np.inf
        return found

    @property
    def tenth(self) -> Array:
        """A tenth of the way |theta - start| of the filtered iterates (n-1,)."""
        with np.errstate(all="ignore"):
            return LOST * np.linalg.norm(self.theta - self.start, axis=1)

    @property
    def loss_error(self) -> Mapping[str, float]:
        """The median over the steps of |predicted - measured|/measured loss, from the perturbation on.

        Iterates at the edge pulse: their oscillation dies, sharpness grows beyond the limit, and a burst brings it
        back.  A central flow predicts the average over pulses (`mean_loss_error`) and a rod flow the pulses themselves.
        """
        return self._since_perturbed(lambda u, measured: np.median(np.abs(u / measured - 1)))

    @property
    def mean_loss_error(self) -> Mapping[str, float]:
        """Predicted/measured - 1 of the loss averaged over all steps from the perturbation on."""
        return self._since_perturbed(lambda u, measured: np.mean(u) / np.mean(measured) - 1)

    def _since_perturbed(self, error: Callable[[Array, Array], Any]) -> Mapping[str, float]:
        """The error of each model's loss against the measured one, as long as the model lasts; NaN if it does not."""
        first = self.perturbed + 1  # the filter at the step before still reads an iterate from before
        with np.errstate(all="ignore"):
            return {
                name: float(error(u[first:], self.loss[first : len(u)])) if len(u) > first else np.nan
                for name, u in self.mean_loss.items()
            }

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The distance of each model from the filtered iterates against time; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        rows = [f"{self.name} on {self.problem}, {len(self.t) + 1} steps, {self._at_edge()}"]
        if self.endings["iterates"] != Status.DONE.name:
            rows.append(f"  iterates          {self.endings['iterates']}")
        for name, d in self.distance.items():
            middle, last = self.median_distance[name], d[-1] if len(d) else np.nan
            rows.append(
                f"  {name:16}  distance {middle:.3g} (median), {last:.3g} (last), lost at t = {self.lost[name]:.3g}; "
                f"loss off by {_percent(self.loss_error[name])}, its mean by "
                f"{_percent(self.mean_loss_error[name])}; {self.endings[name]}"
            )
        return "\n".join(rows)

    def _at_edge(self) -> str:
        if self.perturbed >= 0:
            how = "as the central flow oscillates" if self.size is None else f"by {self.size:g} (seed {self.seed})"
            return f"perturbed {how} before step {self.perturbed}"
        return "beyond the edge, where no oscillation holds it" if self.beyond else "never at the edge"


def _percent(share: float) -> str:
    """A share as a percentage; a power of 10 where it is not a few digits."""
    return f"{share:.1%}" if not abs(share) >= 1e3 else f"{100 * share:.2g}%"
