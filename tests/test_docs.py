"""The code in README and CONTRIBUTING runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from support import tables

import odeopt as oo

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("torch", "jax", "keras")
BUILT = re.compile("_build|reference|docs/(zoo|claims|changelog|contributing|gallery).md")
PAGES = sorted(path for path in ROOT.glob("docs/**/*.md") if not BUILT.search(path.relative_to(ROOT).as_posix()))


def test_contributing():
    result = doctest.testfile(str(ROOT / "CONTRIBUTING.md"), module_relative=False)
    assert result.attempted >= 5
    assert result.failed == 0


def test_the_example_optimizer_is_short():
    source = (ROOT / "CONTRIBUTING.md").read_text()
    definition = [line for line in source.splitlines() if line.startswith((">>> def signsgd", "...     "))]
    assert 0 < len(definition) < 15


def test_readme(capsys, monkeypatch, tmp_path):
    """Every block runs, and the first prints what is said."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    printed = re.search(r"prints the equation.*?```\n(.*?)```", text, flags=re.DOTALL)
    assert printed
    namespace: dict[str, object] = {}
    out = []
    for block in blocks(ROOT / "README.md"):
        exec(compile(block, "README.md", "exec"), namespace)
        out.append(capsys.readouterr().out)
    assert out[0] == printed.group(1)
    assert float(out[-1]) == pytest.approx(2, abs=0.05)
    assert out[1].startswith("3.8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_blocks_of_a_page_run(page, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in blocks(page):
        exec(compile(block, page.name, "exec"), namespace)


@pytest.mark.parametrize("package", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in FRAMEWORKS])
def test_blocks_of_a_framework_run(package):
    """The guide to an extra, where it is installed."""
    pytest.importorskip(package)
    names: dict[str, object] = {}
    for block in blocks(ROOT / f"docs/guides/{package}.md", f"python {package}"):
        exec(compile(block, package, "exec"), names)
    assert any(name.startswith("to_") for name in names)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: path.stem)
def test_every_block_is_run_somewhere(page):
    kinds = re.findall(r"^```(.*)$", page.read_text(), flags=re.MULTILINE)[::2]
    frameworks = {f"python {name}" for name in FRAMEWORKS if page.name == f"{name}.md"}
    assert {kind for kind in kinds if kind.startswith("python")} <= {"python", *frameworks}


def blocks(page, kind="python"):
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_docstrings_cite_nothing_that_a_reader_cannot_find():
    for path in [*ROOT.glob("odeopt/**/*.py"), *ROOT.glob("notebooks/*.py"), *ROOT.glob("figures/*.py")]:
        assert not re.search(r"MATHS|SEEDS", path.read_text()), path


def test_zoo_has_every_optimizer():
    """Its tables are written by `make zoo`; the maps, at least, must be those of today."""
    text = (ROOT / "ZOO.md").read_text()
    for name in tables.OPTIMIZERS:
        described = getattr(oo.optimizers, name)(lr=0.01).describe()
        assert f"| `{name}` | " in text
        assert described.map in text
        assert f"| {described.valid} | {described.source} |" in text


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CLAIMS.md", "ZOO.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), ROOT / "figures/gallery/README.md"], ids=lambda path: path.name)
def test_files_that_are_named_exist(path):
    for name in re.findall(r"`((?:tests|odeopt|figures|notebooks|benchmarks)/[\w/.]+)`", path.read_text()):
        assert (ROOT / name).exists(), name
