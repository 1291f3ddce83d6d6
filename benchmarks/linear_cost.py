"""Seconds of a run against its steps, its members and its coordinates: three decades each, into linear_cost.csv.

The least of a few runs, each size in turn; figure 24 draws what was recorded.  Run it on a machine that does nothing
else: python benchmarks/linear_cost.py
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

import odeopt as oo
from odeopt.compiler import fused_update
from odeopt.frameworks.numpy import in_place

ROUNDS = 3
FILE = Path(__file__).with_suffix(".csv")
Run = Callable[[], object]


def steps(backend: str, size: int) -> Run:
    """Adam on Rosenbrock's function, 1,000 records."""
    opt, problem, every = oo.optimizers.adam(1e-3), oo.problems.rosenbrock(), max(1, size // 1000)
    return lambda: oo.simulate(opt, problem, size, record_every=every, backend=backend).check()


def members(backend: str, size: int) -> Run:
    """1,000 steps of momentum with as many learning rates, the last state alone."""
    opt, problem = oo.optimizers.momentum(np.geomspace(1e-5, 3e-4, size), 0.9), oo.problems.rosenbrock()
    return lambda: oo.simulate(opt, problem, 1000, record_every=1000, backend=backend).check()


def wide(size: int) -> Run:
    """20 steps of Adam on a quadratic, by NumPy."""
    curvature = np.geomspace(0.1, 10, size)
    loss, grad = lambda theta: 0.5 * np.dot(curvature * theta, theta), lambda theta: curvature * theta
    problem = oo.Problem(loss, grad, theta0=np.ones(size))
    return lambda: oo.simulate(oo.optimizers.adam(1e-3), problem, 20, record_every=20, backend="numpy").check()


def fused(size: int) -> Run:
    """20 steps of Adam at a given gradient, in place, compiled for any size."""
    fused_update.LONG = 0
    adam, gradient = in_place(oo.optimizers.adam(1e-3), np.ones(size)), np.ones(size)
    return lambda: [adam.step(gradient) for _ in range(20)]


CASES: dict[tuple[str, str], tuple[Callable[[int], Run], int]] = {
    ("steps", "NumPy"): (partial(steps, "floats"), 1_000),
    ("steps", "Numba"): (partial(steps, "numba"), 100_000),
    ("members", "NumPy"): (partial(members, "blocks"), 1_000),
    ("members", "Numba"): (partial(members, "numba"), 1_000),
    ("coordinates", "NumPy"): (wide, 3_000),
    ("coordinates", "Numba"): (fused, 10_000),
}


def seconds(run: Run) -> float:
    """Of one run."""
    start = perf_counter()
    run()
    return perf_counter() - start


def main() -> None:
    rows = []
    for (what, means), (case, least) in CASES.items():
        for size in np.geomspace(least, 1000 * least, 10).astype(int).tolist():
            run = case(size)
            run()
            rows.append((what, means, size, f"{min(seconds(run) for _ in range(ROUNDS)):.4g}"))
            print(*rows[-1])
    with FILE.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("what", "means", "size", "seconds"), *rows])


if __name__ == "__main__":
    main()
