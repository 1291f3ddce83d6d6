"""A flow is the sum of its parts, and prints itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import ops, push, relax


@pytest.mark.parametrize("name", tables.ALL_FLOWS)
def test_sum_of_parts_is_the_equation_by_hand(name):
    row, problem = tables.ALL_FLOWS[name], oo.problems.rosenbrock(b=5)
    rng = np.random.default_rng(1)
    for t in (0.1, 0.7, 3.0):
        y = tuple(
            rng.uniform(0.1, 2.0, 1 if v in row.flow.clocks else row.flow.lengths.get(v, 2)) for v in row.flow.variables
        )
        y = tuple(
            u + 4 if v == "G" else u.mean() + 4 * np.eye(2).ravel() if v == "L" else u
            for u, v in zip(y, row.flow.variables, strict=True)
        )  # a variance is positive
        found, expected = row.flow.rhs(problem.oracle())(t, y), row.rhs(t, problem.grad, *y)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("name", tables.ALL_FLOWS)
def test_a_flow_prints_every_variable_and_parameter(name):
    flow = tables.ALL_FLOWS[name].flow
    for variable in flow.variables:
        assert f"{variable}'" in str(flow) or f"{variable} " in str(flow)
    for parameter in flow.params:
        assert f"{parameter} = " in str(flow)
    projects_theta = name in ("rprop", "rprop_late")
    assert flow.latex().startswith(r"\begin{aligned}\dot{\theta} &=") != projects_theta
    assert flow.latex().count("{") == flow.latex().count("}")
    assert flow._repr_latex_() == f"${flow.latex()}$"


def test_latex_of_adam():
    assert oo.flows.adam(0.1, 10.0).latex() == (
        r"\begin{aligned}\dot{\theta} &= -\frac{\frac{m}{c_{1}}}{\sqrt{\frac{G}{c_{2}}} + \varepsilon} \\ "
        r"\dot{m} &= \frac{\nabla L(\theta) - m}{\tau_{1}} \\ \dot{G} &= \frac{\nabla L(\theta)^{2} - G}{\tau_{2}} \\ "
        r"\dot{c_{1}} &= \frac{1 - c_{1}}{\tau_{1}} \\ \dot{c_{2}} &= \frac{1 - c_{2}}{\tau_{2}} \\ "
        r"&\text{with } \tau_{1} = 0.1,\; \tau_{2} = 10,\; \varepsilon = 1e-08\end{aligned}"
    )


def test_adam_at_time_zero_is_the_limit():
    """m/c1 -> g and G/c2 -> g^2 as t -> 0."""
    problem = oo.problems.quadratic()
    g = problem.grad(problem.theta0)
    flow = oo.flows.adam(0.1, 1.0, eps=0.5)
    velocity = flow.rhs(problem.grad)(0.0, flow.start(problem.theta0))[0]
    np.testing.assert_allclose(velocity, -g / (np.abs(g) + 0.5), rtol=1e-15)


def test_parameters_are_columns_over_members():
    flow = oo.flows.heavy_ball(damping=np.array([1.0, 2.0, 3.0]))
    assert flow.members == (3,)
    y = (np.ones((3, 2)), np.ones((3, 2)))
    slope = flow.rhs(lambda theta: 0 * theta)(0.0, y)[1]
    np.testing.assert_array_equal(slope, [[-1, -1], [-2, -2], [-3, -3]])


def test_memory_by_name():
    flow = oo.flows.adam(0.1, 1.0)
    y = flow.start(np.ones(3), m=np.full(3, 2.0))
    assert [u.shape for u in y] == [(3,), (3,), (3,), (1,), (1,)]
    assert y[1].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="state variable must be one of G, c1, c2, m, got 'v'"):
        flow.start(np.ones(3), v=np.ones(3))


def test_projection_adds_nothing_to_the_right_hand_side():
    flow = oo.flow(
        "theta M",
        drift=push("theta", lambda grad, theta, M: -grad(theta) / (1 + M)),
        ceiling=oo.project("M", lambda M, theta: ops.maximum(M, theta)),
    )
    y = (np.array([3.0]), np.array([1.0]))
    assert flow.rhs(lambda theta: theta)(0.0, y)[1].tolist() == [0.0]
    step = oo.schemes.Splitting("ceiling drift").bind(flow, lambda theta: theta)
    new, increment, _ = step(0.0, y, (), 0.1)
    assert new[1].tolist() == [3.0]
    assert increment[1].tolist() == [2.0]
    for scheme in (oo.schemes.rk4, oo.schemes.ab2, oo.schemes.trapezoid, oo.schemes.bdf2, oo.schemes.rkc1(3)):
        with pytest.raises(ValueError, match="part 'ceiling' of flow is a projection: use Splitting"):
            scheme.bind(flow, lambda theta: theta)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(variables="v theta"), "variables must be distinct names with theta first, got 'v theta'"),
        (dict(variables="theta v v"), "variables must be distinct"),
        (dict(variables=""), "variables must be distinct"),
        (dict(variables="theta", a=push("w", lambda: 0.0)), "slot of part 'a' must be one of theta, got 'w'"),
        (dict(variables="theta", a=push("theta", lambda w: w)), "argument of part 'a' must be one of grad, t, theta"),
        (dict(variables="theta", a=relax("theta", rate=lambda w: w)), "argument of part 'a' must be one of"),
        (dict(variables="theta", params={"a": float("nan")}), "a must be finite, got nan"),
        (dict(variables="theta v", params={"v": 2.0}), "variables, params, .* must differ, got v twice"),
        (dict(variables="theta t"), "got t twice"),
        (dict(variables="theta", clocks="c"), "name in clocks must be one of theta, got 'c'"),
        (dict(variables="theta", onset=oo.Onset(lambda w: w)), "argument of the onset must be one of"),
        (dict(variables="theta", a=relax("theta", rate=1.0, limit=lambda w: w)), "argument of part 'a' must be one of"),
    ],
)
def test_bad_flows_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        oo.flow(**arguments)


def test_formulas_name_their_arguments():
    with pytest.raises(TypeError, match="must name every argument"):
        oo.flow("theta", a=push("theta", lambda *args: 0.0))


def test_parts_are_parts_and_formulas_are_functions_or_numbers():
    with pytest.raises(TypeError, match="part 'a' must be push"):
        oo.flow("theta", a=lambda theta: theta)
    with pytest.raises(TypeError, match="rate must be numbers .* got 'fast'"):
        relax("theta", rate="fast")
    assert str(oo.flow("theta", a=relax("theta", rate=2, target=1.0))) == "theta' = 2*(1 - theta)"


def test_a_formula_that_symbols_cannot_follow_still_prints():
    odd = oo.flow("theta", a=push("theta", lambda grad, theta: np.where(theta > 0, 1.0, -1.0)))
    assert str(odd) == "theta' = f(grad, theta)"


def test_norms_are_per_member_and_print_as_norms():
    flow = oo.flow("theta", a=push("theta", lambda grad, theta: -grad(theta) / ops.norm(grad(theta))))
    assert str(flow) == "theta' = -grad L(theta)/||grad L(theta)||"
    both = np.array([[1.0, 0.5], [4.0, 4.0]])
    opt = oo.Optimizer(flow, oo.schemes.rk4, 0.05)
    together = oo.simulate(opt, oo.problems.rosenbrock(b=5), 10, both)
    np.testing.assert_allclose(together.theta[:, 0], oo.simulate(opt, oo.problems.rosenbrock(b=5), 10, both[0]).theta)
    numpy_norm = oo.flow("theta", a=push("theta", lambda grad, theta: -grad(theta) / np.linalg.norm(grad(theta))))
    assert str(numpy_norm) == "theta' = f(grad, theta)"


def test_a_misspelt_name_in_a_formula_shows_at_once():
    with pytest.raises(
        ValueError, match="a formula for theta cannot run: module 'odeopt.core.ops' has no attribute 'clip'"
    ):
        oo.flow("theta", a=push("theta", lambda grad, theta: -ops.clip(grad(theta))))
    with pytest.raises(ValueError, match="a formula for theta cannot run: name 'gradd' is not defined"):
        oo.flow("theta", a=push("theta", lambda theta: gradd(theta)))  # noqa: F821


def test_a_formula_cannot_change_the_gradient_that_others_see():
    def spoil(grad, theta):
        g = grad(theta)
        g *= 0
        return g

    flow = oo.flow("theta", a=push("theta", spoil), b=push("theta", lambda grad, theta: -grad(theta)))
    with pytest.raises(ValueError, match="read-only"):
        oo.simulate(oo.Optimizer(flow, oo.schemes.euler, 0.1), oo.problems.quadratic(), 3)


def test_with_params():
    flow = oo.flows.heavy_ball(1.0).with_params(damping=2.0)
    assert flow.params["damping"] == 2.0
    with pytest.raises(ValueError, match="parameter must be one of damping, got 'friction'"):
        flow.with_params(friction=2.0)
    with pytest.raises(ValueError, match="damping must be finite, got nan"):
        flow.with_params(damping=float("nan"))


def test_symbols_in_numpy_functions():
    from odeopt.core.letters import symbol

    a, b = symbol("alpha1"), symbol("b")
    assert str(ops.maximum(a, abs(b)) - (a - b)) == "maximum(alpha1, |b|) - (alpha1 - b)"
    assert (2.0 * a**2 / b).latex == r"\frac{2\,\alpha_{1}^{2}}{b}"
    assert str(-(a + b) * -b) == "(alpha1 + b)*b"
    assert str(np.float64(2.0) * a) == "2*alpha1"
    assert str(a ** (b + 1)) == "alpha1^(b + 1)"
    assert str(2**a) == "2^alpha1"
    assert str(np.sign(a) / (b + 1)) == "sign(alpha1)/(b + 1)"


PROBLEM = oo.problems.quadratic()
NEVER_CHANGE = {
    "flow": oo.flows.adam(0.1, 1.0),
    "optimizer": oo.optimizers.scheduled(oo.optimizers.nesterov_k(0.01), oo.schedules.cosine(10)),
    "schedule": oo.schedules.Schedule("mine", lambda k: 1.0),
    "problem": PROBLEM,
}


@pytest.mark.parametrize("name", NEVER_CHANGE)
def test_a_copy_of_what_never_changes_is_itself(name):
    assert copy.copy(NEVER_CHANGE[name]) is NEVER_CHANGE[name]
    assert copy.deepcopy([NEVER_CHANGE[name]])[0] is NEVER_CHANGE[name]


RESULTS = {
    "iterates": oo.simulate(oo.optimizers.adam(0.01), PROBLEM, 3),
    "solution": oo.solve(oo.flows.heavy_ball(1.0), PROBLEM, 1.0),
    "modified": oo.solve(oo.modified_flow(oo.optimizers.momentum(0.01)), PROBLEM, 0.1),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_copy_of_a_run_has_records_of_its_own(name):
    run = RESULTS[name]
    again = copy.deepcopy(run)
    again.theta[:] = np.nan
    assert np.isfinite(run.theta).all()
    assert (again.flow.name, again.problem, repr(again.t)) == (run.flow.name, PROBLEM, repr(run.t))


def test_a_copy_of_an_energy_is_the_same():
    found = oo.energy(RESULTS["solution"])
    assert repr(copy.deepcopy(found)) == repr(found)


def test_lengths_do_not_name_the_flow():
    made = oo.flow("theta C", lengths={"C": 4}, name="mine", drift=oo.push("theta", lambda grad, theta: -grad(theta)))
    assert made.name == "mine"
    assert oo.flow("theta C", lengths={"C": 4}, drift=oo.push("theta", lambda theta: -theta)).name == "flow"


def test_a_part_that_moves_theta_needs_no_special_name():
    """A schedule, Lookahead, decay and a buffer act on the part that moves theta, whatever it is called."""
    descent = oo.push("theta", lambda grad, theta: -grad(theta))
    plain, own = (oo.Optimizer(oo.flow("theta", **{name: descent}), oo.schemes.euler, 0.1) for name in ("drift", "own"))
    assert own.flow.moving == ("own",)
    for wrapped in (
        lambda opt: oo.optimizers.scheduled(opt, oo.schedules.cosine(40)),
        lambda opt: oo.optimizers.lookahead(opt),
        lambda opt: oo.optimizers.decoupled(opt, 0.3),
    ):
        one, other = (oo.simulate(wrapped(opt), oo.problems.rosenbrock(b=5), 30) for opt in (plain, own))
        assert np.array_equal(one.theta, other.theta)
    assert str(oo.flows.buffered(own.flow, 0.5)) == str(oo.flows.buffered(plain.flow, 0.5))


def test_a_schedule_acts_on_all_parts_that_move_theta():
    """theta' = v - c g: both terms are increments of theta."""
    faster = oo.flows.hessian_damped(1.0, 0.1).theta_paced(2.0)
    assert str(faster).splitlines()[0].startswith("theta' = 2*v - 2*viscosity*grad L(theta)")


