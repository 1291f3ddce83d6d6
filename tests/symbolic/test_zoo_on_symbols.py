"""Every optimizer's modified equation against its numeric modified flow, or a refusal by name."""

from __future__ import annotations

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import flows, schemes
from odeopt import optimizers as opts

pytest.importorskip("sympy", reason="formulas")

ROOT_MEAN_SQUARE = oo.flow(
    "theta m",
    drift=oo.push("theta", lambda m, theta: -m * oo.ops.rms(theta) / (1 + oo.ops.total(m * theta) ** 2)),
    memory=oo.relax("m", rate=1.0, target=lambda grad, theta: grad(theta) + oo.ops.total(1.0 + 0 * theta)),
)
# what has no series in h: maxima, rows and columns, the norm of each layer, singular vectors, roots of matrices
REFUSED = {
    "radam 0": "where_positive",
    "nadam 1": "maximum",
    "adafactor 0": "maximum",
    "adafactor 1": "row_mean",
    "adafactor 2": "row_mean",
    "asgd 0": "maximum",
    "lamb 1": "the norm of each layer",
    "lars 2": "the norm of each layer",
    "muon 0": "msign",
    "muon 1": "msign",
    "shampoo 0": "row_gram",
    "shampoo 1": "row_gram",
    "amsgrad": "maximum",
    "adamax": "maximum",
    "rprop": "where_positive",
    "mars": "maximum",
    "adopt 0": "where_positive",
    "clip_norm": "maximum",
    "clip_value": "m(ax|in)imum",
}


JUMPS = {"adan 0": "old"}  # a gradient of the step before


def zoo():
    """h -> the optimizer, for every row of the table that follows a flow, and those that follow none at lr = h."""
    for name, row in tables.OPTIMIZERS.items():
        for i, (make, _) in enumerate(row.limits):
            yield f"{name} {i}", make
        if not row.limits:
            yield name, lambda h, name=name: getattr(opts, name)(lr=h)
    yield "clip_norm", lambda h: opts.clip_norm(opts.gd(h), 0.1)
    yield "clip_value", lambda h: opts.clip_value(opts.gd(h), 0.1)
    yield "l2", lambda h: opts.l2(opts.normalized_gd(h), 0.1)
    yield "decoupled", lambda h: opts.decoupled(opts.normalized_gd(h, eps=0.1), 0.1)
    yield "heun", lambda h: oo.Optimizer(flows.normalized_flow(0.1), schemes.heun, h)
    yield "root mean square", lambda h: oo.Optimizer(ROOT_MEAN_SQUARE, schemes.rk4, h)


def gap(make, h):
    """max |F_1 + h F_2 - F_2 of differences| at a state whose memory is of size 1."""
    from odeopt.symbolic import modified_equation

    opt, problem = make(h), tables.smooth_problem()
    y = opt.flow.start(problem.theta0)
    rng = np.random.default_rng(0)
    y = (y[0], *(0.5 + 0.4 * rng.random(u.shape) for u in y[1:]))
    formula = modified_equation(opt, 2).field(problem).rhs(problem.grad)(1.0, y)
    numeric = oo.modified_flow(opt, 2).rhs(problem.grad)(1.0, y)
    return max(np.abs(u - v).max() for u, v in zip(formula, numeric, strict=True))


LENGTHY = ("lamb 0", "root mean square")  # formulas of thousands of terms


def marked(name):
    return pytest.mark.slow if name in LENGTHY else ()


@pytest.mark.parametrize(
    ("name", "make"), [pytest.param(name, make, id=name, marks=marked(name)) for name, make in zoo()]
)
def test_the_whole_zoo_equals_the_black_box_or_is_refused_by_name(name, make):
    from odeopt.symbolic import modified_equation

    if name in JUMPS:
        with pytest.raises(ValueError, match=f"no modified equation: its step moves {JUMPS[name]} by"):
            modified_equation(make(1e-3), 1)
        return
    if name in REFUSED:
        with pytest.raises(ValueError, match=f"cannot be run on symbols: {REFUSED[name]}"):
            modified_equation(make(1e-3), 1)
        return
    coarse, fine = (gap(make, h) for h in (4e-3, 1e-3))
    assert fine < 1e-8 or np.log(coarse / fine) / np.log(4) == pytest.approx(2, abs=0.25)
