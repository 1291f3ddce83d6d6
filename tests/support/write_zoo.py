"""Writes ZOO.md, the tables of all optimizers, every number measured here: make zoo (needs torch, Keras and optax)."""

from __future__ import annotations

import inspect
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
from support import equality, oracles, tables
from support.zoo_kinds import FINER, PAIRS

import odeopt as oo
from odeopt import optimizers
from odeopt.optimizers.conventions import CONVENTIONS, LIBRARIES
from odeopt.testing import check_optimizer

ROOT = Path(__file__).parents[2]
FILE, RECORDED = ROOT / "ZOO.md", ROOT / "benchmarks" / "which_optimizer.npz"
LR, STEPS = 0.01, 300
RESOLVED = {  # settings of the order table: Adadelta's first steps resolved (at eps = 1e-6: 0.00), signs smoothed
    "adadelta": {"eps": 1.0},
    "lion": {"delta": 0.5, "start": "settled"},
    "signsgd": {"delta": 0.5},
    "signum": {"delta": 0.5},
    "shampoo": {"shape": (1, 2), "eps": 1e3},
}

HEAD = """# The zoo

All optimizers, written by `make zoo`; every number is measured by it. `print(opt.describe())` says the same of one.

"""


def made(name: str, **settings) -> oo.Optimizer:
    return getattr(optimizers, name)(lr=LR, **settings)


