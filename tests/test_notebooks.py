"""The notebooks: sources that read well, and that run; a claim in a notebook is an assert in a cell."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
LONGEST = 15  # lines of a code cell
MODULES = {"numpy", "matplotlib", "odeopt", "torch", "keras"}
MODULES |= {"os", "pathlib", "subprocess", "sys", "tempfile", "warnings"}
ALGORITHMS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.While)

every_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def load_build():
    """notebooks/build.py, which is a script and not part of a package; its neighbour is found as it is when it runs."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("build_notebooks", FOLDER / "build.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def cells(source, kind):
    return [cell.source for cell in jupytext.read(source).cells if cell.cell_type == kind]


def trees(source):
    return [ast.parse(cell) for cell in cells(source, "code")]


def test_there_are_notebooks():
    assert len(SOURCES) >= 3
    numbers = [path.name[:2] for path in SOURCES]
    assert len(set(numbers)) == len(numbers)


@every_notebook
def test_begins_with_a_title_and_a_question(source):
    first = cells(source, "markdown")[0]
    assert re.match(r"# \S", first)
    assert "**Question.**" in first
    assert "?" in first


@every_notebook
def test_code_cells_are_short(source):
    too_long = [cell for cell in cells(source, "code") if len(cell.strip().splitlines()) > LONGEST]
    assert not too_long, "\n\n".join(too_long)


@every_notebook
def test_holds_no_algorithms(source):
    found = [type(node).__name__ for tree in trees(source) for node in ast.walk(tree) if isinstance(node, ALGORITHMS)]
    assert not found


@every_notebook
def test_needs_the_public_interface_only(source):
    nodes = [node for tree in trees(source) for node in ast.walk(tree)]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in modules} <= MODULES
    private = [node.attr for node in nodes if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)]
    assert not private


@every_notebook
def test_checks_what_it_claims(source):
    """At least one assert in every numbered section that computes."""
    text = source.read_text(encoding="utf-8")
    sections = re.split(r"^# ## (?=\d)", text, flags=re.MULTILINE)[1:]
    assert sections
    silent = [section.splitlines()[0] for section in sections if not re.search(r"^\s*assert ", section, re.MULTILINE)]
    assert not silent


def test_build_names_the_notebooks_it_does_not_know():
    build = load_build()
    assert build.chosen([]) == SOURCES
    assert build.chosen(["01"]) == SOURCES[:1]
    with pytest.raises(SystemExit, match=r"no notebook is called 99; there are 01_"):
        build.chosen(["99"])


def test_write_leaves_no_half_file(tmp_path, monkeypatch):
    build, target = load_build(), tmp_path / "n.ipynb"
    notebook = jupytext.reads("# %%\n1\n", fmt="py:percent")
    build.write(notebook, target)
    before = target.read_bytes()
    monkeypatch.setattr(build.os, "fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build.write(notebook, target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def notebooks(tmp_path):
    """A folder with notebooks made here, edited since, written by someone else, and with files that are none."""
    build = load_build()
    for name in ("made", "rerun", "edited", "own", "marked"):
        build.write(jupytext.reads("# %%\nprint(1)\n", fmt="py:percent"), tmp_path / f"{name}.ipynb")

    def change(name, edit):
        path = tmp_path / f"{name}.ipynb"
        notebook = json.loads(path.read_text())
        edit(notebook)
        path.write_text(json.dumps(notebook))

    change("rerun", lambda notebook: notebook["cells"][0].update(execution_count=7))
    change("edited", lambda notebook: notebook["cells"][0].update(source="print(2)  # my own"))
    change("own", lambda notebook: notebook["metadata"].pop("odeopt"))
    change("marked", lambda notebook: notebook["metadata"].update(odeopt=True))
    (tmp_path / "torn.ipynb").write_text("{")
    (tmp_path / "list.ipynb").write_text("[1]")
    (tmp_path / "binary.ipynb").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.ipynb").mkdir()
    return tmp_path


OTHERS = ["edited", "own", "marked", "torn", "list", "binary"]


@pytest.mark.parametrize("name", OTHERS)
def test_a_notebook_of_somebody_else_is_never_overwritten(notebooks, name):
    build, target = load_build(), notebooks / f"{name}.ipynb"
    before = target.read_bytes()
    with pytest.raises(build.NotebookFailed, match=f"{name}.ipynb was not made here, or was edited since: rename it"):
        build.write(jupytext.reads("# %%\n3\n", fmt="py:percent"), target)
    assert target.read_bytes() == before


def test_one_that_was_made_here_is(notebooks):
    build = load_build()
    for name in ("made", "rerun", "new"):
        build.write(jupytext.reads("# %%\n3\n", fmt="py:percent"), notebooks / f"{name}.ipynb")
        assert jupytext.read(notebooks / f"{name}.ipynb").cells[0].source == "3"


def test_clean_removes_what_was_made_here_and_nothing_else(notebooks, capsys):
    load_build().made.clean(notebooks)
    assert {path.stem for path in notebooks.iterdir()} == {*OTHERS, "folder"}
    said = capsys.readouterr().err
    assert all(f"kept {notebooks / name}.ipynb" in said for name in OTHERS)
    recipes = (FOLDER.parent / "Makefile").read_text()
    assert ".ipynb" not in recipes.split("\nclean:")[1]
    assert "$(PYTHON) notebooks/made.py" in recipes.split("\nclean:")[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "message"),
    [("1 / 0", "ZeroDivisionError"), ("import warnings; warnings.warn('look out')", "look out")],
)
def test_a_failing_cell_is_shown(tmp_path, cell, message):
    build, source = load_build(), tmp_path / "bad.py"
    source.write_text(f"# %%\nx = 1\n\n# %%\n{cell}\n")
    with pytest.raises(build.NotebookFailed, match=message) as failure:
        build.execute(source)
    assert cell in str(failure.value)


@pytest.mark.long  # `make notebooks` runs them too
@every_notebook
def test_runs(source):
    notebook = load_build().execute(source)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 4
    said = "".join(output.get("text", "") for output in outputs)
    for extra in ("torch", "keras"):  # where it is there no cell may have been left out
        assert not (importlib.util.find_spec(extra) and f"odeopt-toolkit[{extra}]" in said)
