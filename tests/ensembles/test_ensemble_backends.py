"""An ensemble's numbers do not depend on what takes the steps, in how many threads, and in how many pieces."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers, schemes
from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.ensembles import blocks, compiled, crew
from odeopt.ensembles import run as running
from odeopt.util.status import Status

TOLERANCE = 1e-13
WELL = oo.problems.double_well().at([-1.0])
PLANE = oo.problems.quadratic(eigenvalues=(1.0, 2.0))
NOISY = oo.noise.gaussian(PLANE, sigma=1.0)
CORRELATED = oo.noise.correlated(PLANE, [[1.0, 0.5], [0.5, 2.0]])
LANGEVIN = oo.Optimizer(oo.flows.langevin(0.245), schemes.euler_maruyama, 0.01)
WALK = oo.flow("theta", {"s": 0.3}, drift=oo.push("theta", lambda grad, theta: -grad(theta),
                                                  noise=lambda xi, theta, s: s * theta * xi))  # fmt: skip
NOISY_CASES = {
    "Euler-Maruyama": (LANGEVIN, WELL),
    "gd": (optimizers.gd(0.1), NOISY),
    "momentum": (optimizers.momentum(0.1), NOISY),
    "adam": (optimizers.adam(0.1), NOISY),
    "correlated": (optimizers.rmsprop(0.1), CORRELATED),
    "multiplicative": (optimizers.gd(0.1), oo.noise.gaussian(PLANE, lambda theta: 0.1 + theta**2)),
    "BAOAB": (oo.Optimizer(oo.flows.kramers(1.0, 0.5), schemes.baoab, 0.1), PLANE),
    "OBABO": (oo.Optimizer(oo.flows.kramers(1.0, 0.5), schemes.obabo, 0.1), PLANE),
    "Milstein": (oo.Optimizer(WALK, schemes.milstein, 0.05), PLANE),
    "Heun": (oo.Optimizer(WALK, schemes.stochastic_heun, 0.05), PLANE),
    "Platen": (oo.Optimizer(oo.flows.langevin(0.2), schemes.platen, 0.05), PLANE),
    "SDE1": (oo.Optimizer(oo.flows.sgd_first_order(0.1), schemes.euler_maruyama, 0.1), CORRELATED),
    "without noise": (optimizers.adam(0.05), WELL),
}
COMPILED = ("Euler-Maruyama",)  # the others are for make test-all


def same(a, b, tolerance=0.0):
    for f in dataclasses.fields(a):
        new, old = getattr(a, f.name), getattr(b, f.name)
        if isinstance(old, np.ndarray) and old.dtype.kind == "f" and old.size:
            size = np.max(np.abs(old), initial=0.0, where=np.isfinite(old))
            np.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance * size, err_msg=f.name)
        elif f.name != "backend":
            np.testing.assert_array_equal(new, old, err_msg=f.name)


def run(case, backend, members=700, steps=41, **more):
    opt, problem = NOISY_CASES[case]
    settings = {
        "generator": "auto" if case == "without noise" else "threefry",
        "record_every": 7,
        "rng": 5,
        "final": True,
        **more,
    }
    found = oo.ensemble(opt, problem, members, steps, backend=backend, **settings)
    assert found.backend == backend
    return found


@pytest.mark.parametrize("case", NOISY_CASES)
def test_blocks_equal_the_step(case, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 256)
    same(run(case, "blocks"), run(case, "numpy"), TOLERANCE)


@pytest.mark.numba
@pytest.mark.parametrize("case", [
    case if case in COMPILED else pytest.param(case, marks=pytest.mark.slow) for case in NOISY_CASES
])  # fmt: skip
def test_kernels_equal_the_step(case):
    """And draw the same normals, count the same, stop the same; one step at a time where records ask for it."""
    pytest.importorskip("numba")
    same(run(case, "numba"), run(case, "numpy"), TOLERANCE)
    more = {"paths": 3, "quantiles": (0.1, 0.9), "edges": (-1, 0, 1), "record_every": 3}
    same(run(case, "numba", **more), run(case, "numpy", **more), TOLERANCE)


@pytest.mark.numba
def test_threads_do_not_change_a_digit():
    pytest.importorskip("numba")
    for backend in ("numba", "blocks", "numpy"):
        one, *more = (run("Euler-Maruyama", backend, members=20_000, workers=n) for n in (1, 2, 5))
        for other in more:
            same(other, one)


@pytest.mark.numba
def test_laps_do_not_change_a_digit(monkeypatch):
    """A person may interrupt after each of them."""
    pytest.importorskip("numba")
    whole = run("Euler-Maruyama", "numba")
    monkeypatch.setattr(blocks, "SECONDS", 0.0)
    same(run("Euler-Maruyama", "numba"), whole)


def test_members_and_steps_do_not_change_the_normals():
    few, many = (run("Euler-Maruyama", "blocks", members=n, paths=50, steps=s) for n, s in ((50, 21), (9000, 41)))
    np.testing.assert_array_equal(few.paths, many.paths[: len(few)])


@pytest.mark.numba
def test_first_passages_are_found_in_the_kernel():
    pytest.importorskip("numba")
    target = lambda t, theta: (theta[..., 0] >= -0.6) & (t > 0.05)
    runs = [run("Euler-Maruyama", backend, steps=80, target=target) for backend in ("numba", "numpy", "blocks")]
    assert 0.2 < np.isfinite(runs[0].first_passage).mean() < 0.9
    for other in runs[1:]:
        np.testing.assert_array_equal(other.first_passage, runs[0].first_passage)
    outside = run("Euler-Maruyama", "numba", steps=80, target=lambda t, theta: target(t, theta) if len(BAD) else None)
    np.testing.assert_array_equal(outside.first_passage, runs[0].first_passage)  # step by step: it reads a list


def test_observables_that_cannot_be_traced_are_called():
    weights = [2.0]
    seen = {"x": lambda theta: weights[0] * theta[..., 0]}
    for backend in ("blocks", "numpy"):
        found = run("Euler-Maruyama", backend, observe=seen)
        np.testing.assert_allclose(found.mean[:, 0], 2 * run("Euler-Maruyama", backend).mean[:, 0], rtol=1e-13)


def test_members_that_diverge_are_left_out_alike():
    cubic = oo.Problem(lambda x: (x**4).sum(-1), lambda x: 4 * x**3, theta0=[1.0], batched=True)
    start = np.linspace(0.1, 50, 300)[:, None]
    runs = [
        oo.ensemble(optimizers.gd(0.1), cubic, 300, 60, start, record_every=10, backend=b) for b in ("blocks", "numpy")
    ]
    assert runs[0].status is runs[1].status is Status.NOT_FINITE
    assert 0 < runs[0].alive[-1] < 300
    same(runs[0], runs[1], TOLERANCE)
    gone = [
        oo.ensemble(optimizers.gd(0.1), cubic, 300, 60, start + 9, record_every=1, backend=b)
        for b in ("blocks", "numpy")
    ]
    assert "no member is finite at step" in gone[0].message
    same(gone[0], gone[1], TOLERANCE)


def test_exact_variance_with_either_generator():
    """lr sigma^2/(lambda (2 - lr lambda)), from 20,000 members, at 4 standard errors."""
    well = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 2.0), angle=0), sigma=1.0)
    for generator in ("threefry", "sfc64"):
        found = oo.ensemble(optimizers.gd(0.1), well, 20_000, 200, rng=0, generator=generator, record_every=200)
        assert (found.generator, found.backend) == (generator, "blocks")
        exact = np.array([0.1 / (eigenvalue * (2 - 0.1 * eigenvalue)) for eigenvalue in (1.0, 2.0)])
        np.testing.assert_allclose(found.variance[-1], exact, rtol=4 * np.sqrt(2 / 20_000))


def test_auto_without_numba(monkeypatch):
    """Another generator, which the result names; asked for by name, the digits are the same with and without."""
    for module in (running, compiled):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    plain = oo.ensemble(LANGEVIN, WELL, 5000, 20, rng=0)
    assert (plain.backend, plain.generator) == ("blocks", "sfc64")
    named = oo.ensemble(LANGEVIN, WELL, 5000, 20, rng=0, generator="threefry")
    with pytest.raises(ValueError, match="Numba is not installed"):
        oo.ensemble(LANGEVIN, WELL, 5000, 20, backend="numba")
    monkeypatch.undo()
    pytest.importorskip("numba")
    default = oo.ensemble(LANGEVIN, WELL, 5000, 20, rng=0)
    assert default.generator == "threefry"
    same(default, named)


@pytest.mark.numba
def test_auto_compiles_what_is_long(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiled, "LONG", 1_000_000)
    assert oo.ensemble(LANGEVIN, WELL, 2000, 15, rng=0).backend == "blocks"
    assert oo.ensemble(LANGEVIN, WELL, 2000, 41, rng=0).backend == "numba"
    assert oo.ensemble(LANGEVIN, WELL, 2000, 41, rng=0, generator="sfc64").backend == "blocks"


@pytest.mark.numba
def test_the_step_has_compiled_normals_where_they_are_many(monkeypatch):
    pytest.importorskip("numba")
    for case in ("gd", "BAOAB"):
        expected = run(case, "numpy")
        monkeypatch.setattr(crew, "MANY", 0)
        same(run(case, "numpy"), expected, TOLERANCE)
        monkeypatch.undo()


def test_batches_stay_with_the_step():
    noisy = oo.noise.minibatches(oo.problems.least_squares(), 8)
    found = oo.ensemble(optimizers.gd(0.1), noisy, 20, 20, rng=0)
    assert (found.backend, found.generator) == ("numpy", "sfc64")
    with pytest.raises(ValueError, match="the noise of its gradient is not made of normals"):
        oo.ensemble(optimizers.gd(0.1), noisy, 20, 20, backend="blocks")
    with pytest.raises(ValueError, match="generator must be 'auto' or 'sfc64'"):
        oo.ensemble(optimizers.gd(0.1), noisy, 10, 20, generator="threefry")


@pytest.mark.parametrize("backend", ["blocks", "numpy", pytest.param("numba", marks=pytest.mark.numba)])
def test_ctrl_c_ends_after_a_lap(backend, monkeypatch):
    """Pressed within a stride between records: all members stand at one time, and are counted there."""
    if backend == "numba":
        pytest.importorskip("numba")
    monkeypatch.setattr(blocks, "SECONDS", 0.0)  # laps of two steps at most

    class Pressed(running.ThreadPoolExecutor):
        def submit(self, advance, k, n, every):
            task = super().submit(advance, k, n, every)
            if k == 23:
                signal.raise_signal(signal.SIGINT)
            return task

    monkeypatch.setattr(running, "ThreadPoolExecutor", Pressed)
    before = signal.getsignal(signal.SIGINT)
    found = run("Euler-Maruyama", backend, members=600, steps=100, paths=3)
    assert signal.getsignal(signal.SIGINT) is before
    assert found.status is Status.INTERRUPTED
    assert found.message == "interrupted after step 25 of 100"
    monkeypatch.undo()
    whole = run("Euler-Maruyama", backend, members=600, steps=25, paths=3)
    assert len(found) == len(whole) == 5
    same(dataclasses.replace(found, status=whole.status, message=whole.message), whole, TOLERANCE)
    np.testing.assert_array_equal(found.final, whole.final)


def test_laps_end_by_time():
    """A gradient of 10 ms a step: Ctrl-C after .3 s ends a run of 10 s within two laps, wherever it comes."""
    calls = []

    def grad(theta):
        calls.append(time.perf_counter())
        time.sleep(0.01)
        return theta + 0.0

    slow = oo.Problem(lambda x: (x**2).sum(-1) / 2, grad, hvp=lambda x, p: p, theta0=[1.0], batched=True)
    pressed = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    pressed.start()
    begun = time.perf_counter()
    found = oo.ensemble(optimizers.gd(0.1), slow, 4, 1000, backend="numpy", final=True)
    pressed.join()
    assert found.status is Status.INTERRUPTED
    assert time.perf_counter() - begun < 0.3 + 4 * blocks.SECONDS
    steps = round(found.t[-1] / 0.1)
    assert len(calls) >= steps > 0
    np.testing.assert_allclose(found.mean[-1], 0.9**steps, rtol=1e-12)
    np.testing.assert_array_equal(found.final, np.full((4, 1), found.mean[-1]))


GUARDED = oo.Problem(  # a gradient that branches on whether any coordinate is beyond .4
    lambda x: (x**2).sum(-1) / 2, lambda x: 3.0 * np.sin(x) if (x > 0.4).any() else np.tanh(x), theta0=[0.1, 0.2]
)


@pytest.mark.parametrize("generator", ["sfc64", "threefry"])
def test_laps_do_not_change_a_digit_where_a_gradient_branches(generator, monkeypatch):
    """Which steps are taken by the step itself depends on the numbers alone, not on where a lap or a record ends."""
    noisy, settings = oo.noise.gaussian(GUARDED, 0.5), {"backend": "blocks", "generator": generator, "rng": 1}
    whole = oo.ensemble(optimizers.gd(0.1), noisy, 3, 90, record_every=45, final=True, **settings)
    assert whole.backend == "blocks"
    for seconds in (0.0, 1e-4):
        monkeypatch.setattr(blocks, "SECONDS", seconds)
        same(oo.ensemble(optimizers.gd(0.1), noisy, 3, 90, record_every=45, final=True, **settings), whole)
    often = oo.ensemble(optimizers.gd(0.1), noisy, 3, 90, record_every=1, final=True, **settings)
    np.testing.assert_array_equal(often.final, whole.final)


@pytest.mark.parametrize("generator", ["sfc64", "threefry"])
def test_memory_does_not_grow_with_the_steps(generator):
    """Final states of 2,000,000 members: their rows, and at most a fifth more."""
    oo.ensemble(LANGEVIN, WELL, 50_000, 2, generator=generator)
    peaks = []
    for steps in (2, 6):
        tracemalloc.start()
        found = oo.ensemble(
            LANGEVIN, WELL, 2_000_000, steps, generator=generator, final=True, record_every=steps, workers=1
        )
        peaks.append(tracemalloc.get_traced_memory()[1] / found.final.nbytes)
        tracemalloc.stop()
    assert max(peaks) < 1.2
    assert peaks[1] < peaks[0] + 0.02


@pytest.mark.numba
@pytest.mark.slow
def test_kernels_of_ensembles_on_disk(tmp_path, monkeypatch):
    """The next process compiles nothing, and another gradient's kernel is never taken."""
    pytest.importorskip("numba")
    code = """
import sys, numpy as np, odeopt as oo
opt = oo.Optimizer(oo.flows.langevin(0.2), oo.schemes.euler_maruyama, 0.01)
for b in (5.0, 7.0)[: int(sys.argv[1])]:
    runs = [oo.ensemble(opt, oo.problems.rosenbrock(b=b), 100, 20, rng=0, generator="threefry", backend=backend)
            for backend in ("numba", "numpy")]
    assert np.allclose(runs[0].mean, runs[1].mean, rtol=1e-12), b
"""
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    for expected, number in ((1, "1"), (2, "2")):
        subprocess.run([sys.executable, "-c", code, number], check=True)
        assert len([*(tmp_path / "kernels").iterdir()]) == expected


