"""A step of one's own, from `from_step`, wherever an optimizer goes."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.testing import Nonconformance, check_optimizer

BOWL = oo.problems.quadratic((1, 5)).at([1.0, -1.0])
VALLEY = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])


def optimistic(y, grad, h):
    """theta - h (2 g_n - g_{n-1}).                                                            [Popov 1980]"""
    theta, last = y
    now = grad(theta)
    return theta - h * (2 * now - last), now


def heavy_ball(y, grad, h):
    """The naive heavy ball with friction 1.5."""
    theta, v = y
    v = v - h * grad(theta) - 1.5 * h * v
    return theta + h * v, v


def as_foreign(step, h=0.05, **memory):
    return oo.from_step(step, memory, h=h, name=step.__name__)


def naive(h):
    return opts.heavy_ball(h**2, 1 - 1.5 * h, map="naive")


def test_the_optimistic_gradient_is_an_exercise_of_five_lines():
    opt = as_foreign(optimistic, last=0.0)
    run = oo.simulate(opt, VALLEY, 400).check()
    theta, last = VALLEY.theta0, 0.0
    for found in run.theta:
        np.testing.assert_allclose(found, theta, rtol=1e-12, atol=1e-14)
        now = VALLEY.grad(theta)
        theta, last = theta - 0.05 * (2 * now - last), now
    assert run.ngev == 400
    assert oo.stability_limit(opt) == pytest.approx(2 / 3)  # 2/D(-1), D(mu) = 2 - 1/mu: MATHS E
    assert check_optimizer(opt).lines[0] == ("determinism", "30 steps, bit for bit")


def test_memoryless_limit_of_the_optimistic_gradient():
    """-C g - h (C S + C^2/2) H g with the weights 2, -1: C = 1, S = -1.  Its iterates follow it with order 2."""
    pytest.importorskip("sympy", reason="formulas")
    from odeopt.symbolic import memoryless_limit

    assert str(memoryless_limit(as_foreign(optimistic, last=0.0))).startswith("theta' = -g + h*H[g]/2\n")

    def error(n):
        opt = as_foreign(optimistic, h=1 / n, last=0.0)
        run = oo.simulate(opt, VALLEY, n).check()
        field = memoryless_limit(opt).field(VALLEY)
        path = oo.solve(field, VALLEY, run.t, rtol=1e-12, atol=1e-13).check()
        return np.abs(run.theta - path.theta)[n // 2 :].max()

    errors = [error(n) for n in (50, 100, 200)]
    assert -np.polyfit(np.log([50, 100, 200]), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)


def test_a_foreign_copy_of_an_optimizer_is_that_optimizer():
    """Iterates, members, comparison with the modified flow, multipliers, Jacobian, and the equation as a formula."""
    h, copy = 0.05, as_foreign(heavy_ball, v=0.0)
    starts = np.array([[1.0, -1.0], [0.5, 2.0], [-0.2, 0.1]])
    for theta0 in (None, starts):
        theirs, ours = (oo.simulate(opt, VALLEY, 60, theta0).check() for opt in (naive(h), copy))
        np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(ours.state["v"], theirs.state["v"], rtol=1e-11, atol=1e-13)
    found = oo.compare(copy, VALLEY, 60)
    followed = oo.follow(naive(h), VALLEY, 60)
    assert found.success
    assert found.remarks == ()
    np.testing.assert_allclose(found.flow.theta, followed.flow.theta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.gradient_flow.theta[-1], oo.solve(oo.flows.gradient_flow(), VALLEY, 60 * h).final)
    # lr is h for a step without a name, and h^2 for the heavy ball
    assert oo.stability_limit(copy) * h == pytest.approx(oo.stability_limit(naive(h)), rel=1e-9)
    jacobians = [oo.analysis.step_jacobian(opt, VALLEY) for opt in (copy, naive(h))]
    np.testing.assert_allclose(*jacobians, atol=1e-9)
    assert check_optimizer(copy, order=3).lines[-1][1].endswith("at least 3")
    with pytest.raises(Nonconformance, match=r"follows its flow with order 3.0\d, not 4"):
        check_optimizer(copy, order=4)


def test_the_modified_equation_of_a_foreign_step():
    sympy = pytest.importorskip("sympy", reason="formulas")
    from odeopt.symbolic import eliminate_velocity, modified_equation

    ours, theirs = modified_equation(as_foreign(heavy_ball, v=0.0), 3), modified_equation(naive(0.05), 3)
    damping = sympy.Symbol("damping", positive=True)
    for mine, known in zip(ours.terms.values(), theirs.terms.values(), strict=True):
        for a, b in zip(mine, known, strict=True):
            assert sympy.simplify(sympy.expand(a - b.subs(damping, sympy.Rational(3, 2)))) == 0
    assert str(eliminate_velocity(as_foreign(heavy_ball, v=0.0))).startswith("X'' + ")
    with pytest.raises(ValueError, match="no modified equation: its step moves last by g - last even as h"):
        modified_equation(as_foreign(optimistic, last=0.0))
    with pytest.raises(ValueError, match="'g' must be renamed, because in formulas g is the gradient"):
        modified_equation(as_foreign(optimistic, g=0.0))


def test_a_comparison_says_where_the_modified_flow_has_no_series():
    (remark,) = oo.compare(as_foreign(optimistic, last=0.0), BOWL, 50).remarks
    assert remark.startswith(
        "the series of the modified flow diverges: a multiplier mu of the first step has |mu - 1| = 1.3"
    )


def test_a_step_with_a_gradient_of_its_own():
    own = oo.from_step(lambda y: (y[0] - 0.02 * BOWL.grad(y[0]),), h=0.02, name="own")
    theirs = oo.compare(opts.gd(0.02), BOWL, 30)
    found = oo.compare(own, BOWL, 30)
    np.testing.assert_allclose(found.iterates.theta, theirs.iterates.theta, rtol=1e-13)
    assert found.max_error < theirs.max_error / 10  # of order 3 instead of 1
    assert check_optimizer(own, problem=BOWL).name == "own"


def only_grad(y, grad):
    return (y[0] - 0.1 * grad(y[0]),)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda own: oo.stability_limit(own), "step 'own' must read grad, as in step(y, grad), to run on L"),
        (lambda own: check_optimizer(own, 1, BOWL), "h must be 0.1, as step 'own' does not read it, got 0.025"),
        (lambda own: oo.simulate(own, BOWL, 500, backend="floats"), "backend must be 'auto' or 'numpy' for a step"),
        (lambda own: oo.solve(own.optimizer.flow, BOWL, 1.0), "own follows no flow"),
        (lambda own: oo.from_step(lambda y, lr: y), "argument of step must be one of grad, h, got 'lr'"),
    ],
)
def test_what_a_step_cannot_do_is_named(call, message):
    own = oo.from_step(lambda y: (y[0] - 0.1 * BOWL.grad(y[0]),), h=0.1, name="own")
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        call(own)


def test_symbols_need_the_step_as_an_argument():
    pytest.importorskip("sympy", reason="formulas")
    from odeopt.symbolic import memoryless_limit, modified_equation

    for equation in (modified_equation, memoryless_limit):
        with pytest.raises(ValueError, match="cannot be run on symbols: the step must read h, as in"):
            equation(as_foreign(only_grad))


def test_members_with_a_memory_of_another_length():
    """A count of steps, shape (1,), and what has the shape of theta, for one vector and for many."""

    def counted(y, grad, h):
        theta, count, total = y
        return theta - h * grad(theta) / (1 + count), count + 1, total + theta

    opt = oo.from_step(counted, {"count": [0.0], "total": 0.0}, h=0.1)
    run = oo.simulate(opt, BOWL.at(np.ones((3, 2))), 5).check()
    assert run.state["count"].shape == (6, 3, 1)
    assert run.state["count"][-1].tolist() == [[5.0]] * 3
    np.testing.assert_allclose(run.state["total"][-1], run.theta[:-1].sum(axis=0), rtol=1e-14)
    alone = oo.simulate(opt, BOWL.at(np.ones(2)), 5).check()
    np.testing.assert_array_equal(run.theta[:, 1], alone.theta)
