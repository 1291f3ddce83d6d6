"""lr too small: the run follows its flow, so k times the rate gives the same path in 1/k of the steps."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

FLOW = 0.02  # of the limit: the step departs from its flow by at most that share, in the stiffest mode
STEADY = 0.9  # of the largest rate: a cooldown lowers the loss by itself
AGREE = 0.3  # the share of signal in the squared gradient from which the path is that of the flow
UNMEASURED = 10.0  # factor where the edge is not known


def _find(case: Case) -> Finding | None:
    steady = np.flatnonzero(case.records["lr"] >= STEADY * np.nanmax(case.records["lr"]))
    fall, error = case.falling(slice(steady[len(steady) // 2], steady[-1] + 1))
    lr, evidence = (
        float(np.nanmax(case.records["lr"])),
        {"fall of the loss before the cooldown": Measured(fall, error, 0.0)},
    )
    load, spread = middle(case.load[case.hot]) if case.records.known("sharpness") else (np.nan, np.nan)
    agreement, doubt = middle(case.agreement[case.hot]) if case.records.known("update_norm") else (np.nan, np.nan)
    if np.isfinite(load):
        evidence["lr sharpness/limit"] = Measured(load, spread, FLOW)
        slow = load < FLOW and (fall > 2 * error or agreement > AGREE)
        factor = float(np.sqrt(1 / load))
    else:
        slow, factor = fall > 2 * error and agreement > AGREE, UNMEASURED
    if np.isfinite(agreement):
        evidence["agreement of gradients"] = Measured(agreement, doubt, AGREE)
    if not slow:
        return None
    return Finding(
        "lr too small",
        True,
        "the run is flow-like: a larger rate gives the same path in fewer steps",
        evidence,
        case.span(case.hot),
        f"raise lr to {lr * factor:.2g}"
        + (", half way to the edge on a logarithmic scale" if np.isfinite(load) else "; the edge was not measured"),
        "the sharpness rises as soon as the rate does",
        {"lr": lr * factor},
    )


EXAMINATION = Examination(
    "lr too small", ("loss", "lr", "grad_norm", "opt"), _find, explained_by=("eps too large", "v out of date")
)
