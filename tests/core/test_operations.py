"""Each row of the table of elementary operations agrees with NumPy's function, which is the oracle for all of it."""

from __future__ import annotations

import importlib
from itertools import product

import numpy as np
import pytest

from odeopt.arrays.protocol import Foreign
from odeopt.compiler.codegen.float_loop import HELPERS
from odeopt.compiler.codegen.numba_cache import HEADER
from odeopt.compiler.ir import Graph
from odeopt.compiler.passes.forward_mode import jacobian
from odeopt.compiler.program import evaluated, varying
from odeopt.core.operations import NUMPY, OPERATIONS, RAISED, REAL, Operation

ROWS = OPERATIONS.values()
TRUTHS = (False, True)
NUMBERS = (0.0, -0.0, 0.3, -0.3, 0.5, 1.0, -1.0, 2.0, -2.5, 3.0, 7.25, 1e-9, 1e200, -1e200, 800.0, -800.0)
SPECIAL = (float("inf"), -float("inf"), float("nan"))
OPEN = {1: [(0.3,), (0.7,), (1.9,)], 2: [(0.3, 0.7), (1.4, 0.6)], 3: [(True, 0.3, 0.7), (False, 0.3, 0.7)]}  # no kinks


def number_of(row: Operation) -> int:
    """How many arguments an operation has."""
    return 3 if row.name == "where" else row.numpy.nin


def kinds(row: Operation) -> list[tuple]:
    """The values that each argument may have."""
    if row.truth and row.operator is None:
        return [TRUTHS] * number_of(row)
    numbers = NUMBERS + SPECIAL
    return [TRUTHS, numbers, numbers] if row.name == "where" else [numbers] * number_of(row)


def shifted(row: Operation, point: tuple, i: int, h: complex) -> complex:
    """NumPy's value where the i-th argument is h more."""
    return row.numpy(*(a + h if j == i else a for j, a in enumerate(point)))


def numbers(name, *args):
    """`apply` of numbers, as the partial derivatives take it."""
    return REAL[name](*args)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@np.errstate(all="ignore")
def test_floats_agree_with_numpy(row):
    """To two roundings; Python raises only where NumPy's value is not finite."""
    for args in product(*kinds(row)):
        if row.name == "power" and args == (-float("inf"), 0.5):
            continue  # inf in C and in Python; NumPy takes a root, which is NaN
        expected = row.numpy(*args)
        try:
            found = row.real(*args)
        except RAISED:
            assert not np.isfinite(expected), args
            continue
        np.testing.assert_allclose(found, expected, rtol=4e-16, atol=0)
        assert isinstance(found, bool if row.truth else float)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@np.errstate(all="ignore")
def test_generated_text_is_the_operation(row):
    """The text, run with the names that a loop on floats has; a kernel imports the same names."""
    names = "abc"[: number_of(row)]
    code = compile(row.written(*names), row.name, "eval")
    assert set(code.co_names) <= {*names, *HELPERS}
    assert row.code or row.name in HEADER.replace("\n", ",").replace(",", " ").split()
    for args in product(*kinds(row)):
        try:
            expected = row.real(*args)
        except RAISED:
            continue
        np.testing.assert_equal(eval(code, {**HELPERS, **dict(zip(names, args, strict=True))}), expected)


@pytest.mark.parametrize("row", [row for row in ROWS if row.partials], ids=lambda row: row.name)
def test_partial_derivatives(row):
    """By a complex step, Im f(x + ih)/h, which has no cancellation; |x| is not analytic, and has a difference."""
    for point in OPEN[number_of(row)]:
        found = row.partials(numbers, row.real(*point), *point)
        assert len(found) == len(point)
        for i, partial in enumerate(found):
            if row.name == "absolute":
                expected = (shifted(row, point, i, 1e-3) - shifted(row, point, i, -1e-3)) / 2e-3
            else:
                expected = shifted(row, point, i, 1e-30j).imag / 1e-30
            assert partial == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.partials], ids=lambda row: row.name)
def test_what_has_no_partial_derivatives(row):
    """It is one of its last two arguments, as `chooses` says, or constant near a point off its jumps."""
    if row.truth and row.operator is None:
        return  # of truth values, which do not move
    for point in OPEN[number_of(row)]:
        value = row.numpy(*point)
        if row.chooses:
            assert value == (point[-2] if row.chooses(numbers, *point) else point[-1])
        else:
            assert all(shifted(row, point, i, h) == value for i in range(len(point)) for h in (-1e-3, 1e-3))


@pytest.mark.parametrize("row", [row for row in ROWS if row.operator or not row.truth], ids=lambda row: row.name)
def test_the_jacobian_of_an_operation(row):
    """The rule in a program, against central differences."""
    for point in OPEN[number_of(row)]:
        graph = Graph()
        inputs = [graph.input("state", i, varies=True) for i in range(len(point))]
        (partials,) = jacobian([graph.apply(row.name, *inputs)], inputs)
        value = evaluated(varying(partials), dict(enumerate(point)), None)
        for i in range(row.name == "where", len(point)):
            ahead, behind = (float(shifted(row, point, i, h)) for h in (1e-6, -1e-6))
            assert value(partials[i]) == pytest.approx((ahead - behind) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("row", [row for row in ROWS if row.bound], ids=lambda row: row.name)
@np.errstate(all="ignore")
def test_bounds(row):
    """|op(args)| is not above the bound from |args|, and finite arguments have a finite value but for overflow."""
    finite = [[x for x in values if np.isfinite(x)] for values in kinds(row)]
    for args in product(*finite):
        assert abs(float(row.numpy(*args))) <= row.bound(*map(abs, args))


@pytest.mark.parametrize("row", [row for row in ROWS if row.truths], ids=lambda row: row.name)
def test_on_truth_values(row):
    for args in product(*[TRUTHS] * number_of(row)):
        assert row.numpy(*map(np.bool_, args)) == NUMPY[row.truths](*args)


@pytest.mark.parametrize("row", [row for row in ROWS if row.integers], ids=lambda row: row.name)
def test_on_integers(row):
    for args in product(*[range(-3, 4)] * number_of(row)):
        assert row.numpy(*args) == row.numpy(*map(float, args))


@pytest.mark.parametrize("row", [row for row in ROWS if row.symbolic], ids=lambda row: row.name)
def test_expressions_in_sympy(row):
    sympy = pytest.importorskip("sympy")
    for (x,) in OPEN[1]:
        assert float(row.symbolic(sympy, sympy.Float(x))) == pytest.approx(row.numpy(x), rel=1e-14)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_libraries_agree_with_numpy(row, library):
    """NumPy's function on an array of torch or JAX is that of NumPy's array."""
    pytest.importorskip(library)
    own = importlib.import_module(f"odeopt.arrays.{library}").__dict__[library.upper()]
    like = importlib.import_module({"torch": "torch", "jax": "jax.numpy"}[library]).zeros(1)
    columns = [np.array(u) for u in zip(*OPEN[number_of(row)], strict=True)]
    arrays = [Foreign(own.array(np.float32(u), like), own) for u in columns]
    if row.truth and row.operator is None:
        columns, arrays = ([u > 0.5 for u in each] for each in (columns, arrays))
    elif row.name == "where":
        arrays[0] = arrays[0] > 0.5
    np.testing.assert_allclose(np.asarray(row.numpy(*arrays).value), row.numpy(*columns), rtol=1e-5)
