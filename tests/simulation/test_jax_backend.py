"""Runs by JAX: formulas as a program of the step, JAX functions inside it; each is what the step itself gives."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from functools import cache

import numpy as np
import pytest
from support import tables
from support.paths import COMPILES, ROWS, STEPS, counted, same

import odeopt as oo
from odeopt import Status, optimizers

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
from odeopt.frameworks.jax import problem as problem_of  # noqa: E402
from odeopt.simulation.engines import jax_scan, jax_step  # noqa: E402

jnp = jax.numpy

REMEMBER = {"wrapper lookahead", "scheme ab2", "scheme ab3"}  # earlier steps
SOLVE = {"scheme implicit_euler", "scheme trapezoid", "scheme bdf2"}  # an equation in every step
ON_ARRAYS = [n for n in ROWS if n not in REMEMBER | SOLVE and "sgd_second_order" not in n]  # which reads the Hessian
QUICK = {"optimizer adam", "optimizer lion", "word 16 su_boyd_candes: friction kick drift"}  # which reads the time


def some(names, quick=QUICK):
    """A handful by default, all in the slow tests."""
    return [pytest.param(n, marks=() if n in quick else pytest.mark.slow) for n in names]


def steps_of(name):
    # these two circle the minimum, where every step doubles what is left of a rounding
    return 60 if name in ("optimizer lamb", "optimizer normalized_gd") else STEPS


def loss(x):
    return jnp.logaddexp(0, x[0] - 0.5 * x[1]) + 0.5 * x[0] ** 2 + 1.5 * x[1] ** 2 - 0.7 * jnp.cos(x[0] * x[1])


@cache
def of_jax(f=loss, theta0=(-0.5, 1.0)):
    with jax.enable_x64(True):
        return problem_of(f, np.array(theta0))


def both(opt, problem, steps=STEPS, theta0=None, every=3, tolerance=1e-13):
    runs = [oo.simulate(opt, problem, steps, theta0, record_every=every, backend=b) for b in ("jax", "numpy")]
    assert runs[0].backend == f"jax ({jax.default_backend()})"
    same(*runs, tolerance)
    return runs


@pytest.mark.parametrize("name", some(COMPILES))
def test_a_program_in_a_loop_of_jax_is_the_step(name):
    both(COMPILES[name], tables.smooth_problem(), steps_of(name))


@pytest.mark.parametrize("name", some(ON_ARRAYS, {"optimizer adam"}))
def test_a_jax_function_inside_the_step(name):
    """All that acts on arrays: matrices and schedules too."""
    both(ROWS[name], of_jax(), steps_of(name))


@pytest.mark.parametrize("make", [tables.smooth_problem, pytest.param(of_jax, marks=pytest.mark.slow)])
def test_members_and_hyperparameters_of_their_own(make):
    lr, beta = np.geomspace(1e-4, 1e-3, 7)[:, None], np.linspace(0, 0.9, 3)
    starts = np.array([-0.5, 1.0]) + np.random.default_rng(0).uniform(-0.1, 0.1, (7, 3, 2))
    both(optimizers.adam(lr, beta), make(), 50, every=20)
    both(optimizers.momentum(lr[:, 0], 0.5), make(), 50, every=20)
    both(optimizers.momentum(1e-3), make(), 50, starts, every=1)


def network():
    """Mean squares of a small network on data of 40 samples: d = 33."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=40)

    def fit(p, batch):
        x, y = batch
        return ((jnp.tanh(x @ p["W"]) @ p["v"] + p["c"] - y) ** 2).mean()

    with jax.enable_x64(True):
        return problem_of(fit, {"W": rng.normal(size=(4, 6)) / 2, "v": np.ones(6) / 6, "c": 0.0}, (x, y))


