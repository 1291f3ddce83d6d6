"""Further gradients of the same batch pay where stability sets the step, and are lost where noise does.

A tanh network on 300 digits, 1000 gradients for everyone.  Every method has its own best step from a grid of powers of
sqrt 2, found on other starts and batches than the four that are shown (their median; bands: their range).  (a) The
largest stable h lambda, divided by the gradients of a step.  (b) All 300 digits in every gradient: stability limits the
step.  (c) Batches of 16: noise sets about the same step for all schemes, and who takes more gradients makes fewer of
them.  Heun with a fresh batch for its second gradient is Lookahead of SGD with k = 2, alpha = 1/2.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import odeopt as oo
from odeopt import optimizers, schemes
from odeopt.plots import style

HIDDEN, SAMPLES, BATCH, GRADIENTS, RECORDS = 8, 300, 16, 1000, 25
TUNING, SHOWN = (10, 11), (0, 1, 2, 3)  # seeds of the starts
SCHEMES = {
    schemes.euler: 1,
    schemes.heun: 2,
    schemes.rk4: 4,
    schemes.rkc1(5): 5,
    schemes.rkc1(10): 10,
}  # gradients of a step


class Method(NamedTuple):
    """An optimizer of its step, the gradients of one, the exponents of its grid sqrt(2)^k, and its look."""

    make: Callable[[float], oo.Optimizer]
    gradients: int
    grid: range
    look: dict[str, Any]


def flow_by(scheme, grid):
    """Gradient flow by a scheme."""
    make = lambda h: oo.Optimizer(oo.flows.gradient_flow(), scheme, h)
    return Method(make, SCHEMES[scheme], grid, {"color": style.scheme_style(scheme.name)[0]})


METHODS = {
    "SGD (Euler)": flow_by(schemes.euler, range(-1, 7)),
    "Heun": flow_by(schemes.heun, range(-1, 8)),
    "RK4": flow_by(schemes.rk4, range(0, 7)),
    "RKC1(10)": flow_by(schemes.rkc1(10), range(1, 16)),
    "Heun, fresh batch": Method(
        lambda h: optimizers.lookahead(optimizers.gd(lr=h), alpha=0.5, every=2),
        1,
        range(-1, 7),
        {"color": style.scheme_style("Heun")[0], "linestyle": ":"},
    ),
    "Heavy ball": Method(
        lambda h: optimizers.heavy_ball(lr=h, beta=0.9),
        1,
        range(-7, 4),
        {"color": style.colour("heavy_ball"), "linestyle": "--"},
    ),
    "Adam": Method(
        lambda h: optimizers.adam(lr=h), 1, range(-12, -2), {"color": style.colour("adam"), "linestyle": "--"}
    ),
}


def network(batch=None):
    """The network, seen through batches of this size; all of it for None."""
    whole = oo.problems.tanh_network(HIDDEN, SAMPLES)
    return oo.noise.minibatches(whole, batch) if batch else whole


def training(method, h, problem, seeds, gradients=GRADIENTS):
    """(gradients so far, loss of each start): the batches are the same for every h."""
    theta0 = np.stack([oo.problems.tanh_network(HIDDEN, SAMPLES, rng=seed).theta0 for seed in seeds])
    every = gradients // RECORDS // method.gradients
    steps = gradients // method.gradients
    run = oo.simulate(method.make(h), problem, steps, theta0, record_every=every, rng=seeds[0])
    return np.arange(len(run.loss)) * every * method.gradients, run.loss


def late(loss):
    """The loss of each start at the end: the median of five, for single batches make it jump."""
    return np.median(loss[-5:], axis=0)


def best(method, problem, gradients=GRADIENTS):
    """The step with the least mean loss at the end."""
    grid = [2.0 ** (k / 2) for k in method.grid]
    ends = {h: np.mean(late(training(method, h, problem, TUNING, gradients)[1])) for h in grid}
    return min(ends, key=lambda h: ends[h] if np.isfinite(ends[h]) else np.inf)


def limits(ax):
    """The largest stable h lambda per gradient; {name: limit}."""
    found = {scheme.name: oo.stability_limit(scheme) / gradients for scheme, gradients in SCHEMES.items()}
    ax.barh(list(found), list(found.values()), color=[style.scheme_style(name)[0] for name in found], height=0.6)
    for row, value in enumerate(found.values()):
        ax.text(value + 0.3, row, f"{value:.2g}", va="center", fontsize=7)
    ax.invert_yaxis()
    ax.set(xlabel=r"largest stable $h\lambda$ per gradient", xlim=(0, 24))
    return found


def race(ax, problem):
    """Every method with its best step; {name: (h, median of the late losses)}."""
    found = {}
    for name, method in METHODS.items():
        if name == "Heun, fresh batch" and not problem.noise:
            continue
        h = best(method, problem)
        n, loss = training(method, h, problem, SHOWN)
        found[name] = h, float(np.median(late(loss)))
        ax.semilogy(n, np.median(loss, axis=1), label=f"{name}, h = {h:.3g}", **method.look)
        ax.fill_between(n, loss.min(axis=1), loss.max(axis=1), color=method.look["color"], alpha=0.15, lw=0)
    ax.set(xlabel="gradients", ylabel="loss", xlim=(0, GRADIENTS))
    ax.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=2)
    return found


def draw():
    figure, panels = style.canvas(1, 3, height=3.6, width_ratios=(0.7, 1, 1))
    stable = limits(panels[0])
    whole, noisy = race(panels[1], network()), race(panels[2], network(BATCH))
    ratio = {name: [found[name][1] / found["SGD (Euler)"][1] for found in (whole, noisy)] for name in whole}
    panels[0].set_title(f"Heun's limit is {stable['Heun'] / stable['Euler']:.2g}\ntimes Euler's")
    panels[1].set_title(f"all digits: RKC's loss is {1 / ratio['RKC1(10)'][0]:.1f} times\nlower than Euler's")
    panels[2].set_title(f"batches of {BATCH}: it is {ratio['RKC1(10)'][1]:.1f} times\nhigher than SGD's")
    style.letters(panels)
    style.headline(
        figure,
        f"At equal gradients Heun's loss is {ratio['Heun'][0]:.1f} (all digits) and {ratio['Heun'][1]:.1f} times "
        "(batches) Euler's; RKC pays where stability sets the step, not where noise does",
    )
    return figure
