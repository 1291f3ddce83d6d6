"""A case of each benchmark runs, alone: their figures are for `make bench`."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "job", "case"),
    [
        ("speed.py", "one path, gd", "odeopt floats"),
        ("speed.py", "a gradient that is no formula", "odeopt floats, adam"),
        ("ensembles.py", "double well, final states", "NumPy's normals alone"),
        ("solve.py", "a quadratic, d = 100", "odeopt"),
        ("solve.py", "one solve, Rosenbrock", "odeopt floats"),
        ("in_place.py", "Adam on 1e+07 parameters", "odeopt NumPy"),
        pytest.param("central_flow.py", "regression, d = 41", "odeopt, form='step'", marks=pytest.mark.jax),
        pytest.param("passes.py", "1,000 stiff flows", "without rodas", marks=pytest.mark.numba),
    ],
)
def test_a_case_is_ready_and_gives_seconds(script, job, case):
    if script == "passes.py":
        pytest.importorskip("numba")
    if script == "central_flow.py":
        pytest.importorskip("jax")
    command = [sys.executable, FOLDER / script, job, case]
    run = subprocess.run(command, input="go\n", capture_output=True, text=True, check=True)
    ready, seconds = run.stdout.splitlines()
    assert ready.split()[0] == "ready"
    assert 0 < float(seconds) < 10
