"""Formulas that repeat their parts are written in bounded time and length, and what is written is the formula."""

from __future__ import annotations

import time

import numpy as np
import pytest

import odeopt as oo
from odeopt.core import notation
from odeopt.core.letters import symbol


def twice_a_pass(x, passes):
    """A loop that reads its variable three times in each pass: 3^passes readings of x."""
    for _ in range(passes):
        x = x - 0.5 * x * (x + 0.1)
    return x


def looped(passes):
    return oo.flow("theta s1", go=oo.push("theta", lambda grad, theta: -twice_a_pass(grad(theta), passes)))


def value_of(text, theta):
    """The value of printed equations: the named parts first, in their order, then the equation of theta."""
    first, *parts = (line.split("=", 1) for line in text.splitlines())
    known = {"theta": theta, "gradL": lambda x: np.cos(x)}
    for name, formula in [*parts, first]:
        known[name.strip()] = eval(formula.replace("grad L", "gradL").replace("^", "**"), {}, known)
    return known["theta'"]


@pytest.mark.parametrize("passes", [1, 3, 4, 8, 40])
def test_what_is_written_is_the_formula(passes):
    theta = 0.7
    assert value_of(str(looped(passes)), theta) == pytest.approx(-twice_a_pass(np.cos(theta), passes), rel=1e-5)


@pytest.mark.parametrize("passes", [40, 3000])
def test_loops_that_read_their_variable_twice_are_written_in_bounded_time_and_length(passes):
    began = time.perf_counter()
    flow = looped(passes)
    both = str(flow), flow.latex()
    assert time.perf_counter() - began < 5
    assert max(map(len, both)) < 10_000


def test_parts_have_names_that_are_free_and_short_formulas_have_none():
    x = symbol("s1")
    for _ in range(8):
        x = x * x + x
    assert " where s2 = (s1*s1 + s1)*(s1*s1 + s1) + s1*s1 + s1, s3 = " in str(x)
    assert r"\text{ where }s_{2} = " in x.latex
    assert "s2" in str(looped(4))
    assert str(looped(1)) == "theta' = -(grad L(theta) - 0.5*grad L(theta)*(grad L(theta) + 0.1))"


def test_what_is_too_long_is_refused_with_the_number_of_operations():
    x = symbol("theta")
    for k in range(notation.LARGEST):
        x = x + k
    assert str(x) == f"f(theta) of {notation.LARGEST} operations"
    assert x.latex == rf"f(\theta)\text{{ of {notation.LARGEST} operations}}"
    flow = oo.flow("theta v", long=oo.push("v", lambda theta: twice_a_pass(theta, 500)), short=oo.push("theta", 1.0))
    assert str(flow) == "theta' = 1\nv'     = f(theta) of 2000 operations"


def test_a_sum_with_a_leading_minus_keeps_its_meaning():
    a, b, c = symbol("a"), symbol("b"), symbol("c")
    assert str(c + (-a + b)) == "c - a + b"
    assert str(c - (-a + b)) == "c - (-a + b)"
    negative = -(a + b)
    assert str(-negative) == "(a + b)"
    assert str((-2 * a) / b * c) == "-2*a/b*c"
    assert str(c * (-2 * a)) == "-c*2*a"
    assert str(1 / a * b) == str(np.float64(1.0) / a * b) == "b/a"
