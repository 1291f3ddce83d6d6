"""Where stability sets the step, Heun costs twice what Euler does and stabilised Runge-Kutta a fraction of it.

Where accuracy sets it, stabilised schemes gain nothing.  Gradient flow of logistic regression on breast_cancer (31
parameters, ridge 1e-4) over T = 10000: from theta = 0, whose fast transient has to be resolved, and from the point
that the flow reaches at t = 100, when only slow motion is left.
"""

import numpy as np

import odeopt as oo
from odeopt import schemes
from odeopt.plots import style, work_precision

RIDGE, WARM, T, GOAL = 1e-4, 100.0, 10_000.0, 0.1
STEPS = tuple(int(n) for n in np.unique(np.geomspace(6, 1500, 32).astype(int)))
SCHEMES = {
    "Euler": schemes.euler,
    "Heun": schemes.heun,
    "RK4": schemes.rk4,
    "RKC1(10)": schemes.rkc1(10),
    "RKC2(10)": schemes.rkc2(10),
}
FLOW = oo.flows.gradient_flow()


def starts():
    """{title: problem}: at theta = 0, and where the fast transient is over."""
    cold = oo.problems.logistic_regression(ridge=RIDGE)
    warm = oo.solve(FLOW, cold, np.array([0.0, WARM]), method="LSODA").check().final
    return {"from θ = 0": cold, f"from t = {WARM:g} on": cold.at(warm)}


def cost(result, name, goal=GOAL):
    """Gradients at which the error falls below the goal for good, interpolated between two runs on the log scales."""
    n, error = np.log(result.gradients[name]), np.log(result.error[name] / goal)
    last = int(np.flatnonzero(error >= 0)[-1])
    share = error[last] / (error[last] - error[last + 1])
    return float(np.exp(n[last] + share * (n[last + 1] - n[last])))


def draw():
    figure, axes = style.canvas(1, 2, height=3.2, sharey=True)
    gains = []
    for ax, (title, problem) in zip(axes, starts().items(), strict=True):
        result = oo.work_precision(FLOW, SCHEMES, problem, T, STEPS, method="LSODA")
        needed = {name: cost(result, name) for name in SCHEMES}
        stiffest = np.linalg.eigvalsh(problem.hvp(problem.theta0, np.eye(problem.dim)))[-1]
        work_precision(result, ax)
        ax.axhline(GOAL, color=style.GREY, linewidth=0.6)
        ax.set(xlim=(50, 15_000), ylim=(1e-3, 30), title=f"{title}: first λ = {stiffest:.2f}")
        gains.append((needed["Euler"] / min(needed["RKC1(10)"], needed["RKC2(10)"]), needed["Heun"] / needed["Euler"]))
    axes[0].get_legend().remove()
    axes[1].set_ylabel("")
    style.letters(axes)
    (cold, _), (warm, heun) = gains
    style.headline(
        figure,
        f"To error {GOAL:g} after the transient RKC needs {warm:.1f} times fewer gradients than Euler and Heun "
        f"{heun:.1f} times as many; with the transient RKC's factor is {cold:.1f}",
    )
    return figure
