"""What a run costs is proportional to its steps, to its members and to its coordinates, with Numba and without.

Recorded by benchmarks/linear_cost.py on two cores, three decades each, one run a point.  (a) Adam on Rosenbrock's
function, 1,000 records.  (b) 100 steps of momentum, a learning rate for each member.  (c) 20 steps of Adam; NumPy
through `simulate`, gradients included, Numba in place at a given gradient.  Exponents are fitted to the last two
decades; dotted: proportional to the size, through the last point.
"""

import csv
from pathlib import Path

import numpy as np

from odeopt.plots import style

RECORDED = Path(__file__).parents[1] / "benchmarks" / "linear_cost.csv"
PANELS = {
    "steps": ("steps", 1, "step"),
    "members": ("members", 100, "member and step"),
    "coordinates": ("coordinates", 20, "coordinate and step"),
}
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


def exponent(sizes, seconds):
    """p of seconds ~ sizes^p over the last two decades."""
    late = sizes >= sizes[-1] / 100
    return np.polyfit(np.log(sizes[late]), np.log(seconds[late]), 1)[0]


def draw():
    found, exponents = recorded(), []
    figure, panels = style.canvas(1, 3, height=2.6)
    for ax, (what, (unit, repeats, each)) in zip(panels, PANELS.items(), strict=True):
        for means, (colour, marker) in LOOKS.items():
            sizes, seconds = found[what, means]
            exponents.append(exponent(sizes, seconds))
            cost = 1e9 * seconds[-1] / sizes[-1] / repeats
            label = f"{means}: {cost:.3g} ns, exponent {exponents[-1]:.2f}"
            ax.loglog(sizes, seconds[-1] * sizes / sizes[-1], color=style.GREY, linestyle=":", linewidth=0.8)
            ax.loglog(sizes, seconds, color=colour, marker=marker, label=label)
        ax.set(xlabel=f"number of {unit}", title=f"ns a {each}")
        ax.legend(loc="upper left", handlelength=1.2, borderaxespad=0.1)
        ax.set_ylim(top=ax.get_ylim()[1] * 8)
    panels[0].set_ylabel("time of a run in s")
    style.letters(panels)
    style.headline(
        figure,
        f"Cost is linear in steps, members and coordinates: exponents {min(exponents):.2f} to {max(exponents):.2f} "
        "over the last two decades",
    )
    return figure
