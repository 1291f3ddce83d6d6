"""The shape of the house: imports run one way, heavy libraries come late, matplotlib only in plots."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import odeopt

PACKAGE = Path(__file__).parents[1] / "odeopt"

# A module imports, at any depth and however late, from rooms of lower layers or from its own room, never in a circle.
LAYERS = [
    {"util"},
    {"core"},
    {"problems"},
    {"noise", "flows", "schemes", "arrays"},
    {"optimizers"},
    {"compiler"},
    {"simulation"},
    {"solvers", "ensembles", "laws"},
    {"analysis"},
    {"edge", "scaling", "sweeps", "trials"},
    {"diagnosis"},
    {"symbolic", "plots", "explorer"},
    {"testing", "word2vec", "frameworks"},
    {"results", "commands"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
ROOT = {"__init__", "__main__", "cli", "testing"}
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST = 20  # modules in a folder
FRAMEWORKS = {"torch", "jax", "keras", "optax"}
HEAVY = {"numba": {"compiler"}, "sympy": {"symbolic"}, "matplotlib": {"plots"}}  # where each may be imported
HEAVY |= {"torch": {"frameworks", "arrays"}, "jax": {"frameworks", "arrays", "simulation", "solvers"}}
HEAVY |= {name: {"frameworks"} for name in ("keras", "optax")}


def dotted(path: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {dotted(path): path for path in MODULES}


def room(name: str) -> str:
    """The top-level name under odeopt."""
    return name.split(".")[1] if "." in name else "__init__"


def imported(tree: ast.AST) -> list[str]:
    """All modules named in import statements, at any depth."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def module_of(name: str) -> str:
    """The module that `import name` or `from module import name` reads."""
    while name not in NAMES and "." in name:
        name = name.rpartition(".")[0]
    return name


GRAPH = {
    name: {module_of(other) for other in imported(ast.parse(path.read_text())) if other.startswith("odeopt")} - {name}
    for name, path in NAMES.items()
}


@pytest.mark.parametrize("name", NAMES)
def test_imports_run_downwards(name):
    """Late imports too: where they stand in the code changes nothing."""
    assert room(name) in RANK or name.split(".")[-1] in ROOT | {"odeopt"}, "a new room: say in which layer it lies"
    rank = RANK.get(room(name), len(LAYERS))
    for other in GRAPH[name]:
        assert other != "odeopt" or room(name) == "__main__", f"{name} imports the whole package"
        if room(other) != room(name):
            assert RANK.get(room(other), -1) < rank, f"{name} imports {other}"


def test_no_module_imports_itself_through_others():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(GRAPH[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in NAMES:
        visit(name, ())


def test_two_imports_by_name():
    """`result.plot()` asks `odeopt.plots`, and `result.save()` `odeopt.results`; no other import is hidden."""
    hidden = [
        name
        for name, path in NAMES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
        and not (node.args and isinstance(node.args[0], ast.Name))
    ]
    assert sorted(set(hidden)) == ["odeopt.util.plotted", "odeopt.util.saved"]


def test_folders_are_small():
    """And nothing but the doors lies loose at the root."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT
    for folder in {path.parent for path in MODULES}:
        assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= MOST, folder
        assert (folder / "__init__.py").exists(), folder


@pytest.mark.parametrize("name", NAMES)
def test_heavy_libraries_stay_in_their_rooms(name):
    tree = ast.parse(NAMES[name].read_text())
    roots = {other.split(".")[0] for other in imported(tree)}
    for library, rooms in HEAVY.items():
        assert library not in roots or room(name) in rooms
    assert not roots & {"pandas", "xarray"}  # util.tables imports them by name
    top = {
        other.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for other in imported(node)
    }
    heavy = {"scipy", "sklearn", "tqdm"} | (set() if room(name) == "plots" else {"matplotlib"})
    assert top & heavy == ({"scipy"} if name == "odeopt.solvers.guarded" else set())  # its classes are SciPy's


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
    late = ["scipy", "matplotlib", "tqdm", "numpy.random", "numpy.ma", "odeopt.analysis", "odeopt.solvers"]
    late += ["odeopt.compiler", "odeopt.results"]
    run = "oo.simulate(oo.optimizers.adam(), oo.problems.quadratic(), 100)"
    assert printed(f"import sys, odeopt as oo; {run}; print([m for m in {late} if m in sys.modules])") == "[]"


def test_the_public_names_are_what_they_say_whatever_was_imported_before():
    """`odeopt.flow` is the decorator, `odeopt.simulate` the function, not modules of those names."""
    plain = [name for name in NAMES if room(name) not in ("frameworks", "arrays", "symbolic", "__main__", "__init__")]
    plain = [name for name in plain if not FRAMEWORKS & set(imported(ast.parse(NAMES[name].read_text())))]
    code = f"""
import contextlib, importlib, types
for name in {plain}:
    with contextlib.suppress(ImportError):  # of an extra that is not installed
        importlib.import_module(name)
import odeopt
of = lambda kind: sorted(name for name in odeopt.__all__ if isinstance(getattr(odeopt, name), kind))
print(*of(types.ModuleType))
print(sorted(set(odeopt.__all__) - set(of(types.ModuleType)) - set(of(type)) - set(of(types.FunctionType))))
"""
    rooms = "analysis decay flows laws noise ops optimizers plots problems schedules schemes starts sweeps"
    assert printed(code).splitlines() == [f"{rooms} symbolic testing word2vec", "[]"]


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
    packages = sorted(name for module, name in found if module is None or f"{package}.{module}.{name}" in NAMES)
    assert printed(code) == str(packages)


def test_dir_lists_the_public_names_and_the_version():
    assert set(dir(odeopt)) == {*odeopt.__all__, "__version__"}


def test_no_bare_except_and_no_hasattr():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
            assert not (isinstance(node, ast.Name) and node.id == "hasattr"), path
