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
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    printed = re.search(r"prints the equation.*?```\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    assert printed
    namespace: dict[str, object] = {}
    out = []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
        out.append(capsys.readouterr().out)
    assert out[0] == printed.group(1)
    assert float(out[1]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("package", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in FRAMEWORKS])
def test_readme_in_a_framework(package):
    """The blocks that need an extra, where it is installed."""
    pytest.importorskip(package)
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(rf"```python {package}\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, object] = {"oo": oo}
    exec(compile(block, "README.md", "exec"), names)
    assert any(name.startswith("to_") for name in names)


def test_every_block_of_the_readme_is_run_somewhere():
    kinds = re.findall(r"^```(.*)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)[::2]
    assert [kind.removeprefix("python ") for kind in kinds if kind.startswith("python ")] == list(FRAMEWORKS)
    assert set(kinds) == {"", "python", *(f"python {name}" for name in FRAMEWORKS)}


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
