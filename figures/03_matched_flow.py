"""Adam and momentum follow the flow whose memory starts at age h/2, with the second order that the usual maps lose.

Each iterate is compared with three flows: the naive map tau = h/(1 - beta) from zero memory, the exact map
tau = h/ln(1/beta) from zero memory, and the exact map with the memory that half a step leaves.
"""

import odeopt as oo
from odeopt.plots import style

STEPS = 300
FLOWS = {
    "naive map, zero memory": ({"map": "naive", "start": "zero"}, style.VERMILLION, ":"),
    "exact map, zero memory": ({"map": "exact", "start": "zero"}, style.ORANGE, "--"),
    "exact map, age h/2": ({"map": "exact", "start": "half"}, style.BLUE, "-"),
}
PROBLEMS = {
    "quadratic (1, 20)": oo.problems.quadratic((1, 20), theta0=(1, -1)),
    "mild Rosenbrock": oo.problems.rosenbrock(b=5).at((-1, 0.5)),
    "logistic, d = 10": oo.problems.logistic_regression(features=10),
}
OPTIMIZERS = {"Adam": oo.optimizers.adam, "Momentum": oo.optimizers.momentum}


def errors(optimizer, problem):
    """{flow: its Comparison} for lr = 0.01 and the optimizer's usual betas."""
    return {name: oo.compare(optimizer(lr=0.01, **which), problem, STEPS) for name, (which, *_) in FLOWS.items()}


def draw():
    figure, axes = style.canvas(2, 3, height=4.2, sharex="row", sharey="row")
    gains = {}
    for row, (title, optimizer) in zip(axes, OPTIMIZERS.items(), strict=True):
        for ax, (where, problem) in zip(row, PROBLEMS.items(), strict=True):
            found = errors(optimizer, problem)
            _panel(ax, found)
            ax.set(title=f"{title}, {where}", xlabel="time t = n h (lr-time)")
            worst = [cmp.max_error for cmp in found.values()]
            gains.setdefault(title, []).append(worst[0] / worst[2])
        row[0].set_ylabel(r"error $\|\theta_n-\theta(t_n)\|_\infty$")
    axes[0, 0].set(ylim=(1e-7, 1))
    axes[1, 0].set(xlim=(-0.3, 12), ylim=(1e-5, 6))  # later the error only decays
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    style.letters(axes.flat)
    said = [f"{name} {min(g):.0f} to {max(g):.0f} times" for name, g in gains.items()]
    style.headline(figure, f"Against the naive map, the start at age h/2 brings the flow closer: {', '.join(said)}")
    return figure


def _panel(ax, found):
    """Error against time, with the largest over all steps written above."""
    for line, (name, cmp) in enumerate(found.items()):
        _, colour, dashes = FLOWS[name]
        ax.semilogy(cmp.iterates.t[1:], cmp.error[1:], color=colour, linestyle=dashes, label=name)
        ax.text(0.03 + 0.33 * line, 0.92, style.sci(cmp.max_error), color=colour, fontsize=7, transform=ax.transAxes)
