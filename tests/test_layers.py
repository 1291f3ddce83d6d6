"""The shape of the house: imports run one way, heavy libraries come late, matplotlib only in plots."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "odeopt"

# A module imports, at its top, only from its own layer or those before it.
LAYERS = [
    {"check", "symbols", "files", "storage", "weighted"},
    {"ops", "decay", "state", "formula", "law", "gradient", "progress", "problems", "noise", "schedules"},
    {"parts", "printing", "quantities"},
    {"flow", "trajectory", "clock"},
    {"flows", "schemes", "initial_value", "integrate", "attempts"},
    {"starts"},
    {"optimizers"},
    {"driving"},
    {"simulate", "words"},
    {"closed_form", "solve", "ensemble"},
    {"compare", "convergence", "analysis", "laws"},
    {"testing"},
    {"plots", "backends"},
    {"__init__"},
    {"__main__", "cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The top-level name under odeopt."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> list[str]:
    """All modules named in import statements, at any depth."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def rooms_imported(names: list[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("odeopt.") and name.split(".")[1] in RANK}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    tree = ast.parse(path.read_text())
    top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    assert room(path) in RANK, "a new module: say in which layer it lives"
    for target in rooms_imported(imported(top)):
        assert RANK[target] <= RANK[room(path)], f"{path.name} imports {target}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_rooms(path):
    tree = ast.parse(path.read_text())
    roots = {name.split(".")[0] for name in imported(tree)}
    if room(path) != "plots":
        assert "matplotlib" not in roots
    if room(path) != "backends":
        assert not roots & {"torch", "jax", "keras", "numba", "sympy", "optax", "pandas", "xarray"}
    top = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
    }
    assert not top & ({"scipy", "sklearn", "tqdm"} | (set() if room(path) == "plots" else {"matplotlib"}))


def test_import_is_light():
    """Neither SciPy nor Matplotlib before they are needed, nor anything else that is heavy."""
    heavy = ["scipy", "matplotlib", "sklearn", "tqdm", "torch"]
    code = f"import sys, odeopt; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_no_bare_except_and_no_hasattr():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
            assert not (isinstance(node, ast.Name) and node.id == "hasattr"), path
