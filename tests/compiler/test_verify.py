"""When a program and its function are said to give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt.compiler.verify import KEPT, agree, agreed_at

ONES = np.ones(3)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (ONES, True),
        (ONES * (1 + 1e-15), True),
        (ONES * (1 + 1e-10), True),  # another order of the same operations
        (ONES * (1 + 1e-6), False),
        (np.array([1.0, 1.0, 1.0 + 1e-6]), False),  # one entry of many
        (np.array([1.0, 1.0]), False),
        (np.array([1.0, np.nan, 1.0]), False),
        (np.array([1.0, np.inf, 1.0]), False),
    ],
)
def test_values(found, same):
    assert agree([found], [ONES]) is same


def test_what_is_compared_is_the_step_not_the_place():
    """A step of 1e-9 from 1 by half of it is another step."""
    assert not agree([ONES + 0.5e-9], [ONES + 1e-9], [ONES])
    assert agree([ONES + 1e-9 + 1e-15], [ONES + 1e-9], [ONES])


def test_a_small_entry_beside_a_large_one():
    assert not agree([np.array([1.0, 2e-8])], [np.array([1.0, 1e-8])])
    assert agree([np.array([1.0, 1e-17])], [np.array([1.0, 0.0])])  # a rounding of what cancels


def test_numbers_that_are_none():
    numbers = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert agree([numbers], [numbers])
    assert not agree([numbers], [-numbers])


def test_single_precision_has_half_the_digits():
    rounded = (ONES / 3).astype(np.float32)
    assert agree([rounded], [ONES / 3], precision=np.float32)
    assert not agree([rounded], [ONES / 3])


class Looks:
    """A comparison that is counted."""

    def __init__(self, found):
        self.found, self.count = found, 0

    def __call__(self):
        self.count += 1
        return self.found


def test_a_point_where_a_program_agreed_is_not_compared_again_and_no_other_point_is_concluded_from_it():
    program, look = Looks(None), Looks(True)
    assert agreed_at(program, "here", look)
    assert agreed_at(program, "here", look)
    assert look.count == 1
    assert agreed_at(program, "there", look)
    assert look.count == 2
    assert agreed_at(Looks(None), "here", look)
    assert look.count == 3


@pytest.mark.parametrize("found", [False, None])
def test_what_did_not_agree_is_compared_again(found):
    program, look = Looks(None), Looks(found)
    assert agreed_at(program, "here", look) is agreed_at(program, "here", look) is found
    assert look.count == 2


def test_the_oldest_points_are_forgotten():
    program, look = Looks(None), Looks(True)
    for point in [*range(KEPT + 1), *range(1, KEPT + 1)]:
        agreed_at(program, point, look)
    assert look.count == KEPT + 1
    agreed_at(program, 0, look)
    assert look.count == KEPT + 2


@pytest.mark.parametrize("backend", ["floats", "blocks", "auto", pytest.param("numba", marks=pytest.mark.numba)])
def test_the_same_call_gives_the_same_bits_whatever_was_compared_before(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    problem = oo.problems.rosenbrock()
    start = np.array([[-1.5, 2.0], [0.5, 0.3]]) if backend == "blocks" else None
    run = lambda opt: oo.simulate(opt, problem, 400, start, record_every=7, backend=backend)
    opt = oo.optimizers.adam(0.01)
    first = run(opt)
    oo.simulate(opt, problem, 400, [0.1, 0.2], backend="auto" if backend == "blocks" else backend)
    for again in (run(opt), run(oo.optimizers.adam(0.01))):
        np.testing.assert_array_equal(again.theta, first.theta)
        np.testing.assert_array_equal(again.loss, first.loss)
        assert (again.ngev, again.backend) == (first.ngev, first.backend)
