"""The result of `ensemble`: statistics against time, first-passage times, and a few paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status
from odeopt.util.tables import dataset


@dataclass(frozen=True, eq=False)
class Ensemble(Saved):
    """Statistics of `members` runs at the times t (n+1,); k observables, by default the coordinates of theta.

    mean, variance (n+1, k):   over the finite members, as loss_mean and loss_variance (n+1,) are
    covariance (n+1, k, k):    of up to 100 observables, or where `covariance=True` asks for it
    alive (n+1,):              the number of finite members
    quantiles (n+1, q, k):     at the q values of `probabilities`
    counts (n+1, k, bins):     the number of members in each bin of `edges` (bins + 1,)
    first_passage (members,):  the time at which a member is first in the target, at the resolution of a step, or NaN
    paths (n+1, m, d):         theta of the first m members
    final (members, d):        theta of all members at the end; empty where a step failed or no member is finite
    Variances are unbiased.  The arrays of quantities that were not asked for are empty.  `backend` names the code that
    took the steps, and `generator` the source of the noise.
    """

    t: Array
    mean: Array
    variance: Array
    covariance: Array
    loss_mean: Array
    loss_variance: Array
    alive: Array
    quantiles: Array
    probabilities: Array
    counts: Array
    edges: Array
    first_passage: Array
    paths: Array
    members: int
    status: Status
    message: str
    observables: tuple[str, ...]
    name: str = ""
    backend: str = "numpy"
    generator: str = ""
    final: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def success(self) -> bool:
        """True if the run reached its end with every member finite."""
        return self.status >= 0

    @property
    def standard_error(self) -> Array:
        """The standard error of the mean, shape (n+1, k)."""
        return np.sqrt(self.variance / self.alive[:, None])

    @property
    def mean_first_passage(self) -> tuple[float, float]:
        """The mean of the first-passage times and its standard error; infinite unless all members arrived."""
        times = self.first_passage
        if times.size == 0:
            raise ValueError("mean_first_passage needs ensemble(..., target=...)")
        if not np.isfinite(times).all():
            return np.inf, np.inf
        return float(times.mean()), float(times.std(ddof=1) / np.sqrt(times.size))

    def check(self) -> Ensemble:
        """This ensemble if it succeeded, else a RuntimeError with its message."""
        if not self.success:
            raise RuntimeError(f"{self.name}: {self.message}")
        return self

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The mean of each observable and its band of one standard deviation; returns the artists."""
        return plotted(self, ax=ax, **options)

    def to_xarray(self) -> Any:
        """An xarray Dataset with the dimensions t, observable, probability, bin, member."""
        data = {
            "alive": ("t", self.alive),
            "loss_mean": ("t", self.loss_mean),
            "loss_variance": ("t", self.loss_variance),
            "mean": (("t", "observable"), self.mean),
            "variance": (("t", "observable"), self.variance),
            "quantiles": (("t", "probability", "observable"), self.quantiles),
            "counts": (("t", "observable", "bin"), self.counts),
            "first_passage": ("member", self.first_passage),
            "paths": (("t", "path", "coordinate"), self.paths),
        }
        names = list(self.observables)
        coordinates = {"t": self.t, "observable": names, "probability": self.probabilities}
        if self.covariance.size:
            coordinates["other"] = names
            data["covariance"] = (("t", "observable", "other"), self.covariance)
        if self.edges.size:
            coordinates["bin"] = (self.edges[1:] + self.edges[:-1]) / 2
        facts = {"name": self.name, "members": self.members, "status": self.status.name, "message": self.message}
        return dataset(data, coordinates, facts)

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name} {mean:.4g} +- {error:.2g}"
            for name, mean, error in zip(self.observables[:3], self.mean[-1], self.standard_error[-1], strict=False)
        )
        more = ", ..." if len(self.observables) > 3 else ""
        arrived = f", {np.isfinite(self.first_passage).sum()} arrived" if self.first_passage.size else ""
        return (
            f"Ensemble of {self.name}: {self.members} members, {len(self)} records to t = {self.t[-1]:.6g}, "
            f"mean {shown}{more}, loss {self.loss_mean[-1]:.4g}{arrived}, {self.status.name}: {self.message}"
        )
