"""When batch, horizon or width change, transferred rates stay nearest to the tuned ones; no folklore does in all.

Recorded by benchmarks/transfer_experiments.py: networks on the digits, whose best rates were found by a sweep.  Bars:
the rates within 3 % of the best loss; dots: the best rate.  Lines: the rate of `oo.transfer` from the best one at the
base (ringed), with the noise ratio measured there, and three rules of folklore, in (d) without muP.  (f) The worst loss
of each rule over the tuned one; tuned is the best over all rates, and over betas or parametrisations.
"""

import csv
from pathlib import Path

import numpy as np

import odeopt as oo
from odeopt.plots import style

RECORDED = Path(__file__).parents[1] / "benchmarks" / "transfer_experiments.csv"
BASES = {"batch": 32, "horizon": 1, "width": 64}
MAKE = {
    "adamw": lambda lr: oo.optimizers.adamw(lr),
    "adam": lambda lr: oo.optimizers.adam(lr),
    "sgd": lambda lr: oo.optimizers.momentum(lr, 0.9),
    "lion": lambda lr: oo.optimizers.lion(lr, 0.9, 0.99),
}
NAMES = {"adamw": "AdamW", "sgd": "SGD", "lion": "Lion", "adam": "Adam"}
FOLKLORE = {"nothing": 0.0, "square root": 0.5, "linear": 1.0}
SIGNS = {"batch": 1, "horizon": -1, "width": -1}  # of the power by which the folklore changes the rate
LOOKS = {
    "transfer": (style.BLUE, "o", "-"),
    "nothing": (style.GREY, "s", ":"),
    "square root": (style.GREEN, "^", "--"),
    "linear": (style.ORANGE, "D", "-."),
}
NEAR, FAR = 0.03, 1.0  # of the tuned loss; what is farther off stands at the edge


def recorded():
    """{(experiment, optimizer, size, memory): (rates, losses)} and the noise ratio at each base."""
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    key = lambda r: (r["experiment"], r["optimizer"], int(r["size"]), r["memory"])
    curves = {
        k: np.array([(float(r["lr"]), float(r["loss"])) for r in rows if key(r) == k]).T
        for k in dict.fromkeys(map(key, rows))
    }
    measured = [r for r in rows if r["noise_ratio"] != "nan" and int(r["size"]) == BASES[r["experiment"]]]
    return curves, {(r["experiment"], r["optimizer"]): float(r["noise_ratio"]) for r in measured}


def loss_at(curve, lr):
    """The loss at a rate, between neighbours in log lr; inf beyond the largest."""
    rates, losses = curve
    return np.exp(np.interp(np.log(lr), np.log(rates), np.log(losses))) if lr <= rates[-1] * 1.001 else np.inf


def memory_of(experiment, name, factor, rule):
    """The curve that a rule moves on: the betas of `oo.transfer` in samples, but Adam's momentum of ten steps."""
    if experiment == "width":
        return "muP" if rule == "transfer" else "standard"
    in_samples = experiment == "batch" and rule == "transfer" and (name == "lion" or (name == "adamw" and factor < 1))
    return "samples" if in_samples else "steps"


def advised(experiment, name, lr, factor, ratios, rule):
    """The rate of a rule; of the width, that of vectors and embeddings: the recorded network has the other groups."""
    if rule != "transfer":
        return lr * factor ** (SIGNS[experiment] * FOLKLORE[rule])
    if experiment == "width":
        return oo.transfer(MAKE[name](lr), width=factor, groups={"biases": "vector"}).optimizer.lr
    ratio, schedule = ratios.get((experiment, name)), oo.schedules.linear(64)
    return oo.transfer(MAKE[name](lr), **{experiment: factor}, noise_ratio=ratio, schedule=schedule).optimizer.lr


