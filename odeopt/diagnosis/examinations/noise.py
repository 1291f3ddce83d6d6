"""Noise-limited: at a constant rate the loss stands still above its minimum, and a cooldown is not yet taken."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

COOLDOWN = 0.5  # of the run


def _find(case: Case) -> Finding | None:
    """B_noise = tr Sigma/|G|^2, a ratio of means; below it the square-root rule holds for Adam.  [McCandlish 2018]"""
    records, last = case.records, slice(3 * len(case.records) // 4, None)
    agreement, error = middle(case.agreement[last])
    constant = float(np.nanmin(records["lr"][last])) > np.nanmax(records["lr"]) / 2
    fall, doubt = case.falling(slice(len(records) // 2, None))
    if not np.isfinite(agreement):
        return None
    numbers = {
        "agreement of gradients": Measured(agreement, error, 0.5),
        "fall in the last half": Measured(fall, doubt),
    }
    said = ""
    if records.known("noise") and records.known("signal"):
        signal, noise = (float(np.nanmean(records[name][last])) for name in ("signal", "noise"))
        critical = noise / signal if signal > 0 else np.inf
        numbers["critical batch"] = Measured(critical)
        said = f"; the critical batch is {critical:.3g}" + (" or more" if signal <= 0 else "")
        if case.of().adaptive and records.known("batch"):
            size = float(np.nanmedian(records["batch"][last]))
            said += f", so for {size:g} the {'square-root' if size < critical else 'linear'} rule holds"
    noisy = agreement < 0.5
    fault = bool(noisy and constant and not fall > 2 * doubt)
    return Finding(
        "noise-limited" if fault else "noise",
        fault,
        ("the loss stands still while the rate is constant, and " if fault else "")
        + f"gradients {'are mostly noise' if noisy else 'mostly agree'} within the optimizer's memory{said}",
        numbers,
        case.span(np.arange(len(records)) >= last.start),
        f"let lr fall to 0 in the last {COOLDOWN:.0%} of the steps, or enlarge the batch" if fault else "nothing",
        "the loss stands still at its minimum, 0 or the labels' entropy",
        {"cooldown": COOLDOWN} if fault else {},
    )


EXAMINATION = Examination("noise-limited", ("loss", "lr", "grad_norm", "update_norm", "opt"), _find)
