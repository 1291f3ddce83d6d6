"""Training a network, gradient descent sharpens to 2/lr and Adam, in preconditioned sharpness, to 38/lr.

Full-batch training of a tanh network with 4 hidden units on 500 digits.  (a) The largest eigenvalue of the Hessian
along gradient descent; each learning rate has its threshold 2/lr, dotted.  (b) The largest eigenvalue of
P^-1/2 H P^-1/2 along Adam, P = c1 (sqrt(G/c2) + eps), and 38/lr.  (c) The losses: at the edge that of gradient descent
jumps again and again and still goes down in the long run; Adam's hardly shows it.         [Cohen et al. 2021, 2022]
"""

import numpy as np
from matplotlib.colors import to_rgb

import odeopt as oo
from odeopt.plots import style

PROBLEM = oo.problems.tanh_network(hidden=4, samples=500)
RATES = {"gd": (0.5, 0.7, 1.0), "adam": (0.003, 0.007, 0.015)}
STEPS, EVERY = 3000, 25


def tint(name, i):
    """The colour of an optimizer, lighter for smaller learning rates."""
    share = (0.45, 0.75, 1.0)[i]
    return tuple(1 - share * (1 - np.array(to_rgb(style.colour(name)))))


def draw():
    figure, panels = style.canvas(1, 3, height=2.9)
    late = {}
    for ax, (name, rates) in zip(panels, RATES.items(), strict=False):
        late[name] = []
        for i, lr in enumerate(rates):
            opt = getattr(oo.optimizers, name)(lr=lr)
            run = oo.simulate(opt, PROBLEM, STEPS)
            found = oo.sharpness(run, PROBLEM, opt, every=EVERY)
            late[name].append(np.median(found.ratio[-len(found.ratio) // 4 :]))
            look = {"color": tint(name, i), "linewidth": 0.9}
            ax.plot(found.t / lr, found.value, label=f"{lr:g}", **look)
            ax.axhline(found.threshold[0], color=look["color"], linestyle=":")
            panels[2].semilogy(run.loss, zorder=3 - i, **look)
        ax.set(xlabel="steps", title=style.label(name))
        ax.legend(title="lr", title_fontsize=7, loc="lower right")
    panels[0].set(ylabel="sharpness", ylim=(0, 5))
    panels[1].set(ylabel="preconditioned sharpness", yscale="log")
    panels[2].set(xlabel="steps", ylabel="loss", title="training loss")
    style.letters(panels)
    style.headline(
        figure,
        f"In the last quarter the median sharpness is {min(late['gd']):.2f} to {max(late['gd']):.2f} times 2/lr along "
        f"gradient descent, {min(late['adam']):.2f} to {max(late['adam']):.2f} times 38/lr along Adam",
    )
    return figure
