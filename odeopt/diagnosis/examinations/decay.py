"""Decay-limited: lr wd |theta|, the pull of the decay, beside |Delta theta|, what the weights do."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

HALF = 0.5


def _find(case: Case) -> Finding | None:
    """The memory is 1/(lr wd) steps.  Where it is shorter than the run, gradient and decay balance."""
    decay, records = case.of().setting("weight_decay"), case.records
    if not decay:
        return None
    pull = records["lr"] * decay * records["weight_norm"] / records["update_norm"]
    share, error = middle(pull[case.hot])
    memories = float(np.nansum(records["lr"]) * decay * (np.ptp(records["step"]) + 1) / len(records))
    if not (share > HALF and memories > 1):
        return None
    lr = float(np.nanmax(records["lr"]))
    new = decay / memories / 10
    return Finding(
        "decay-limited",
        True,
        f"the decay pulls by {share:.3g} of what the weights move, with a memory of {1 / (lr * decay):.3g} steps: "
        "it undoes what the gradient does",
        {
            "lr wd |theta|/|update|": Measured(share, error, HALF),
            "memories in the run": Measured(memories, threshold=1.0),
        },
        case.span(case.hot),
        f"lower the weight decay to {new:.2g}, a memory of ten runs; "
        "where lr or batch change, keep the memory in samples",
        "the loss on other data is better with this decay than without",
        {"weight_decay": new},
    )


EXAMINATION = Examination("decay-limited", ("lr", "update_norm", "weight_norm", "opt"), _find)
