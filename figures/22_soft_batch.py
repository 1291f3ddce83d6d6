"""Several micro-batches make exactly one update if each weighs its samples, and if nothing but the sum moves meanwhile.

Logistic regression on breast_cancer, micro-batches of 32 samples (25 at the end of an epoch), K = 4 for an update:
the distance from the iterates of the big batch, over the distance that these go.  Micro-batches weighted by their
sizes; their plain mean, as in Keras and optax; the same in optax' accumulator of single precision; the article's first
version, whose conditional assignments all took place (kexue.fm 5879); its repair, which sets lr to 0 and every beta to
1 - 1e-7 between updates, and drops one micro-batch of K (kexue.fm 6794).
"""

from dataclasses import replace
from itertools import islice

import numpy as np

import odeopt as oo
from odeopt.noise._accumulated import Accumulated
from odeopt.plots import style

SIZE, K, UPDATES, STILL = 32, 4, 60, 1 - 1e-7
PROBLEM = oo.noise.minibatches(oo.problems.logistic_regression("breast_cancer"), SIZE)
OPTIMIZERS = {
    "gd": oo.optimizers.gd(lr=0.2),
    "momentum": oo.optimizers.momentum(lr=0.02, beta=0.9, like="keras"),
    "adam": oo.optimizers.adam(lr=0.005, like="keras"),
}


class PlainMean(Accumulated):
    """g = 1/K sum_k g_k, whatever the sizes: Keras' gradient_accumulation_steps, optax.MultiSteps."""

    def grad(self, theta, draw):
        return np.mean([self.big.grad(theta, micro) for micro in draw], axis=0)


class Single(PlainMean):
    """a <- a + (g_k - a)/k, kept in single precision between micro-batches: optax.MultiSteps by default."""

    def grad(self, theta, draw):
        a = np.zeros(theta.shape, np.float32)
        for k, micro in enumerate(draw, 1):
            mean = a + (self.big.grad(theta, micro) - a) / k
            a = mean.astype(np.float32)
        return mean


LAWS = {"weighted": Accumulated, "single": Single, "plain": PlainMean}
LOOKS = {
    "weighted": (style.GREEN, "-", "weighted by their samples"),
    "plain": (style.BLUE, "-", "plain mean (Keras, optax)"),
    "single": (style.SKY, "--", "the same in float32 (optax)"),
    "replaced": (style.ORANGE, "-", "article, sum replaced"),
    "added": (style.VERMILLION, "-", "article, sum never emptied"),
    "repair": (style.PURPLE, "-", "the article's repair"),
}


def micro_batches(count, rng=0):
    """Indices, epoch after epoch."""
    return list(islice(PROBLEM.noise.draws(np.random.default_rng(rng), ()), count))


def run(opt, law, stream, together=False):
    """theta after each update, of K micro-batches or of all their samples together."""
    windows = [stream[first : first + K] for first in range(0, len(stream), K)]
    draws = [[np.concatenate(window)] for window in windows] if together else windows
    problem = replace(PROBLEM, noise=law(PROBLEM.noise, SIZE))
    return oo.simulate(opt, problem, steps=len(draws), noise=draws).check().theta


LAST = {"replaced": lambda s, g: g, "added": lambda s, g: s + g}  # the assignment that takes place last


def as_it_ran(lr, stream, cached):
    """Both branches of K.switch assign: theta <- theta - lr s/K with each micro-batch, and s <- cached(s, g)."""
    theta, s, path = PROBLEM.theta0, 0.0, [PROBLEM.theta0]
    for micro in stream:
        g = PROBLEM.noise.grad(theta, micro)
        theta, s = theta - lr * s / K, cached(s, g)
        path.append(theta)
    return np.array(path[1::K])


def sgd(theta, memory, g, t, lr, beta):
    """Keras' SGD: v <- beta v - lr g, theta <- theta + v."""
    v = beta * memory[0] - lr * g
    return theta + v, (v, 0.0)


def adam(theta, memory, g, t, lr, beta1, beta2, eps):
    """Keras' Adam: eps beside the root that is not yet corrected."""
    m, G = beta1 * memory[0] + (1 - beta1) * g, beta2 * memory[1] + (1 - beta2) * g**2
    rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    return theta - rate * m / (np.sqrt(G) + eps), (m, G)


def repaired(name, stream):
    """Each micro-batch is a step of the optimizer, with lr = 0 and betas of nearly 1 but in one of K."""
    rule, keys = RULES[name]
    settings = {"beta": 0.0} if name == "gd" else {}
    settings |= {key: OPTIMIZERS[name].settings[key] for key in keys}
    still = {key: {"lr": 0.0, "eps": value}.get(key, STILL) for key, value in settings.items()}
    theta, memory, s, t, path = PROBLEM.theta0, (0.0, 0.0), 0.0, 0, [PROBLEM.theta0]
    for n, micro in enumerate(stream):
        g, now = PROBLEM.noise.grad(theta, micro), n % K == 0
        t += now
        theta, memory = rule(theta, memory, s / K, t + (not now), **(settings if now else still))
        s = 0.0 if now else s + g
        path.append(theta)
    return np.array(path[1::K])


RULES = {"gd": (sgd, ("lr",)), "momentum": (sgd, ("lr", "beta")), "adam": (adam, ("lr", "beta1", "beta2", "eps"))}


def errors(name, updates=UPDATES):
    """{way: distance from the big batch after each update, of the way that it goes}."""
    opt, longer = OPTIMIZERS[name], micro_batches(K * updates + 1)
    stream = longer[:-1]  # the article's versions update with the first micro-batch after a window
    true = run(opt, Accumulated, stream, together=True)
    paths = {way: run(opt, law, stream) for way, law in LAWS.items()}
    if name == "gd":
        paths |= {way: as_it_ran(opt.lr, longer, cached) for way, cached in LAST.items()}
    paths["repair"] = repaired(name, longer)
    length = np.linalg.norm(true[-1] - true[0])
    return {way: np.linalg.norm(path - true, axis=-1)[1:] / length for way, path in paths.items()}


def draw():
    figure, panels = style.canvas(1, 3, height=3.3, sharey=True)
    ends = {}
    for ax, name in zip(panels, OPTIMIZERS, strict=True):
        found = errors(name)
        for way, error in found.items():
            colour, line, label = LOOKS[way]
            ax.semilogy(np.arange(1, UPDATES + 1), error, color=colour, linestyle=line, label=label)
        ends[name] = 100 * found["repair"][-1]
        ax.set(xlabel=f"updates, each of {K} micro-batches", ylim=(1e-18, 1e3))
        ax.set_title(f"{style.label(name)}: the\nrepair is {ends[name]:.0f} % of the way off")
    panels[0].set_ylabel("distance from the big batch,\nover the distance that it goes")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    style.letters(panels)
    worst, best = max(ends.values()), min(ends.values())
    style.headline(
        figure,
        "A soft batch is the big batch to rounding if micro-batches weigh what they have; "
        f"the article's repair is {best:.0f} to {worst:.0f} % off",
    )
    return figure
