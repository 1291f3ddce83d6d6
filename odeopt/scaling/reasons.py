"""The rows of the table of a transfer: each setting that changes, why, and while what holds; what is lost; warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, isclose, log

from odeopt.analysis.batch_rules import is_normalised
from odeopt.analysis.batch_size import numbers_in
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import inwards
from odeopt.optimizers.schedules import Schedule, constant
from odeopt.scaling.factor import Factor
from odeopt.scaling.noise_laws import more_samples
from odeopt.scaling.transfer_result import ALL, Change
from odeopt.scaling.width_laws import model_changes

SAME = 1e-12  # of a setting, by rounding
SPAN = "an average spans as many samples: beta^kappa", "averages are what the old ones were tuned for"
SIZE = "it moves with the size of a gradient", "the noise ratio is as given"
WHY = {
    **dict.fromkeys(("rho", "beta", "beta1", "beta2", "decay"), SPAN),
    "weight_decay": ("theta forgets as much per sample: 1 - lr w -> (1 - lr w)^kappa", "the old memory was right"),
    **dict.fromkeys(("eps", "delta", "limit"), SIZE),
}
OLDER = "the sign weighs older gradients as before: beta1 over the old beta2, times the new one", SPAN[1]
FLOORED = "an average should span as many samples, beta^kappa, but not fewer than ten steps", SPAN[1]


@dataclass(frozen=True)
class Request:
    """What was asked for, and the factors of the rate that batch and horizon give."""

    opt: Optimizer
    batch: float
    width: float
    depth: float
    horizon: float
    ratios: tuple[float, float] | None
    noise: Factor
    peak: Factor


def schedule_of(opt: Optimizer) -> Schedule:
    """The schedule of the optimizer or of one that it wraps; constant without one."""
    found = [each.settings["schedule"] for each in inwards(opt) if isinstance(each.settings.get("schedule"), Schedule)]
    return found[0] if found else constant()


def table(request: Request, optimizers: Mapping[str, Optimizer], factors: Mapping[str, float]) -> tuple[Change, ...]:
    """The rows of all groups; a row that all groups have stands once, last, for "all"."""
    groups = [[*changes(request, name, factors[name], new)] for name, new in optimizers.items()]
    every = [{replace(row, group=ALL) for row in rows} for rows in groups]
    common = set.intersection(*every)
    own = [row for rows in groups for row in rows if replace(row, group=ALL) not in common]
    return (*own, *(shared for row in groups[0] if (shared := replace(row, group=ALL)) in common))


def changes(request: Request, group: str, factor: float, new: Optimizer) -> Iterator[Change]:
    """The rows of one group, whose rate has this factor by width and depth."""
    old_numbers, new_numbers = numbers_in(request.opt), numbers_in(new)
    for name, was in old_numbers.items():
        becomes = float(new_numbers[name])
        rate = request.noise * request.peak
        if isclose(becomes, was, rel_tol=SAME) and (name != "lr" or rate.low == rate.high):
            continue
        if name == "lr":
            low, high = becomes * rate.low / rate.best, becomes * rate.high / rate.best
            yield Change(group, name, float(was), becomes, low, high, *_of_rate(request, factor))
        else:
            why = OLDER if name == "beta1" and request.opt.name == "lion" else WHY[name]
            if why is SPAN and not isclose(becomes, was**request.batch, rel_tol=SAME):
                why = FLOORED
            yield Change(group, name, float(was), becomes, becomes, becomes, *why)
    old_schedule, new_schedule = str(schedule_of(request.opt)), str(schedule_of(new))
    if old_schedule != new_schedule:
        parts = ["it runs over as many samples"] if request.batch != 1 else []
        parts += ["it ends with the run; a warm-up keeps its steps"] if request.horizon != 1 else []
        yield _text(group, "schedule", old_schedule, new_schedule, "; ".join(parts), "its shape fits the new run")
    if request.horizon != request.batch:
        parts = [f"{request.horizon:g} times the samples"] if request.horizon != 1 else []
        parts += [f"{request.batch:g} times as many in a step"] if request.batch != 1 else []
        steps = f"n x {request.horizon / request.batch:.4g}"
        yield _text(group, "steps", "n", steps, ", ".join(parts), "the samples of the run are what is given")


def _text(group: str, setting: str, was: str, becomes: str, because: str, holds: str) -> Change:
    return Change(group, setting, was, becomes, becomes, becomes, because, holds)


def _of_rate(request: Request, factor: float) -> tuple[str, str]:
    """(because, holds while) of a learning rate."""
    because, holds = [], []
    if request.batch != 1:
        because.append(f"noise, {_noise(request.ratios)}: x {request.noise.best:.4g}, the lowest of the laws")
        holds.append("the old rate was the best with the old batch")
    if factor != 1:
        because.append(f"muP: x {factor:.4g}")
        holds.append("the model is parametrised as below")
    if request.peak.best != 1:
        bound = request.peak.low if request.horizon > 1 else request.peak.high
        because.append(f"horizon: x {request.peak.best:.4g}, between the worst case {bound:.4g} and 1")
        holds.append("noise limits progress no more than in the worst case")
    return "; ".join(because), ", ".join(holds)


def _noise(ratios: tuple[float, float] | None) -> str:
    if ratios is None:
        return "r = inf, as no noise ratio is given"
    return f"r = {ratios[0]:.4g}" if ratios[0] == ratios[1] else f"r = {ratios[0]:.4g} to {ratios[1]:.4g}"


def losses(request: Request, floor: float) -> tuple[str, ...]:
    """What no setting keeps."""
    found = []
    kappa = request.batch
    memories, momenta = ((), ("beta2",)) if request.opt.name == "lion" else (("rho", "beta2"), ("beta", "beta1"))
    if is_normalised(request.opt) and kappa > 1:
        for name, beta in numbers_in(request.opt).items():
            if name in momenta and 0 < beta < 1 and beta**kappa < min(beta, floor):
                span = kappa * log(beta) / log(min(beta, floor))
                found.append(f"{name}: a momentum keeps about ten steps, now {span:.3g} times the samples")
            elif name in memories and 0 < beta < 1 and -1 / log(beta) < kappa:
                found.append(
                    f"{name}: a memory of {-1 / log(beta):.3g} old steps is shorter than a new step of {kappa:g}"
                )
    if kappa > 1 and request.ratios is not None and request.ratios[0] < inf:
        most, least = (more_samples(r, kappa) for r in request.ratios)
        text = f"{least:.3g}" if f"{least:.3g}" == f"{most:.3g}" else f"{least:.3g} to {most:.3g}"
        found.append(f"samples: {text} times as many to the same loss, as a larger batch averages noise that is gone")
    return tuple(found)


def warnings(request: Request) -> tuple[str, ...]:
    """What to look at in the new run."""
    found = []
    if request.batch != 1:
        known = request.ratios is not None
        found.append(
            "the noise ratio grows as the loss falls: measure it again with odeopt.noise_ratio"
            if known
            else "no noise ratio was given: measure it with odeopt.noise_ratio; below 1 the rate hardly changes"
        )
        found.append("the lower end of the rate is the safe one; the upper keeps the drift per sample, as scale_batch")
        if request.batch > 1 and is_normalised(request.opt):
            found.append("surge: beyond the noise scale a still larger batch may want a smaller rate")
    if request.horizon != 1:
        found.append("the old rate may do better where curvature limits it: try the upper end")
        if any("weight_decay" in each.settings for each in inwards(request.opt)):
            found.append("the decay forgets as much per sample; for a memory as long as the run, divide it by horizon")
    return (*found, *model_changes(request.width, request.depth))
