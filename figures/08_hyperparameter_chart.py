"""Momentum's learning rate is a time step and its beta a friction, so lr -> r lr asks for a new beta.

The article's rule 1 - beta -> (1 - beta) sqrt(r) keeps the friction of the naive map exactly, and of the other maps
approximately.
"""

import numpy as np
from scipy.optimize import brentq

import odeopt as oo
from odeopt.plots import style

LR, BETA, R = 0.01, 0.9, 0.1
LABELS = {0.03: 0.2, 0.1: 0.2, 0.3: 0.2, 1: 0.1, 3: 0.015, 10: 1e-3, 30: 2e-4}  # friction a: lr of its label
MAPS = {
    "naive": (style.VERMILLION, "-"),
    "midpoint (article)": (style.BLUE, "--"),
    "exponential": (style.GREEN, "-."),
}


def friction(lr, beta, map="midpoint"):
    """The friction a of the flow that (lr, beta) discretises."""
    return oo.optimizers.heavy_ball(lr=lr, beta=beta, map=map.split()[0]).flow.params["damping"]


def rule(beta, r):
    """The article's beta for the learning rate r lr."""
    return 1 - (1 - beta) * np.sqrt(r)


def matched(lr, beta, r, map="midpoint"):
    """The beta with exactly the old friction at the learning rate r lr."""
    wanted = friction(lr, beta, map)
    return brentq(lambda new: friction(r * lr, new, map) - wanted, 1e-9, 1 - 1e-12, xtol=1e-15)


def draw():
    figure, (chart, off) = style.canvas(1, 2, height=3.0)
    lr, loss = np.geomspace(1e-4, 1, 120), np.geomspace(1e-3, 0.9, 120)
    X, Y = np.meshgrid(lr, loss)
    lines = chart.contour(X, Y, friction(X, 1 - Y), levels=list(LABELS), colors=style.BLUE, linewidths=0.9)
    chart.clabel(lines, fmt=lambda a: f"a = {a:g}", fontsize=7, manual=[(x, a * x**0.5) for a, x in LABELS.items()])
    chart.plot([LR, R * LR], [1 - BETA, 1 - rule(BETA, R)], "o-", color=style.INK, markersize=4, linewidth=0.9)
    chart.annotate(f"β = {BETA:g}", (LR, 1 - BETA), xytext=(6, -4), textcoords="offset points", fontsize=7)
    chart.annotate(f"r = {R:g}", (R * LR, 1 - rule(BETA, R)), xytext=(-4, -11), textcoords="offset points", fontsize=7)
    chart.set(xscale="log", yscale="log", xlabel="learning rate lr", ylabel="1 - β", title="lines of constant friction")
    steps = chart.secondary_xaxis("top", functions=(lambda x: np.sqrt(np.abs(x)), np.square))
    steps.set_xlabel("time step h, about sqrt(lr) (inertial time)")

    r = np.geomspace(1e-3, 30, 60)
    for name, (colour, dashes) in MAPS.items():
        change = friction(r * LR, rule(BETA, r), name) / friction(LR, BETA, name) - 1
        off.semilogx(r, 100 * change, color=colour, linestyle=dashes, label=name)
    off.axvline(R, color=style.GREY, linewidth=0.6)
    off.set(xlabel="factor r of the learning rate", ylabel="change of the friction in %")
    off.set_title(f"the rule from lr = {LR:g}, β = {BETA:g}")
    off.legend(title="map", title_fontsize=7)
    style.letters((chart, off))
    change = friction(R * LR, rule(BETA, R)) / friction(LR, BETA) - 1
    style.headline(
        figure,
        f"lr from {LR:g} to {R * LR:g}: the rule says β = {rule(BETA, R):.7f}, constant friction "
        f"{matched(LR, BETA, R):.7f}; the rule changes the friction by {100 * change:.1f} %",
    )
    return figure
