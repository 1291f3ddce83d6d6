"""Momentum raises the largest stable lr lambda from 2 towards 4, Nesterov lowers it, and Adam's average lifts it to 38.

Upper rows: the spectral radius of one step on lambda theta^2/2 over (lr lambda, beta), white where it is above 1; the
thick line is the stability limit, whose value at beta = 0.9 is in the title, the dashed line critical damping.  Dots
with a bar are the best hyperparameters for curvatures from 1 to 100; the bar spans lr lambda of that spectrum.  Last
row: the same for schemes on gradient flow, over complex lr lambda.  A line in CHARTS is a panel.
"""

import numpy as np
from matplotlib.lines import Line2D

import odeopt as oo
from odeopt.plots import style

opts = oo.optimizers
CHARTS = {  # optimizer: (beta (m,) -> an ensemble of m of them, the name of beta)
    "gd": (lambda beta: opts.gd(np.full_like(beta, 0.1)), ""),
    "momentum": (lambda beta: opts.momentum(0.1, beta), r"$\beta$"),
    "heavy_ball": (lambda beta: opts.heavy_ball(0.1, beta), r"$\beta$"),
    "nesterov": (lambda beta: opts.nesterov(0.1, beta), r"$\beta$"),
    "adam": (lambda beta: opts.adam(0.1, beta1=beta), r"$\beta_1$"),
    "nadam": (lambda beta: opts.nadam(0.1, beta), r"$\beta_1$"),
    "half_start_adam": (lambda beta: opts.half_start_adam(0.1, beta), r"$\beta_1$"),
    "adamw": (lambda beta: opts.adamw(0.1, beta), r"$\beta_1$"),
    "amsgrad": (lambda beta: opts.amsgrad(0.1, beta), r"$\beta_1$"),
    "adamax": (lambda beta: opts.adamax(0.1, beta), r"$\beta_1$"),
    "rmsprop": (lambda beta: opts.rmsprop(0.1, rho=beta), r"$\rho$"),
    "strang_rmsprop": (lambda beta: opts.strang_rmsprop(0.1, beta), r"$\rho$"),
    "adagrad": (lambda beta: opts.adagrad(np.full_like(beta, 0.1)), ""),
    "adadelta": (lambda beta: opts.adadelta(0.1, beta), r"$\rho$"),
    "shampoo": (lambda beta: opts.shampoo(np.full_like(beta, 0.1)), ""),
    "qhm": (lambda beta: opts.qhm(0.1, beta), r"$\beta$"),
    "adabelief": (lambda beta: opts.adabelief(0.1, beta), r"$\beta_1$"),
    "ademamix": (lambda beta: opts.ademamix(0.1, beta), r"$\beta_1$"),
    "adan": (lambda beta: opts.adan(0.1, beta), r"$\beta_1$"),
    "lars": (lambda beta: opts.lars(1.0, beta, trust=0.5), r"$\beta$"),
}
SPECTRUM = (1.0, 100.0)
BEST = {
    "gd": oo.tuned_gd(*SPECTRUM),
    "momentum": oo.tuned_momentum(*SPECTRUM),
    "heavy_ball": oo.tuned_momentum(*SPECTRUM),
    "nesterov": oo.tuned_nesterov(*SPECTRUM),
}
SCHEMES = (oo.schemes.euler, oo.schemes.rk4, oo.schemes.ab2, oo.schemes.bdf2)
BETA, Z = np.linspace(0, 0.99, 200), np.geomspace(0.01, 100, 300)
COLUMNS = 4
LEGEND = (
    Line2D([], [], color=style.INK, linewidth=1.8, label="stability limit"),
    Line2D([], [], color=style.INK, linewidth=0.9, linestyle="--", label="critical damping"),
    Line2D([], [], color=style.INK, marker="o", markersize=3, label=r"best for $\kappa$ = 100"),
)


def chart(ax, name, make, axis):
    """One panel; returns the shades and the limit at beta = 0.9."""
    result = oo.stability_chart(make, BETA, Z)
    shades = result.plot(ax)[0]
    ax.set(xscale="log", xlabel="", ylabel=axis, yticks=[0, 0.5, 0.9] if axis else [])
    if name in BEST:
        settings = BEST[name].settings
        beta = settings.get("beta", 0.5)
        ax.plot(settings["lr"] * np.array(SPECTRUM), [beta, beta], "o-", color=style.INK)
    limit = float(np.interp(0.9, BETA, result.limit))
    ax.set_title(f"{style.label(name)}: {f'{limit:.3g}' if np.isfinite(limit) else 'no limit'}")
    return shades, limit


def key(figure, shades, panels):
    """What shades and lines mean, between the charts and the regions."""
    bar = figure.colorbar(shades, ax=panels, orientation="horizontal", shrink=0.3, aspect=30, anchor=(0.1, 0.5))
    bar.set_ticks([0, 0.5, 1])
    bar.set_label("spectral radius")
    figure.legend(handles=LEGEND, loc="outside lower center", ncols=3)


def draw():
    rows = -(-len(CHARTS) // COLUMNS)
    figure, panels = style.canvas(rows + 1, COLUMNS, height=1.75 * (rows + 1) + 0.4)
    charts, limits = panels[:rows].ravel(), {}
    for ax, (name, (make, axis)) in zip(charts, CHARTS.items(), strict=False):
        shades, limits[name] = chart(ax, name, make, axis)
    for ax in charts[len(CHARTS) :]:
        ax.set_axis_off()
    key(figure, shades, panels[:rows])
    for ax in charts[len(CHARTS) - COLUMNS : len(CHARTS)]:
        ax.set_xlabel(r"lr $\lambda$")
    for ax, scheme in zip(panels[rows], SCHEMES, strict=True):
        oo.stability_region(scheme, points=301).plot(ax)
        limit = oo.stability_limit(scheme)
        ax.set(ylabel="", title=f"{scheme.name}: {f'{limit:.3g}' if np.isfinite(limit) else 'no limit'}")
    panels[rows][0].set_ylabel(r"Im lr $\lambda$")
    style.headline(
        figure,
        f"Largest stable lr λ at β = 0.9: gradient descent {limits['gd']:.3g}, momentum {limits['momentum']:.3g}, "
        f"Nesterov {limits['nesterov']:.3g}, Adam {limits['adam']:.3g}",
    )
    return figure
