"""Gradient descent descends L + (lr/4)|grad L|^2, and Adam with its usual betas seeks steep places.

(a) Himmelblau's function from a start chosen close to the divide between two of its valleys: gradient flow and the
iterates part.  (b) The same iterates over the modified loss, whose gradient flow goes with them.  (c) The coefficient
of |grad L|_1 in Adam's modified loss, in units of lr: it changes its sign at beta2 = beta1.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import landscapes, style

PROBLEM = oo.problems.himmelblau().at((0.13, -0.61))
LR, STEPS = 0.006, 330
WINDOW = {"xlim": (-0.4, 4.6), "ylim": (-2.7, 2.7)}
BETA1, BETA2 = (0.0, 0.5, 0.9), np.linspace(0, 0.96, 200)


def paths(lr=LR, steps=STEPS, problem=PROBLEM):
    """The iterates, gradient flow, the modified loss, and its gradient flow."""
    opt = oo.optimizers.gd(lr)
    run, seen = oo.simulate(opt, problem, steps), oo.implicit_regularizer(opt).modified(problem)
    plain, modified = (oo.solve(oo.flows.gradient_flow(), p, run.t, dense_output=True) for p in (problem, seen))
    return run, plain, seen, modified


def distance(run, flow):
    """|theta_n - theta(t_n)|, shape (n+1,)."""
    return np.linalg.norm(run.theta - flow.theta, axis=-1)


def coefficient(beta1, beta2):
    """Of |grad L|_1 in units of lr."""
    return oo.implicit_regularizer(oo.optimizers.adam(1.0, beta1, beta2)).coefficient


def draw():
    figure, panels = style.canvas(1, 3, height=3.0, width_ratios=(1, 1, 0.9))
    run, plain, seen, modified = paths()
    over = (PROBLEM, plain, style.GRADIENT_FLOW, "gradient flow"), (seen, modified, style.FLOW, "modified flow")
    for ax, (problem, flow, look, name) in zip(panels, over, strict=False):
        landscapes.landscape(problem, ax, **WINDOW)
        ax.plot(*run.theta.T, "o", color=style.colour("gd"), markersize=2.6, label="gradient descent")
        landscapes.path(flow, ax, **{**look, "linewidth": 0.9}, label=name)
    panels[0].set_title("the loss L")
    panels[1].set_title(r"$L + (\mathrm{lr}/4)\,|\nabla L|^2$")
    adam = panels[2]
    for beta1, dashes in zip(BETA1, (":", "--", "-"), strict=True):
        values = [coefficient(beta1, beta2) for beta2 in BETA2]
        adam.plot(BETA2, values, dashes, color=style.colour("adam"), label=f"β1 = {beta1:g}")
        adam.plot(beta1, 0, "o", color=style.colour("adam"), markersize=3.5)
    adam.axhline(0, color=style.GREY, linewidth=0.6)
    adam.set(xlim=(0, 1), ylim=(-12, 12), xlabel="β2", ylabel="coefficient in units of lr")
    adam.set_title(r"of $|\nabla L|_1$ in Adam's loss")
    adam.text(0.04, 4, "seeks flat places", fontsize=7)
    adam.text(0.04, -3.2, "seeks steep places", fontsize=7)
    adam.legend(loc="lower left")
    style.letters(panels)
    handles = {label: line for ax in panels[:2] for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=3)
    style.headline(
        figure,
        f"Gradient flow and gradient descent at lr = {LR:g} end {distance(run, plain)[-1]:.1f} apart; the flow of the "
        f"modified loss stays within {distance(run, modified).max():.2f} of the iterates",
    )
    return figure
