"""A flow spends its energy and never earns any; its iterates keep that law up to their step.

(a) Momentum: the loss rises again and again, loss plus kinetic energy L + tau |m|^2/2 never.  (b) Nesterov's method: the
Lyapunov function of Su, Boyd and Candes decreases along the flow, and E(0)/t^2 bounds the loss; the iterates' own rises
a little.  (c) Adagrad: what the loss loses its memory gains, L + sum_i 2 sqrt(G_i); along the iterates it drifts by an
amount proportional to lr.  Lines: the flow; dots: the iterates.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

ELLIPSE = oo.problems.quadratic((1, 20)).at((1, 1))
MOMENTUM = oo.optimizers.momentum(lr=0.002, beta=0.97)
NESTEROV = oo.optimizers.nesterov_k(lr=0.0064)
RATES = (0.4, 0.2, 0.1)
DOTS = {"linestyle": "none", "marker": "o", "markersize": 2.2}


def along(opt, T):
    """Energies of the iterates up to time T, and of the flow that starts where they are matched."""
    cmp = oo.compare(opt, ELLIPSE, steps=round(T / opt.h))
    return oo.energy(cmp.iterates), oo.energy(cmp.flow), cmp.flow


def momentum(ax):
    iterates, flow, run = along(MOMENTUM, 6.0)
    colour, E0 = style.colour("momentum"), flow.values["energy"][0]
    ax.semilogy(run.t, run.loss / E0, color=style.GREY, label="loss")
    ax.semilogy(flow.t, flow.values["energy"] / E0, color=style.INK, label="energy")
    ax.semilogy(iterates.t, iterates.values["energy"] / E0, color=colour, markevery=3, label="iterates", **DOTS)
    rises = np.sum(np.diff(np.sign(np.diff(run.loss))) > 0)
    ax.set(xlabel="time t (lr-time)", ylabel=r"$L$, $L+\tau|m|^2/2$ (over the start)")
    ax.set_title(f"momentum: the loss rises {rises} times,\nthe energy by {style.sci(flow.violation['energy'])}")
    return rises


def nesterov(ax):
    iterates, flow, _ = along(NESTEROV, 12.0)
    colour, E0 = style.colour("nesterov_k"), flow.values["lyapunov"][0]
    ax.plot(flow.t, flow.values["lyapunov"] / E0, color=style.INK, label="flow")
    ax.plot(iterates.t, iterates.values["lyapunov"] / E0, color=colour, markevery=2, label="iterates", **DOTS)
    ax.set(xlabel="time t (inertial time)", ylabel="Lyapunov function (over the start)")
    up = iterates.violation["lyapunov"]
    ax.set_title(f"Nesterov: a step of the iterates\nraises it by {style.sci(up)} at most")


def adagrad(ax):
    drifts = []
    for lr, shade in zip(RATES, ("#662255", "#AA4499", style.colour("adagrad")), strict=True):
        iterates, flow, _ = along(oo.optimizers.adagrad(lr=lr), 4.0)
        every = max(1, len(iterates.t) // 25)
        start = iterates.values["balance"][0]
        ax.plot(iterates.t, iterates.values["balance"] / start, color=shade, markevery=every, label=f"lr {lr:g}", **DOTS)
        drifts.append(iterates.violation["balance"])
    ax.plot(flow.t, flow.values["balance"] / flow.values["balance"][0], color=style.INK, label="flow")
    ax.set(xlabel=r"time t (lr$^2$ per step)", ylabel=r"$L+\sum_i 2\sqrt{G_i}$ (over the start)")
    ax.set_title(f"Adagrad: conserved to {style.sci(flow.violation['balance'])};\niterates drift {drifts[0] / drifts[-1]:.1f}"
                 f" times less at lr/{RATES[0] / RATES[-1]:g}")  # fmt: skip
    return flow.violation["balance"]


def draw():
    figure, panels = style.canvas(1, 3, height=2.9)
    rises, kept = momentum(panels[0]), None
    nesterov(panels[1])
    kept = adagrad(panels[2])
    for ax in panels:
        ax.legend()
    style.letters(panels)
    style.headline(
        figure,
        f"A flow's energy only falls, though momentum's loss rises {rises} times; Adagrad conserves "
        f"its own to {style.sci(kept)}",
    )
    return figure
