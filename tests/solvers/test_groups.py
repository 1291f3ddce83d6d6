"""Members of very different time scales: LSODA in groups of like stiffness, and each member as exact as alone."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

import odeopt as oo
from odeopt import Status
from odeopt.core.state import pack
from odeopt.solvers import stiffness_groups
from odeopt.solvers.compiled import functions_of
from odeopt.solvers.initial_value import initial_value
from odeopt.solvers.stiffness_groups import of_like_stiffness

GF, T = oo.flows.gradient_flow(), np.linspace(0, 2, 5)
SCALES = np.random.default_rng(0).permutation(np.geomspace(0.01, 1e4, 60))


def wells(b):
    """L = b (x^2 - 1)^2 / 4 with a b for each member: x^2 / (1 - x^2) grows as exp(2 b t)."""
    grad = lambda theta: b[..., None] * (theta**3 - theta)
    loss = lambda theta: b * ((theta**2 - 1) ** 2).sum(-1) / 4
    return oo.Problem(loss, grad, theta0=np.full((*b.shape, 1), 0.1), batched=True)


def exact(b, t):
    odds = 0.1**2 / (1 - 0.1**2)
    return 1 / np.sqrt(1 + np.exp(-2 * b * np.asarray(t)) / odds)


def grouped(flow, problem, t=T):
    """Its groups and what they are made of."""
    equation = initial_value(flow, problem, np.asarray(t), flow.start(problem.theta0))
    functions = functions_of(equation, "columns", None)[0]
    return of_like_stiffness(equation, functions), functions, equation


@pytest.fixture
def few(monkeypatch):
    """Groups of ten pay already."""
    monkeypatch.setattr(stiffness_groups, "LEAST", 10)


def test_each_member_is_in_one_group_with_those_of_its_decades(few):
    found, _, _ = grouped(GF, wells(SCALES))
    assert sorted(np.concatenate(found)) == [*range(60)]
    ends = [(SCALES[members].min(), SCALES[members].max()) for members in found]
    assert len(ends) == 4  # of 4.3 decades: what is slower than the run counts as slow
    assert all(most < least for (_, most), (least, _) in pairwise(ends))
    assert all(most / max(least, 0.5) < 14 for least, most in ends)


def test_rates_are_norms_and_groups_are_not_too_small(few, monkeypatch):
    """What cancels in a row of the Jacobian is fast all the same; 20 members a group are three groups of 60."""
    b = SCALES
    pull = lambda theta: b[..., None] * (theta - theta[..., ::-1])
    loss = lambda theta: b * (theta[..., 0] - theta[..., 1]) ** 2 / 2
    problem = oo.Problem(loss, pull, theta0=np.tile([1.0, 0.0], (60, 1)), batched=True)
    assert len(grouped(GF, problem)[0]) == 5
    monkeypatch.setattr(stiffness_groups, "LEAST", 20)
    assert len(grouped(GF, problem)[0]) == 3


def test_a_group_has_the_slopes_and_the_jacobian_of_its_members(few):
    found, functions, equation = grouped(oo.flows.heavy_ball(0.3), wells(SCALES))
    y = np.random.default_rng(1).normal(size=pack(equation.y).shape)
    whole, band = functions.f(0.5, y).reshape(60, 2).copy(), functions.jacobian(0.5, y).reshape(3, 60, 2)
    assert len(found) > 2
    for members in found:
        part, mine = functions.part(members), y.reshape(60, 2)[members].ravel()
        np.testing.assert_array_equal(part.f(0.5, mine).reshape(-1, 2), whole[members])
        np.testing.assert_array_equal(part.jacobian(0.5, mine).reshape(3, -1, 2), band[:, members])


def test_groups_are_as_exact_as_one(few, monkeypatch):
    run = oo.solve(GF, wells(SCALES), T, method="LSODA", rtol=1e-9, backend="columns").check()
    assert "at most" in run.message
    assert run.message.endswith("in 4 groups of members of like stiffness")
    np.testing.assert_allclose(run.theta[..., 0], exact(SCALES, T[:, None]), rtol=1e-7)
    found, _, _ = grouped(GF, wells(SCALES))
    each = [oo.solve(GF, wells(SCALES[m]), T, method="LSODA", rtol=1e-9, backend="columns") for m in found]
    numbers = [[*map(int, re.findall("[0-9]+", one.message)), 0] for one in each]
    counts, jacobians = [own[0] for own in numbers], [own[1] for own in numbers]
    mean = np.average(counts, weights=[len(members) for members in found])
    assert f"LSODA, {max(counts)} evaluations of the right-hand side at most, {mean:.0f} on average, " in run.message
    assert f", {max(jacobians)} of its Jacobian, in 4 groups" in run.message
    monkeypatch.setattr(stiffness_groups, "LEAST", 1000)
    whole = oo.solve(GF, wells(SCALES), T, method="LSODA", rtol=1e-9, backend="columns").check()
    assert "groups" not in whole.message
    assert run.ngev < whole.ngev
    np.testing.assert_allclose(run.theta, whole.theta, rtol=1e-7)


def test_clocks_and_shapes_of_members(few):
    """Time scales differ as rates do; an ensemble may have any shape."""
    ends = np.geomspace(0.1, 1e4, 60).reshape(20, 3)
    t = np.linspace(0, 1, 4)[:, None, None] * ends
    problem = oo.Problem(lambda x: ((x**2 - 1) ** 2).sum(-1) / 4, lambda x: x**3 - x, theta0=[0.1], batched=True)
    run = oo.solve(GF, problem, t, method="LSODA", rtol=1e-9, backend="columns").check()
    assert run.message.endswith("in 4 groups of members of like stiffness")
    np.testing.assert_allclose(run.theta[..., 0], exact(1.0, t), rtol=1e-7)


def test_where_the_flow_itself_must_go(few):
    """A formula that looks at its values is traced for those at the start; others are left to it, group by group."""

    scales = SCALES

    def grad(theta):
        if np.any(theta < 0.05):
            return 3 * theta
        return 2 * theta if np.any(theta > 1.5) else scales[..., None] * (theta**3 - theta)

    problem = oo.Problem(wells(SCALES).loss, grad, theta0=np.full((60, 1), 0.1), batched=True)
    found, functions, _ = grouped(GF, problem)
    assert len(found) == 4
    for members in found:
        y = np.linspace(0.2, 1.4, len(members))
        np.testing.assert_allclose(functions.part(members).f(0.5, y), -2 * SCALES[members] * (y**3 - y), rtol=1e-14)
        y[0] = 2.0
        np.testing.assert_allclose(functions.part(members).f(0.5, y), -2 * 2 * y, rtol=1e-14)


@pytest.mark.parametrize("untraced", [True, False])
def test_one_group(few, untraced):
    """Where f of some members alone is not known, or all go at one pace."""
    if untraced:
        equation = initial_value(GF, wells(SCALES), T, GF.start(wells(SCALES).theta0))
        found = of_like_stiffness(equation, functions_of(equation, "numpy", None)[0])
    else:
        found, _, _ = grouped(GF, wells(np.linspace(1, 2, 60)))
    np.testing.assert_array_equal(found, [range(60)])


def test_what_was_reached_stays(few):
    """Groups go from record to record together."""
    spent = oo.solve(GF, wells(SCALES), T, method="LSODA", rtol=1e-9, max_evaluations=150, backend="columns")
    assert spent.status is Status.TOO_MANY_EVALUATIONS
    assert 0 < spent.t[-1] < 2
    np.testing.assert_allclose(spent.final[:, 0], exact(SCALES, spent.t[-1]), rtol=1e-7)


def test_what_grows_fast_is_known_to_be_stiff():
    """It leaves the maximum at a rate that cannot last."""
    run = oo.solve(GF, wells(np.array([1e4])), [0.0, 10.0], backend="columns").check()
    assert run.message.endswith("(auto: so stiff that DOP853 needs about 2e+05)")
