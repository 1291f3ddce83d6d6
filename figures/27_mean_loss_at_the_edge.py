"""Central flows and rod flows predict the mean loss at the edge of stability, rod flows also that of each step.

From the table of figure 26.  A point is a network and an optimizer, the median of three seeds.  (a) The loss predicted
by a model over the loss of the iterates, both averaged over all steps since the perturbation.  (b) The median error of
the loss of single steps: the iterates pulse around the mean, and a central flow knows nothing of pulses.
"""

import runpy
from collections import defaultdict
from pathlib import Path

import numpy as np

from odeopt.plots import style
from odeopt.plots.edge import LOOKS

FIGURE_26 = runpy.run_path(str(Path(__file__).with_name("26_which_model_follows.py")))
MARKERS = {"gd": "o", "momentum": "s", "rmsprop": "D", "adam": "^"}
MODELS = list(FIGURE_26["MARKERS"])


def errors(rows):
    """{model: [(optimizer, predicted/measured - 1, error of each step), ...]}, medians over the seeds of a cell."""
    cells = defaultdict(list)
    for row in rows:
        if row["ending"] == "DONE":
            cells[row["model"], row["network"], row["optimizer"]].append(
                (row["predicted"] / row["measured"] - 1, row["loss_error"])
            )
    found = defaultdict(list)
    for (model, _, optimizer), seeds in cells.items():
        found[model].append((optimizer, *np.median(seeds, axis=0)))
    return found


def draw():
    found = errors(FIGURE_26["recorded"]()[0])
    figure, (left, right) = style.canvas(1, 2, height=3.1, sharey=True)
    for y, model in enumerate(MODELS):
        for i, (optimizer, marker) in enumerate(MARKERS.items()):
            some = np.array([row[1:] for row in found[model] if row[0] == optimizer]).reshape(-1, 2)
            look = {"color": LOOKS[model]["color"], "marker": marker, "markersize": 3.5, "linestyle": "", "alpha": 0.8}
            at = np.full(len(some), y + 0.17 * (i - 1.5))
            left.plot(100 * some[:, 0], at, **look)
            right.plot(100 * some[:, 1], at, **look)
    left.axvline(0, color=style.INK, linestyle=":", linewidth=0.8)
    left.set(xlabel="error of the mean loss in %", title="mean over all steps", ylabel="model")
    right.set(xlabel="error of a step's loss in %", title="single steps, median", xscale="log")
    left.set_yticks(range(len(MODELS)), MODELS)
    left.set_ylim(len(MODELS) - 0.5, -0.5)
    handles = [
        right.plot([], [], marker=marker, linestyle="", color=style.INK, label=style.label(name))[0]
        for name, marker in MARKERS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(MARKERS))
    style.letters((left, right))
    middle = {model: [100 * np.median(np.abs([row[k] for row in found[model]])) for k in (1, 2)] for model in MODELS}
    said = "; ".join(
        f"{m} {middle[m][0]:.0f}% and {middle[m][1]:.0f}%" for m in ("own flow", "central flow", "rod flow")
    )
    style.headline(figure, f"Median error of the mean loss and of each step's: {said}")
    return figure
