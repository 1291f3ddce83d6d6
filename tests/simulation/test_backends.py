"""Every way to run a step gives what the step gives: numbers to rounding, counts, records and messages exactly."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from support import tables
from support.paths import COMPILES, ROWS, STEPS, counted, same

import odeopt as oo
from odeopt import Status, optimizers
from odeopt.compiler import formula_keys
from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.ir import Graph, Untraceable
from odeopt.compiler.passes.shorten_chain import Forms, shortened
from odeopt.compiler.step_program import program
from odeopt.compiler.trace import traced
from odeopt.compiler.trace_cache import fingerprint, steadily
from odeopt.simulation import select


@pytest.mark.parametrize("name", COMPILES)
def test_a_loop_on_floats_is_the_step(name):
    problem, opt = tables.smooth_problem(), COMPILES[name]
    run = oo.simulate(opt, problem, STEPS, record_every=3, backend="floats")
    assert run.backend == "floats"
    same(run, oo.simulate(opt, problem, STEPS, record_every=3, backend="numpy"))


@pytest.mark.parametrize("name", [name for name in ROWS if name not in COMPILES])
def test_what_stays_with_numpy_says_why(name):
    problem, opt = tables.smooth_problem(), ROWS[name]
    with pytest.raises(ValueError, match="backend must be 'auto' or 'numpy' for"):
        oo.simulate(opt, problem, 5, backend="floats")


def test_auto_falls_back_and_says_why():
    run = oo.simulate(ROWS["scheme ab2"], tables.smooth_problem(), 400)
    assert run.backend == "numpy (AB2 remembers earlier steps)"
    same(run, oo.simulate(ROWS["scheme ab2"], tables.smooth_problem(), 400, backend="numpy"), 0)


@pytest.mark.parametrize("name", COMPILES)
def test_blocks_of_members_are_the_step(name):
    problem, opt = tables.smooth_problem(), COMPILES[name]
    starts = problem.theta0 + np.random.default_rng(0).uniform(-0.1, 0.1, (3, 2, 2))
    runs = [oo.simulate(opt, problem, 60, starts, record_every=7, backend=b) for b in ("blocks", "numpy")]
    assert runs[0].backend == "blocks"
    same(*runs)


@pytest.mark.numba
@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILES)
def test_a_kernel_is_the_step(name):
    pytest.importorskip("numba")
    # these two circle the minimum, where every step doubles what is left of a rounding
    steps = 60 if name in ("optimizer lamb", "optimizer normalized_gd") else STEPS
    problem, opt = tables.smooth_problem(), COMPILES[name]
    runs = [oo.simulate(opt, problem, steps, backend=b) for b in ("numba", "numpy")]
    assert runs[0].backend == "numba"
    same(*runs)


@pytest.mark.parametrize(("name", "written", "least"), [("gd", 6, 4), ("heavy_ball", 12, 10), ("rk4", 28, 16)])
def test_a_path_waits_for_fewer_operations(name, written, least):
    """Operations between theta and the next, on Rosenbrock's function: as they were written down, and as they run."""
    schemes = {"rk4": oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.rk4, 1e-3)}
    opt, problem = schemes.get(name) or getattr(optimizers, name)(1e-3), oo.problems.rosenbrock()
    y = opt.initial_state(problem.grad, problem.theta0)
    made = program(opt, problem.grad, problem.loss, [u.shape[-1] for u in y])
    moved = shortened(made)
    longest = lambda found: max(Forms(made.h.graph).wait(node) for nodes in found.outputs for node in nodes)
    assert (longest(made), longest(moved)) == (written, least)
    for a, b in zip(made.advance(opt, 0.0, y)[0], moved.advance(opt, 0.0, y)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_a_number_stays_with_what_it_is_added_to():
    """c (1 - x) is 0 at x = 1, and c - c x is not: numbers stay where they are."""
    graph = Graph()
    x, v, c = (graph.input("state", slot, varies=slot < 2) for slot in range(3))
    assert Forms(graph).first("subtract", v, c * (1.0 - x)) is v - c * (1.0 - x)
    assert Forms(graph).first("subtract", v, c * (x * x - x)) is not v - c * (x * x - x)


@pytest.mark.numba
@pytest.mark.parametrize("make", [optimizers.momentum, optimizers.adam])
def test_a_kernel_for_members_is_the_step(make):
    """More members than one block has, and not a multiple of it; hyperparameters of their own, or shared."""
    pytest.importorskip("numba")
    lr, beta = np.geomspace(1e-4, 1e-3, 23)[:, None], np.linspace(0, 0.9, 5)
    for opt in (make(lr, beta), make(lr[:, 0], 0.5)):
        runs = [oo.simulate(opt, tables.smooth_problem(), 50, record_every=20, backend=b) for b in ("numba", "numpy")]
        assert runs[0].backend == "numba"
        same(*runs)


def test_members_that_diverge_are_counted_in_the_same_words():
    well = oo.problems.double_well().at(np.array([[1.0], [30.0]]))
    runs = [oo.simulate(optimizers.gd(0.1), well, 200, backend=b) for b in ("numpy", "blocks", "auto")]
    assert [run.message for run in runs] == 3 * ["1 of 2 members are not finite at the end"]
    assert runs[0].status is runs[1].status is Status.NOT_FINITE


@pytest.mark.parametrize("every", [1, 7, 10**6])
@pytest.mark.parametrize("kind", ["traced", "called"])
def test_divergence_ends_at_the_same_step(every, kind):
    problem = oo.problems.quadratic((1, 20)) if kind == "traced" else counted()
    runs = [oo.simulate(optimizers.gd(3.0), problem, 2000, record_every=every, backend=b) for b in ("floats", "numpy")]
    assert runs[0].status is Status.NOT_FINITE
    same(*runs, 1e-12)


def test_a_gradient_that_is_no_formula_is_called():
    for every in (1, 7, 1000):
        runs = [
            oo.simulate(optimizers.adam(0.01), counted(), 500, record_every=every, backend=b) for b in ("auto", "numpy")
        ]
        assert runs[0].backend == "floats"
        same(*runs)
    with pytest.raises(ValueError, match="here: it reads list, which may change; got 'numba'"):
        oo.simulate(optimizers.adam(0.01), counted(), 500, backend="numba")


@pytest.mark.parametrize("failure", [ZeroDivisionError, ValueError, KeyboardInterrupt])
def test_a_called_gradient_that_raises(failure):
    runs = []
    for backend in ("floats", "numpy"):
        seen = []

        def function(x, seen=seen):
            seen.append(1)
            if len(seen) == 400:
                raise failure("here")
            return x * 1.0

        problem = counted(function)
        seen.clear()
        runs.append(oo.simulate(optimizers.gd(0.001), problem, 1000, record_every=9, backend=backend))
    assert runs[0].status in (Status.EVALUATION_FAILED, Status.INTERRUPTED)
    same(*runs)


def test_callback_and_progress(capsys):
    def stop(result):
        seen.append((result.step, float(result.loss)))
        if result.step >= 400:
            raise StopIteration

    runs, shown = [], []
    for backend in ("floats", "numpy"):
        seen: list = []
        runs.append(oo.simulate(optimizers.adam(0.01), oo.problems.rosenbrock(), 900, record_every=50,
                                callback=stop, progress=True, backend=backend))  # fmt: skip
        shown.append(seen)
    assert runs[0].status is Status.STOPPED
    same(*runs)
    assert shown[0] == shown[1]
    assert "adam" in capsys.readouterr().err


def test_a_guard_leaves_the_singular_point_to_the_step():
    """At rest on the minimum g = 0 and Lion's soft sign is 0/0: its limit is the step's to take."""
    problem = oo.problems.quadratic((1, 2)).at([0.0, 1.0])
    for opt in (optimizers.lion(0.01), optimizers.signsgd(0.01), optimizers.adam(0.01, eps=0.0)):
        same(*[oo.simulate(opt, problem, 300, backend=b) for b in ("floats", "numpy")])


def test_bad_backends_are_refused():
    gd, problem = optimizers.gd(0.1), oo.problems.quadratic()
    with pytest.raises(ValueError, match="backend must be one of auto, blocks, floats, jax, numba, numpy, got 'tpu'"):
        oo.simulate(gd, problem, 5, backend="tpu")
    with pytest.raises(ValueError, match="it has members; got 'floats'"):
        oo.simulate(gd, problem, 5, np.ones((3, 2)), backend="floats")
    with pytest.raises(ValueError, match="it has no members; got 'blocks'"):
        oo.simulate(gd, problem, 5, backend="blocks")
    noisy = oo.Problem(
        problem.loss, problem.grad, theta0=[1.0, 1.0], noise=oo.noise.gaussian(problem, 0.1).noise, batched=True
    )
    with pytest.raises(ValueError, match="for a run with noise, got 'floats'"):
        oo.simulate(gd, noisy, 5, backend="floats")


def test_what_reads_a_hidden_state_has_no_fingerprint():
    shared, total = [0], 0
    scale = np.array([1.0, 2.0])

    def stores(x):
        nonlocal total
        total += 1
        return x

    def draws(x):
        return x + np.random.normal()  # noqa: NPY002

    def prints(x):
        print(x)
        return x

    for impure in (draws, prints, lambda x: x * shared[0], lambda x: x * np.random.default_rng(0).normal()):
        with pytest.raises(Untraceable):
            fingerprint(impure)
    with pytest.raises(Untraceable, match="it changes what it reads"):
        steadily(lambda: stores(1.0), lambda: fingerprint(stores))
    formula = lambda x: x * scale
    before = fingerprint(formula)
    assert before == fingerprint(formula)
    scale[0] = 3.0
    assert before != fingerprint(formula)


def test_a_gradient_whose_numbers_change_is_not_taken_for_the_one_before():
    scale = np.array([1.0, 2.0])
    problem = oo.Problem(lambda x: 0.5 * (x**2 * scale).sum(-1), lambda x: x * scale, theta0=[1.0, 1.0], batched=True)
    opt = optimizers.gd(0.01)
    first = oo.simulate(opt, problem, 400, backend="floats")
    scale[:] = 2.0, 1.0
    second = oo.simulate(opt, problem, 400, backend="floats")
    np.testing.assert_allclose(first.theta, second.theta[:, ::-1], rtol=1e-14)


def test_a_branching_gradient_is_called():
    problem = oo.Problem(lambda x: abs(x[0]), lambda x: np.array([1.0 if x[0] > 0 else -1.0]), theta0=[1.0])
    run = oo.simulate(optimizers.gd(0.01), problem, 400)
    assert run.backend == "floats"
    same(run, oo.simulate(optimizers.gd(0.01), problem, 400, backend="numpy"))


def test_programs_share_equal_operations():
    graph = Graph()
    x = traced(graph, "state", 0, 1)
    a, b = ((x**2 + 1.0).item(), (1.0 * (x * x) - (-1.0 * (0.0 + x**0))[0] * 1.0).item())
    assert a.op == "add"
    assert b.args[0] is a.args[0]


@pytest.mark.numba
@pytest.mark.slow
def test_kernels_are_read_from_the_disk_by_the_next_process(tmp_path, monkeypatch):
    """The second process finds the kernel, the same numbers, and another gradient's never."""
    pytest.importorskip("numba")
    code = """
import numpy as np, odeopt as oo
for b in (5.0, 7.0)[: int(__import__('sys').argv[1])]:
    run = oo.simulate(oo.optimizers.gd(1e-3), oo.problems.rosenbrock(b=b), 500, backend="numba")
    same = oo.simulate(oo.optimizers.gd(1e-3), oo.problems.rosenbrock(b=b), 500, backend="numpy")
    assert np.allclose(run.theta, same.theta, rtol=1e-12), b
"""
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    for expected, number in ((1, "1"), (2, "2")):
        subprocess.run([sys.executable, "-c", code, number], check=True)
        assert len([*(tmp_path / "kernels").iterdir()]) == expected


@pytest.mark.numba
def test_auto_takes_a_kernel_where_one_run_pays_for_it():
    """About 1.3 seconds of it; a kernel that exists already changes nothing."""
    pytest.importorskip("numba")
    gd, problem = optimizers.gd(1e-4), oo.problems.rosenbrock()
    for steps, backend in ((1000, "floats"), (6_000_000, "numba"), (1000, "floats")):
        assert oo.simulate(gd, problem, steps, record_every=steps).backend == backend
    sweep = optimizers.gd(np.full(30, 1e-4))
    for steps, backend in ((1000, "blocks"), (300_000, "numba"), (1000, "blocks")):
        assert oo.simulate(sweep, problem, steps, record_every=steps).backend == backend


@pytest.mark.numba
def test_kernels_without_a_place_on_disk(tmp_path, monkeypatch, capsys):
    pytest.importorskip("numba")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path / "file"))
    kernels.compiled.cache_clear()
    problem = oo.problems.rosenbrock(b=3)
    run = oo.simulate(optimizers.gd(1e-3), problem, 400, backend="numba", progress=True)
    assert "gd: compiling its step, once" in capsys.readouterr().err
    same(run, oo.simulate(optimizers.gd(1e-3), problem, 400, backend="numpy"))


