"""Every optimizer's modified equation against its numeric modified flow, or a refusal by name."""

from __future__ import annotations

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt.analysis import modified_flow

pytest.importorskip("sympy", reason="formulas")

ROWS = [(name, i) for name, row in tables.OPTIMIZERS.items() for i in range(len(row.limits))]
MIXED = ("normalized_gd", "lamb", "lars", "muon", "shampoo")  # a norm, a layer or a matrix joins coordinates
REFUSED = (*MIXED, "adafactor", "asgd", "radam")  # these compare or take a maximum


def _gap(make, h):
    """|F_1 + h F_2 - F_4 of differences| over |F_4|, at a state whose entries are all of size 1."""
    from odeopt.symbolic import modified_equation

    opt, problem = make(h), tables.smooth_problem()
    rng = np.random.default_rng(0)
    y = opt.flow.start(problem.theta0)
    y = (y[0], *(0.5 + 0.4 * rng.random(u.shape) for u in y[1:]))
    symbolic = modified_equation(opt, 2).field(problem).rhs(problem.grad)(1.0, y)
    numeric = modified_flow(opt, 4).rhs(problem.grad)(1.0, y)
    return max(np.max(np.abs(u - v)) / np.max(np.abs(v)) for u, v in zip(symbolic, numeric, strict=True))


@pytest.mark.parametrize(("name", "i"), ROWS)
def test_symbolic_field_is_the_numeric_one_or_refused(name, i):
    make = tables.OPTIMIZERS[name].limits[i][0]
    if name in REFUSED or (name, i) == ("nadam", 1):
        with pytest.raises(ValueError, match="cannot be run on symbols: "):
            _gap(make, 1e-3)
        return
    coarse, fine = _gap(make, 2e-3), _gap(make, 1e-3)
    assert fine < 1e-3
    assert fine < 1e-8 or coarse / fine > 3.5  # both fields have the first two terms: h^2 apart


def test_a_norm_is_refused_by_name():
    from odeopt.symbolic import modified_equation

    with pytest.raises(ValueError, match="symbols: a sum or norm over coordinates"):
        modified_equation(oo.optimizers.normalized_gd(0.1))
    with pytest.raises(ValueError, match="symbols: it mixes coordinates by layer or matrix"):
        modified_equation(oo.optimizers.muon(0.1))
