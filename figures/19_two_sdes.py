"""The second-order SDE is closer to SGD over a finite time, and farther from it for ever than the first-order one.

SGD on theta^2/2 with gradient noise of variance 1, all moments exact.  (a) The error of E[theta^2] at t = 1, from
theta = 1: gradient flow and SDE1 are of weak order 1, SDE2 of order 2.  (b) The stationary variance over that of SDE1,
lr sigma^2/(2 lambda): SDE1 misses what the finite step adds, SDE2 has it with the wrong sign.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

BOWL = oo.Problem(lambda x: (x**2).sum(-1) / 2, lambda x: x, hvp=lambda x, p: p + 0 * x, theta0=[1.0], batched=True)
NOISY = oo.noise.gaussian(BOWL, 1.0)
FLOWS = {
    "gradient flow": (style.GREY, "--", lambda lr: oo.flows.gradient_flow()),
    "SDE1": (style.ORANGE, "-", oo.flows.sgd_first_order),
    "SDE2": (style.VERMILLION, "-", oo.flows.sgd_second_order),
}


def square(found):
    """E[theta^2] at the last time."""
    return found.mean[-1, 0] ** 2 + found.covariance[-1, 0, 0]


def weak(ax):
    rates, orders = 0.2 / 2.0 ** np.arange(7), {}
    exact = [square(oo.laws.moments(oo.optimizers.gd(lr=lr), NOISY, round(1 / lr))) for lr in rates]
    for name, (colour, look, flow) in FLOWS.items():
        followed = [square(oo.laws.flow_moments(flow(lr), NOISY, [1.0])) for lr in rates]
        errors = np.abs(np.subtract(followed, exact))
        orders[name] = np.polyfit(np.log(rates[-3:]), np.log(errors[-3:]), 1)[0]
        ax.loglog(rates, errors, color=colour, linestyle=look, marker="o", label=f"{name}: order {orders[name]:.2f}")
    ax.set(xlabel="learning rate lr", ylabel=r"error of E[$\theta^2$] at t = 1")
    ax.set_xticks(rates[::2], [f"{lr:g}" for lr in rates[::2]])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    ax.set_title(f"over a finite time SDE2\nhas order {orders['SDE2']:.1f}, SDE1 {orders['SDE1']:.1f}")


def rest(ax):
    z, at = np.linspace(0.02, 1.22, 31), 12
    laws = {
        "SGD": (style.colour("gd"), lambda lr: oo.laws.stationary(oo.optimizers.gd(lr=lr), NOISY)),
        "SDE1": (style.ORANGE, lambda lr: oo.laws.flow_stationary(oo.flows.sgd_first_order(lr), NOISY)),
        "SDE2": (style.VERMILLION, lambda lr: oo.laws.flow_stationary(oo.flows.sgd_second_order(lr), NOISY)),
    }
    variances = {name: np.array([law(lr).covariance[0, 0] for lr in z]) for name, (_, law) in laws.items()}
    for name, (colour, _) in laws.items():
        ax.plot(z, variances[name] / (z / 2), color=colour, label=name)
    ax.set(xlabel=r"lr $\lambda$", ylabel=r"stationary variance / (lr $\sigma^2/2\lambda$)")
    ax.legend(loc="upper left")
    first, second = (100 * (1 - variances[name][at] / variances["SGD"][at]) for name in ("SDE1", "SDE2"))
    ax.set_title(
        f"for ever SDE1 misses {first:.0f} %, SDE2 {second:.0f} %\nof SGD's variance at "
        + rf"lr $\lambda$ = {z[at]:.1f}"
    )


def draw():
    figure, panels = style.canvas(1, 2, height=2.9)
    weak(panels[0])
    rest(panels[1])
    style.letters(panels)
    style.headline(figure, "The second-order SDE is closer to SGD over a finite time, and farther from it for ever")
    return figure
