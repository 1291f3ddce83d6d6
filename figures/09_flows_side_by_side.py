"""Every optimizer has a flow of its own, and follows that flow rather than gradient flow.

Himmelblau's function from one start: iterates as dots, their flow as a line, gradient flow dashed.  The number is the
largest distance from the own flow over all steps.  The start lies near a watershed, where the difference shows best.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import landscape, path, style

PROBLEM = oo.problems.himmelblau().at((0, -0.75))
RUNS = (
    (oo.optimizers.gd(lr=0.002), 300),
    (oo.optimizers.momentum(lr=0.0005, beta=0.9), 500),
    (oo.optimizers.nesterov(lr=0.0005, beta=0.9), 500),
    (oo.optimizers.rmsprop(lr=0.02, rho=0.99), 400),
    (oo.optimizers.adagrad(lr=0.3), 400),
    (oo.optimizers.adam(lr=0.05, beta2=0.99), 400),
)
WINDOW = {"xlim": (-1.2, 4.8), "ylim": (-3, 3)}


def watersheds(side=21):
    """The share of the starts on a grid from which the six do not all end in the same minimum."""
    theta0 = np.stack(np.meshgrid(np.linspace(-4, 4, side), np.linspace(-4, 4, side)), axis=-1).reshape(-1, 2)
    signs = [np.sign(oo.simulate(opt, PROBLEM, steps, theta0).final) for opt, steps in RUNS]  # one quadrant per minimum
    return float(np.mean(np.any(np.array(signs) != signs[0], axis=(0, 2))))


def distances(cmp):
    """The largest distances from its own flow and from gradient flow, coordinate by coordinate."""
    return cmp.max_error, float(np.abs(cmp.iterates.theta - cmp.gradient_flow.theta).max())


def draw():
    figure, axes = style.canvas(2, 3, height=4.9, sharex=True, sharey=True)
    own, plain, ends = [], [], set()
    for ax, (opt, steps) in zip(axes.flat, RUNS, strict=True):
        cmp = oo.compare(opt, PROBLEM, steps)
        landscape(PROBLEM, ax, **WINDOW)
        path(cmp.gradient_flow, ax, **style.GRADIENT_FLOW)
        path(cmp.flow, ax, **style.FLOW)
        path(cmp.iterates, ax, linestyle="none", marker="o", markersize=2.6, markevery=steps // 50, zorder=3)
        near, far = distances(cmp)
        own, plain, ends = [*own, near], [*plain, far], ends | {tuple(np.round(cmp.iterates.final))}
        ax.set(title=f"{style.label(opt.name)}: {style.sci(near)}", aspect="equal")
        ax.text(0.03, 0.92, f"lr = {opt.settings['lr']:g}", fontsize=7, transform=ax.transAxes)
        ax.label_outer()
    lines = axes[0, 0].lines[-3:]
    figure.legend(lines, ["gradient flow", "its own flow", "iterates"], loc="outside lower center", ncols=3)
    style.letters(axes.flat)
    style.headline(
        figure,
        f"Each optimizer stays within {max(own):.2g} of its own flow, all but gradient descent leave gradient flow by "
        f"{min(plain[1:]):.2g} or more: here into {len(ends)} minima, "
        f"as from {100 * watersheds():.0f} % of a grid of starts",
    )
    return figure
