"""The lines of the members of an ensemble: one entry in the legend, and in a sweep one colour for each value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize

from odeopt.optimizers.base import Optimizer
from odeopt.plots import style
from odeopt.simulation.trajectory import Trajectory
from odeopt.util.check import Array

COLOURS = "viridis"
MANY = 8  # members, from which on their lines are thin
WIDE = 10.0  # the ratio of values from which on their colours are spaced by the logarithm


class Sweep(NamedTuple):
    """The hyperparameter that differs between the members of a run, and its values in their order."""

    name: str
    values: Array


def sweep_of(run: Trajectory) -> Sweep | None:
    """The one hyperparameter of the run's optimizer that is an array, if the members lie along one axis."""
    if run.optimizer is None or run.loss.ndim != 2:
        return None
    arrays = {name: value for name, value in settings_of(run.optimizer).items() if np.size(value) > 1}
    if len(arrays) != 1:
        return None
    ((name, values),) = arrays.items()
    return Sweep(name, values) if np.shape(values) == run.loss.shape[1:] else None


def settings_of(opt: Any) -> dict[str, Any]:
    """The numbers among the settings of an optimizer and of those inside it; none of one that was only described."""
    if not isinstance(opt, Optimizer):
        return {}
    own = {key: value for key, value in opt.settings.items() if isinstance(value, float | np.ndarray)}
    return {**settings_of(opt.settings.get("opt")), **own}


def colours(sweep: Sweep) -> ScalarMappable:
    """A colour for every value."""
    low, high = float(np.min(sweep.values)), float(np.max(sweep.values))
    scale = LogNorm if low > 0 and high > WIDE * low else Normalize
    return ScalarMappable(scale(low, high), COLOURS)


def joined(lines: Sequence[Any], run: Trajectory, look: dict[str, Any]) -> Sequence[Artist]:
    """The lines of the members under one label, coloured by the value that is swept unless `look` has a colour."""
    sweep = sweep_of(run)
    if sweep is not None and "color" not in look:
        for line, colour in zip(lines, colours(sweep).to_rgba(sweep.values), strict=True):
            line.set_color(tuple(colour))
    for extra in lines[1:]:
        extra.set_label("_member")
    if len(lines) > MANY and "linewidth" not in look:
        for line in lines:
            line.set(linewidth=0.7)
    return list(lines)


def bar(ax: Axes, run: Trajectory) -> None:
    """The colour bar of a sweep, beside axes that were made for it."""
    sweep = sweep_of(run)
    if sweep is not None:
        style.bar(ax, colours(sweep), sweep.name)


def in_steps(run: Trajectory, h: Any) -> Array:
    """The steps (n+1,) after which the records were made, by members that each have their own h."""
    return run.t.reshape(len(run), -1)[:, 0] / np.ravel(h)[0]
