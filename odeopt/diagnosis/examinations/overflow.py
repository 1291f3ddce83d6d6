"""Divergence: a loss that is no longer finite, and the multiplier with which it grew before."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case
from odeopt.diagnosis.finding import Examination, Finding, Measured
from odeopt.edge.transfer_function import transfer_function

BEFORE = 10  # steps in which the growth is measured
SAFE = 0.5  # the share of the stable range to which the rate is lowered


def _find(case: Case) -> Finding | None:
    """An oscillation theta_n ~ (-growth)^n solves z - 1 + k Q(z) = 0, so lr lambda = k = (1 + growth)/Q(-growth)."""
    loss = case.records["loss"]
    lost = np.flatnonzero(~np.isfinite(loss))
    if not len(lost) or np.isfinite(loss[lost[0] :]).mean() > 0.5:
        return None
    at = int(lost[0])
    changes = np.diff(np.log(np.abs(loss[max(0, at - BEFORE) : at])))
    known = changes[np.isfinite(changes)]
    growth = float(np.exp(np.median(known) / 2)) if len(known) else np.nan  # of theta: the loss grows as theta^2
    change, advice = {}, "lower the learning rate; look at the batches before the step"
    if case.traits is not None and growth > 1:
        k = float(abs((1 + growth) / transfer_function(case.of().bare, -growth)))
        lr = float(np.nanmax(case.records["lr"])) if case.records.known("lr") else np.nan
        if np.isfinite(lr) and k > 0:
            change = {"lr": lr * min(1.0, SAFE * case.of().limit / k)}
            advice = f"lower lr to {change['lr']:.2g}, {SAFE:g} of the stable range for a mode that grows like this"
    steps = case.records["step"]
    return Finding(
        "overflow",
        True,
        f"the loss is not finite from step {int(steps[at])} on; before, theta grew by {growth:.3g} a step",
        {"growth": Measured(growth, threshold=1.0)},
        (int(steps[max(0, at - BEFORE)]), int(steps[at])),
        advice,
        "the loss still overflows at a tenth of the rate: then a batch or the model is not finite by itself",
        change,
    )


EXAMINATION = Examination("overflow", ("loss",), _find, least=1)
