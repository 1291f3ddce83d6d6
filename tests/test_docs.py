"""The code in README and CONTRIBUTING runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_contributing():
    result = doctest.testfile(str(ROOT / "CONTRIBUTING.md"), module_relative=False)
    assert result.attempted >= 5
    assert result.failed == 0


def test_the_example_optimizer_is_short():
    source = (ROOT / "CONTRIBUTING.md").read_text()
    definition = [line for line in source.splitlines() if line.startswith((">>> def signsgd", "...     "))]
    assert 0 < len(definition) < 15


def test_readme():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CLAIMS.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target
