"""Workers: the same digits on any number of them, and a death costs only what was in flight."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import odeopt as oo
from odeopt.sweeps.workers import as_finished
from odeopt.util.status import Status

joblib = pytest.importorskip("joblib")

NOISY = oo.noise.gaussian(oo.problems.quadratic((1.0, 10.0)), 0.3)
GRID = {"lr": [0.01, 0.02, 0.05, 1e3], "beta": [0.0, 0.9]}


def digest(**more):
    return oo.sweep(
        lambda lr, beta: oo.optimizers.momentum(lr, beta), NOISY, GRID, seeds=3, steps=120, rng=0, **more
    ).digest


def test_two_jobs_and_threads():
    alone = digest()
    assert digest(jobs=2) == alone
    with joblib.parallel_config("threading"):
        assert digest(jobs=2) == alone


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the cluster's own
def test_dask():
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        assert digest() == digest(jobs=1)


def die_once(marker):
    """Kills its process at the first call."""
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_dies_costs_no_cell(tmp_path):
    def make(n):
        return lambda steps, rng: die_once(tmp_path / "died") if n == 3 else float(n)

    found = oo.sweep(make, None, {"n": [*range(8)]}, jobs=2, path=tmp_path / "a")
    assert (tmp_path / "died").exists()
    assert (found.ended == Status.DONE).all()
    assert found.values["loss"][:, 0].tolist() == [0, 1, 2, 1, 4, 5, 6, 7]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cell_that_always_kills_its_worker_is_a_row():
    def make(n):
        return lambda steps, rng: os.kill(os.getpid(), signal.SIGKILL) if n == 1 else float(n)

    found = oo.sweep(make, None, {"n": [*range(4)]}, jobs=2)
    assert found.ended[:, 0].tolist() == [0, Status.EVALUATION_FAILED, 0, 0]
    assert "Terminated" in found.messages[0][2]


def test_results_come_as_they_finish():
    tasks = {i: (lambda i=i: np.full(2, i)) for i in range(5)}
    assert {i: result.tolist() for i, result in as_finished(tasks, 1)} == {i: [i, i] for i in range(5)}
