"""Oscillation by momentum: an underdamped mode rings as beta^(n/2), and must have died out before the run ends."""

from __future__ import annotations

import numpy as np

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

GONE = 3.0  # e-folds: 5 % is left
SHARE = 0.1  # of the run, in which a ringing should die out


def _find(case: Case) -> Finding | None:
    """The multipliers of an underdamped mode have the modulus sqrt(beta), so a time of 2/ln(1/beta) steps."""
    beta, steps = case.of().beta, float(np.ptp(case.records["step"]) + 1)
    if beta <= 0:
        return None
    ringing, (agreement, error) = 2 * GONE / np.log(1 / beta), middle(case.agreement[case.hot])
    if not (ringing > steps / 2 and agreement < 0.5):
        return None
    new = float(np.exp(-2 * GONE / (SHARE * steps)))
    name = "beta1" if case.of().adaptive else "beta"
    return Finding(
        "momentum too long",
        True,
        f"with {name} = {beta:.4g} an oscillation needs {ringing:.3g} steps to fall to 5 %, of {steps:.0f} in the run; "
        f"gradients agree by {agreement:.2g} within that memory, so it holds their differences",
        {"steps to 5 %": Measured(ringing, threshold=steps / 2), "agreement": Measured(agreement, error, 0.5)},
        case.span(case.hot),
        f"lower {name} to {new:.3g}, at the same lr",
        "the loss falls without rising in between",
        {name: new},
    )


EXAMINATION = Examination("momentum too long", ("lr", "grad_norm", "update_norm", "opt"), _find)
