"""How far the run is from the edge of stability: lr sharpness against the optimizer's limit."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

OVERSHOOT = 0.5  # of the limit: gradient descent then jumps beyond the minimum of the stiffest mode
SAFE = 0.1  # the share of the limit to which the rate is lowered


def _find(case: Case) -> Finding | None:
    """A full batch trains well at its edge (Cohen et al. 2021); with random batches the noise is amplified there."""
    load, error = middle(case.load[case.hot])
    if not np.isfinite(load):
        return None
    batch = case.records["batch"] if case.records.known("batch") else np.array([np.nan])
    full = case.samples is not None and float(np.nanmedian(batch)) >= case.samples
    fault = bool(load >= OVERSHOOT and not full)
    lr = float(np.nanmedian(case.records["lr"][case.hot]))
    where = (
        "at the edge of stability" if load >= 0.9 else f"below the edge of stability by a factor {1 / load:.3g} in lr"
    )
    return Finding(
        "near the edge" if fault else "edge",
        fault,
        f"lr sharpness is {load:.3g} of the limit {case.of().limit:.3g}: the run is {where}",
        {"lr sharpness/limit": Measured(load, error, OVERSHOOT)},
        case.span(case.hot),
        f"lower lr to {lr * SAFE / load:.2g}" if fault else "nothing",
        "the sharpness was not that of the optimizer's metric, or of one unusual batch",
        {"lr": float(np.nanmax(case.records["lr"])) * SAFE / load} if fault else {},
    )


EXAMINATION = Examination("near the edge", ("lr", "sharpness", "opt"), _find, explained_by=("overflow", "lr too large"))
