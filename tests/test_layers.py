"""The shape of the house: imports run one way, heavy libraries come late, matplotlib only in plots."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import odeopt

PACKAGE = Path(__file__).parents[1] / "odeopt"

# A module imports, at its top, only from its own layer or those before it.
LAYERS = [
    {"check", "immutable", "symbols", "files", "storage", "weighted"},
    {"ops", "decay", "state", "formula", "law", "gradient", "progress", "problems", "noise", "schedules"},
    {"parts", "printing", "quantities"},
    {"flow", "trajectory", "clock"},
    {"flows", "schemes", "initial_value", "slope", "records", "groups", "integrate", "attempts"},
    {"starts"},
    {"optimizers"},
    {"driving"},
    {"simulation", "words"},
    {"closed_form", "solution", "ensembles"},
    {"comparison", "orders", "analysis", "laws"},
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


def printed(code: str) -> str:
    """By a fresh process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_is_light():
    """Nothing that is heavy before it is needed, nor the rooms that one has not asked for."""
    late = [
        "scipy",
        "matplotlib",
        "sklearn",
        "tqdm",
        "torch",
        "numpy.random",
        "odeopt.optimizers",
        "odeopt.simulation.simulate",
    ]
    assert printed(f"import sys, odeopt; print([m for m in {late} if m in sys.modules])") == "[]"


def test_a_first_run_imports_no_more_than_it_needs():
    late = ["scipy", "matplotlib", "tqdm", "numpy.random", "odeopt.analysis", "odeopt.solvers.solve", "odeopt.backends"]
    run = "oo.simulate(oo.optimizers.adam(), oo.problems.quadratic(), 100)"
    assert printed(f"import sys, odeopt as oo; {run}; print([m for m in {late} if m in sys.modules])") == "[]"


def test_the_public_names_are_what_they_say_whatever_was_imported_before():
    """`odeopt.flow` is the decorator, not the module of that name."""
    modules = [str(p.relative_to(PACKAGE.parent).with_suffix("")).replace("/", ".") for p in MODULES]
    plain = [m for m in modules if not m.startswith(("odeopt.backends", "odeopt.__"))]
    code = f"""
import importlib, types
for name in {plain}: importlib.import_module(name)
import odeopt
of = lambda kind: sorted(name for name in odeopt.__all__ if isinstance(getattr(odeopt, name), kind))
print(*of(types.ModuleType))
print(sorted(set(odeopt.__all__) - set(of(types.ModuleType)) - set(of(type)) - set(of(types.FunctionType))))
"""
    rooms = "analysis decay flows laws noise ops optimizers plots problems schedules schemes starts testing words"
    assert printed(code).splitlines() == [rooms, "[]"]


STUBS = sorted(PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_the_stub_lists_what_it_imports(stub):
    """And each name stands for what was defined, whatever was imported before: for no module, but the packages."""
    tree = ast.parse(stub.read_text())
    found = [
        (node.module, alias.name) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    names = {name for _, name in found}
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert set(ast.literal_eval(listed)) == names
    package = ".".join(stub.parent.relative_to(PACKAGE.parent).parts)
    modules = sorted({f"{package}.{module}" for module, _ in found if module})
    code = f"""
import importlib, types
for module in {modules}:
    importlib.import_module(module)
package = importlib.import_module({package!r})
print(sorted(name for name in package.__all__ if isinstance(getattr(package, name), types.ModuleType)))
"""
    packages = sorted(name for module, name in found if module is None)
    assert printed(code) == str(packages)


def test_dir_lists_the_public_names_and_the_version():
    assert set(dir(odeopt)) == {*odeopt.__all__, "__version__"}


def test_no_bare_except_and_no_hasattr():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
            assert not (isinstance(node, ast.Name) and node.id == "hasattr"), path