def test_what_has_no_single_push_on_theta_is_refused_by_name():
    two = oo.flow("theta", a=oo.push("theta", 1.0), b=oo.push("theta", 2.0), name="pair")
    with pytest.raises(ValueError, match="flow must move theta by one push without decay, got pair"):
        oo.flows.buffered(two, 0.5)


def test_parts_that_age_the_memory_are_declared():
    parts = dict(
        filter=oo.relax("m", target=lambda grad, theta: grad(theta), rate=2.0), go=oo.push("theta", lambda m: -m)
    )
    problem = oo.problems.quadratic()
    silent = oo.Optimizer(oo.flow("theta m", **parts), oo.schemes.euler, 0.1, start=oo.starts.settled)
    with pytest.raises(ValueError, match="word must name the parts that age the memory of flow, .* filter, go"):
        oo.simulate(silent, problem, 1)
    told = oo.Optimizer(oo.flow("theta m", ages="filter", **parts), oo.schemes.euler, 0.1, start=oo.starts.settled)
    assert np.array_equal(told.initial_state(problem.oracle(), problem.theta0)[1], problem.grad(problem.theta0))
    with pytest.raises(ValueError, match="name in ages must be one of filter, go, got 'memory'"):
        oo.flow("theta m", ages="memory", **parts)
