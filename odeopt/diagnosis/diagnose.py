"""From a log to findings: every examination for which the source has what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt.diagnosis.case import Case
from odeopt.diagnosis.examinations import EXAMINATIONS
from odeopt.diagnosis.finding import Finding
from odeopt.diagnosis.named import optimizer_of
from odeopt.diagnosis.reading import records as records_of
from odeopt.diagnosis.result import Diagnosis
from odeopt.diagnosis.traits import Traits, traits
from odeopt.optimizers.base import Optimizer
from odeopt.util import check


def diagnose(
    source: Any,
    opt: Optimizer | None = None,
    *,
    parameters: int | None = None,
    samples: int | None = None,
    columns: Mapping[str, str] | None = None,
) -> Diagnosis:
    """What a training run's log says: spikes, edge, noise, decay, rates; each against the optimizer's own thresholds.

    source:     a file (.jsonl of a monitor or your own, .csv), a mapping or a DataFrame, with some of the columns step,
                loss, lr, grad_norm, update_norm, weight_norm, batch, sharpness, signal, noise, v_ratio, dead
    opt:        the optimizer, without its schedule; by default that of a monitor's file
    parameters: how many numbers are trained, for optimizers that divide by sqrt(E[g^2]);  samples: in the training set
    columns:    {name here: name in the source}, where they differ

    ValueError for a source without a loss; what else is missing is listed in `untold`.

    >>> import odeopt as oo
    >>> run = {"loss": [1.0, 4.0, 16.0, float("inf")], "lr": [0.4] * 4}
    >>> found = diagnose(run, oo.optimizers.gd(lr=0.4))
    >>> found.faults[0].name, round(found.change["lr"], 4)
    ('overflow', 0.1333)
    """
    if opt is not None:
        check.instance("opt", opt, Optimizer, "the Optimizer of the run, or None")
    given = None if parameters is None else check.count("parameters", parameters, 1)
    size = None if samples is None else check.count("samples", samples, 1)
    records = records_of(source, columns)
    header = records.header
    known = opt if opt is not None else optimizer_of(str(header.get("name")), header.get("settings", {}))
    of, why = _traits(known)
    case = Case(records, of, given or header.get("parameters"), size or header.get("samples"))
    findings: list[Finding] = []
    untold: dict[str, str] = {}
    for each in EXAMINATIONS:
        if missing := case.lacks(each.needs):
            untold[each.name] = f"needs {', '.join(missing)}{why if 'opt' in missing else ''}"
        elif len(records) < each.least:
            untold[each.name] = f"needs {each.least} rows, has {len(records)}"
        elif any(found.fault and found.name in each.explained_by for found in findings):
            continue
        else:
            with np.errstate(all="ignore"):  # numbers of a log that diverges overflow; a NaN passes no threshold
                found = each.find(case)
            findings += [] if found is None else [found]
    findings.sort(key=lambda found: not found.fault)
    return Diagnosis(tuple(findings), untold, records)


def _traits(opt: Optimizer | None) -> tuple[Traits | None, str]:
    """The traits of the optimizer, or None and the reason."""
    if opt is None:
        return None, ""
    if opt.members:
        raise ValueError(f"opt must be one optimizer, got {opt.name} with members {opt.members}")
    try:
        return traits(opt), ""
    except ValueError as error:
        return None, f" that is a filter of gradients ({error})"
