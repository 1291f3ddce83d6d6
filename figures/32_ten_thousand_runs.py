"""Momentum stops training on Rosenbrock near one lr for any beta, while the limit at the minimum grows with beta.

(a) A sweep of 10,000 cells: the loss at the end, grey where it is not below that of the start, and the stability limit
lr = 2 (1 + beta)/lambda at the minimum.  (b) The least lr of the sweep that does not train, and the limits at the
minimum and at the start.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

VALLEY, STEPS = oo.problems.rosenbrock(), 1000
RATES, BETAS = np.geomspace(1e-4, 1e-2, 250), np.linspace(0, 0.975, 40)
START = VALLEY.loss(VALLEY.theta0)


def trained(run):
    """The last loss; NaN where it is not below that of the start."""
    return {"loss": run.loss[-1] if run.loss[-1] < START else np.nan}


def swept(betas=BETAS):
    """All rates for each beta."""
    grid = {"lr": RATES, "beta": betas}
    return oo.sweep(oo.optimizers.momentum, VALLEY, grid, steps=STEPS, measure=trained, progress=False)


def curvature(theta):
    """The largest eigenvalue of the Hessian."""
    return float(np.linalg.eigvalsh(VALLEY.hvp(theta, np.eye(VALLEY.dim)))[-1])


def ends(view):
    """For each beta the least lr that did not train."""
    return np.array(view.x)[np.isnan(view.value).argmax(axis=1)]


def compared(ax, view):
    """Where training ends, beside the limits; returns the ends."""
    end, at_start = ends(view), view.limit * curvature(VALLEY.minimizer) / curvature(VALLEY.theta0)
    ax.plot(1e3 * view.limit, view.y, color=style.VERMILLION, label="limit at the minimum")
    ax.plot(1e3 * at_start, view.y, color=style.BLUE, linestyle="--", label="limit at the start")
    ax.plot(1e3 * end, view.y, "o", color=style.INK, markersize=3, label="training ends")
    ax.set(xlabel="lr / 0.001", ylabel="beta", xlim=(0, 7))
    ax.legend(loc="lower right")
    ax.set_title("The least lr that does not train", loc="left")
    return end


def draw():
    figure, (left, right) = style.canvas(1, 2, height=3.0, sharey=True)
    found = swept()
    view = found.heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=curvature(VALLEY.minimizer))
    shades = view.plot(left)[0]
    figure.colorbar(shades, ax=left).ax.set_title("loss")
    left.set_title(f"{len(found):,} runs of {STEPS} steps", loc="left")
    end = compared(right, view)
    style.letters((left, right))
    style.headline(
        figure,
        f"Momentum on Rosenbrock: training ends between lr = {end.min():.4f} and {end.max():.4f} for any beta, "
        f"while the limit at the minimum grows from {view.limit[0]:.4f} to {view.limit[-1]:.4f}",
    )
    return figure
