"""Nothing public is untested: every name in an `__all__` has its row in the tables."""

from __future__ import annotations

import inspect

import tables

import odeopt as oo


def test_every_optimizer_has_its_rows():
    public = set(oo.optimizers.__all__) - {"Optimizer"}
    assert public == set(tables.OPTIMIZERS)
    for name, row in tables.OPTIMIZERS.items():
        assert row.limits, name
        assert row.recursions, name


def test_every_argument_of_an_optimizer_is_checked():
    for name, row in tables.OPTIMIZERS.items():
        assert set(inspect.signature(getattr(oo.optimizers, name)).parameters) == set(row.bad)


def test_every_flow_has_its_row():
    assert set(oo.flows.__all__) == set(tables.FLOWS)


def test_every_scheme_has_its_row():
    classes = {"AdamsBashforth", "BDF2", "Chebyshev", "Exponential", "RungeKutta", "Splitting", "Theta"}
    protocol = {"Scheme", "Step", "StepFailure"}
    assert set(oo.schemes.__all__) - classes - protocol == set(tables.GENERIC) | set(tables.NEEDS_RELAXATION)


def test_every_part_of_every_flow_stands_in_a_tested_word():
    for name, row in tables.FLOWS.items():
        if name != "gradient_flow":
            words = " ".join(scheme.word for flow, scheme, _ in tables.WORDS if flow == name)
            assert set(row.flow.parts) <= set(words.replace("(", " ").replace(")", " ").split())


def test_public_functions_have_docstrings_with_a_formula_first():
    for module in (oo.flows, oo.optimizers):
        for name in module.__all__:
            first = inspect.getdoc(getattr(module, name)).splitlines()[0]
            assert any(sign in first for sign in ("=", "<-", "step")), f"{name}: {first}"
    for name in oo.__all__:
        assert inspect.getdoc(getattr(oo, name)), name
