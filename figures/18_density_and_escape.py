"""SGD's noise is a temperature T: its density is exp(-L/T), and it leaves a minimum in the time of Kramers.

(a) The double well L = x^4/4 - x^2/2 with d theta = -grad L dt + s dW, s^2 = 2T, from theta = -1: dots are 100 000
members, lines the Fokker-Planck equation; dashed what the first article writes, exp(-L/s^2), another normalisation of
the noise.  (b) The mean time from the left minimum to the right one: exact, Kramers' formula for small T, Langevin's
flow and SGD itself, whose gradient noise of variance sigma^2/B has the temperature T = lr sigma^2/(2B).
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

WELL, BOX = oo.problems.double_well().at([-1.0]), (-2.2, 2.2)
T, H, MEMBERS = 0.1, 0.05, 100_000
TIMES = {4.0: style.SKY, 40.0: style.BLUE}
LR, BATCHES = 0.05, (1.0, 1.3, 1.6)
WALKERS = 800
DRAWS = "sfc64"  # the same picture with and without Numba


def densities(ax):
    edges = np.linspace(*BOX, 56)
    law = oo.laws.langevin(WELL, T, BOX, 220)
    x = law.grid.points[:, 0]
    opt = oo.Optimizer(oo.flows.langevin(temperature=T), oo.schemes.platen, H)
    records = [round(t / H) for t in TIMES]
    run = oo.ensemble(opt, WELL, MEMBERS, max(records), edges=edges, record_every=min(records), rng=1, generator=DRAWS)
    middle, largest = (edges[1:] + edges[:-1]) / 2, 0.0
    for (t, colour), steps in zip(TIMES.items(), records, strict=True):
        counted = run.counts[np.searchsorted(run.t, steps * H * 0.999), 0] / (MEMBERS * np.diff(edges))
        p = law.evolve([-1.0], t)
        binned = p.reshape(len(middle), -1).mean(axis=1)
        ax.plot(x, p, color=colour, label=f"t = {t:g}")
        ax.plot(middle, counted, color=colour, linestyle="none", marker="o", markersize=2.0)
        largest = max(largest, np.abs(counted - binned).max() / p.max())
    ax.plot(x, law.stationary(), color=style.INK, label=r"$\exp(-2L/s^2)$")
    wrong = oo.laws.langevin(WELL, 2 * T, BOX, 220).stationary()
    ax.plot(x, wrong, color=style.GREY, linestyle="--", label=r"$\exp(-L/s^2)$")
    ax.set(xlabel=r"$\theta$", ylabel="density", xlim=BOX)
    ax.legend(loc="upper right")
    ax.set_title(f"{MEMBERS:,} members are within\n{100 * largest:.1f} % of the Fokker-Planck density")


def escape(opt, problem, exact):
    """Mean first passage from -1 to 1 and its standard error."""
    steps = round(16 * exact / opt.h)
    there = lambda theta: theta[..., 0] >= 1
    run = oo.ensemble(opt, problem, WALKERS, steps, target=there, record_every=500, rng=2, generator=DRAWS)
    return run.check().mean_first_passage


def escapes(ax):
    inverse = np.linspace(1 / T * 0.95, 1.6 / T * 1.03, 20)
    exact = [oo.laws.mean_first_passage(WELL, 1 / b, -1, 1) for b in inverse]
    kramers = [oo.laws.kramers_time(WELL, 1 / b, minimum=-1, saddle=0) for b in inverse]
    ax.semilogy(inverse, exact, color=style.INK, label="exact")
    ax.semilogy(inverse, kramers, color=style.GREY, linestyle="--", label="Kramers 1940")
    misses = []
    for batch in BATCHES:
        true = oo.laws.mean_first_passage(WELL, T / batch, -1, 1)
        walk = oo.Optimizer(oo.flows.langevin(temperature=T / batch), oo.schemes.platen, 2 * LR)
        sgd = oo.noise.gaussian(WELL, (2 * T / (LR * batch)) ** 0.5)
        looks = ((walk, WELL, style.VERMILLION, "o", -0.06), (oo.optimizers.gd(lr=LR), sgd, style.BLUE, "s", 0.06))
        for opt, problem, colour, marker, aside in looks:
            mean, error = escape(opt, problem, true)
            label = f"SGD, lr = {LR:g}, batch B" if problem is sgd else "Langevin"
            ax.errorbar(batch / T + aside, mean, 2 * error, color=colour, marker=marker, linestyle="none",
                        markersize=3, label=label if batch == 1 else None)  # fmt: skip
            misses.append(abs(mean - true) / true)
    ax.set(xlabel="1/T = 10 B (B: relative batch size)", ylabel="mean time to the other minimum")
    ax.legend(loc="upper left")
    ax.set_title(f"escape of SGD and of Langevin's flow:\nwithin {100 * max(misses):.0f} % of the exact time")
    return exact[-1] / exact[0]


def draw():
    figure, panels = style.canvas(1, 2, height=3.0)
    densities(panels[0])
    escapes(panels[1])
    doubled = np.divide(*[oo.laws.mean_first_passage(WELL, T / b, -1, 1) for b in (2, 1)])
    style.letters(panels)
    style.headline(
        figure,
        f"SGD's noise is a temperature, T = lr σ²/2B: with a batch twice as large it takes {doubled:.0f} times "
        "as long to leave this minimum",
    )
    return figure
