"""Central flows fail where oscillations swing widely: in large excursions, catapults, and fast sharpening.

L = y x^2/2 - a y sharpens by lr a a step and has an exact cycle, y = 2/lr, x^2 = 2a, on which the central flow stays.
(a) From a hundredth of this x gradient descent swings around it, ever more widely; the mean of x^2 is 2a all the same.
(b) A catapult from lr lambda = 3: the loss rises before it falls to 0, far below the edge.  The central flow is at the
edge after one step and stays on it; the rod flow rises too, and then falls too fast.  (c) The largest excursion within
3,000 steps against the speed of sharpening.  Beyond some speed x underflows to 0 between two bursts, so that y grows
for ever, or the iterates diverge.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style
from odeopt.plots.edge import LOOKS

LR, SPEED, START, STEPS = 0.1, 0.02, 0.01, 20_000
CATAPULT = oo.problems.catapult(width=100, output=1.0, curvature=2.0)


def valley(a, x):
    """The valley from (x sqrt(2a), 2/lr)."""
    return oo.Problem(
        lambda u: 0.5 * u[..., 1] * u[..., 0] ** 2 - a * u[..., 1],
        lambda u: np.stack([u[..., 1] * u[..., 0], 0.5 * u[..., 0] ** 2 - a], axis=-1),
        theta0=[x * np.sqrt(2 * a), 2 / LR],
        batched=True,
    )


def excursion(a):
    """The largest |y - 2/lr| over 2/lr, and whether the oscillation lives: x is tiny between bursts, but not yet 0."""
    run = oo.simulate(oo.optimizers.gd(LR), valley(a, START), 3000)
    return np.max(np.abs(run.theta[:, 1] * LR / 2 - 1)), run.success and run.final[0] != 0


def over_the_limit(theta, lr):
    """lambda lr/2 of the catapult, lambda = (|u|^2 + |v|^2)/n."""
    return lr / 2 * np.sum(theta**2) / (theta.size / 2)


def draw():
    figure, (left, middle, right) = style.canvas(1, 3, height=2.8)
    run = oo.simulate(oo.optimizers.gd(LR), valley(SPEED, START), STEPS)
    left.plot(run.theta[:, 1], color=style.GREY, linewidth=0.6, label="iterates")
    left.axhline(2 / LR, **LOOKS["central flow"], label="central flow")
    left.set(xlabel="steps", ylabel="sharpness y", title=f"excursions, a = {SPEED}")
    left.legend(loc="lower left")

    opt = oo.optimizers.gd(1.5)
    thrown, rods = oo.simulate(opt, CATAPULT, 16), oo.rod_flow(opt, CATAPULT, 16)
    central = oo.central_flow(opt, CATAPULT, 16)
    ends = [over_the_limit(path.theta[-1], opt.lr) for path in (thrown, central)]
    middle.semilogy(thrown.loss, color=style.GREY, marker="o", label="iterates")
    middle.semilogy(rods.mean_loss, **LOOKS["rod flow"], label="rod flow")
    middle.semilogy(central.mean_loss, **LOOKS["central flow"], marker="s", markersize=3, label="central flow")
    middle.set(xlabel="steps", ylabel="mean loss", title="a catapult", ylim=(1e-4, 1e3))
    middle.legend(loc="upper right", fontsize=6)

    speeds = np.geomspace(1e-4, 0.2, 40)
    found = [excursion(a) for a in speeds]
    sizes, alive = np.array([size for size, _ in found]), np.array([lives for _, lives in found])
    right.loglog(LR * speeds[alive], sizes[alive], color=style.BLUE, marker="o", linestyle="", label="oscillates")
    dead = np.minimum(sizes[~alive], 10)
    right.loglog(LR * speeds[~alive], dead, color=style.VERMILLION, marker="X", linestyle="", label="dies or diverges")
    right.set(xlabel="sharpening a step, lr a", ylabel="excursion / (2/lr)", title="fast sharpening")
    right.legend(loc="upper left")
    style.letters((left, middle, right))
    swing, limit = np.max(np.abs(run.theta[:, 1] * LR / 2 - 1)), speeds[~alive].min()
    style.headline(
        figure,
        f"Where central flows fail: the sharpness swings by up to {100 * swing:.0f}% around a cycle; a catapult lands "
        f"at {ends[0]:.2f} of the limit, not {ends[1]:.2f}; of {len(speeds)} speeds none "
        f"from a = {limit:.2g} on lasts 3,000 steps",
    )
    return figure
