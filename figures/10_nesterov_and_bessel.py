"""Nesterov's method with momentum k/(k+3) follows x'' + (3/t) x' + grad f = 0, on a quadratic a Bessel function.

x(t) = 2 x0 J1(t sqrt(lambda))/(t sqrt(lambda)): it oscillates, and f - f* stays below 2 |x0 - x*|^2/t^2.
"""

import numpy as np
from scipy.special import j1

import odeopt as oo
from odeopt.plots import style

LAMBDA = np.array([1.0, 25.0])
PROBLEM = oo.problems.quadratic(LAMBDA, angle=0, theta0=(1, 1))
LR, T = 1e-4, 30.0
COLOURS = (style.BLUE, style.VERMILLION)


def bessel(t):
    """The closed form at times t > 0, (n, 2)."""
    z = np.multiply.outer(t, np.sqrt(LAMBDA))
    return 2 * PROBLEM.theta0 * j1(z) / z


def bound(t):
    """2 |x0 - x*|^2/t^2.                                                   [Su, Boyd and Candes 2016, theorem 3]"""
    return 2 * np.sum(PROBLEM.theta0**2) / t**2


def draw():
    opt = oo.optimizers.nesterov_k(lr=LR)
    cmp = oo.compare(opt, PROBLEM, steps=round(T / opt.h))
    t = cmp.iterates.t[1:]
    wrong = np.abs(cmp.flow.theta[1:] - bessel(t)).max()
    figure, (path, rate) = style.canvas(1, 2, height=2.8)
    for i, colour in enumerate(COLOURS):
        path.plot(t, bessel(t)[:, i], color=style.INK, linewidth=0.9, label="Bessel" if i == 0 else "_")
        name = f"iterates, λ = {LAMBDA[i]:g}"
        path.plot(t[::20], cmp.iterates.theta[1::20, i], "o", color=colour, markersize=2, label=name)
    path.set(xlim=(0, 15), xlabel="time t = k sqrt(lr) (inertial time)", ylabel="coordinate x")
    path.set_title(f"iterates within {style.sci(cmp.max_error)}, solver {style.sci(wrong)}")
    path.legend()
    rate.loglog(t, cmp.flow.loss[1:], color=style.INK, linewidth=0.9, label="flow")
    k = np.unique(np.geomspace(20, t.size, 80).astype(int)) - 1
    rate.loglog(t[k], cmp.iterates.loss[1:][k], "o", color=style.colour("nesterov_k"), markersize=2, label="iterates")
    rate.loglog(t, bound(t), "--", color=style.VERMILLION, label=r"$2|x_0-x_*|^2/t^2$")
    rate.set(xlim=(0.3, T), ylim=(1e-5, 60), xlabel="time t (inertial time)", ylabel="f - f*")
    used = np.max(cmp.flow.loss[1:] / bound(t))
    rate.set_title(f"at most {100 * used:.0f} % of the bound")
    rate.legend()
    style.letters((path, rate))
    style.headline(
        figure,
        f"Nesterov's iterates follow the Su-Boyd-Candes flow to {style.sci(cmp.max_error)} at h = {opt.h:g}; "
        f"the solver meets the Bessel function to {style.sci(wrong)}",
    )
    return figure
