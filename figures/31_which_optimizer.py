"""Tuned with the same effort, none of seven optimizers is the best beyond chance on three small problems.

Recorded by benchmarks/which_optimizer.py: `oo.bench` on logistic regression of breast_cancer and on two tanh networks
on digits, in batches of 16.  Each optimizer tries 20 settings, drawn at random from ranges of its learning rate and
memory, with 300 gradients each; 8 seeds choose the best setting and 8 others give its loss.  (a) The tuned losses with
intervals of 95 % over seeds and settings; a filled marker may be the best of its problem.  (b) On the smaller network,
the median loss after the best of k random settings has been chosen.
"""

from pathlib import Path

import numpy as np

import odeopt as oo
from odeopt.plots import style

RECORDED = Path(__file__).parents[1] / "benchmarks" / "which_optimizer.npz"
NETWORK, FEW = "8 tanh units", 4


def draw():
    result = oo.load(RECORDED)
    figure, (left, right) = style.canvas(1, 2, height=3.6)
    result.plot(left, markersize=4)
    below = {"loc": "upper center", "bbox_to_anchor": (0.45, -0.2), "columnspacing": 1.0}
    left.legend(left.get_legend().legend_handles, result.problems, ncols=2, **below)
    effort, tried = result.effort(NETWORK), np.arange(1, result.trials + 1)
    for name, curve in effort.items():
        right.loglog(tried, curve, color=style.colour(name), label=style.label(name))
    right.set(xlabel="settings tried, k", ylabel="median loss after the best of k", xticks=[1, 2, 4, 8, 16])
    right.xaxis.set_major_formatter("{x:.0f}")
    right.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    right.legend(ncols=3, **below)

    able = [int(found.may_win.sum()) for found in result.standings]
    cost = np.median([curve[FEW - 1] / curve[-1] for curve in effort.values()])
    winners = [name for name in map(result.winner, result.problems) if name]
    left.set_title(f"{', '.join(map(str, able[:-1]))} and {able[-1]} of {len(result.names)} may be the best")
    right.set_title(f"{FEW} settings instead of {result.trials}: the loss\nof each about {cost:.1f} times as large")
    style.letters((left, right))
    verdict = f"{', '.join(winners)} wins" if winners else "no optimizer wins beyond chance"
    style.headline(
        figure,
        f"Which optimizer? Tuned with the same effort, {verdict}, and {FEW} settings instead of {result.trials} cost a "
        f"factor of {cost:.1f}",
    )
    return figure
