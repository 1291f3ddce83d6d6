"""Optimizers for every way to run a step, and what it means that two runs are the same."""

from __future__ import annotations

import numpy as np
from support import tables

import odeopt as oo
from odeopt import optimizers, schedules

STEPS, TOLERANCE = 150, 1e-13


def _optimizers():
    rows = {f"optimizer {n}": row.limits[0][0](0.01) if row.limits else getattr(optimizers, n)()
            for n, row in tables.OPTIMIZERS.items()}  # fmt: skip
    adam = optimizers.adam(0.01)
    rows |= {f"wrapper {n}": getattr(optimizers, n)(adam, *a)
             for n, a in {"clip_norm": (1.0,), "clip_value": (0.5,), "decoupled": (0.1,), "l2": (0.1,),
                          "lookahead": (), "scheduled": (schedules.cosine(500),)}.items()}  # fmt: skip
    for n, (scheme, _) in {**tables.GENERIC, **tables.NEEDS_RELAXATION}.items():
        rows[f"scheme {n}"] = oo.Optimizer(oo.flows.averaged_gradient(0.5), scheme, 0.01)
    for i, (name, word, _) in enumerate(tables.WORDS):
        row = tables.ALL_FLOWS[name]
        rows[f"word {i} {name}: {word.word}"] = oo.Optimizer(row.flow.quiet(), word, 0.01, start=row.start)
    return rows


ROWS = _optimizers()
STAYS = {  # what no program of scalars can be: memory of earlier steps, equations to solve, matrices, schedules of k
    "optimizer muon", "optimizer shampoo", "wrapper lookahead", "wrapper scheduled", "scheme ab2", "scheme ab3",
    "scheme implicit_euler", "scheme trapezoid", "scheme bdf2",
}  # fmt: skip
STAYING_FLOWS = ("muon", "shampoo", "sgd_second_order")  # matrices; the last reads the Hessian
COMPILES = {n: opt for n, opt in ROWS.items() if n not in STAYS and not any(flow in n for flow in STAYING_FLOWS)}


def same(run, expected, tolerance=TOLERANCE):
    assert (run.status, run.message, run.ngev, run.nfev) == (
        expected.status, expected.message, expected.ngev, expected.nfev)  # fmt: skip
    np.testing.assert_array_equal(run.t, expected.t)
    assert run.state.keys() == expected.state.keys()
    pairs = [
        (run.theta, expected.theta),
        (run.loss, expected.loss),
        *((run.state[k], expected.state[k]) for k in run.state),
    ]
    for new, old in pairs:
        scale = np.max(np.abs(old), initial=0.0, where=np.isfinite(old))
        np.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance * scale)


def counted(function=lambda x: x * [1.0, 20.0]):
    """A problem whose gradient has a side effect: it may be called, not traced."""
    calls = []

    def grad(x):
        calls.append(1)
        return function(x)

    return oo.Problem(lambda x: 0.5 * (x**2 * [1, 20]).sum(-1), grad, theta0=[1.0, 1.0], batched=True)
