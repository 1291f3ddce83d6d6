"""Stuck: |g| |theta|/L, by how much the loss would change to first order if the weights moved by their own length."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

CHANGE = 0.1
FALL = 0.1  # a loss that fell by less has learned nothing


def _find(case: Case) -> Finding | None:
    records = case.records
    loss, first = records["loss"], slice(0, max(5, len(records) // 3))
    begin, end = (middle(loss[part])[0] for part in (slice(0, 5), slice(-max(5, len(loss) // 10), None)))
    reach, error = middle((records["grad_norm"] * records["weight_norm"] / np.abs(loss))[first])
    if not (reach < CHANGE and end > (1 - FALL) * begin):
        return None
    dead = middle(records["dead"])[0] if records.known("dead") else np.nan
    numbers = {
        "|g| |theta|/L": Measured(reach, error, CHANGE),
        "loss last/first": Measured(end / begin, threshold=1 - FALL),
    }
    if np.isfinite(dead):
        numbers["share of zero gradients"] = Measured(dead)
    return Finding(
        "stuck",
        True,
        f"the gradient is small: a move of the weights by their own length would change the loss by {reach:.2g} of it",
        numbers,
        case.span(np.arange(len(loss)) < first.stop),
        "initialise with larger weights (fan-in scaling), or add normalisation; another rate alone changes little",
        "the loss is at its minimum from the start",
    )


EXAMINATION = Examination(
    "stuck",
    ("loss", "grad_norm", "weight_norm"),
    _find,
    explained_by=("decay-limited", "eps too large", "lr too large"),
)
