"""Nothing public is untested: every name in an `__all__` has its row in the tables."""

from __future__ import annotations

import inspect
import re

from support import tables

import odeopt as oo
from odeopt.core.flow import Project


def test_every_optimizer_has_its_rows():
    wrappers = {name for name in oo.optimizers.__all__ if "opt" in _arguments(name)}
    assert wrappers == {*tables.WRAPPERS, "lazy"}  # of tables, not of problems: see test_lazy.py
    assert set(oo.optimizers.__all__) - wrappers - {"Optimizer", "from_config"} == set(tables.OPTIMIZERS)


def test_every_argument_of_an_optimizer_is_checked():
    for name, row in tables.OPTIMIZERS.items():
        assert set(_arguments(name)) == set(row.bad)


def _arguments(name):
    return inspect.signature(getattr(oo.optimizers, name)).parameters


def test_every_flow_has_its_row():
    assert set(oo.flows.__all__) == set(tables.ALL_FLOWS)


def test_every_scheme_has_its_row():
    classes = {"AdamsBashforth", "BDF2", "Chebyshev", "Exponential", "RungeKutta", "Splitting", "Theta"}
    protocol = {"Scheme", "Step", "StepFailure", "StochasticRungeKutta", "StochasticScheme"}
    rows = {*tables.GENERIC, *tables.NEEDS_RELAXATION, *tables.STOCHASTIC}
    words = {name for name in ("baoab", "obabo") if any(getattr(oo.schemes, name) is row[1] for row in tables.WORDS)}
    assert set(oo.schemes.__all__) - classes - protocol == rows | words


def test_every_part_of_every_flow_stands_in_a_tested_word():
    for name, row in tables.ALL_FLOWS.items():
        projected = any(isinstance(part, Project) and part.slot != "average" for part in row.flow.terms())
        if name != "gradient_flow" and not projected:
            words = " ".join(scheme.word for flow, scheme, _ in tables.WORDS if flow == name)
            assert set(row.flow.parts) <= set(re.findall(r"\w+", words))


def test_public_functions_have_docstrings_with_a_formula_first():
    for module in (oo.flows, oo.optimizers):
        for name in set(module.__all__) - {"from_config"}:
            first = inspect.getdoc(getattr(module, name)).splitlines()[0]
            assert any(sign in first for sign in ("=", "<-", "step")), f"{name}: {first}"
    for name in oo.__all__:
        assert inspect.getdoc(getattr(oo, name)), name
