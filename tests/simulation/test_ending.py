"""One table for all loops: which exception ends a run, with which status and words."""

from __future__ import annotations

import pytest

from odeopt.problems.oracle import EvaluationError
from odeopt.schemes.base import StepFailure
from odeopt.simulation.ending import ENDS, ending
from odeopt.util.status import Status


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), Status.INTERRUPTED, "interrupted after step 3 of 10"),
        (EvaluationError("no data"), Status.EVALUATION_FAILED, "no data (after step 3)"),
        (StepFailure("no root"), Status.STEP_FAILED, "no root (after step 3)"),
    ],
)
def test_ends(error, status, message):
    assert isinstance(error, ENDS)
    assert ending(error, 3, 10) == (status, message)