def compared(experiment, name, curves, ratios):
    """{rule: (sizes, rates, excess of the loss over the tuned one)}, and (sizes, best rates, lowest, highest)."""
    plain = "muP" if experiment == "width" else "steps"
    sizes = sorted({k[2] for k in curves if k[:2] == (experiment, name)})
    base = BASES[experiment]
    lr = min(curves[experiment, name, base, plain].T, key=lambda row: row[1])[0]
    rules, swept = {rule: [] for rule in LOOKS}, []
    for size in sizes:
        of = {memory: curves[experiment, name, size, memory] for *_, at, memory in
              [k for k in curves if k[:2] == (experiment, name)] if at == size}  # fmt: skip
        tuned = min(losses.min() for _, losses in of.values())
        for rule in LOOKS:
            new = advised(experiment, name, lr, size / base, ratios, rule)
            curve = of[memory_of(experiment, name, size / base, rule)]
            rules[rule].append((size, new, loss_at(curve, new) / tuned - 1))
        rates, losses = of[memory_of(experiment, name, size / base, "transfer")]
        good = rates[losses <= (1 + NEAR) * losses.min()]
        swept.append((size, rates[losses.argmin()], good[0], good[-1]))
    return {rule: np.array(found).T for rule, found in rules.items()}, np.array(swept).T


def panel(ax, experiment, name, found, title):
    rules, (sizes, best, low, high) = found
    ax.errorbar(sizes, best, [best - low, high - best], fmt="o", color=style.INK, elinewidth=2.5, alpha=0.45, zorder=1)
    for rule, (colour, _, line) in LOOKS.items():
        ax.loglog(
            sizes, rules[rule][1], color=colour, linestyle=line, label=rule, lw=1.6 if rule == "transfer" else 0.9
        )
    at = list(sizes).index(BASES[experiment])
    ax.plot(sizes[at], best[at], "o", markersize=8, markerfacecolor="none", color=style.INK)
    ax.set_ylim(low.min() / 2, high.max() * 2)
    ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    ax.minorticks_off()
    unit = {"batch": "batch size", "horizon": "horizon, times the shortest run", "width": "width"}[experiment]
    ax.set(xlabel=unit, ylabel="learning rate", title=title.format(100 * rules["transfer"][2].max()))


def worst(ax, all_found):
    for row, (rules, _) in enumerate(reversed(all_found.values())):
        for rule, (colour, marker, _) in LOOKS.items():
            off = 100 * min(rules[rule][2].max(), FAR)
            ax.plot(off, row, marker, color=colour, markersize=5, clip_on=False)
    labels = [f"{experiment}, {NAMES[name]}" for experiment, name in all_found]
    ax.set_yticks(range(len(labels)), labels[::-1])
    ax.axvspan(0.1, 100 * NEAR, color=style.GREY, alpha=0.25, lw=0)
    ax.set(xscale="log", xlim=(0.1, 100 * FAR), xlabel="worst loss over the tuned one, %")
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "> 100"])
    within = sum(rules["transfer"][2].max() <= NEAR for rules, _ in all_found.values())
    ax.set_title(f"transfer within 3 % in {within} of {len(all_found)}")


def results():
    """{(experiment, optimizer): (rules, swept)} of all that is recorded."""
    curves, ratios = recorded()
    return {key: compared(*key, curves, ratios) for key in dict.fromkeys(k[:2] for k in sorted(curves))}


def draw():
    figure, panels = style.canvas(2, 3, height=5.0)
    found = results()
    shown = [("batch", "adamw"), ("batch", "sgd"), ("batch", "lion"), ("width", "adam"), ("horizon", "sgd")]
    for ax, key in zip(panels.flat, shown, strict=False):
        panel(ax, *key, found[key], f"{NAMES[key[1]]}: {{:.0f}} % at worst")
    panels[0, 0].legend(loc="lower right")
    standard = sorted((k[2], c[0][c[1].argmin()]) for k, c in recorded()[0].items() if k[3] == "standard")
    panels[1, 0].plot(*np.transpose(standard), "x", color=style.VERMILLION, markersize=5, label="best without muP")
    panels[1, 0].legend(handles=panels[1, 0].get_lines()[-1:], loc="upper left")
    panels[1, 0].set_ylim(2e-3, 0.12)
    worst(panels[1, 2], found)
    style.letters(panels.flat)
    style.headline(
        figure,
        "Tuned rates transfer: by noise laws to other batches, by muP to other widths; to other horizons, half way",
    )
    return figure
