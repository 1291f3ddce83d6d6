"""At the edge of stability rod flows and central flows of order 2 are nearest; with momentum every model is lost.

Recorded by benchmarks/edge_networks.py: small tanh networks on data that scikit-learn ships, full batches, three seeds
of the perturbation that starts the oscillation; a network without points was not run with that optimizer.  A point is
the median distance of a model from the filtered iterates (w- + 2 w + w+)/4 over the steps since the perturbation,
divided by their way; the bar is the range of the seeds.  Beyond the dotted line a model is lost: off by a tenth of the
way.  A cross at the right: the model ended early, and counts as 0 times as near in the title.
"""

import runpy
from collections import defaultdict
from pathlib import Path

import numpy as np

from odeopt.plots import style
from odeopt.plots.edge import LOOKS

TABLE = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "edge_networks.py"))
LEAST = 10  # steps at the edge
FAR = 1e3  # a way of iterates that diverge
MARKERS = {"own flow": "o", "central flow": "s", "central, order 2": "D", "published": "x", "rod flow": "^"}


def recorded():
    """The rows of the cells in which the edge was reached and the iterates stayed bounded, and the other cells."""
    rows = [row for row in TABLE["recorded"]() if 0 <= row["perturbed"] < row["steps"] - LEAST]
    diverged = {(row["network"], row["optimizer"]) for row in rows if row["way"] > FAR}
    return [row for row in rows if (row["network"], row["optimizer"]) not in diverged], diverged


def shares(rows):
    """{optimizer: {network: {model: distance/way of each seed, or NaN where the model ended early}}}."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in rows:
        share = row["distance"] / row["way"] if row["ending"] == "DONE" else np.nan
        found[row["optimizer"]][row["network"]][row["model"]].append(share)
    return found


def gains(found):
    """{model: by how much it is nearer than the own flow, one median over the seeds for each cell}; 0 if it ended."""
    cells = [cell for networks in found.values() for cell in networks.values()]
    nearer = {
        model: np.array([np.median(cell["own flow"]) / np.median(cell[model]) for cell in cells if model in cell])
        for model in MARKERS
    }
    return {model: np.nan_to_num(values) for model, values in nearer.items()}


def panel(ax, networks, optimizer, names):
    """A row for each network."""
    for y, name in enumerate(names):
        for i, (model, marker) in enumerate(MARKERS.items()):
            values = np.array(networks.get(name, {}).get(model, []))
            if not len(values):
                continue
            look = {"color": LOOKS[model]["color"], "clip_on": False}
            at = y + 0.13 * (i - 2)
            if np.all(np.isfinite(values)):
                ax.plot([values.min(), values.max()], [at, at], linewidth=1.0, **look)
                ax.plot(np.median(values), at, marker=marker, markersize=3.2, linestyle="", **look)
            else:
                ax.plot(1.0, at, marker="X", markersize=4.5, transform=ax.get_yaxis_transform(), **look)
    ax.axvline(0.1, color=style.INK, linestyle=":", linewidth=0.8)
    ax.set(xlabel="distance / way", title=style.label(optimizer), xscale="log", xlim=(3e-3, 6))
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def draw():
    rows, diverged = recorded()
    found = shares(rows)
    nearer, names = gains(found), list(dict.fromkeys(row["network"] for row in rows))
    figure, panels = style.canvas(1, len(found), height=3.9, sharey=True)
    for ax, (optimizer, networks) in zip(panels, found.items(), strict=True):
        panel(ax, networks, optimizer, names)
        for name in names:
            if (name, optimizer) in diverged:
                ax.text(4e-3, names.index(name), "iterates diverge", va="center", fontsize=7)
    panels[0].set_ylabel("network")
    handles = [
        panels[0].plot([], [], marker=marker, linestyle="", color=LOOKS[model]["color"], label=model)[0]
        for model, marker in MARKERS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(MARKERS))
    style.letters(panels)
    cells = sum(map(len, found.values()))
    rods, second, first = (np.median(nearer[model]) for model in ("rod flow", "central, order 2", "central flow"))
    style.headline(
        figure,
        f"In the median of {cells} cells the rod flow is {rods:.2g} times as near as the own flow, "
        f"the central flow of order 2 {second:.2g} times, of order 1 {first:.2g} times",
    )
    return figure
