"""Spikes of one step: gradient and loss of a batch stand out, those of the batch before do not."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case
from odeopt.diagnosis.finding import Examination, Finding, Measured
from odeopt.util.check import Array

WINDOW = 10  # rows on each side
CHANCE = 1e-2  # expected number of rows that stand out in a run of normal residuals
NORMAL = 1.4826  # standard deviation over median absolute deviation


def standing_out(values: Array) -> Array:
    """How many standard deviations the log of each value lies above the median of its neighbours.

    The deviation is that of the neighbours or of all rows, whichever is larger.  0 for the WINDOW rows at each end.
    """
    found = np.zeros(len(values))
    if len(values) <= 2 * WINDOW:
        return found
    logs = np.log(np.where(values > 0, values, np.nan))
    around = np.lib.stride_tricks.sliding_window_view(logs, 2 * WINDOW + 1)
    whole = np.isfinite(around).all(axis=1)
    if not whole.any():
        return found
    around, rest = around[whole], logs[WINDOW:-WINDOW][whole]
    median = np.median(around, axis=1)
    near = np.median(np.abs(around - median[:, None]), axis=1)
    spread = NORMAL * np.maximum(near, np.median(np.abs(rest - median)))
    found[WINDOW:-WINDOW][whole] = np.divide(rest - median, spread, out=np.zeros(len(rest)), where=spread > 0)
    return found


def _find(case: Case) -> Finding | None:
    """Loss and gradient are those of theta *before* the update, so the batch is to blame and not the step."""
    grad, loss = (case.records[name] for name in ("grad_norm", "loss"))
    threshold = float(np.sqrt(2 * np.log(len(loss) / CHANCE)))
    both = np.minimum(standing_out(grad), standing_out(loss))
    before = np.concatenate([[0.0], np.maximum(standing_out(grad), standing_out(loss))[:-1]])
    at = np.flatnonzero((both > threshold) & (before < threshold))
    if not len(at):
        return None
    usual = float(np.nanquantile(grad[np.setdiff1d(np.arange(len(grad)), at)], 0.9))
    times = float(np.max(grad[at]) / usual)
    steps = [int(step) for step in case.records["step"][at]]
    shown = ", ".join(map(str, steps[:5])) + (" ..." if len(steps) > 5 else "")
    return Finding(
        "bad batch",
        True,
        f"loss and gradient jump together in step {shown} and not before: the batch is unusual, not the step",
        {
            "deviations": Measured(float(both[at].max()), threshold=threshold),
            "|g| over its 90 % quantile": Measured(times),
        },
        (steps[0], steps[-1]),
        f"look at the data of these batches; clip the gradient at {usual:.3g}, its 90 % quantile",
        "the same batch has a usual loss under weights from before",
        {"clip": usual},
    )


EXAMINATION = Examination("bad batch", ("loss", "grad_norm"), _find)