def test_a_flow_whose_formula_reads_another_number_is_traced_anew():
    pull = 1.0
    flow = oo.flow("theta", {}, drift=oo.push("theta", lambda grad, theta: -pull * grad(theta)))
    opt, problem = oo.Optimizer(flow, oo.schemes.euler, h=0.01), oo.problems.quadratic()
    ends = {}
    for pull in (1.0, 3.0, 1.0):
        run = oo.simulate(opt, problem, 400, backend="floats")
        np.testing.assert_allclose(run.final, oo.simulate(opt, problem, 400, backend="numpy").final, rtol=1e-12)
        solved = [oo.solve(flow, problem, 1.0, backend=b).final for b in ("floats", "numpy")]
        np.testing.assert_allclose(*solved, rtol=1e-6)
        ends[pull] = run.final
    assert abs(ends[1.0] - ends[3.0]).max() > 1e-3


GF = oo.flows.gradient_flow()


class Holder:
    pull = 1.0


def test_a_flow_whose_formula_reads_an_object_is_traced_anew():
    pulls, holder = [1.0], Holder()
    for formula in (lambda grad, theta: -pulls[0] * grad(theta), lambda grad, theta: -holder.pull * grad(theta)):
        flow = oo.flow("theta", {}, drift=oo.push("theta", formula))
        opt, problem = oo.Optimizer(flow, oo.schemes.euler, h=0.01), oo.problems.quadratic()
        for pulls[0] in (1.0, 3.0, 1.0):
            holder.pull = pulls[0]
            for backend in ("floats", "auto"):
                run = oo.simulate(opt, problem, 400, backend=backend)
                assert run.backend == "floats"
                np.testing.assert_allclose(run.final, oo.simulate(opt, problem, 400, backend="numpy").final, rtol=1e-12)
            solved = [oo.solve(flow, problem, 1.0, backend=b).final for b in ("floats", "numpy")]
            np.testing.assert_allclose(*solved, rtol=1e-6)


