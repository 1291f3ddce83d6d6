"""Kinds of arguments: which of `VALUES` they take, by name.  All other values they must refuse."""

from __future__ import annotations

NOTHING, NAME, FLAG, SWITCH = "", "text", "true", "true none"
FINITE, POSITIVE, NONNEGATIVE, FRACTION = "minus zero huge", "huge", "zero huge", "zero"  # one number
EACH, POSITIVES, NONNEGATIVES, FRACTIONS = (f"{kind} shape" for kind in (FINITE, POSITIVE, NONNEGATIVE, FRACTION))
COUNT, COUNT_0 = "huge", "zero huge"  # where no work grows with them
SEED = "none zero huge"
WORK, WORK_0 = "", "zero"  # a number of steps, members, ...: a huge one is refused
COMPLEX = "minus zero huge complex shape"
