"""Why an integration stopped before its end: a typed reason, its status and its message."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from odeopt.problems.oracle import EvaluationError
from odeopt.util.status import Status

EXCEPTIONS = (EvaluationError, np.linalg.LinAlgError, ValueError, KeyboardInterrupt)  # those that `ended_by` can name


class Reason(StrEnum):
    """Why a solver stopped; the value is the wording in messages."""

    RHS_NOT_FINITE = "the right-hand side is NaN or infinite"
    NOT_FINITE = "the solution is not finite"
    LINEAR_ALGEBRA = "the linear algebra of the solver failed"
    STEP_FAILED = "the step became smaller than the spacing between numbers"
    BUDGET = "evaluations used up"
    RAISED = "the right-hand side raised an exception"
    INTERRUPTED = "interrupted"

    @property
    def status(self) -> Status:
        """The status of a run that stopped for this reason."""
        return STATUS[self]


STATUS = {
    Reason.RHS_NOT_FINITE: Status.NOT_FINITE,
    Reason.NOT_FINITE: Status.NOT_FINITE,
    Reason.LINEAR_ALGEBRA: Status.NOT_FINITE,
    Reason.STEP_FAILED: Status.STEP_FAILED,
    Reason.BUDGET: Status.TOO_MANY_EVALUATIONS,
    Reason.RAISED: Status.EVALUATION_FAILED,
    Reason.INTERRUPTED: Status.INTERRUPTED,
}


class Ended(Exception):
    """Raised inside a solver that cannot continue: the reason, and a text where more is known than the reason."""

    def __init__(self, reason: Reason, text: str = "") -> None:
        super().__init__(text or str(reason))
        self.reason = reason


class Ending(str):
    """The message in SciPy's `OdeResult` after a guarded solver stopped; `reason` is its typed form."""

    reason: Reason

    def __new__(cls, ended: Ended) -> Ending:
        made = super().__new__(cls, ended)
        made.reason = ended.reason
        return made


def ended_by(error: BaseException) -> Ended:
    """The `Ended` for an exception raised in a step, which is an `Ended` or one of `EXCEPTIONS`."""
    if isinstance(error, Ended):
        return error
    if isinstance(error, EvaluationError):
        return Ended(Reason.RAISED, str(error))
    if isinstance(error, KeyboardInterrupt):
        return Ended(Reason.INTERRUPTED)
    return Ended(Reason.LINEAR_ALGEBRA, f"{Reason.LINEAR_ALGEBRA}: {error}")