@pytest.mark.parametrize("backend", ["blocks", pytest.param("numba", marks=pytest.mark.numba)])
def test_truth_values_are_observed_as_numbers(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    watch = {
        "left": lambda theta: theta[..., 0] < 0,
        "left in numbers": lambda theta: 1.0 * (theta[..., 0] < 0),
        "sides": lambda theta: (theta[..., 0] > 0) * 1.0 - 1.0 * (theta[..., 0] < 0),
    }
    same(run("Euler-Maruyama", backend, observe=watch), run("Euler-Maruyama", "numpy", observe=watch), 1e-12)


@pytest.mark.numba
def test_a_compile_is_announced(tmp_path, monkeypatch, capsys):
    pytest.importorskip("numba")
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    monkeypatch.setattr(kernels, "compiled", lambda text: lambda *a: 0)
    monkeypatch.setattr(kernels, "is_ready", lambda text: False)  # by another test
    run("gd", "numba", progress=True, members=3, steps=1)
    assert "gd: compiling its step, once" in capsys.readouterr().err


BAD = [
    (dict(backend="jax"), ValueError, "backend must be one of auto, blocks, numba, numpy"),
    (dict(generator="pcg64"), ValueError, "generator must be one of auto, sfc64, threefry"),
    (dict(final=1), TypeError, "final must be True or False"),
    (
        dict(backend="numba", generator="sfc64"),
        ValueError,
        "generator must be 'auto' or 'threefry' for backend 'numba'",
    ),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input(arguments, error, message):
    if arguments.get("backend") == "numba":
        pytest.importorskip("numba")
    with pytest.raises(error, match=message):
        oo.ensemble(**{"opt": optimizers.gd(0.1), "problem": NOISY, "members": 50, "steps": 5, **arguments})


@pytest.mark.parametrize("backend", ["numpy", "blocks"])
def test_no_final_states_where_no_member_is_finite(backend):
    """A lap runs on beyond the step at which the last of them was."""
    well = oo.noise.gaussian(oo.problems.double_well().at([30.0]), sigma=1.0)
    run = oo.ensemble(oo.optimizers.gd(0.1), well, 50, 40, record_every=1, rng=0, final=True, backend=backend)
    assert (run.status, run.final.shape) == (oo.Status.NOT_FINITE, (0, 1))
    assert run.message == f"no member is finite at step {len(run) - 1}"


@pytest.mark.parametrize("backend", ["numpy", "blocks"])
@pytest.mark.parametrize("every", [1, 3])
def test_what_reads_the_time_is_observed_at_its_record(backend, every):
    """More records than are counted at once."""
    opt = oo.Optimizer(oo.flows.langevin(0.1), oo.schemes.euler_maruyama, 0.01)
    clock = {"t": lambda t, theta: t + 0.0 * theta[..., 0]}
    run = oo.ensemble(opt, WELL, 9000, 40 * every, record_every=every, rng=0, observe=clock, backend=backend)
    np.testing.assert_allclose(run.mean[:, 0], run.t, rtol=1e-12)
    np.testing.assert_allclose(run.variance, 0, atol=1e-20)
