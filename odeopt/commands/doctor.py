"""`doctor`: what is installed, which engines run here, and whether their numbers agree.  Bug reports begin with it."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

import numpy as np

from odeopt.commands.arguments import settings
from odeopt.commands.output import show
from odeopt.optimizers.named.adam import adam
from odeopt.problems.test_functions import rosenbrock
from odeopt.simulation.simulate import simulate

PACKAGES = {
    "needed": ("numpy", "scipy", "matplotlib", "tqdm", "lazy_loader"),
    "extras": ("numba", "torch", "jax", "optax", "keras", "sympy", "scikit-learn", "pandas", "xarray"),
}
ENGINES = ("floats", "numba", "jax")  # beside "numpy", the plain steps with which they are compared
STEPS = 300
TOLERANCE = 1e-9  # engines differ by rounding, which 300 steps of Adam amplify by less than 1e3


def doctored(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints the report; the exit status is 1 if an engine that is installed fails."""
    settings(rest, {})
    installed = {name: _version(name) for names in PACKAGES.values() for name in names}
    engines = tested()
    facts = {
        "odeopt": _version("odeopt-toolkit"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": installed,
        "engines": engines,
    }
    width = max(map(len, installed))
    text = [f"{name:<{width}}  {facts[name]}" for name in ("odeopt", "python", "machine")]
    text += ["", *(f"{name:<{width}}  {found or 'not installed'}" for name, found in installed.items())]
    text += ["", *(f"{name:<{width}}  {found['outcome']}" for name, found in engines.items())]
    show(given, facts, "\n".join(text))
    return 0 if all(found["works"] for found in engines.values()) else 1


def tested() -> dict[str, dict[str, Any]]:
    """Each engine on one short run: whether it works, and in words what happened."""
    opt, problem = adam(lr=1e-3), rosenbrock()
    plain = simulate(opt, problem, STEPS, backend="numpy").theta
    found: dict[str, dict[str, Any]] = {"numpy": {"works": True, "outcome": "runs"}}
    for engine in ENGINES:
        begin = perf_counter()
        try:
            run = simulate(opt, problem, STEPS, backend=engine, progress=False)
        except ImportError as error:
            found[engine] = {"works": True, "outcome": f"not installed: {error}"}
        except Exception as error:  # whatever a broken installation raises is what the report is for
            found[engine] = {"works": False, "outcome": f"FAILS: {type(error).__name__}: {error}"}
        else:
            far = float(np.max(np.abs(run.theta - plain)) / np.max(np.abs(plain)))
            works = far <= TOLERANCE
            words = f"{run.backend}, within {far:.0e} of plain steps, {perf_counter() - begin:.1f} s"
            found[engine] = {"works": works, "outcome": f"runs as {words}" if works else f"WRONG: {words}"}
    return found


def _version(name: str) -> str:
    """The installed version, "" for none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
