"""RMSprop at rho = 0 steps like 1/|g|, which on a quadratic holds Euler's error per unit of time constant.

Read as error per step the article's argument gives |g|^(-1/2) instead.  Both exponents are those of a quadratic along
its axes; elsewhere the error is h^2 |H g|/2, and how |H g| goes with |g| depends on the problem.  Euler's error is
that of the embedded Euler-Heun pair, coordinate by coordinate; eigenvalues only shift the lines, so each begins at 1.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

LR, STEPS, PROBE = 0.01, 200, 1e-4
PROBLEMS = {
    "quadratic along its axes": (oo.problems.quadratic((1, 3), angle=0, theta0=(3, 2)), "o"),
    "mild Rosenbrock": (oo.problems.rosenbrock(b=5).at((-1, 0.5)), "s"),
    "logistic regression": (oo.problems.logistic_regression(features=10), "^"),
}


def controlled(problem):
    """(|g|, {kind: step}) along gradient flow, each (n, d); steps in units of the tolerance."""
    flow = oo.flows.gradient_flow()
    theta = oo.solve(flow, problem, 2.0).theta
    error = np.abs(oo.schemes.heun.error_estimate(flow, problem.grad)(0.0, (theta,), PROBE)[0]) / PROBE**2
    return np.abs(problem.grad(theta)), {"error per step": error**-0.5, "error per unit of time": 1 / error}


def effective(problem, rho):
    """(|g|, lr/(sqrt(G) + eps)) along a run of RMSprop: the step that each coordinate takes."""
    opt = oo.optimizers.rmsprop(lr=LR, rho=rho, start="settled")
    run = oo.simulate(opt, problem, STEPS)
    return np.abs(problem.grad(run.theta[:-1])), LR / (np.sqrt(run.state["G"][1:]) + opt.flow.params["eps"])


def curves(problem):
    """{name: (|g|, step)} for the two controllers and three memories of RMSprop."""
    g, steps = controlled(problem)
    memories = {f"RMSprop, rho = {rho:g}": effective(problem, rho) for rho in (0.0, 0.9, 0.99)}
    return {**{name: (g, step) for name, step in steps.items()}, **memories}


def exponent(g, step):
    """p in step ~ |g|^p: one slope for all coordinates, each with its own factor; |g| above 2 % of its largest."""
    x, y = np.log(g), np.log(step)
    used = g > 0.02 * g.max(axis=0)
    x, y = (np.where(used, z - np.mean(z, axis=0, where=used), 0.0) for z in (x, y))
    return float(np.sum(x * y) / np.sum(x * x))


COLOURS = (style.VERMILLION, style.BLUE, style.INK, style.SKY, style.PURPLE)


def draw():
    found = {name: curves(problem) for name, (problem, _) in PROBLEMS.items()}
    exponents = {name: [exponent(*pair) for pair in each.values()] for name, each in found.items()}
    figure, (left, right) = style.canvas(1, 2, height=2.9)
    names, plain = list(next(iter(found.values()))), found["quadratic along its axes"]
    for (name, (g, step)), colour, p in zip(plain.items(), COLOURS, exponents["quadratic along its axes"], strict=True):
        used = g[:, 0] > 0.02 * g[0, 0]
        x, y = g[used, 0] / g[0, 0], step[used, 0] / step[0, 0]
        dashes = {"linestyle": (0, (1, 1.2)), "linewidth": 2.2} if name.endswith("rho = 0") else {}
        left.loglog(x, y, color=colour, label=f"{name}: {p:.2f}", **dashes)
    left.set(xlabel="|g| / first |g|", ylabel="step / first step", title="first coordinate of the quadratic")
    left.set(xlim=(0.1, 1.1), ylim=(0.9, 40), xticks=(0.1, 0.2, 0.5, 1), yticks=(1, 2, 5, 10, 20))
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter("{x:g}")
    left.minorticks_off()
    left.legend(title="step ~ |g|^p, with p =", title_fontsize=7, loc="upper right")
    for (name, values), (_, marker) in zip(exponents.items(), PROBLEMS.values(), strict=True):
        for k, (value, colour) in enumerate(zip(values, COLOURS, strict=True)):
            right.plot(value, -k, marker, color=colour, markersize=5, label=name if k == 2 else "_")
    right.axvline(-1, ymin=0.28, color=style.GREY, linewidth=0.6, zorder=0)
    right.set(yticks=range(0, -len(names), -1), yticklabels=names, ylim=(-6.8, 0.5), title="three problems")
    right.set_xlabel("exponent p in step ~ |g|^p")
    right.legend(loc="lower left", ncols=1)
    style.letters((left, right))
    p = dict(zip(names, exponents["quadratic along its axes"], strict=True))
    style.headline(
        figure,
        f"RMSprop at rho = 0 steps like |g|^({p['RMSprop, rho = 0']:.2f}): on a quadratic so does constant error "
        f"per unit of time ({p['error per unit of time']:.2f}), "
        f"but not constant error per step ({p['error per step']:.2f})",
    )
    return figure
