"""Equality with torch, Keras and optax to 1e-12, on recorded gradients: golden traces, and the libraries (slow)."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from support import equality, golden

from odeopt.optimizers.conventions import CONVENTIONS

TRACES = json.loads(golden.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", equality.CASES, ids=str)
def test_golden_trace(case):
    gradients, theta0 = case.inputs(golden.SEED)
    ours = equality.replay(case.optimizer(), gradients, theta0)
    travelled = np.abs(np.diff(ours, axis=0)).cumsum(axis=0)
    for k, expected in zip(golden.STEPS, TRACES[str(case)], strict=True):
        assert np.max(np.abs(ours[k] - expected) / (np.abs(theta0) + travelled[k - 1])) < case.tolerance


def test_every_case_has_its_trace():
    assert set(TRACES) == {str(case) for case in equality.CASES}


@pytest.mark.parametrize("like", ["torch", "keras", "optax"])
def test_every_optimizer_of_a_library_has_cases(like):
    for name, rows in CONVENTIONS.items():
        settings = {str(c.settings) for c in equality.CASES if c.name == name and c.like == like}
        assert (like in rows) == (len(settings) >= 2), name


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("case", equality.CASES, ids=str)
def test_the_library_itself(case, seed):
    for module in {"keras": ["keras", "jax"], "pytorch_optimizer": ["torch", "pytorch_optimizer"]}.get(
        case.like, [case.like]
    ):
        pytest.importorskip(module)
    from support import oracles

    gradients, theta0 = case.inputs(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        schedule = equality.SCHEDULES[case.schedule]
        path = oracles.path(case.like, case.name, case.filled(), gradients, theta0, schedule, case.wrappers)
    assert equality.distance(equality.replay(case.optimizer(), gradients, theta0), path) < case.tolerance
