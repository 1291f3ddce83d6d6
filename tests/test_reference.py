"""The reference of the documentation has every public name, once, with its signature and its docstring."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest

import odeopt as oo

sys.path.append(str(Path(__file__).parents[1] / "docs/_ext"))

import docstrings
import reference
from topics import TOPICS

LIGHT = [name for name, topic in TOPICS.items() if topic.extra not in ("torch", "jax", "keras")]


def test_every_public_name_stands_on_one_page():
    listed = [name for topic in TOPICS.values() if topic.module == "odeopt" for name in topic.names.split()]
    public = [name for name in oo.__all__ if not isinstance(getattr(oo, name), ModuleType)]
    assert sorted(listed) == sorted(public)


@pytest.mark.parametrize("name", LIGHT)
def test_entries_have_a_summary_and_their_own_docstring(name):
    for full, thing in reference.entries(TOPICS[name]):
        assert docstrings.summary(reference._doc(thing), set()), full
        assert f"}} {full}" in reference.entry(full, thing, set())


WITHOUT_EXAMPLE = ("plots", "word2vec")  # they draw or download; the results' own `.plot` and the notebooks show them
SECTIONS = {
    "PR01": "a docstring speaks of its arguments where they need it, in a list of `name: text`",
    "RT01": "the first line says what is returned",
    "EX01": "examples are doctests without a heading; the next test asks for them",
    "SA01": "the reference links names where they stand",
    "ES01": "where the first line says all, nothing follows",
    "SS02": "a first line may be a formula",
    "SS03": "a first line may be a formula, or end in its source",
    "SS05": "a first line may begin with a noun in the plural",
}


@pytest.mark.parametrize("name", LIGHT)
def test_docstrings_pass_the_checks_of_numpydoc(name):
    """All but those that ask for its sections, which docstrings that are read at a prompt do without."""
    validate = pytest.importorskip("numpydoc.validate").validate
    for full, thing in reference.entries(TOPICS[name]):
        if inspect.isclass(thing) or inspect.isroutine(thing):
            found = validate(f"{thing.__module__}.{thing.__qualname__}")["errors"]
            assert not [error for error in found if error[0] not in SECTIONS], full


@pytest.mark.parametrize("name", [name for name in LIGHT if name not in WITHOUT_EXAMPLE])
def test_public_functions_have_an_example_that_runs(name):
    for full, thing in reference.entries(TOPICS[name]):
        assert not inspect.isroutine(thing) or ">>>" in reference._doc(thing), full


def test_every_topic_is_in_the_table_of_contents():
    index = (Path(__file__).parents[1] / "docs/reference/index.md").read_text().split()
    assert set(TOPICS) <= set(index)


def test_a_docstring_becomes_markdown():
    text = """v' = -a*v: a formula.

    steps:  how many; see `simulate`
            and `nothing`
    h:      the step

    theta' = v

Prose with 2*3 and |g|.

>>> 1 + 1
2"""
    text = text.replace("    steps", "steps").replace("            and", "        and").replace("    h:", "h:")
    found = docstrings.markdown(text, {"odeopt.simulate"}).split("\n\n")
    assert found[0] == r"v' = -a\*v: a formula."
    assert found[1] == ("- `steps`: how many; see {py:obj}`simulate <odeopt.simulate>` and `nothing`\n- `h`: the step")
    assert found[2] == "```text\ntheta' = v\n```"
    assert found[3] == r"Prose with 2\*3 and \|g\|."
    assert found[4] == "```pycon\n>>> 1 + 1\n2\n```"


def test_links_of_copied_pages_stay_within_the_site():
    import sources

    text = "[a](ZOO.md#x) ![p](figures/gallery/01.png) [c](odeopt/core/ops.py) [d](https://e.org) [n](notebooks)"
    assert sources.linked(text, Path()) == (
        "[a](zoo.md#x) ![p](figures/gallery/01.png) c [d](https://e.org) [n](tutorials/index.md)"
    )
    assert sources.linked("![p](01.png) [s](../01.py)", Path("figures/gallery")) == "![p](figures/gallery/01.png) s"
