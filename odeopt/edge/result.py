"""The result of `central_flow`: an averaged path with the oscillation around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.edge.covariance import Covariance
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import SavedPath
from odeopt.util.status import Status

OUTSIDE = 0.02  # how far a multiplier may leave the unit circle in a substep


@dataclass(frozen=True, eq=False)
class CentralFlow(SavedPath):
    """The path around which the iterates oscillate, at the times t (n+1,) of the steps, and the oscillation.

    theta (n+1, d), state[name]:  the averaged state
    loss, mean_loss (n+1,):       L on the path, and the predicted time average of the iterates' loss: the mean over
                                  theta +- sqrt(weight) direction, which is L + <H, Sigma>/2 to second order.  Iterates
                                  pulse around it: compare averages over whole pulses, tens of steps
    multipliers (n+1, k):         those of the step that are followed; NaN where fewer are; complex if any is
    sharpness (n+1, k):           v H v/(v P v) of the same modes;  `threshold` (n+1,): the optimizer's limit, NaN if
                                  it has none;  see `odeopt.sharpness`
    covariance:                   Sigma, the covariance of theta's oscillation, by its directions
    residual (n+1,):              |<X, S>| of the complementarity problem
    ngev, nhev:                   gradients and H p products;  `means`: how the step was differentiated

    If the run ended early, the arrays end at the last state that was reached and `message` says why.
    """

    name: str
    form: str
    t: Array
    theta: Array = field(repr=False)
    state: Mapping[str, Array] = field(repr=False)
    loss: Array
    mean_loss: Array
    multipliers: Array
    sharpness: Array
    threshold: Array
    covariance: Covariance
    residual: Array
    status: Status
    message: str
    ngev: int
    nhev: int
    means: str

    @property
    def oscillating(self) -> Array:
        """The number of directions that oscillate at each record (n+1,)."""
        return np.array([len(w) for w in self.covariance.weights])

    @property
    def beyond(self) -> bool:
        """Whether the path was beyond the edge: with a multiplier outside the circle, and no oscillation to hold it."""
        outside = np.any(np.abs(self.multipliers) > 1 + OUTSIDE, axis=1)
        return bool(np.any(outside & (self.oscillating == 0)))

    def __len__(self) -> int:
        return len(self.t)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The loss on the path and the predicted mean loss against time; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        at = np.flatnonzero(self.oscillating)
        edge = (
            f"at the edge at {len(at)} records, first at t = {self.t[at[0]]:.4g}, "
            f"in up to {self.oscillating.max()} directions"
            if len(at)
            else "beyond the edge, where no oscillation holds it"
            if self.beyond
            else "never at the edge"
        )
        return (
            f"CentralFlow of {self.name} ({self.form}): {len(self)} records of theta {self.theta.shape[1:]}, {edge}; "
            f"loss {self.loss[0]:.6g} .. {self.loss[-1]:.6g}, predicted mean {self.mean_loss[-1]:.6g}; "
            f"{self.ngev} gradients and {self.nhev} H p, {self.status.name}: {self.message}"
        )