@pytest.mark.slow
def test_a_network_and_its_data_in_one_loop():
    problem = network()
    both(optimizers.adam(0.01), problem, 300, every=100)
    other = oo.Problem(lambda x: 2 * problem.loss(x), lambda x: 2 * problem.grad(x), theta0=problem.theta0)
    with pytest.raises(ValueError, match="backend must be 'auto' or 'numpy' for adam here: it reads"):
        oo.simulate(optimizers.adam(0.01), other, 5, backend="jax")


@pytest.mark.slow
def test_data_and_formulas_are_not_taken_for_one_another():
    """The same function with other data, the same formulas with another number inside."""
    problems = [problem_of(lambda p, x: ((p - x[0]) ** 2).sum(), np.zeros(2), (np.array([[a, 2.0]]),))
                for a in (1.0, 3.0)]  # fmt: skip
    for problem in problems:
        both(optimizers.gd(0.1), problem, 20)

    def heavier(weight):
        drift = oo.push("theta", lambda grad, theta: -weight * grad(theta))
        return oo.Optimizer(oo.flow("theta", drift=drift), oo.schemes.euler, 0.1)

    for weight in (1.0, 2.0):
        both(heavier(weight), problems[0], 20)
        both(heavier(weight), oo.problems.quadratic(), 20)


@pytest.mark.parametrize("make", [oo.problems.himmelblau, lambda: of_jax(lambda x: ((x - 1) ** 2).sum())])
def test_nothing_is_compiled_twice(make, monkeypatch):
    """Not for other hyperparameters, other numbers of steps, another optimizer of the same formulas."""
    problem, traced = make(), []
    called = "evaluated" if make is oo.problems.himmelblau else "foreign"  # once, whenever JAX traces the rule
    original = getattr(jax_step, called)
    monkeypatch.setattr(jax_step, called, lambda *a: (traced.append(1), original(*a))[1])
    oo.simulate(optimizers.rmsprop(0.011, 0.9), problem, 50, backend="jax")
    found = len(traced)
    oo.simulate(optimizers.rmsprop(0.012, 0.8), problem, 77, backend="jax")
    shapes = 0 if called == "evaluated" else 1  # the second optimizer's gradients are counted
    assert len(traced) <= found + shapes
    oo.simulate(optimizers.rmsprop(0.012, 0.8), problem, 300, record_every=5, backend="jax")
    assert len(traced) > found + shapes  # records farther apart are another loop


@pytest.mark.parametrize("every", [7, *(pytest.param(every, marks=pytest.mark.slow) for every in (1, 10**6))])
@pytest.mark.parametrize("make", [
    lambda: oo.problems.quadratic((1, 20)),
    pytest.param(lambda: of_jax(lambda x: (x**2).sum() * 10), marks=pytest.mark.slow),
])  # fmt: skip
def test_divergence_ends_at_the_same_step(every, make):
    runs = both(optimizers.gd(3.0), make(), 2000, every=every, tolerance=1e-12)
    assert runs[0].status is Status.NOT_FINITE
    lr = np.array([3.0, 4.0])
    runs = both(optimizers.gd(lr), make(), 2000, every=every, tolerance=1e-12)
    assert runs[0].status is Status.NOT_FINITE


def test_a_gradient_that_is_not_finite_is_named():
    run, _ = both(optimizers.gd(1.5), of_jax(lambda x: jnp.sqrt(x).sum(), (1.0, 1.0)), 20, every=1)
    assert run.message.endswith("the gradient was NaN or infinite")


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: oo.problems.quadratic((1, 2)), lambda: of_jax(lambda x: (x**2).sum())])
def test_a_guard_leaves_the_singular_point_to_the_step(make):
    """At rest on the minimum g = 0 and Lion's soft sign is 0/0: its limit is the step's to take."""
    problem = make().at([0.0, 1.0])
    for opt in (optimizers.lion(0.01), optimizers.signsgd(0.01), optimizers.adam(0.01, eps=0.0)):
        both(opt, problem, 300, every=1)
        both(opt, problem, 300, every=50)
    both(optimizers.signsgd(np.array([0.01, 0.02])), problem, 120, every=1)


