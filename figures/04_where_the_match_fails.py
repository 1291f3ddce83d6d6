"""The matched start pays unless a gradient component changes sign within the first few steps of Adam.

Adam's first velocity is sign(g0).  Where a component of g0 is nearly zero its sign is decided within a step or two,
faster than any flow of step h can follow, and the gain from the matched start is gone.  The steps to the flip are
those of the linearised gradient; besides MEMBERS starts in a square half as many are drawn towards g_i = 0.
The limits of 10 and 1/2 steps in the title were read off panel (c); a gain below 1 is a loss.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import style

LR, STEPS, MEMBERS = 0.01, 300, 200
ROSENBROCK, QUADRATIC = oo.problems.rosenbrock(b=5), oo.problems.quadratic((1, 20))
CORNER = np.array([[-1.0, 1.0]])  # g_y = 0 exactly


def gain(problem, theta0):
    """Error against the naive flow over error against the matched one, for every member."""
    maps = ({"map": "naive", "start": "zero"}, {"map": "exact", "start": "half"})
    naive, half = (oo.compare(oo.optimizers.adam(lr=LR, **m), problem, STEPS, theta0).max_error for m in maps)
    return naive / half


def balance(problem, theta0):
    """min |g0_i| / max |g0_i|."""
    g = np.abs(problem.grad(theta0))
    return g.min(axis=-1) / g.max(axis=-1)


def steps_to_flip(problem, theta0):
    """Steps until the first component of g changes sign: |g_i| over its change lr |(H sign g)_i| per step."""
    g = problem.grad(theta0)
    return np.min(np.abs(g) / np.abs(LR * problem.hvp(theta0, np.sign(g))), axis=-1)


def starts(rng):
    """{name: (problem, random starts, colour, marker)}: MEMBERS in a square, then half as many towards g_i = 0."""
    size, side = rng.uniform(-3, 0.5, MEMBERS // 2), rng.choice([-1, 1], MEMBERS // 2)
    x = rng.uniform(-1.5, 1.5, MEMBERS // 2)
    edge_R = np.stack([x, x**2 + side * 10**size], axis=-1)
    g = np.stack([20 * x, side * 10 ** (size + 1)], axis=-1)
    edge_Q = np.linalg.solve(QUADRATIC.grad(np.eye(2)), g.T).T
    square = rng.uniform(-1.5, 1.5, (2, MEMBERS, 2))
    return {
        "Rosenbrock": (ROSENBROCK, np.concatenate([square[0], edge_R, CORNER]), style.BLUE, "o"),
        "quadratic": (QUADRATIC, np.concatenate([square[1], edge_Q]), style.ORANGE, "^"),
    }


def draw():
    figure, (left, middle, right) = style.canvas(1, 3, height=2.9)
    ratios, flips = [], []
    for name, (problem, theta0, colour, marker) in starts(np.random.default_rng(5)).items():
        ratio, flip = gain(problem, theta0), steps_to_flip(problem, theta0)
        dots = {"color": colour, "marker": marker, "s": 7, "linewidths": 0, "alpha": 0.6, "label": name}
        left.semilogx(np.sort(ratio[:MEMBERS]), np.linspace(0, 1, MEMBERS), color=colour, label=name)
        middle.scatter(np.maximum(balance(problem, theta0), 1e-5), ratio, **dots)
        right.scatter(np.maximum(flip, 1e-2), ratio, **dots)
        ratios, flips = [*ratios, *ratio], [*flips, *flip]
        if name == "Rosenbrock":
            _mark_corner(middle, right, ratio[-1])
    left.set(xlabel="gain = naive error / matched error", ylabel="share of starts")
    left.set_title(f"{MEMBERS} random starts each")
    left.legend(loc="upper left")
    middle.set(xlabel=r"smallest $|g_{0,i}|$ / largest", ylabel="gain", title="against the balance of $g_0$")
    right.set(xlabel="steps until a component of g flips", ylabel="gain", title="against steps to a sign flip")
    for ax in (middle, right):
        ax.set(xscale="log", yscale="log")
    style.letters((left, middle, right))
    style.headline(figure, _finding(np.array(ratios), np.array(flips)))
    return figure


def _finding(ratios, flips):
    late, soon = np.median(ratios[flips > 10]), np.median(ratios[flips < 0.5])
    return (
        f"The matched start brings Adam's flow {late:.0f} times closer (median) if the signs of the gradient last "
        f"10 steps, {soon:.1f} times if one flips within half a step"
    )


def _mark_corner(middle, right, ratio):
    """The start (-1, 1) on Rosenbrock, at the left edge: its abscissa is 0."""
    for ax, x in ((middle, 1e-5), (right, 1e-2)):
        ax.plot(x, ratio, "o", markerfacecolor="none", markeredgecolor=style.INK, markersize=6)
    where = {"xytext": (-3, 6), "textcoords": "offset points", "fontsize": 7}
    middle.annotate(f"(-1, 1), zero: {ratio:.2f}", (1e-5, ratio), **where)
