"""Twelve more optimizers, each on its own flow: what differs between them is the flow, not the way it is discretised.

Himmelblau's function from the start of figure 09, near a watershed: iterates as dots, their flow as a line, gradient
flow dashed.  The number is the largest distance from the own flow over all steps.  Signs are smoothed (delta = 0.05);
the running maximum of AMSGrad and Adamax has no right-hand side, their flow is drawn by steps 64 times as small.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import landscape, path, style

opts = oo.optimizers
PROBLEM = oo.problems.himmelblau().at((0, -0.75))
WINDOW = {"xlim": (-1.2, 4.8), "ylim": (-3, 3)}
RUNS = (
    (opts.heavy_ball(lr=0.0005, beta=0.9), 400),
    (opts.nesterov_k(lr=0.00002), 900),
    (opts.half_start_adam(lr=0.05, beta2=0.99), 400),
    (opts.adamw(lr=0.05, beta2=0.99, weight_decay=0.2), 400),
    (opts.amsgrad(lr=0.05, beta2=0.99), 250),
    (opts.radam(lr=0.01, beta2=0.99), 800),
    (opts.nadam(lr=0.05, beta2=0.99), 400),
    (opts.adamax(lr=0.05, beta2=0.99), 250),
    (opts.adadelta(lr=0.0005, rho=0.999, eps=10.0), 2000),
    (opts.lion(lr=0.02, delta=0.05), 250),
    (opts.signsgd(lr=0.02, delta=0.05), 250),
    (opts.normalized_gd(lr=0.02), 220),
)


def compare(opt, steps):
    return oo.compare(opt, PROBLEM, steps)


def along(run, count=16):
    """Records that are evenly spaced along the path."""
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(run.theta, axis=0), axis=-1))])
    return [int(k) for k in np.unique(np.searchsorted(way, np.linspace(0, way[-1], count)))]


def draw():
    figure, axes = style.canvas(3, 4, height=5.6, sharex=True, sharey=True)
    near, left, ends = [], 0, set()
    for ax, (opt, steps) in zip(axes.flat, RUNS, strict=True):
        cmp = compare(opt, steps)
        landscape(PROBLEM, ax, **WINDOW)
        path(cmp.gradient_flow, ax, **style.GRADIENT_FLOW)
        path(cmp.flow, ax, **style.FLOW)
        path(cmp.iterates, ax, linestyle="none", marker="o", markersize=2.4, markevery=along(cmp.iterates), zorder=3)
        near.append(cmp.max_error)
        ends.add(tuple(np.sign(cmp.iterates.final)))
        left += np.sign(cmp.iterates.final[1]) != np.sign(cmp.gradient_flow.final[1])
        ax.set(title=f"{style.label(opt.name)}: {style.sci(cmp.max_error)}", aspect="equal")
        ax.label_outer()
    lines = axes[0, 0].lines[-3:]
    figure.legend(lines, ["gradient flow", "its own flow", "iterates"], loc="outside lower center", ncols=3)
    for ax in axes.flat:
        ax.title.set_fontsize(7.5)
    style.headline(
        figure,
        f"Twelve optimizers stay within {max(near):.2g} of their own flows, {int(left)} of them in another valley than "
        "gradient flow",
    )
    return figure
