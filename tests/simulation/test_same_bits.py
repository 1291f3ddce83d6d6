"""The same call gives the same bits, counts and messages, whatever ran before it, in this process or in another."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import repeats

from odeopt.util import parallel_arrays, threads

FAST = find_spec("numba") is not None
QUICK = ("short", "solve")  # a second or two each; the others are slow
FRAMEWORKS = [name for name, (package, _) in repeats.FRAMEWORKS.items() if find_spec(package)]


def digests(names, cache, seed):
    """{call: what its results were}, in a process that makes these calls in this order."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "ODEOPT_CACHE": str(cache), "PYTHONHASHSEED": str(seed), "PYTHONPATH": paths}
    command = [sys.executable, repeats.__file__, *names]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = defaultdict(set)
    for line in done.stdout.splitlines():
        name, *rest = line.split("\t")
        found[name].add(tuple(rest))
    assert found.keys() == {*names}
    return found


def shuffled(names, seed):
    return random.Random(seed).sample(names, len(names))


def compared(names, before, tmp_path):
    """Each call first in a process of its own, then in all orders, twice in a process, and after others."""
    found = defaultdict(set)
    orders = [
        ("empty", names),
        ("empty", shuffled([*names, *names], 1)),  # whose folder the first has filled
        ("/proc/nowhere", shuffled([*before, *names], 2)),
        ("other", [*before, *reversed(names), *names]),
        ("other", shuffled([*before, *names, *names], 3)),
    ]
    for seed, (cache, order) in enumerate(orders):
        for name, results in digests(order, tmp_path / cache, seed).items():
            found[name] |= results
    return {name: results for name, results in found.items() if len(results) > 1}


@pytest.mark.slow
def test_calls_without_a_compiler(tmp_path):
    before = [*repeats.FORCED] if FAST else []
    assert compared([*repeats.PLAIN], before, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.numba
def test_calls_by_kernels(tmp_path):
    pytest.importorskip("numba")
    assert compared([*repeats.COMPILED], [*repeats.FORCED, "short", "solve", "ensemble"], tmp_path) == {}


@pytest.mark.slow
@pytest.mark.skipif(not FRAMEWORKS, reason="needs torch or JAX")
def test_calls_of_frameworks(tmp_path):
    assert compared(FRAMEWORKS, ["floats", "solve"], tmp_path) == {}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in repeats.PLAIN]
)
def test_a_call_alone_in_a_new_process(name, tmp_path):
    alone = digests([name], tmp_path, 0)
    assert digests([name, name], tmp_path, 1) == alone


@pytest.mark.slow
@pytest.mark.numba
@pytest.mark.parametrize("name", ["blocks, many", "a sweep", "many solved", "wide", "in place, long"])
def test_the_number_of_threads_changes_nothing(name, monkeypatch):
    pytest.importorskip("numba")
    found = set()
    for number in (1, 2, 5):
        for module in (threads, parallel_arrays):
            monkeypatch.setattr(module, "cores", lambda number=number: number)
        found.add(repeats.digest(repeats.CALLS[name]()))
    assert len(found) == 1
