"""What a run costs is proportional to its steps, to its members and to its coordinates, with Numba and without.

Recorded by benchmarks/linear_cost.py on two cores, three decades each, the least of three runs a point.  (a) Adam on
Rosenbrock's function, 1,000 records.  (b) 1,000 steps of momentum, a learning rate for each member.  (c) 20 steps of
Adam; NumPy through `simulate`, gradients included, Numba in place at a given gradient.  Lines: a + b n, fitted by
relative errors; (b) and (c) leave them where arrays leave the caches.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from odeopt.plots import style

RECORDED = Path(__file__).parents[1] / "benchmarks" / "linear_cost.csv"
TITLES = {"steps": "Adam", "members": "1,000 steps of momentum", "coordinates": "20 steps of Adam"}
LOOKS = {"NumPy": (style.BLUE, "o"), "Numba": (style.VERMILLION, "s")}


def recorded():
    """{(what, means): (sizes, seconds)}."""
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = dict.fromkeys((row["what"], row["means"]) for row in rows)
    return {
        key: np.array([(float(r["size"]), float(r["seconds"])) for r in rows if (r["what"], r["means"]) == key]).T
        for key in keys
    }


def fitted(sizes, seconds):
    """(a, b) of seconds ~ a + b size, by relative errors."""
    (a, b), _ = nnls(np.array([1 / seconds, sizes / seconds]).T, np.ones(len(sizes)))
    return a, b


def draw():
    found, off = recorded(), []
    figure, panels = style.canvas(1, 3, height=2.6)
    for ax, (what, title) in zip(panels, TITLES.items(), strict=True):
        for means, (colour, marker) in LOOKS.items():
            sizes, seconds = found[what, means]
            a, b = fitted(sizes, seconds)
            off.append(np.max(np.abs((a + b * sizes) / seconds - 1)))
            label = f"{means}: {1e3 * a:.2g} ms + {1e6 * b:.2g} µs · n"
            ax.loglog(sizes, seconds, color=colour, marker=marker, linestyle="", label=label)
            ax.loglog(sizes, a + b * sizes, color=colour, linewidth=0.8)
        ax.set(xlabel=f"number n of {what}", title=title)
        ax.legend(loc="upper left", handlelength=0.6, borderaxespad=0.1)
        ax.set_ylim(top=ax.get_ylim()[1] * 10)
    panels[0].set_ylabel("time of a run in s")
    style.letters(panels)
    style.headline(
        figure,
        "Cost is linear in steps, members and coordinates: a fixed time and so much for each, "
        f"within {100 * max(off[:2]):.0f} %, {100 * max(off[2:4]):.0f} % and {100 * max(off[4:]):.0f} %",
    )
    return figure