def table(title: str, text: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"## {title}", "", text, "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *[f"| {' | '.join(row)} |" for row in rows], "", ""])


def code(text: str) -> str:
    return f"`{text.replace('|', chr(0x2502))}`"  # a vertical bar would end the cell


def maps() -> str:
    rows = []
    for name in tables.OPTIMIZERS:
        opt = made(name)
        what = opt.describe()
        equation = str(opt.flow).splitlines()[0].replace("  ", " ")
        rows.append((code(name), code(equation), code(what.word), what.map, what.valid, what.source))
    return table(
        "Flow, word and map",
        "The equation of theta; `print(opt.flow)` has those of the memory. A word names the parts in their order.",
        ("optimizer", "flow", "word", "map", "valid", "source"),
        rows,
    )


def orders() -> str:
    rows = []
    for name in tables.OPTIMIZERS:
        settings = RESOLVED.get(name, {})
        report = dict(check_optimizer(made(name, **settings)).lines)
        given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        rows.append((code(f"{name}({given})" if given else name), made(name).describe().order, report["order"]))
    return table(
        "Order against the own flow",
        "From the matched start, for steps small against every time constant of the flow. Measured with steps h/4, "
        "h/8, h/16 over 30 h at lr = 0.01 on a mild Rosenbrock valley, with settings for which they are small "
        "(`odeopt.testing.check_optimizer`). Flows with a running maximum: `pytest tests/test_ceilings.py`.",
        ("optimizer", "states", "measured"),
        rows,
    )


def equal() -> str:
    worst: dict[tuple[str, str], float] = {}
    for seed in (0, 1, 2):
        for case in equality.CASES:
            gradients, theta0 = case.inputs(seed)
            schedule = equality.SCHEDULES[case.schedule]
            path = oracles.path(case.like, case.name, case.filled(), gradients, theta0, schedule, case.wrappers)
            found = equality.distance(equality.replay(case.optimizer(), gradients, theta0), path)
            worst[case.name, case.like] = max(found, worst.get((case.name, case.like), 0.0))
    cells = {key: f"{value:.0e}" for key, value in worst.items()}
    names, sources = dict.fromkeys(case.name for case in equality.CASES), (*LIBRARIES, *equality.PACKAGES)
    rows = [(code(name), *[cells.get((name, like), "-") for like in sources]) for name in names]
    return table(
        "Equality with the libraries",
        f"The worst relative distance over 1000 recorded gradients, 3 seeds, {len(equality.CASES)} cases: two sets of "
        "hyperparameters, with and without a schedule, clipped, decayed, wrapped. A dash: the library has none. "
        "torch's Muon computes in bfloat16. What Keras and optax compute in float32 inside (means, Adafactor's decay) "
        "is put into float64 by `tests/support/oracles.py`. The 1e-15 that pytorch_optimizer's MARS adds under the "
        "root is left out there; with it, the distance is 2e-08.",
        ("optimizer", *sources),
        rows,
    )


def differences() -> str:
    problem, rows = oo.problems.rosenbrock(b=5).at([-0.5, 1.0]), []
    for name, known in CONVENTIONS.items():
        if len(known) < 2:
            continue
        keys = [key for key in inspect.signature(getattr(optimizers, name)).parameters if key != "lr"]
        unlike = [key for key in keys if len({row.get(key) for row in known.values()}) > 1]
        defaults = "; ".join(f"{key} " + " / ".join(str(known[like].get(key)) for like in known) for key in unlike)
        shared = {
            key: v for key, v in known["torch" if "torch" in known else "keras"].items() if key[:4] in ("beta", "rho")
        }
        runs = {like: oo.simulate(made(name, like=like, **shared), problem, STEPS).theta for like in known}
        gaps = [f"{a} - {b} {np.abs(runs[a] - runs[b]).max():.0e}" for a, b in combinations(runs, 2)]
        forms = {str(made(name, like=like).flow).splitlines()[0].partition("= ")[2] for like in known}
        form = ", ".join(code(form) for form in sorted(forms)) if len(forms) > 1 else "the same"
        rows.append((code(name), " / ".join(known), defaults or "the same", form, "; ".join(gaps)))
    return table(
        "Where the libraries differ",
        f"Other defaults, other forms of theta', and how far apart {STEPS} steps of lr = {LR} end up on a Rosenbrock "
        "valley when only lr and the betas are made the same.",
        ("optimizer", "libraries", "defaults that differ", "forms of theta'", "largest distance of theta"),
        rows,
    )


def kinds() -> str:
    rows = []
    for pair in PAIRS:
        what = pair.differ_in()
        finer = "-" if what == "setting" else f"{pair.distance(FINER):.0e}"
        rows.append((code(pair.one), code(pair.other), what, f"{pair.distance():.0e}", finer))
    return table(
        "Different in kind, or only in setting",
        "Where all steps are the same, one optimizer is a setting of the other. Two with the same flow differ "
        "by their scheme alone: the distance of their paths vanishes with the step, here from h (lr = 0.01, 100 steps) "
        f"to h/{FINER} along the same flows, on a Rosenbrock valley. That of different flows does not "
        "(`pytest tests/optimizers/test_kinds.py`).",
        ("optimizer", "beside", "differ in", "largest distance of theta", f"in steps of h/{FINER}"),
        rows,
    )


def tuned() -> str:
    result = oo.load(RECORDED)
    rows = []
    for problem in result.problems:
        found = result.standing(problem)
        for i in np.argsort(found.loss, kind="stable"):
            name = result.names[i]
            chosen = ", ".join(f"{key} {value:.3g}" for key, value in result.best(problem, name).items())
            loss = f"{found.loss[i]:.4g} [{found.low[i]:.4g}, {found.high[i]:.4g}]"
            rows.append((problem, code(name), loss, "yes" if found.may_win[i] else "no", chosen))
    return table(
        "Tuned with the same effort",
        f"`oo.bench` as recorded by `benchmarks/which_optimizer.py`: {result.trials} random settings of each, "
        f"{result.gradients[-1]} gradients, batches of 16. The median training loss over {result.loss.shape[3]} seeds "
        "that did not choose the setting, with an interval of 95 % over seeds and settings. Three small problems: they "
        "do not say which optimizer is the best elsewhere.",
        ("problem", "optimizer", "loss", "may be the best", "chosen setting"),
        rows,
    )


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        FILE.write_text(HEAD + maps() + orders() + kinds() + tuned() + equal() + differences(), encoding="utf-8")


if __name__ == "__main__":
    main()
