"""On real minibatches the second-order SDE follows SGD while it descends fast, and the first-order one does not.

SGD on logistic regression of breast_cancer with batches of 4 samples, drawn with replacement, and what should follow
it in time t = k lr: gradient flow, the SDEs of weak order 1 and 2 with the exact covariance Sigma(theta) of the batch
gradient, and SVAG, SGD on its way to SDE1.  (a) The mean loss.  (b) Its distance to SGD's; bands: two standard
errors.  After the descent both SDEs are within about 0.002.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

LR, BATCH, STEPS, FINER = 0.3, 4, 40, 4
SGD_MEMBERS, MEMBERS = 4000, 400
EARLY = 2  # steps
LOOKS = {
    "gradient flow": {"color": style.GREY, "linestyle": "--"},
    "SDE1": {"color": style.ORANGE},
    "SDE2": {"color": style.VERMILLION},
    "SVAG, l = 16": {"color": style.PURPLE, "linestyle": ":"},
}


def mean_loss(opt, problem, members, every, rng):
    """(E[L], its standard error) at the times of SGD's steps."""
    run = oo.ensemble(opt, problem, members, STEPS * every, record_every=every, rng=rng, generator="sfc64").check()
    return run.loss_mean, np.sqrt(run.loss_variance / members)


def runs():
    problem = oo.problems.logistic_regression("breast_cancer")
    noisy, opt = oo.noise.minibatches(problem, BATCH, replace=True), oo.optimizers.gd(lr=LR)
    flow = oo.solve(opt.flow, problem, np.arange(STEPS + 1) * LR)
    found = {"gradient flow": (flow.loss, np.zeros(STEPS + 1))}
    for order in (1, 2):
        sde = oo.Optimizer(oo.sde(opt, order=order), oo.schemes.stochastic_heun, LR / FINER)
        found[f"SDE{order}"] = mean_loss(sde, noisy, MEMBERS, FINER, rng=order)
    svag = oo.noise.svag(noisy, 16)
    found["SVAG, l = 16"] = mean_loss(opt.with_step(LR / 16), svag, 4 * MEMBERS, 16, rng=3)
    return mean_loss(opt, noisy, SGD_MEMBERS, 1, rng=4), found


def draw():
    (sgd, error), found = runs()
    figure, (left, right) = style.canvas(1, 2, height=2.9)
    t = np.arange(STEPS + 1) * LR
    left.semilogy(t, sgd, color=style.colour("gd"), marker="o", markersize=2.2, linestyle="none", label="SGD")
    right.axhspan(-2 * error.max(), 2 * error.max(), color=style.colour("gd"), alpha=0.15, lw=0)
    for name, (loss, spread) in found.items():
        left.semilogy(t, loss, label=name, **LOOKS[name])
        right.plot(t, loss - sgd, label=name, **LOOKS[name])
        right.fill_between(
            t, loss - sgd - 2 * spread, loss - sgd + 2 * spread, color=LOOKS[name]["color"], alpha=0.2, lw=0
        )
    left.set(xlabel="time t = k lr", ylabel="mean loss E[L]")
    left.legend()
    right.set(xlabel="time t = k lr", ylabel="E[L] - that of SGD", ylim=(-0.03, 0.06))
    right.legend(loc="upper right")
    first, second, limit = ((found[name][0] - sgd)[EARLY] for name in ("SDE1", "SDE2", "SVAG, l = 16"))
    left.set_title(
        f"noise keeps the loss {100 * (sgd[-1] / found['gradient flow'][0][-1] - 1):.0f} %\nabove gradient flow's"
    )
    right.set_title(f"after {EARLY} steps SDE1 is off by {first:.3f},\nSVAG by {limit:.3f}, SDE2 by {abs(second):.3f}")
    style.letters((left, right))
    style.headline(
        figure,
        f"Real minibatches: the second-order SDE is {first / abs(second):.0f} times closer to SGD's descent than the "
        "first-order one, to which SVAG leads",
    )
    return figure