def counting():
    """A gradient that ends after so many calls, and what it counts in: an array, which only a call can show."""
    calls = np.zeros(1)

    def grad(x):
        calls[0] += 1
        return x * (1.0 if calls[0] < 1000 else 0.0)

    return calls, grad


def test_a_gradient_that_counts_in_an_array_is_called():
    ends = []
    for backend in ("auto", "numpy", "floats"):
        calls, grad = counting()
        problem = oo.Problem(lambda x: (x**2).sum(-1), grad, theta0=[1.0, 2.0], batched=True)
        calls[0] = 0
        run = oo.simulate(optimizers.gd(1e-3), problem, 3000, backend=backend)
        ends.append(np.linalg.norm(run.final) / np.linalg.norm(problem.theta0))
    np.testing.assert_allclose(ends, 0.999**999, rtol=0.1)  # tracing calls it, too
    calls, grad = counting()
    problem = oo.Problem(lambda x: (x**2).sum(-1), grad, theta0=[1.0, 2.0], batched=True)
    for call in (lambda: oo.solve(GF, problem, 1.0, backend="floats"),
                 lambda: oo.ensemble(optimizers.gd(1e-3), problem, 100, 400, backend="blocks")):  # fmt: skip
        with pytest.raises(ValueError, match="it changes what it reads"):
            call()


