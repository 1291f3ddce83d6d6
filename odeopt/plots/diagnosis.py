"""A diagnosis on one page: the loss with its faults, and each measured number beside its threshold."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.diagnosis.finding import Finding
from odeopt.diagnosis.result import Diagnosis
from odeopt.plots import style
from odeopt.util.plotted import draws

COLOURS = style.VERMILLION, style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY
PAGE = 5.0, 5.0  # inches
LINE = 48  # characters of a title


@draws(Diagnosis)
@style.windowed
def diagnosis(result: Diagnosis, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The loss against the step, and a band where each fault is seen; returns these artists, the loss first.

    Without `ax`, measured numbers over their thresholds are drawn below.
    """
    below = None
    if ax is None:
        from matplotlib import pyplot

        _, (ax, below) = pyplot.subplots(2, 1, figsize=PAGE, layout="constrained", height_ratios=(3, 2))
    ax = style.axes(ax)
    steps, loss = result.records["step"], result.records["loss"]
    artists: list[Artist] = [*ax.plot(steps, loss, **{"color": style.INK, "linewidth": 0.8, **line})]
    for i, (fault, colour) in enumerate(zip(result.faults, COLOURS, strict=False), 1):
        first, last = fault.steps
        label = f"{i} {fault.name}"
        artists.append(ax.axvspan(first - 0.5, last + 0.5, color=colour, alpha=0.15, label=label))
    if np.all(loss[np.isfinite(loss)] > 0):
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    if result.faults:
        ax.legend(fontsize="x-small")
    said = result.faults[0].sentence if result.faults else "no fault found"
    ax.set_title(textwrap.fill(said, LINE), fontsize="small")
    if below is not None:
        _ratios(below, result.findings)
    return artists


def _ratios(ax: Axes, findings: Sequence[Finding]) -> None:
    """Each number over its threshold, faults coloured, with its standard error."""
    rows = [(f, name, m) for f in findings for name, m in f.numbers.items() if m.threshold > 0 and m.value > 0]
    faults = [f for f in findings if f.fault]
    for y, (found, _, measured) in enumerate(rows):
        colour = COLOURS[faults.index(found) % len(COLOURS)] if found.fault else style.GREY
        error = np.nan_to_num(min(measured.error, 0.9 * measured.value)) / measured.threshold
        ax.errorbar(measured.value / measured.threshold, y, xerr=error, fmt="o", color=colour, markersize=4)
    ax.axvline(1, color=style.INK, linewidth=0.6, linestyle=":")
    ax.set_yticks(range(len(rows)), [f"{found.name}: {name}" for found, name, _ in rows], fontsize="x-small")
    ax.set(xlabel="measured / threshold", xscale="log" if rows else "linear")
    ax.set_ylim(len(rows) - 0.5, -0.5) if rows else ax.set_ylim(0, 1)
