"""Long runs can be interrupted on every path, and need no memory beside what they record."""

from __future__ import annotations

import signal
import time
import tracemalloc

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import Status, optimizers
from odeopt.simulation import loop
from odeopt.simulation.engines import arrays, floats
from odeopt.util.progress import Silent

STARTS = np.random.default_rng(0).uniform(-1, 1, (20_000, 2))
NUMBA, JAX = pytest.mark.numba, pytest.mark.jax
ENGINES = [
    "numpy",
    "floats",
    "blocks",
    pytest.param("numba", marks=NUMBA),
    pytest.param("numba, members", marks=NUMBA),
    pytest.param("jax", marks=JAX),
    pytest.param("jax, members", marks=JAX),
]


def run_of(engine, steps, every, members=20_000):
    """A run of Adam by this engine."""
    backend, _, several = engine.partition(", ")
    if backend in ("numba", "jax"):
        pytest.importorskip(backend)
    starts = STARTS[:members] if several or backend == "blocks" else None
    return oo.simulate(
        optimizers.adam(1e-3), tables.smooth_problem(), steps, starts, record_every=every, backend=backend
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupted_run_keeps_what_was_computed(engine, monkeypatch):
    """Ctrl-C while the bar moves, which it does after every lap."""

    class Pressed(Silent):
        shown = 0

        def update(self, amount):
            self.shown += amount
            if self.shown > 200:
                raise KeyboardInterrupt

    for module in (arrays, floats):
        monkeypatch.setattr(module, "lap", lambda *_: 64)
    monkeypatch.setattr(loop, "bar", lambda *_: Pressed())
    run = run_of(engine, 5000, 7, members=10)
    assert run.backend.startswith(engine.partition(",")[0])
    assert run.status is Status.INTERRUPTED
    k = int(run.message.removeprefix("interrupted after step ").removesuffix(" of 5000"))
    assert 200 < k < 5000
    monkeypatch.undo()
    whole = run_of(engine, k, 7, members=10)
    np.testing.assert_array_equal(run.t, whole.t)
    np.testing.assert_allclose(run.theta, whole.theta, rtol=1e-13)
    np.testing.assert_allclose(run.loss, whole.loss, rtol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_signal_ends_a_run_that_would_take_minutes(engine):
    run_of(engine, 400, 400)  # what is to be compiled is
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        began = time.perf_counter()
        run = run_of(engine, 10**10, 10**9)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - began < 30
    assert run.status is Status.INTERRUPTED
    assert 0 < run.t[-1] < 1e7
    assert np.isfinite(run.final).all()


def peak(engine, steps, every, members=20_000):
    """Bytes at most in use during a run, and those of what it records."""
    run_of(engine, 400, 400, members)
    tracemalloc.start()
    run = run_of(engine, steps, every, members).check()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, sum(u.nbytes for u in (run.t, run.theta, run.loss, *run.state.values()))


@pytest.mark.parametrize(
    ("engine", "steps"),
    [
        ("numpy, members", 100),
        pytest.param("floats", 100_000, marks=pytest.mark.slow),
        ("blocks", 100),
        pytest.param("numba", 1_000_000, marks=NUMBA),
        pytest.param("numba, members", 100, marks=NUMBA),
        pytest.param("jax", 1_000_000, marks=JAX),
        pytest.param("jax, members", 100, marks=(JAX, pytest.mark.slow)),
    ],
)
def test_memory_is_what_is_recorded_and_a_fifth(engine, steps):
    """What JAX itself holds is not counted: one table of at most 2 MB."""
    found, recorded = peak(engine, steps, 1)
    assert recorded > 5e6
    assert found < 1.2 * recorded


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_final_states_store_no_path(engine):
    """Ten times as many steps need no more."""
    steps = {"numpy": 100, "blocks": 300}.get(engine, 3000)
    few, many = (peak(engine, n, n, members=1000)[0] for n in (steps, 10 * steps))
    assert many < 1.1 * few + 20_000
