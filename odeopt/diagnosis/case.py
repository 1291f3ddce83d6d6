"""A run under examination: its records beside its optimizer's traits, and the ratios that both give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from odeopt.diagnosis.records import Records
from odeopt.diagnosis.traits import Traits
from odeopt.util.check import Array

Rows = NDArray[np.bool_]

BLOCKS = 8  # means of consecutive rows, from which slopes and errors come


@dataclass(frozen=True, eq=False)
class Case:
    """Records; traits of the optimizer, the number of parameters and of samples, None where not known."""

    records: Records
    traits: Traits | None
    parameters: int | None
    samples: int | None

    def lacks(self, needs: tuple[str, ...]) -> list[str]:
        """Which of these are not known."""
        known = {"opt": self.traits is not None, "parameters": self.parameters is not None}
        return [name for name in needs if not known.get(name, self.records.known(name))]

    def of(self) -> Traits:
        """The traits, which are known where an examination needs `opt`."""
        assert self.traits is not None
        return self.traits

    @cached_property
    def grad_rms(self) -> Array:
        """|g|/sqrt(d)."""
        assert self.parameters is not None
        return self.records["grad_norm"] / np.sqrt(self.parameters)

    @cached_property
    def gain(self) -> Array:
        """|Delta theta|/(lr |g|), or |Delta theta|/(lr sqrt(d)) if the optimizer divides by the root of E[g^2]."""
        unit = np.sqrt(self.parameters or np.nan) if self.of().adaptive else self.records["grad_norm"]
        return np.where(self.records["lr"] > 0, self.records["update_norm"] / (self.records["lr"] * unit), np.nan)

    @cached_property
    def agreement(self) -> Array:
        """s of gain^2 = s drift^2 + (1 - s) noise^2: 1 if gradients agree within the memory, 0 if independent.

        It is negative if successive gradients cancel.
        """
        drift, noise = self.of().drift ** 2, self.of().noise ** 2
        return (self.gain**2 - noise) / (drift - noise)

    @cached_property
    def load(self) -> Array:
        """lr sharpness/limit: the share of the stable range that is used, NaN where sharpness was not measured."""
        return self.records["lr"] * self.records["sharpness"] / self.of().limit

    @cached_property
    def hot(self) -> Rows:
        """The rows before the cooldown: those with at least half of the largest rate, but for the first tenth."""
        lr = self.records["lr"]
        hot: Rows = lr >= np.nanmax(lr) / 2
        hot[: len(hot) // 10] = False
        return hot if hot.any() else np.ones(len(lr), bool)

    def span(self, rows: Rows) -> tuple[int, int]:
        """(first, last) step of the rows, given by a mask."""
        steps = self.records["step"][rows]
        return int(steps[0]), int(steps[-1])

    def falling(self, part: slice) -> tuple[float, float]:
        """(relative fall, its standard error) of the mean loss over these rows, by a line through BLOCKS means."""
        loss = self.records["loss"][part]
        loss = loss[np.isfinite(loss)]
        if len(loss) < 2 * BLOCKS:
            return np.nan, np.nan
        means = np.array([np.median(piece) for piece in np.array_split(loss, BLOCKS)])
        x = np.linspace(-0.5, 0.5, BLOCKS)
        slope = float(x @ means / (x @ x))
        residual = means - means.mean() - slope * x
        error = float(np.sqrt(residual @ residual / (BLOCKS - 2) / (x @ x)))
        size = abs(float(means.mean())) or 1.0
        return -slope / size, error / size


def middle(values: Array) -> tuple[float, float]:
    """(median, standard error) of the finite values; 1.253 sigma/sqrt(n), sigma by quartiles."""
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(median), float(1.253 * (high - low) / 1.349 / np.sqrt(len(values)))
