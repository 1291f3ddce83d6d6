"""v against the gradient: no stationary gradient gives Adam updates shorter than |Q(-1)| or longer than |Q(1)|."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import BLOCKS, Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

SAFE = 0.1  # of the run: the memory that v should have at most


def _find(case: Case) -> Finding | None:
    """For a steady gradient the mean of |u|^2 is that of |Q|^2 over its spectrum: between flip and drift, squared.

    Below, v is of larger gradients, long past; above, v has not caught up.  Where |g|^2 over the sum of v was recorded,
    1 if both are of one time, it counts too: there the updates are as short as if all gradients alternated.
    """
    of, steps = case.of(), case.records["step"]
    beta2 = of.setting("beta2")
    if not of.adaptive or beta2 is None or beta2 <= 0:
        return None
    eps = of.setting("eps") or 0.0
    gain = case.gain * (1 + eps / case.grad_rms)  # as if eps were 0
    if case.records.known("v_ratio"):
        gain = np.fmin(gain, of.noise * np.sqrt(case.records["v_ratio"]))
    known = case.records.known("v_ratio")
    blocks = np.array_split(np.where(np.isfinite(case.records["v_ratio"]), gain, np.nan) if known else gain, BLOCKS)[1:]
    found = [middle(block)[0] for block in blocks]
    low, high = float(np.nanmin(found)), float(np.nanmax(found))
    if not (low < of.flip or high > of.drift):
        return None
    small = low < of.flip
    value, threshold = (low, of.flip) if small else (high, of.drift)
    at = int(np.nanargmin(found) if small else np.nanargmax(found)) + 1
    span = np.array_split(steps, BLOCKS)[at]
    memory, new = 1 / (1 - beta2), 1 - 1 / max(10.0, SAFE * (float(np.ptp(steps)) + 1))
    longer = memory > 1 / (1 - new)
    return Finding(
        "v out of date",
        True,
        f"the updates' root mean square is {value:.3g} of lr, {'below' if small else 'above'} the {threshold:.3g} that "
        f"any steady gradient gives: v remembers {'larger' if small else 'smaller'} gradients, its memory is "
        f"{memory:.3g} steps",
        {"update rms/lr": Measured(value, threshold=threshold), "memory of v": Measured(memory)},
        (int(span[0]), int(span[-1])),
        f"lower beta2 to {new:.4g}" if longer else "shorten the memory of v, or make the first steps smaller",
        "most coordinates have no gradient at all",
        {"beta2": new} if longer else {},
    )


EXAMINATION = Examination(
    "v out of date",
    ("lr", "grad_norm", "update_norm", "opt", "parameters"),
    _find,
    explained_by=("decay-limited", "lr too large"),
)
