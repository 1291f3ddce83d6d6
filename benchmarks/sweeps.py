"""Sweeps: the same digest on every back end and after kills, and what a cell costs beyond its own work.

python benchmarks/sweeps.py                 digests and costs
python benchmarks/sweeps.py kills 50 20     that many kills of workers and of the parent
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

import odeopt as oo

GRID = {"lr": np.geomspace(0.01, 1.0, 8), "beta": [0.0, 0.5, 0.9]}
NOISY = oo.noise.gaussian(oo.problems.quadratic((1.0, 10.0)), 0.3)
SLEEP, CELLS = 0.05, 320  # seconds of a cell and their number, under kills


def momentum(lr: float, beta: float) -> oo.Optimizer:
    return oo.optimizers.momentum(lr, beta)


def digest(shuffled: bool = False, **more: object) -> str:
    cells = [{"lr": float(lr), "beta": beta} for lr in GRID["lr"] for beta in GRID["beta"]]
    if shuffled:
        random.Random(0).shuffle(cells)
    return oo.sweep(momentum, NOISY, cells, seeds=2, steps=100, rng=0, progress=False, **more).digest


def backends() -> None:
    """One digest on each back end that is installed."""
    found = {f"{jobs} jobs": digest(jobs=jobs) for jobs in (1, 2, 4)}
    found["shuffled, 2 jobs"] = digest(shuffled=True, jobs=2)
    for name in ("loky", "threading"):
        with joblib.parallel_config(name):
            found[name] = digest(jobs=2)
    try:
        from distributed import Client, LocalCluster

        cluster = LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
        with cluster, Client(cluster), joblib.parallel_config("dask"):
            found["dask"] = digest()
    except ImportError:
        print("dask is not installed")
    try:
        import ray
        from ray.util.joblib import register_ray

        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
        register_ray()
        with joblib.parallel_config("ray"):
            found["ray"] = digest(jobs=2)
        ray.shutdown()
    except ImportError:
        print("ray is not installed")
    for name, value in found.items():
        print(f"{name:<18} {value[:16]}")
    print("all the same" if len(set(found.values())) == 1 else "DIFFERENT")


def training(n: int):
    def train(steps: int, rng: np.random.Generator) -> float:
        time.sleep(SLEEP)
        return n + rng.random()

    return train


def attacked(folder: str) -> None:
    """The sweep that is killed; prints its digest."""
    print(oo.sweep(training, None, {"n": list(range(CELLS))}, rng=0, jobs=2, path=folder).digest, flush=True)


def children(pid: int) -> list[int]:
    """Processes of a parent that run cells."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
            command = Path(path.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid and "popen_loky" in command:
            found.append(int(path.parent.name))
    return found


def recorded(folder: str) -> int:
    """The number of records."""
    return sum(path.read_bytes().count(b"\n") for path in Path(folder).glob("cells-*"))


def kills(workers: int, parents: int) -> None:
    """Random kills at random moments until the numbers are reached; then to the end, and compared."""
    folder, rng = tempfile.mkdtemp(), random.Random(0)
    todo = ["worker"] * workers + ["parent"] * parents
    rng.shuffle(todo)
    done, starts, process = {"worker": 0, "parent": 0}, 0, None
    while todo:
        if process is None or process.poll() is not None:
            if process is not None and process.returncode == 0:
                break  # all cells are done
            process, starts = subprocess.Popen([sys.executable, __file__, "attacked", folder]), starts + 1
        before = recorded(folder)
        while recorded(folder) < before + 2 and process.poll() is None:  # the workers have begun
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 2 * SLEEP))
        victims = children(process.pid)
        if not victims or process.poll() is not None:
            continue
        kind = todo.pop()
        done[kind] += 1
        try:
            os.kill(rng.choice(victims) if kind == "worker" else process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        if kind == "parent":
            process.wait()
    if process is not None:
        process.wait()
    run = lambda path: subprocess.run(
        [sys.executable, __file__, "attacked", path], capture_output=True, text=True, check=True
    ).stdout.strip()
    last, lines = run(folder), [line for path in Path(folder).glob("cells-*") for line in path.read_text().splitlines()]
    places = [json.loads(line)["key"] for line in lines]
    fresh = tempfile.mkdtemp()
    same = last == run(fresh)
    lost, twice = CELLS - len(set(places)), len(places) - len(set(places))
    print(f"kills {done}, {starts} starts; {lost} lost, {twice} twice; same digest: {same}")
    for each in (folder, fresh):
        shutil.rmtree(each)


def costs() -> None:
    """CPU time and wall time beyond 100 cells of 0.1 s of work in one process."""

    def busy(n: int):
        def train(steps: int, rng: np.random.Generator) -> float:
            end = time.process_time() + 0.1
            while time.process_time() < end:
                pass
            return float(n)

        return train

    busy(0)(0, np.random.default_rng(0))
    print("cell of      cells   CPU s   overhead")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in (("0.1 s", None), ("0.1 s, stored", folder)):
            begin = time.process_time()
            oo.sweep(busy, None, {"n": list(range(100))}, path=path, progress=False)
            spent = time.process_time() - begin
            print(f"{name:<13} 100 {spent:7.2f}   {100 * (spent / 10 - 1):.2f} %")
    grid = {"lr": np.geomspace(1e-4, 1e-2, 20), "beta": np.linspace(0, 0.95, 20)}
    valley = oo.problems.rosenbrock()
    for name, more in (("batched", {}), ("alone", {"prune": lambda snapshot: False})):
        begin = time.process_time()
        oo.sweep(oo.optimizers.momentum, valley, grid, steps=300, progress=False, **more)
        print(f"{name:<13} 400 {time.process_time() - begin:7.2f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["attacked", folder]:
            attacked(folder)
        case ["kills", workers, parents]:
            kills(int(workers), int(parents))
        case _:
            backends()
            costs()