def test_what_hangs_on_a_function_is_read_too():
    def grad(x):
        return grad.k * x

    grad.k, opt = 1.0, optimizers.gd(0.01)
    problem = oo.Problem(lambda x: (x**2).sum(-1), grad, theta0=[1.0, 2.0], batched=True)
    for grad.k in (1.0, 0.0):
        run = oo.simulate(opt, problem, 400, backend="floats")
        np.testing.assert_allclose(run.final, np.multiply((1 - 0.01 * grad.k) ** 400, [1.0, 2.0]), rtol=1e-12)


def test_objects_of_numpy_are_no_functions():
    p = np.poly1d([4.0, 0, -4.0, 0])
    with pytest.raises(Untraceable, match="it reads poly1d"):
        fingerprint(lambda x: p(x))
    problem = oo.Problem(lambda x: ((x**2 - 1) ** 2).sum(-1), lambda x: p(x), theta0=[0.3])
    assert abs(oo.solve(GF, problem, 10.0).check().final - 1) < 1e-9
    assert oo.simulate(optimizers.gd(0.01), problem, 400).backend == "floats"


def test_programs_of_one_optimizer_do_not_pile_up():
    opt = optimizers.gd(0.01)
    for w in np.linspace(1, 2, 70):
        grad = partial(np.multiply, 2 * w)
        oo.simulate(opt, oo.Problem(lambda x: (x**2).sum(-1), grad, theta0=[1.0], batched=True), 2, backend="floats")
    assert len(select._programs[opt]) <= formula_keys.KEPT


@pytest.mark.parametrize("batched", [False, True])
def test_a_gradient_that_writes_to_its_argument_is_told_so_on_floats_too(batched):
    """As by the step itself: a function of stacks is, one of a vector has a copy that is its own."""
    kept = []

    def grad(x):
        kept.append(1)  # no formula
        if x.ndim == 1 and x[0] < 0.5:
            np.maximum(x, 0.4, out=x)
        return 2 * x

    def run(backend):
        problem = oo.Problem(lambda x: (x**2).sum(-1), grad, theta0=[1.0, 2.0], batched=batched)
        return oo.simulate(optimizers.gd(0.01), problem, 400, backend=backend)

    runs = [run("floats"), run("numpy")]
    assert runs[0].backend == "floats"
    assert runs[0].status is runs[1].status is (Status.EVALUATION_FAILED if batched else Status.DONE)
    assert runs[0].message == runs[1].message
    np.testing.assert_allclose(runs[0].theta, runs[1].theta, rtol=1e-12)
