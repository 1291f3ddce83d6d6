"""How a loop over steps ended, from the exception that ended it."""

from __future__ import annotations

from odeopt.problems.oracle import EvaluationError
from odeopt.schemes.base import StepFailure
from odeopt.util.status import Status

ENDS = (KeyboardInterrupt, EvaluationError, StepFailure)  # they end a loop with a status; others are passed on


def ending(error: BaseException, done: int, steps: int) -> tuple[Status, str]:
    """The status and the message of a loop over `steps` that one of ENDS ended after `done` of them.

    >>> ending(KeyboardInterrupt(), 3, 10)
    (<Status.INTERRUPTED: -3>, 'interrupted after step 3 of 10')
    >>> ending(StepFailure("no solution"), 3, 10)
    (<Status.STEP_FAILED: -4>, 'no solution (after step 3)')
    """
    if isinstance(error, KeyboardInterrupt):
        return Status.INTERRUPTED, f"interrupted after step {done} of {steps}"
    failed = Status.EVALUATION_FAILED if isinstance(error, EvaluationError) else Status.STEP_FAILED
    return failed, f"{error} (after step {done})"
