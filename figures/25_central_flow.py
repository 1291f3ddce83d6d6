"""The central flow that follows from the step alone is, for gradient descent, the published one.

A tanh network with 41 parameters, see benchmarks/edge_networks.py.  Gradient descent is perturbed where the central
flow comes to the edge.  (a) Sharpness of the iterates and of the central flow, and 2/lr.  (b) Distance of the flow from
the step and the published flow, over the way so far: for gradient descent that of rounding.  RMSprop's are apart before
the edge already: the published G follows g^2 by 1/rho faster, and does not oscillate with the parameters.  (c) The loss
of the iterates, averaged from the perturbation on, and its prediction.      [Cohen et al. 2024, arXiv 2410.24206]
"""

import runpy
from pathlib import Path

import numpy as np

import odeopt as oo
from odeopt.plots import style

NETWORKS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "edge_networks.py"))
PROBLEM = NETWORKS["problem_of"]("waves 8")
GD, RMSPROP = oo.optimizers.gd(lr=0.25), oo.optimizers.rmsprop(lr=0.012, rho=0.95)
SQUARES = {"G": PROBLEM.grad(PROBLEM.theta0) ** 2}
STEPS, RMS_STEPS, KICK = 120, 50, 1e-2


def flows(opt, memory=None, steps=STEPS):
    """The central flow from the step, and as published."""
    return [oo.central_flow(opt, PROBLEM, steps, memory=memory, form=form) for form in ("step", "published")]


def apart(step, published):
    """|step - published| over the way so far, from the first step on."""
    way = np.linalg.norm(step.theta - step.theta[0], axis=1)[1:]
    return np.linalg.norm(step.theta - published.theta, axis=1)[1:] / way


def perturbed(at):
    """Gradient descent with theta kicked before step `at`: the iterates and the step of each."""
    before = oo.simulate(GD, PROBLEM, at)
    kick = KICK * np.random.default_rng(0).standard_normal(PROBLEM.dim)
    after = oo.simulate(GD, PROBLEM.at(before.final + kick), STEPS - at)
    return np.concatenate([before.theta[:-1], after.theta]), np.concatenate([before.loss[:-1], after.loss])


def draw():
    central, published = flows(GD)
    rms = flows(RMSPROP, SQUARES, RMS_STEPS)
    at = int(np.flatnonzero(central.oscillating)[0])
    theta, loss = perturbed(at)
    figure, (left, middle, right) = style.canvas(1, 3, height=2.8)

    top = np.array([np.linalg.eigvalsh(PROBLEM.hvp(u, np.eye(PROBLEM.dim)))[-1] for u in theta[::2]])
    left.plot(np.arange(STEPS + 1)[::2], top, color=style.GREY, label="iterates")
    left.plot(np.fmax.reduce(central.sharpness, axis=1), color=style.BLUE, label="central flow")
    left.axhline(2 / 0.25, color=style.INK, linestyle=":", linewidth=0.8)
    left.set(xlabel="steps", ylabel="sharpness", title="gradient descent, 2/lr dotted")

    off = {}
    for name, pair in (("gd", (central, published)), ("rmsprop", rms)):
        off[name] = apart(*pair)
        middle.semilogy(np.arange(1, len(off[name]) + 1), off[name], color=style.colour(name), label=style.label(name))
    middle.set(xlabel="steps", ylabel="distance / way", title="from the step, and published")

    ahead = np.arange(1, STEPS - at + 1)
    means = {name: np.cumsum(u[at + 1 :]) / ahead for name, u in (("measured", loss), ("predicted", central.mean_loss))}
    right.semilogy(at + ahead, loss[at + 1 :], color=style.GREY, linewidth=0.5, label="each step")
    right.plot(at + ahead, means["measured"], color=style.INK, label="mean, measured")
    right.plot(at + ahead, means["predicted"], color=style.BLUE, label="mean, predicted")
    right.set(xlabel="steps", ylabel="loss", title="loss since the perturbation")

    for ax in (left, middle, right):
        ax.legend(loc="best")
    style.letters((left, middle, right))
    style.headline(
        figure,
        f"The step alone gives the published flow of gradient descent, to {style.sci(off['gd'].max())} of the way over "
        f"{STEPS} steps; RMSprop's is {100 * off['rmsprop'][-1]:.0f} % apart; the mean loss is predicted to "
        f"{100 * abs(means['predicted'][-1] / means['measured'][-1] - 1):.0f} %",
    )
    return figure
