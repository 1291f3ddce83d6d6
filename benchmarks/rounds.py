"""Cases side by side: a process each, kept alive, which take turns round after round; medians, and ratios of a round.

`main(__file__, jobs)` of a script of {job: {case: factory}}, where factory() gives a run to time and its work in steps,
perhaps a note, and an ImportError where a peer is not installed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from ctypes import CDLL
from pathlib import Path
from typing import Any

ROUNDS = 9
PAUSE = 0.05  # seconds after a case: the threads of OpenMP and BLAS spin for a while when their work is done
LEAST = 0.02  # seconds of a round: a process that has slept for a while is slow for half a millisecond

Case = Callable[[], tuple[Any, ...]]  # () -> a run to time, its work, and what else is to be said of it
Jobs = Mapping[str, Mapping[str, Case]]

FLAGS = (
    *("-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC"),
)


def c_library(source: str) -> CDLL:
    """A source of C, compiled for this machine."""
    folder = Path(tempfile.mkdtemp())
    (folder / "kernel.c").write_text(source)
    subprocess.run(["cc", *FLAGS, str(folder / "kernel.c"), "-o", str(folder / "kernel.so"), "-lm"], check=True)
    return CDLL(str(folder / "kernel.so"))


def serve(case: Case, least: float) -> None:
    """Seconds per step, one line for each line that comes in."""
    try:
        run, work, *notes = case()
    except ImportError:
        return
    repeats = repeated(run, least)
    print("ready", *notes, flush=True)
    for _ in sys.stdin:
        print(duration(run, repeats) / (repeats * work), flush=True)


def repeated(run: Callable[[], object], least: float) -> int:
    """How often a round runs it."""
    return max(1, round(least / min(duration(run, 1) for _ in range(3))))


def duration(run: Callable[[], object], repeats: int) -> float:
    """Seconds of so many runs."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return time.perf_counter() - start


def timed(script: str, job: str, names: list[str], rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds per step of each case that is here, round after round, and what they say of themselves."""
    workers, notes = {}, {}
    for name in names:
        command = [sys.executable, script, job, name]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready, _, note = worker.stdout.readline().strip().partition(" ")
        if ready == "ready":
            workers[name], notes[name] = worker, note
        else:
            print(f"  {name}: not here")
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            times[name].append(float(worker.stdout.readline()))
            time.sleep(PAUSE)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return times, notes


def ratio(times: Mapping[str, list[float]], name: str, base: str) -> float:
    """The median of the ratios of the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def main(
    script: str, jobs: Jobs, rounds: int = ROUNDS, least: float = LEAST, unit: tuple[str, float] = ("ns/step", 1e9),
    bases: Sequence[str] = ("odeopt numba",),
) -> None:  # fmt: skip
    """A table of each job; every case beside the first, and beside those named in `bases`.

    One argument of the command selects the jobs whose names contain it; with two, a job and a case, it serves rounds.
    """
    if len(sys.argv) == 3:
        serve(jobs[sys.argv[1]][sys.argv[2]], least)
        return
    row = sys.argv[1] if len(sys.argv) == 2 else ""
    for job, cases in ((job, cases) for job, cases in jobs.items() if row in job):
        times, notes = timed(script, job, list(cases), rounds)
        beside = [base for base in dict.fromkeys((next(iter(cases)), *bases)) if base in times]
        print(f"{job:<34} {unit[0]:>10} {'least':>8} {'':>8} " + " ".join(f"{'x ' + base:>22}" for base in beside))
        for name, found in times.items():
            ratios = " ".join(f"{ratio(times, name, base):22.3f}" for base in beside)
            median, best = unit[1] * statistics.median(found), unit[1] * min(found)
            print(f"  {name:<32} {median:10.3f} {best:8.3f} {notes[name]:>8} {ratios}")
