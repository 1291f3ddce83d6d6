"""`oo.diagnose` on training runs whose state is known: how often it names the disease, and whether its advice helps.

    python benchmarks/diagnosis_bench.py tune      # the seeds on which thresholds were looked at
    python benchmarks/diagnosis_bench.py           # the seeds that are reported

Needs torch and scikit-learn.  A disease counts as named if it is the first or second fault.  `plain` is what is said of
the same runs without the columns of curvature, noise and v.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import inf

from diagnosis_runs import Run, Setting, train

from odeopt.diagnosis.diagnose import diagnose
from odeopt.diagnosis.result import Diagnosis

MODELS = "mlp", "cnn", "gru", "embedding"
SGD = {"optimizer": "momentum", "lr": 0.1}
PLAIN = "step", "loss", "lr", "grad_norm", "update_norm", "weight_norm", "batch"
HOT = {"cooldown": 0.0}
OLD = {"beta2": 0.9999, "bad_at": (0.1,)}
RATES = {"mlp": 0.01, "cnn": 0.03, "gru": 0.01, "embedding": 0.03}  # within 3 times the best of .003, .01, .03
RATE = "lr too large", "near the edge", "overflow"  # three names of one disease, by what it did
HARM = 1.02
TUNING, REPORTED = (0,), (1,)


@dataclass(frozen=True)
class Patient:
    """A run whose diseases are known: for each the names under which it may be found.  None: healthy."""

    name: str
    diseases: tuple[tuple[str, ...], ...]
    setting: Setting


def disease(name: str, mild: dict, severe: dict, *diseases: tuple[str, ...]) -> list[tuple[str, tuple, dict]]:
    """Two severities."""
    return [(f"{name}, mild", diseases, mild), (f"{name}, severe", diseases, severe)]


CASES = [
    ("healthy", (), {}),
    ("healthy, momentum", (), SGD),
    ("healthy, small batch", (), {"batch": 16}),
    ("healthy, beta2 .99", (), {"beta2": 0.99, "weight_decay": 0.1}),
    ("healthy, clipped", (), {"clip": 1.0}),
    *disease("small rate", {"lr": 2e-4}, {"lr": 3e-5}, ("lr too small",)),
    *disease("small rate, momentum", {**SGD, "lr": 3e-3}, {**SGD, "lr": 3e-4}, ("lr too small",)),
    *disease("large rate", {"lr": 0.5}, {"lr": 2.0}, RATE),
    *disease("large rate, momentum", {**SGD, "lr": 3.0}, {**SGD, "lr": 30.0}, RATE),
    *disease("eps", {"eps": 0.1}, {"eps": 1.0}, ("eps too large",)),
    *disease("decay", {"weight_decay": 8.0}, {"weight_decay": 30.0}, ("decay-limited",)),
    *disease("long momentum", {**SGD, "beta1": 0.99}, {**SGD, "beta1": 0.997}, ("momentum too long",)),
    *disease("bad batches", {"bad_batches": 20.0}, {"bad_batches": 200.0}, ("bad batch",)),
    *disease("noise", {**HOT, "batch": 2, "lr": 0.02}, {**HOT, "batch": 1, "lr": 0.03}, ("noise-limited",)),
    *disease("old v", {**OLD, "bad_batches": 1e3}, {**OLD, "bad_batches": 1e4}, ("v out of date",), ("bad batch",)),
    ("eps and bad batches", (("eps too large",), ("bad batch",)), {"eps": 0.3, "bad_batches": 100.0}),
    ("decay and bad batches", (("decay-limited",), ("bad batch",)), {"weight_decay": 30.0, "bad_batches": 100.0}),
]  # fmt: skip


def patients(seeds: tuple[int, ...]) -> list[Patient]:
    """Every case with each seed; the models take turns.

    Letters have no inputs that a bad batch could enlarge, and tanh and gates hide those that are far too large.
    """
    found = []
    for seed in seeds:
        for i, (name, diseases, change) in enumerate(CASES):
            models = ("cnn",) if "bad_at" in change else MODELS[:3] if "bad_batches" in change else MODELS
            model = models[(i + seed) % len(models)]
            setting = replace(Setting(), model=model, seed=seed, **{"lr": RATES[model], **change})
            found.append(Patient(name, diseases, setting))
    return found


def examined(run: Run, plain: bool = False) -> Diagnosis:
    """What `diagnose` says of a run."""
    log = {name: run.log[name] for name in PLAIN} if plain else run.log
    return diagnose(log, run.setting.opt(), parameters=run.parameters, samples=run.samples)


def treated(setting: Setting, change: dict[str, float]) -> Setting:
    """The setting with the advice followed."""
    ours = {"beta": "beta1"}
    return replace(setting, **{ours.get(name, name): value for name, value in change.items()})


@dataclass(frozen=True)
class Outcome:
    """What was said of a run from all columns and from a plain log, and the final losses before and after treatment."""

    patient: Patient
    names: tuple[str, ...]
    plain: tuple[str, ...]
    loss: float
    after: float | None

    def named(self, names: tuple[str, ...]) -> int:
        """How many of the diseases are among the first two."""
        return sum(any(name in known for name in names[:2]) for known in self.patient.diseases)

    def __str__(self) -> str:
        after = "" if self.after is None else f" -> {self.after:.3g}"
        missed = "" if self.named(self.names) == len(self.patient.diseases) else "MISSED "
        model = self.patient.setting.model
        return f"{self.patient.name:24} {model:10} {self.loss:8.3g}{after:14} {missed}{', '.join(self.names)}"


def outcome(patient: Patient) -> Outcome:
    """Trains, examines, and trains again as advised."""
    run = train(patient.setting)
    found, plain = examined(run), examined(run, plain=True)
    after = train(treated(patient.setting, found.change)).final if found.change else None
    names, fewer = (tuple(each.name for each in one.faults) for one in (found, plain))
    return Outcome(patient, names, fewer, run.final, after)


def report(outcomes: list[Outcome]) -> None:
    """The confusion table and the totals."""
    confusion = Counter((one.patient.name.split(",")[0], (*one.names, "none")[0]) for one in outcomes)
    print("\nstate, first fault: runs")
    for (state, first), count in sorted(confusion.items()):
        print(f"  {state:24} {first:18} {count}")
    sick, healthy = ([one for one in outcomes if bool(one.patient.diseases) is ill] for ill in (True, False))
    total = sum(len(one.patient.diseases) for one in sick)
    for columns in ("names", "plain"):
        named = sum(one.named(getattr(one, columns)) for one in sick)
        accused = sum(bool(getattr(one, columns)) for one in healthy)
        print(f"{columns}: {named} of {total} diseases first or second; {accused} of {len(healthy)} healthy accused")
    followed = [one for one in sick if one.after is not None]
    better = sum(one.after < one.loss or (not one.loss < inf and one.after < inf) for one in followed)
    harmed = sum(not one.after <= HARM * one.loss for one in outcomes if one.after is not None)
    print(f"advice followed in {len(followed)} of {len(sick)} sick runs: {better} better; {harmed} runs harmed")


def main(seeds: tuple[int, ...]) -> None:
    """A line a run, then the report."""
    outcomes = []
    with ProcessPoolExecutor(2) as pool:
        for one in pool.map(outcome, patients(seeds)):
            outcomes.append(one)
            print(one, flush=True)
    report(outcomes)


if __name__ == "__main__":
    main(TUNING if "tune" in sys.argv else REPORTED)
