"""The table of examinations.  Its order is that of the findings: what makes later readings doubtful comes first."""

from __future__ import annotations

from odeopt.diagnosis.examinations import (
    bad_batch,
    decay,
    edge,
    eps,
    flow_like,
    long_step,
    momentum,
    noise,
    overflow,
    second_moment,
    stuck,
)

EXAMINATIONS = tuple(
    module.EXAMINATION
    for module in (
        overflow, bad_batch, long_step, eps, decay, stuck, second_moment, edge, momentum, flow_like, noise,
    )
)  # fmt: skip