@pytest.mark.slow
def test_callback_and_records():
    seen, runs = {}, []
    for backend in ("jax", "numpy"):
        seen[backend] = []
        watch = lambda now, backend=backend: seen[backend].append((now.step, round(float(now.loss), 12)))
        runs.append(oo.simulate(optimizers.adam(0.01), of_jax(), 330, record_every=50, callback=watch, backend=backend))
    same(*runs)
    assert seen["jax"] == seen["numpy"]


def test_the_precision_of_others_stays_what_it_is():
    for wide in (True, False):
        with jax.enable_x64(wide):
            run = oo.simulate(optimizers.gd(0.01), tables.smooth_problem(), 40, backend="jax")
            assert run.theta.dtype == np.float64
            assert jnp.ones(1).dtype == (np.float64 if wide else np.float32)
            assert jax.config.jax_enable_x64 == wide


def test_auto_compiles_a_jax_function_where_a_run_pays_for_it():
    """Runs of more than 8,000 steps, whatever ran before; in shorter ones it is called."""
    problem, opt = of_jax(lambda x: ((x - 1) ** 4).sum()), optimizers.momentum(1e-3)
    for n, backend in ((500, "floats"), (8500, f"jax ({jax.default_backend()})"), (500, "floats")):
        assert oo.simulate(opt, problem, n, record_every=n).backend == backend
    assert oo.simulate(optimizers.momentum(1e-3), tables.smooth_problem(), 20_000).backend in ("floats", "numba")


def test_an_optimizer_that_dies_is_forgotten():
    opt = optimizers.momentum(0.01)
    oo.simulate(opt, of_jax(), 20, backend="jax")
    alive = weakref.ref(opt)
    del opt
    gc.collect()
    assert alive() is None


REFUSED = {
    "remembers": ("scheme ab2", of_jax, "AB2 remembers earlier steps"),
    "solves": ("scheme bdf2", of_jax, "BDF2 solves an equation in every step"),
    "Hessian": ("word 63 sgd_second_order: drift", of_jax, "it reads the Hessian"),
    "side effects": ("optimizer gd", counted, "it reads list, which may change"),
    "wide": ("optimizer gd", lambda: oo.problems.quadratic(np.ones(65)), "it has more than 64 coordinates"),
    "matrices": ("optimizer shampoo", tables.smooth_problem, "it calls numpy.eigh"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_jax_cannot_run_says_why(case):
    name, make, reason = REFUSED[case]
    with pytest.raises(ValueError, match=f"backend must be 'auto' or 'numpy' for .* here: {reason}.*got 'jax'"):
        oo.simulate(ROWS[name], make(), 5, backend="jax")


def test_a_compile_is_announced(capsys):
    opt = optimizers.heavy_ball(0.01)
    problem = oo.problems.rosenbrock(b=17.0)
    for expected in (True, False):
        oo.simulate(opt, problem, 50, backend="jax", progress=True)
        assert ("heavy_ball: compiling its step, once" in capsys.readouterr().err) == expected


@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu"])
@pytest.mark.parametrize("kind", ["path", "members", "native"])
def test_the_loop_compiles_for_other_devices(kind, platform, monkeypatch):
    """Down to the text that goes to the device's own compiler: nothing in it is for CPUs alone."""
    calls, original = [], jax_scan.compiled

    def compiled(rule):
        loop = original(rule)

        def run(*arguments):
            calls.append((loop.run, arguments))
            return loop.run(*arguments)

        return dataclasses.replace(loop, run=run)

    monkeypatch.setattr(jax_scan, "compiled", compiled)
    problem = of_jax() if kind == "native" else oo.problems.rosenbrock()
    theta0 = np.tile(problem.theta0, (3, 1)) if kind == "members" else None
    oo.simulate(optimizers.adam(1e-3), problem, 20, theta0, backend="jax").check()
    run, arguments = calls[0]
    with jax.enable_x64(True):
        text = run.trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.while" in text
    assert "custom_call" not in text
