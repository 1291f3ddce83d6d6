"""A flow's energy only falls, or stays; along the iterates of its optimizer that law holds up to the step.

(a) Momentum: the loss rises again and again, loss plus kinetic energy L + tau |m|^2/2 never.  (b) Nesterov's method:
the Lyapunov function E = t^2 (L - L*) + 2 |x - x* + t v/2|^2 of Su, Boyd and Candes decreases along the flow; that of
the iterates tends to it with sqrt(lr).  (c) Adagrad: what the loss loses its memory gains, L + sum_i 2 sqrt(G_i); the
flow conserves it to the solver's error, the iterates up to lr^2.  Lines: the flow; dots: the iterates.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

ELLIPSE = oo.problems.quadratic((1, 20)).at((1, 1))
MOMENTUM = oo.optimizers.momentum(lr=0.002, beta=0.97)
SHADES = {"nesterov_k": ("#9bd0a3", "#117733"), "adagrad": ("#d9a7c7", "#CC79A7", "#8a3d6b")}
DOTS = {"linestyle": "none", "marker": "o", "markersize": 2.2}


def along(opt, T):
    """Energies of the iterates up to time T, and of the flow from the matched start."""
    cmp = oo.compare(opt, ELLIPSE, steps=round(T / opt.h), rtol=1e-12)
    return oo.energy(cmp.iterates), oo.energy(cmp.flow), cmp.flow.loss


def momentum(ax):
    iterates, flow, loss = along(MOMENTUM, 6.0)
    values, colour = flow.values["energy"], style.colour("momentum")
    ax.semilogy(flow.t, loss / loss[0], color=style.GREY, label="loss")
    ax.semilogy(flow.t, values / values[0], color=style.INK, label="energy")
    ax.semilogy(iterates.t, iterates.values["energy"] / values[0], color=colour, markevery=3, label="iterates", **DOTS)
    rises, up = np.sum(np.diff(np.sign(np.diff(loss))) > 0), flow.violation["energy"]
    ax.set(xlabel="time t (lr-time)", ylabel="relative to the start", ylim=(3e-4, 2))
    energy = f"by {style.sci(up)}" if up else "never"
    ax.set_title(f"momentum: the loss rises\n{rises} times, the energy {energy}")
    ax.legend(loc="lower left", ncols=2)
    return rises


def nesterov(ax):
    gaps, rates = [], (0.04, 0.0025)
    for lr, shade in zip(rates, SHADES["nesterov_k"], strict=True):
        iterates, flow, _ = along(oo.optimizers.nesterov_k(lr=lr), 12.0)
        E0, every = flow.values["lyapunov"][0], max(1, len(flow.t) // 60)
        E = iterates.values["lyapunov"] / E0
        ax.plot(iterates.t, E, color=shade, markevery=every, label=f"lr {lr:g}", **DOTS)
        gaps.append(np.abs(E - flow.values["lyapunov"] / E0).max())
    ax.plot(flow.t, flow.values["lyapunov"] / E0, color=style.INK, label="flow")
    ax.set(xlabel="time t (inertial time)", ylabel="E(t)/E(0)")
    ax.set_title(
        f"Nesterov: the iterates' E is off by\n{gaps[0]:.2f}, by {gaps[1]:.2f} at lr/{rates[0] / rates[1]:.0f}"
    )
    ax.legend()


def adagrad(ax):
    drifts, rates = [], (0.4, 0.2, 0.1)
    for lr, shade in zip(rates, SHADES["adagrad"], strict=True):
        opt = oo.optimizers.adagrad(lr=lr, accumulator=1 / lr**2)  # G = 1 in the flow's units
        iterates, flow, _ = along(opt, 8.0)
        every = max(1, len(iterates.t) // 25)
        ax.semilogy(iterates.t[1:], drift(iterates)[1:], color=shade, markevery=every, label=f"lr {lr:g}", **DOTS)
        drifts.append(iterates.violation["balance"])
    ax.semilogy(flow.t[1:], drift(flow)[1:], color=style.INK, linewidth=0.8, label="flow")
    ax.set(xlabel=r"time t (lr$^2$ per step)", ylabel=r"drift of $L+\Sigma\,2\sqrt{G_i}$", ylim=(1e-16, 1e2))
    ax.set_title(f"Adagrad: the iterates drift\n{drifts[1] / drifts[2]:.1f} times less at lr/2")
    ax.legend(loc="center right")
    return flow.violation["balance"]


def drift(energy):
    """How far the conserved quantity is from its first value, relative to it."""
    value = energy.values["balance"]
    return np.abs(value / value[0] - 1)


def draw():
    figure, panels = style.canvas(1, 3, height=3.0)
    rises, _, kept = momentum(panels[0]), nesterov(panels[1]), adagrad(panels[2])
    style.letters(panels)
    style.headline(
        figure,
        f"Momentum's loss rises {rises} times, its energy only falls; Adagrad's flow conserves what the loss loses "
        f"and the memory gains, to {style.sci(kept)}",
    )
    return figure
