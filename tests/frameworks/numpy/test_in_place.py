"""In place, in one pass: the same steps as `simulate` makes, and nothing moves where a number is not finite."""

from __future__ import annotations

import copy
import os
import signal
import threading
import time
import warnings
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from support.elementwise import ADAM, PROBLEM, ROWS, WHOLE, fits

import odeopt as oo
from odeopt import optimizers
from odeopt.compiler import fused_update
from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.elementwise_program import coordinates
from odeopt.compiler.fused_update import Sweep
from odeopt.compiler.ir import Graph, Input, Node, Untraceable, needed
from odeopt.compiler.passes.hoist_factors import folded
from odeopt.compiler.passes.magnitude_analysis import bounds
from odeopt.compiler.program import Program
from odeopt.core.operations import NUMPY
from odeopt.frameworks.numpy import in_place
from odeopt.util.interrupts import postponed
from odeopt.util.threads import cores, in_parts


def by_blocks(monkeypatch):
    monkeypatch.setattr(fused_update, "find_spec", lambda name: None)


def by_numba(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(fused_update, "LONG", 0)


@pytest.mark.parametrize("means", [by_blocks, pytest.param(by_numba, marks=[pytest.mark.numba, pytest.mark.slow])])
@pytest.mark.parametrize("name", [name for name in ROWS if fits(name)])
def test_the_steps_of_simulate(monkeypatch, name, means):
    means(monkeypatch)
    theta, opt = PROBLEM.theta0.copy(), ROWS[name]
    moving = in_place(opt, theta)
    for _ in range(25):
        moving.step(PROBLEM.grad(theta))
    run = oo.simulate(opt, PROBLEM, 25, backend="numpy")
    assert moving.theta is theta
    assert moving.backend.split()[0] == ("numpy" if name in WHOLE else means.__name__.removeprefix("by_"))
    np.testing.assert_allclose(theta, run.final, rtol=1e-12, atol=1e-14)
    for key, u in moving.memory.items():
        np.testing.assert_allclose(u, run.state[key][-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", WHOLE)
def test_what_does_not_stand_alone_says_why(name):
    with pytest.raises(Untraceable, match=WHOLE[name]):
        Sweep(ROWS[name])
    moving = in_place(ROWS[name], np.ones(4))
    moving.step(np.ones(4))
    assert "numpy" in repr(moving)


def test_blocks_of_many_coordinates(monkeypatch):
    """More than one slice for each of two threads."""
    by_blocks(monkeypatch)
    monkeypatch.setattr(fused_update, "SLICE", 100)
    theta = np.linspace(-1, 1, 1234)
    plain = theta.copy()
    one, many = in_place(ADAM, plain), in_place(ADAM, theta)
    for _ in range(5):
        many.step(np.sin(3 * theta))
    monkeypatch.setattr(fused_update, "SLICE", 10**6)
    for _ in range(5):
        one.step(np.sin(3 * plain))
    np.testing.assert_array_equal(theta, plain)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(value):
    theta = np.ones(3)
    moving = in_place(ADAM, theta)
    moving.step(theta)
    before = theta.copy(), {name: u.copy() for name, u in moving.memory.items()}
    with pytest.raises(ValueError, match="gradient must be finite, got NaN or infinity in step 2"):
        moving.step(np.array([1.0, value, 1.0]))
    np.testing.assert_array_equal(theta, before[0])
    for name, u in moving.memory.items():
        np.testing.assert_array_equal(u, before[1][name])
    assert moving.count == 1


def test_a_step_that_divides_by_nothing_moves_nothing():
    """eps = 0 where a gradient is 0: the pass is not taken, and the step of whole arrays is refused."""
    theta = np.ones(2)
    moving = in_place(optimizers.rmsprop(0.1, eps=0.0), theta)
    with pytest.raises(FloatingPointError, match="not finite after step 1; nothing has moved"):
        moving.step(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(theta, 1.0)
    assert not moving.memory["G"].any()


def test_a_gradient_whose_square_overflows_goes_by_whole_arrays():
    theta = np.ones(2)
    moving = in_place(optimizers.gd(1e-90), theta)
    moving.step(np.array([1e160, 1.0]))
    np.testing.assert_allclose(theta, [-1e70, 1.0], rtol=1e-12)
    assert moving.count == 1


def test_theta_that_would_overflow_moves_nothing():
    """Known before the pass, from bounds."""
    theta = np.array([1.0, 1.0])
    moving = in_place(optimizers.scheduled(optimizers.momentum(1.0), lambda k: 1e150**k), theta)
    for _ in range(2):
        moving.step(np.array([1.0, 1e60]))
        assert moving.backend == "blocks"
    before = theta.copy(), moving.memory["m"].copy()
    assert theta[1] < -1e200
    with pytest.raises(FloatingPointError, match="not finite after step 3; nothing has moved"):
        moving.step(np.array([0.0, 1e60]))
    np.testing.assert_array_equal([theta, moving.memory["m"]], before)
    assert moving.count == 2


def test_bounds_are_measured_anew_when_they_have_grown(monkeypatch):
    """Of |m| they grow by a tenth in each step: 1e154 after 3700 steps, where m is 1."""
    theta, looked = np.ones(2), []
    moving, norm = in_place(ADAM, theta), fused_update.norm
    monkeypatch.setattr(fused_update, "norm", lambda arrays: looked.append(len(arrays)) or norm(arrays))
    for _ in range(8000):
        moving.step(np.ones(2))
    assert moving.backend == "blocks"
    assert 8000 + 3 < len(looked) < 8000 + 12


def test_bounds_hold():
    """Of every output, for numbers of all sizes."""
    rng = np.random.default_rng(0)
    for name in (name for name in ROWS if fits(name) and name not in WHOLE):
        made = coordinates(ROWS[name])
        known = {Input("time"): 3.0, Input("step"): ROWS[name].h, Input("rate"): 0.7}
        known |= {Input("parameter", key): value for key, value in ROWS[name].flow.params.items()}
        constants, _ = made.numbers(known | {Input("clock", key): 0.9 for key in ROWS[name].flow.clocks})
        state = 10.0 ** rng.uniform(-6, 6, (len(made.program.state), 1000)) * rng.choice([-1.0, 1.0], 1000)
        state[2:] = np.abs(state[2:])
        found, most = bounds(made.program, constants, np.abs(state).max(axis=1).tolist())
        numpy_blocks.moving(made.program)[0](np.empty((9, 1000)), np.empty((9, 1000), bool), *state, *constants)
        assert (np.abs(state).max(axis=1) <= np.array(found) * (1 + 1e-12)).all(), name
        assert max(found) <= most < 1e60


def test_a_gradient_that_nobody_looks_at():
    theta = np.ones(3)
    moving = in_place(ADAM, theta, nan="ignore")
    moving.step(theta)
    moving.step(np.array([1.0, np.nan, 1.0]))
    np.testing.assert_array_equal(np.isnan(theta), [False, True, False])
    assert moving.count == 2
    whole = in_place(ROWS["lion"], np.ones(3), nan="ignore")
    whole.step(np.array([1.0, np.inf, 1.0]))
    assert whole.count == 1


def test_theta_as_its_own_gradient():
    theta, other = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    own, copied = in_place(ADAM, theta), in_place(ADAM, other)
    for _ in range(3):
        own.step(theta)
        copied.step(other.copy())
    np.testing.assert_allclose(theta, other, rtol=1e-14)


def test_memory_as_the_gradient():
    theta, other = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    own, copied = in_place(ADAM, theta), in_place(ADAM, other)
    for moving in (own, copied):
        moving.step(np.array([0.3, 2.0]))
    own.step(own.memory["m"])
    copied.step(copied.memory["m"].copy())
    assert own.backend == "numpy (its arrays share memory)"
    np.testing.assert_allclose(theta, other, rtol=1e-14)


L2_ADAM = optimizers.l2(ADAM, 1e-6)  # whose squares overflow where theta is 1e170


@pytest.mark.parametrize("k", [1, 5])
def test_theta_that_its_owner_has_set_is_looked_at_where_it_may_overflow(k):
    theta = np.ones(3)
    moving = in_place(L2_ADAM, theta)
    for _ in range(k):
        moving.step(np.ones(3))
    assert moving.backend == "blocks"
    theta[1], before = 1e170, {name: u.copy() for name, u in moving.memory.items()}
    with pytest.raises(FloatingPointError, match=f"not finite after step {k + 1}; nothing has moved"):
        moving.step(np.ones(3))
    assert theta[1] == 1e170
    for name, u in moving.memory.items():
        np.testing.assert_array_equal(u, before[name])
    theta[1] = 1.0
    moving.step(np.ones(3))
    assert moving.backend == "blocks"


@pytest.mark.parametrize(
    ("opt", "looks"), [(ADAM, 1), (optimizers.l2(optimizers.momentum(0.1), 0.01), 1), (L2_ADAM, 2)]
)
def test_theta_may_be_set_to_anything_and_is_looked_at_only_where_that_matters(monkeypatch, opt, looks):
    theta, looked, norm = np.ones(3), [], fused_update.norm
    monkeypatch.setattr(fused_update, "norm", lambda arrays: looked.append(len(arrays)) or norm(arrays))
    moving = in_place(opt, theta)
    moving.step(np.ones(3))
    looked.clear()
    for _ in range(20):
        moving.step(np.ones(3))
    assert len(looked) == 20 * looks
    if looks == 1:
        theta[:] = 1e300
        moving.step(np.ones(3))
        assert moving.backend == "blocks"
        assert np.isfinite([theta, *(u for u in moving.memory.values() if u.size == 3)]).all()


def test_nothing_warns_where_numbers_are_not_finite():
    huge, infinite = np.array([1e300, -1e300]), np.array([np.inf, -np.inf])
    with pytest.raises(FloatingPointError, match="not finite after step 1"):  # whose sum is NaN
        in_place(optimizers.gd(1e90), np.ones(2)).step(huge)
    for opt in (optimizers.momentum(0.1), ROWS["lion"]):
        moving = in_place(opt, np.ones(2), nan="ignore")
        for g in (infinite, -infinite):
            moving.step(g)


@pytest.mark.parametrize("name", ["adam", "lookahead"])
def test_a_copy_goes_on_alone(name):
    theta = np.array([1.0, -2.0])
    moving = in_place(ROWS[name], theta)
    for _ in range(7):
        moving.step(theta.copy())
    again = copy.deepcopy(moving)
    for each in (moving, again):
        for _ in range(7):
            each.step(each.theta.copy())
    assert again.theta is not theta
    np.testing.assert_array_equal(theta, again.theta)
    for key, u in moving.memory.items():
        np.testing.assert_array_equal(u, again.memory[key])
    assert repr(again) == repr(moving)


@pytest.mark.parametrize("d", [1000, 400_000])
def test_a_step_that_is_interrupted_has_happened_wholly(monkeypatch, d):
    """Ctrl-C comes in the middle of it, on this thread or while others move their parts."""
    by_blocks(monkeypatch)
    monkeypatch.setattr(fused_update, "SLICE", 300)
    theta, whole = np.linspace(-1, 1, d), np.linspace(-1, 1, d)
    cut, other = in_place(ADAM, theta), in_place(ADAM, whole)
    for each in (cut, other):
        each.step(np.sin(whole))
    g, (move, *room), moved = np.cos(theta), cut._sweep._move, []

    def interrupted(*arrays_and_constants):
        moved.append(threading.current_thread())
        if len(moved) == 1:
            time.sleep(0.05)  # until another thread has taken a part
        if len(moved) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        move(*arrays_and_constants)

    cut._sweep._move = interrupted, *room
    with pytest.raises(KeyboardInterrupt):
        cut.step(g)
    other.step(g)
    assert len(set(moved)) == (1 if d == 1000 else cores())
    assert cut.count == 2
    np.testing.assert_array_equal(theta, whole)
    for key, u in cut.memory.items():
        np.testing.assert_array_equal(u, other.memory[key])


def test_an_interruption_comes_at_the_end():
    @postponed()
    def interrupted(error):
        signal.raise_signal(signal.SIGINT)
        done.append("all")
        if error:
            raise error

    done = []
    for error in (None, ValueError("another")):
        with pytest.raises(KeyboardInterrupt):
            interrupted(error)
    assert done == ["all", "all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interruptions_are_left_to_the_main_thread():
    def elsewhere():
        with postponed():
            found.append(signal.getsignal(signal.SIGINT))

    found = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_adam_has_one_division_and_one_root():
    """Of three and one in its formula: what all coordinates share is folded into its numbers."""
    program = coordinates(ADAM).program
    assert Counter(node.op for node in program.body) == Counter(subtract=5, multiply=4, divide=1, sqrt=1, add=1)
    assert len(program.constants) == 4


def written(make):
    """make(x, g, m, c), new x and m, as the program of a coordinate; c is an input that is the same for all."""
    graph = Graph()
    x, g, m = (graph.input(kind, slot, varies=True) for kind, slot in (("state", 0), ("gradient", 0), ("state", 1)))
    theta, memory = make(x, g, m, graph.input("parameter", "c", varies=False))
    return Program(
        ((x,), (g,), (m,)), ((theta,), (g,), (memory,)), (), graph.input("step", varies=False), 1, True, False, None
    )


def moved(program, c):
    """x, g and m after it, for some numbers."""
    known = {"c": c, "h": 1.0}
    values = Program.values(program, SimpleNamespace(flow=SimpleNamespace(params=known), h=1.0))
    state = np.array([[1.0, -2.0, 3.0], [0.5, -0.7, 1.1], [0.2, 2.3, 0.4]])
    move, numbers, truths = numpy_blocks.moving(program)
    move(np.empty((numbers, 3)), np.empty((truths, 3), bool), *state, *map(float, values))
    return state


def where(condition, a, b):
    """Of nodes as of arrays."""
    return condition.graph.apply("where", condition, a, b) if isinstance(condition, Node) else np.where(condition, a, b)


def applied(op):
    """An operation of nodes as of arrays."""
    known = lambda args: next((x.graph for x in args if isinstance(x, Node)), None)
    return lambda *args: graph.apply(op, *args) if (graph := known(args)) else NUMPY[op](*args)


sqrt, maximum, greater = map(applied, ("sqrt", "maximum", "greater"))


FOLDS = {
    "c x - a": lambda x, g, m, c: (x - 2.0 / (c * m - 3.0), m),
    "a - c x": lambda x, g, m, c: (x - 2.0 / (3.0 - c * m), m),
    "c x + a": lambda x, g, m, c: (x - g / (sqrt(m / c) + 0.1), m),
    "a/(c x)": lambda x, g, m, c: (x - 2.0 / (c * (m / 3.0)), m),
    "products": lambda x, g, m, c: (x * (c * g) * (c * m), (c * m) * (c * m) / (g / c)),
    "sums": lambda x, g, m, c: (c * x + c * g, c * (m * 2.0) - c * g),
    "signs": lambda x, g, m, c: (-(c * x) * -g, sqrt((-c) * m * (-c))),
    "where": lambda x, g, m, c: (where(greater(g, 0.0), c * x, x / c), maximum(m * c, g)),
    "arrival": lambda x, g, m, c: (x + (c * g - x), m + (maximum(m, g * g) - m)),
    "a number": lambda x, g, m, c: (x - c * (c * 3.0), m / c / c),
}


@pytest.mark.parametrize("fold", FOLDS)
def test_folding_is_the_same_to_rounding(fold):
    program = written(FOLDS[fold])
    (c,) = [node for node in needed(program.constants) if node.op == "input"]
    shorter = folded(program, [c])
    np.testing.assert_allclose(moved(shorter, 0.3), moved(program, 0.3), rtol=1e-14)
    assert len(shorter.body) <= len(program.body)


LATE = {
    "theta reads the old memory after the new": lambda x, g, m, c: (x + (m * g) + m, m * g),
    "both read each other's old": lambda x, g, m, c: (x * m, m + x * m * x),
    "one of two": lambda x, g, m, c: (where(greater(g, 0.0), m, x), where(greater(g, 0.0), m, c * m)),
    "one for both": lambda x, g, m, c: (x * m, x * m),
    "the gradient itself": lambda x, g, m, c: (x - g * m, g),
}


@pytest.mark.parametrize("late", LATE)
def test_blocks_write_a_result_when_nobody_reads_the_old_number_any_more(late):
    x, g, m = np.array([[1.0, -2.0, 3.0], [0.5, -0.7, 1.1], [0.2, 2.3, 0.4]])
    theta, memory = LATE[late](x, g, m, 0.3)
    np.testing.assert_allclose(moved(written(LATE[late]), 0.3), [theta, g, memory], rtol=1e-14)


def test_blocks_refuse_variables_that_change_places():
    with pytest.raises(Untraceable, match="exchanges variables"):
        numpy_blocks.moving(written(lambda x, g, m, c: (m, x)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_threads_in_a_process_that_was_forked_off():
    """Which has none of its parent's."""
    assert sum(in_parts(lambda a, b: b - a, 100_000, 1000, 10**7)) == 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 3.12, and of JAX where it runs, in general
        child = os.fork()
    if child == 0:
        signal.alarm(20)  # seconds; it would wait forever
        os._exit(0 if sum(in_parts(lambda a, b: b - a, 100_000, 1000, 10**7)) == 100_000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(cores() == 1, reason="there is one thread here")
@pytest.mark.parametrize("here", [True, False])
def test_an_error_in_one_part_stops_the_others(here):
    """On the thread that asks, as Ctrl-C comes, or on another."""

    def part(a, b):
        if (threading.current_thread() is threading.main_thread()) == here:
            raise KeyboardInterrupt
        done.append(a)
        time.sleep(0.01)

    done = []
    with pytest.raises(KeyboardInterrupt):
        in_parts(part, 1_000_000, 1, 10**7)
    count = len(done)
    time.sleep(0.05)
    assert count == len(done) < 8 * cores()


def test_parts_come_back_in_order():
    edges = in_parts(lambda a, b: time.sleep(1e-3 * (a % 3)) or (a, b), 100_000, 1000, 10**7)
    assert [a for a, _ in edges[1:]] == [b for _, b in edges[:-1]]
    assert (edges[0][0], edges[-1][1]) == (0, 100_000)


@pytest.mark.parametrize(
    ("theta", "error", "message"),
    [
        ([1.0], TypeError, "contiguous array of float64"),
        (np.ones(3, np.float32), TypeError, "contiguous array of float64"),
        (np.ones((2, 2)), ValueError, r"of shape \(d,\), got shape \(2, 2\)"),
        (np.ones(0), ValueError, r"got shape \(0,\)"),
        (np.array([np.nan]), ValueError, "theta must be finite"),
    ],
)
def test_bad_theta(theta, error, message):
    with pytest.raises(error, match=message):
        in_place(ADAM, theta)


def test_bad_gradient_and_scheme():
    with pytest.raises(ValueError, match="nan must be one of ignore, raise, got 'skip'"):
        in_place(ADAM, np.ones(3), nan="skip")
    moving = in_place(ADAM, np.ones(3))
    with pytest.raises(ValueError, match=r"gradient must have shape \(3,\) like theta, got \(2,\)"):
        moving.step(np.ones(2))
    with pytest.raises(ValueError, match=r"gradient must have shape \(1,\) like theta, got \(\)"):
        in_place(ADAM, np.ones(1)).step(1.0)
    for gradient, kind in ((np.ones(3) * 1j, "complex128"), ([True] * 3, "bool"), (["1"] * 3, "<U1"), ([{}], "object")):
        with pytest.raises(TypeError, match=f"gradient must be an array of real numbers, got dtype {kind}"):
            moving.step(gradient)
    assert (moving.count, moving.memory) == (0, {})
    heun = in_place(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1), np.ones(3))
    with pytest.raises(ValueError, match="opt must read the gradient at theta alone"):
        heun.step(np.ones(3))


def test_a_formula_that_reads_another_number_moves_by_it():
    pull = 1.0
    flow = oo.flow("theta", {}, drift=oo.push("theta", lambda grad, theta: -pull * grad(theta)))
    opt, ends = oo.Optimizer(flow, oo.schemes.euler, h=0.1), []
    for pull in (1.0, 3.0):  # noqa: B007
        theta = np.zeros(3)
        in_place(opt, theta).step(np.ones(3))
        ends.append(theta[0])
    np.testing.assert_allclose(ends, [-0.1, -0.3], rtol=1e-14)


def test_formulas_that_read_something_else_between_steps():
    """By whole arrays from then on, which see it; where nobody knows what they read, from the start."""
    pull, holder = {"k": 1.0}, type("Holder", (), {"k": 1.0})
    for formula in (lambda grad, theta: -pull["k"] * grad(theta), lambda grad, theta: -holder.k * grad(theta)):
        opt = oo.Optimizer(oo.flow("theta", {}, drift=oo.push("theta", formula)), oo.schemes.euler, 0.5)
        theta = np.ones(5000)
        moving = in_place(opt, theta)
        for pull["k"] in (1.0, 0.0, 1.0):
            holder.k = pull["k"]
            moving.step(np.ones(5000))
        np.testing.assert_allclose(theta, 0.0)
        pull["k"] = holder.k = 1.0


def test_a_shallow_copy_is_refused():
    with pytest.raises(TypeError, match="copy.deepcopy"):
        copy.copy(in_place(optimizers.adam(0.1), np.ones(3)))
