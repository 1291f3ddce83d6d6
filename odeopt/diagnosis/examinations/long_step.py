"""Updates as long as the weights: what was there before is overwritten in one step."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case
from odeopt.diagnosis.finding import Examination, Finding, Measured

LENGTH = 1.0  # |Delta theta|/|theta|: the update replaces the weights
SMALL = 0.02  # the length to which the first updates are lowered: fifty of them may replace the weights


def _find(case: Case) -> Finding | None:
    records = case.records
    length = records["update_norm"] / records["weight_norm"]
    rows = np.flatnonzero(np.isfinite(length))
    worst = int(rows[np.argmax(length[rows])]) if len(rows) else 0
    if not len(rows) or length[worst] < LENGTH:
        return None
    lr = float(records["lr"][worst])
    change = {"lr": lr * SMALL / float(length[worst])}
    step = int(records["step"][worst])
    return Finding(
        "lr too large",
        True,
        f"the update of step {step} was {length[worst]:.3g} times as long as the weights: it replaced them",
        {"|update|/|weights|": Measured(float(length[worst]), threshold=LENGTH)},
        (step, step),
        f"lower lr to about {change['lr']:.2g}, or warm up",
        "the loss falls at once from this step on",
        change,
    )


EXAMINATION = Examination("lr too large", ("lr", "update_norm", "weight_norm"), _find, least=1)
