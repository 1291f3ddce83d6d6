"""The status of a run: how it ended."""

from enum import IntEnum


class Status(IntEnum):
    """How a run ended; negative if something stopped it before its end."""

    DONE = 0
    STOPPED = 1  # by the callback
    NOT_FINITE = -1
    EVALUATION_FAILED = -2  # the problem's function raised after its first evaluation
    INTERRUPTED = -3
    STEP_FAILED = -4  # an implicit equation without a solution, or an adaptive step that became too small
    TOO_MANY_EVALUATIONS = -5

    def __str__(self) -> str:
        return self.name
