"""With lr in proportion to it a larger batch saves steps at the same samples, up to a limit; noisy Adam wants sqrt(lr).

(a) Logistic regression on breast_cancer by SGD with batches B and the linear rule lr = 0.008 B: E[L] against the
samples seen.  (b) The samples to a loss, with it and with one lr for all.  (c) Adam where noise dominates, batch times
kappa, steps over kappa: E[L] over that of kappa = 1 with lr -> sqrt(kappa) lr, beta -> beta^kappa,
eps -> eps/sqrt(kappa), and with lr -> kappa lr; the band is 10 %.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

BATCHES, RATE, SAMPLES, GOAL = (2, 8, 32, 128, 512), 0.008, 8192, 0.13
KAPPAS, STEPS, MEMBERS, COORDINATES = (1, 2, 4, 8, 16, 32, 64), 2048, 64, 64
SHADES = ("#9ecae1", "#4292c6", "#08519c", "#041f3d", style.VERMILLION)
RULES = {"square root": (np.inf, style.GREEN, "o"), "linear": (0.0, style.ORANGE, "s")}
BOWL = oo.problems.quadratic((1.0,) * COORDINATES, angle=0, theta0=0.02 * np.ones(COORDINATES))
ADAM = oo.optimizers.adam(lr=4e-4, beta1=0.99, beta2=0.999)


def larger(left, right):
    problem = oo.problems.logistic_regression("breast_cancer")
    found = oo.compare_batches({B: oo.optimizers.gd(lr=RATE * B) for B in BATCHES}, problem, SAMPLES, rng=0)
    for B, shade in zip(BATCHES, SHADES, strict=True):
        left.loglog(found.samples[B][1:], found.loss[B][1:], color=shade, label=f"B = {B}")
    left.axhline(GOAL, color=style.GREY, linestyle=":")
    left.set(xlabel="samples seen", ylabel="mean loss E[L]")
    left.legend()
    left.set_title("SGD, lr = 0.008 B")
    linear = found.samples_to(GOAL)
    constant = {
        B: oo.compare_batches({B: oo.optimizers.gd(lr=RATE * BATCHES[0])}, problem, 600 * B, rng=0).samples_to(GOAL)[B]
        for B in BATCHES
    }
    for samples, colour, marker, label in (
        (constant, style.GREY, "s", f"lr = {RATE * BATCHES[0]:g}"),
        (linear, style.BLUE, "o", f"lr = {RATE:g} B"),
    ):
        right.loglog(BATCHES, [samples[B] for B in BATCHES], color=colour, marker=marker, label=label)
    right.set_xticks(BATCHES, [str(B) for B in BATCHES])
    right.minorticks_off()
    right.set(xlabel="batch size B", ylabel=f"samples to E[L] = {GOAL:g}")
    right.legend()
    few, last = BATCHES[0], BATCHES[-1]
    right.set_title(
        f"B = {last} takes {constant[last] / constant[few]:.0f} times the\n"
        f"samples at one lr, {linear[last] / linear[few]:.1f} with it"
    )


def ruled(kappa, ratio):
    """E[L] at the end, noise Sigma/kappa, steps/kappa."""
    noisy = oo.noise.gaussian(BOWL, 1 / np.sqrt(kappa))
    opt = oo.scale_batch(ADAM, kappa, noise_ratio=ratio)
    steps = STEPS // kappa
    run = oo.ensemble(opt, noisy, MEMBERS, steps, rng=kappa, record_every=steps, generator="sfc64")
    return run.loss_mean[-1]


def rules(ax):
    off = {}
    for name, (ratio, colour, marker) in RULES.items():
        losses = np.array([ruled(kappa, ratio) for kappa in KAPPAS])
        ax.loglog(KAPPAS, losses / losses[0], color=colour, marker=marker, label=name)
        off[name] = np.abs(losses / losses[0] - 1).max()
    ax.axhspan(0.9, 1.1, color=style.GREY, alpha=0.25, lw=0)
    ax.set_xticks(KAPPAS, [str(kappa) for kappa in KAPPAS])
    ax.minorticks_off()
    ax.set(xlabel=r"batch times $\kappa$", ylabel=r"E[L] over that of $\kappa=1$")
    ax.legend()
    ax.set_title(f"Adam, square root:\nwithin {100 * off['square root']:.0f} %")
    return off


def draw():
    figure, panels = style.canvas(1, 3, height=3.0)
    larger(panels[0], panels[1])
    rules(panels[2])
    style.letters(panels)
    style.headline(
        figure, "A larger batch pays with a larger lr: in proportion for SGD, as the square root for Adam in noise"
    )
    return figure
