"""One name, three optimizers: by their defaults torch, Keras and optax train the same network to different places.

A tanh network on digits (scikit-learn), full batch, from one start, with each library's own convention and defaults
but one learning rate; the distance of the parameters is relative to how far torch's moved.  The last panel makes the
betas and eps the same too: what is left is where eps stands, and what the maximum is taken of.
"""

import numpy as np
from matplotlib.lines import Line2D

import odeopt as oo
from odeopt.plots import style

STEPS = 400
PROBLEM = oo.problems.tanh_network(4, 200)
LIBRARIES = ("torch", "keras", "optax")
LINES = {"keras": "-", "optax": "--"}
RATES = {"rmsprop": 0.003, "adagrad": 0.03, "adamw": 0.01, "nadam": 0.01, "amsgrad": 0.01, "adam": 0.01}
SHARED = {  # the same hyperparameters: torch's
    "rmsprop": {"rho": 0.99, "eps": 1e-8},
    "adagrad": {"eps": 1e-10, "accumulator": 0.1},
    "adam": {"eps": 1e-8},
    "amsgrad": {"eps": 1e-8},
}


def drift(name, **settings):
    """library -> |theta_library - theta_torch|/|theta_torch - theta_0| at each step."""
    make, lr = getattr(oo.optimizers, name), RATES[name]
    runs = {like: oo.simulate(make(lr=lr, like=like, **settings), PROBLEM, STEPS).theta for like in LIBRARIES}
    moved = np.linalg.norm(runs["torch"][1:] - runs["torch"][0], axis=-1)
    return {like: np.linalg.norm(runs[like][1:] - runs["torch"][1:], axis=-1) / moved for like in LINES}


def panel(ax, names, settings):
    steps, last = np.arange(1, STEPS + 1), {}
    for name in names:
        for like, distance in drift(name, **settings.get(name, {})).items():
            shown = np.where(distance > 1e-14, distance, np.nan)
            ax.plot(steps, shown, LINES[like], color=style.colour(name), label=style.label(name))
            last[name, like] = float(distance[-1])
    ax.set(xscale="log", yscale="log", ylim=(1e-11, 10), xlabel="step")
    return last


def draw():
    figure, axes = style.canvas(1, 2, height=3.1, sharey=True)
    own = panel(axes[0], ("rmsprop", "adagrad", "adamw", "nadam", "amsgrad", "adam"), {})
    same = panel(axes[1], tuple(SHARED), SHARED)
    axes[0].set(ylabel="distance from torch's parameters\nrelative to the way gone", title="each library's defaults")
    axes[1].set(title="the same hyperparameters")
    names = {line.get_label(): line.get_color() for line in axes[0].lines}
    lines = [*((colour, "-") for colour in names.values()), *((style.INK, line) for line in LINES.values())]
    keys = [Line2D([], [], color=colour, linestyle=line) for colour, line in lines]
    figure.legend(keys, [*names, "Keras", "optax"], loc="outside lower center", ncols=8, columnspacing=1.2)
    style.letters(axes)
    style.headline(
        figure,
        f"By its defaults Keras' RMSprop ends {100 * own['rmsprop', 'keras']:.0f} % of the way from torch's; with the "
        f"same hyperparameters Keras' Adam still {style.sci(same['adam', 'keras'])}, optax' AMSGrad "
        f"{100 * same['amsgrad', 'optax']:.0f} %",
    )
    return figure
