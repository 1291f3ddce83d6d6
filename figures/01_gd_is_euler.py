"""Gradient descent is Euler's method on gradient flow, and lr lambda = 2 is where both lose stability.

Q is a quadratic with curvatures 1 and 20.  Below lr lambda = 1 the iterates lie along the flow, between 1 and 2 they
jump across the valley at every step, and beyond 2 they leave it.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import landscape, path, style

STIFF = 20.0
PROBLEM = oo.problems.quadratic((1, STIFF), theta0=(1, 1))
SHOWN = ((0.5, 32), (1.9, 40), (2.1, 12))


def growth(z, steps=400):
    """The factor per step by which the distance to the minimum changes, for lr = z/lambda: one ensemble run."""
    run = oo.simulate(oo.optimizers.gd(lr=z / STIFF), PROBLEM, steps)
    late = np.linalg.norm(run.theta[[steps // 2, steps]], axis=-1)
    return (late[1] / late[0]) ** (1 / (steps - steps // 2))


def limit(z, factor):
    """Where the measured factor passes 1, by linear interpolation."""
    k = int(np.argmax(factor > 1))
    return float(np.interp(1.0, factor[k - 1 : k + 1], z[k - 1 : k + 1]))


def draw():
    z = np.linspace(0.05, 2.3, 451)
    factor = growth(z)
    figure, axes = style.canvas(1, 4, width=style.DOUBLE, height=2.35)
    errors = [_panel(ax, z_shown, steps) for ax, (z_shown, steps) in zip(axes, SHOWN, strict=False)]
    axes[3].plot(z, factor, color=style.colour("gd"))
    axes[3].axhline(1, color=style.GREY, linewidth=0.6)
    axes[3].axvline(limit(z, factor), color=style.INK, linewidth=0.8, linestyle=":")
    axes[3].set(xlabel="lr λ", ylabel="growth per step", title=f"limit {limit(z, factor):.3f}")
    axes[0].legend(loc="lower left", borderpad=0.1)
    style.letters(axes)
    style.headline(
        figure,
        f"Gradient descent follows gradient flow to {style.sci(errors[0])} at lr λ = {SHOWN[0][0]:g}, "
        f"is off by {style.sci(errors[1])} at {SHOWN[1][0]:g}, and diverges from lr λ = {limit(z, factor):.3f} on",
    )
    return figure


def _panel(ax, z, steps):
    cmp = oo.compare(oo.optimizers.gd(lr=z / STIFF), PROBLEM, steps)
    landscape(PROBLEM, ax, xlim=(-1.3, 1.9), ylim=(-1.6, 1.6), levels=10)
    line = oo.solve(oo.flows.gradient_flow(), PROBLEM, np.linspace(0, cmp.iterates.t[-1] ** 0.5, 200) ** 2)
    path(line, ax, label="gradient flow", **{**style.FLOW, "linewidth": 0.9, "zorder": 4})
    dots = {"marker": "o", "linewidth": 0.5, "markersize": 2, "zorder": 3}
    path(cmp.iterates, ax, color=style.colour("gd"), label="iterates", **dots)
    ax.set(title=f"lr λ = {z:g}", aspect="equal", ylabel="" if z != SHOWN[0][0] else ax.get_ylabel())
    return cmp.max_error
