"""Optimizers by whether their coordinates stand alone: rows for the tests of fused updates."""

from __future__ import annotations

import numpy as np
from support import tables

import odeopt as oo
from odeopt import optimizers, schedules

ADAM = optimizers.adam(0.01)
ROWS = {n: row.limits[0][0](0.01) if row.limits else None for n, row in tables.OPTIMIZERS.items()}
ROWS |= {
    "scheduled": optimizers.scheduled(ADAM, schedules.cosine(20)),
    "decoupled under a schedule": optimizers.decoupled(optimizers.scheduled(ADAM, schedules.cosine(20)), 0.1),
    "clip_norm": optimizers.clip_norm(ADAM, 1.0),
    "clip_value": optimizers.clip_value(ADAM, 0.5),
    "l2": optimizers.l2(ADAM, 0.1),
    "lookahead": optimizers.lookahead(ADAM),
    "nesterov_k under a schedule": optimizers.scheduled(optimizers.nesterov_k(0.01), schedules.cosine(20)),
    "asgd under a schedule": optimizers.scheduled(optimizers.asgd(0.01), schedules.cosine(20)),
}
WHOLE = {
    **dict.fromkeys(("lion", "signsgd", "signum", "lamb", "lars"), "limits read the coordinates"),  # 0/0 is 0 there
    **dict.fromkeys(("clip_norm", "normalized_gd", "adafactor"), "its coordinates read each other"),
    "lookahead": "remembers earlier steps",
    "muon": "svd",
    **dict.fromkeys(("nesterov_k under a schedule", "asgd under a schedule"), "reads its schedule at several times"),
}  # no program of one coordinate, and why
ELSEWHERE = (
    "strang_rmsprop",  # reads the gradient at other points too
    "adopt",  # no proof that the maximum below is above 0
    "schedule_free_adamw",  # nor that the trapezoid keeps G above 0
)
PROBLEM = oo.problems.quadratic(np.geomspace(0.5, 3, 7), theta0=np.linspace(-1, 2, 7))


def fits(name):
    opt = ROWS[name]
    return opt is not None and name not in ELSEWHERE and not opt.settings.get("shape")
