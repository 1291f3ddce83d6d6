"""Every source that a description names has its BibTeX entry, and the project says how it is cited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import tables

import odeopt as oo
from odeopt.optimizers import newer_sources, sources
from odeopt.optimizers.bibliography import Source

ALL = [value for room in (sources, newer_sources) for value in vars(room).values() if isinstance(value, Source)]
NEEDED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "year"},
    "incollection": {"author", "title", "booktitle", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title", "year"},
}
FIELD = re.compile(r"^  (\w+) = \{(.*)\},$")


def parsed(entry):
    """(kind, key, fields) of an entry, whose every line must be one of BibTeX's."""
    first, *rows, last = entry.splitlines()
    kind, key = re.fullmatch(r"@(\w+)\{(\w+),", first).groups()
    assert last == "}"
    fields = dict(FIELD.fullmatch(row).groups() for row in rows)
    assert len(fields) == len(rows)
    return kind, key, fields


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.name)
def test_entries_are_whole(source):
    kind, _, fields = parsed(source.bibtex)
    assert set(fields) >= NEEDED[kind]
    for value in fields.values():
        assert value.isascii()  # accents as BibTeX has them
        assert value.count("{") == value.count("}")
    assert source.name.endswith(f" {fields['year']}")
    assert source.name.split()[0].rstrip(",") in re.sub(r"\{\\.(\w)\}", r"\1", fields["author"])
    assert re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "1234.5678"))
    assert ("eprint" in fields) == ("archiveprefix" in fields)
    assert re.fullmatch(r"10\.\d{4,}/\S+", fields.get("doi", "10.1000/1"))
    assert re.fullmatch(r"\d+--\d+", fields.get("pages", "1--2"))


def test_keys_differ():
    assert len({parsed(source.bibtex)[1] for source in ALL}) == len(ALL)
    assert len({source.name for source in ALL}) == len(ALL)


@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_every_source_that_is_named_has_an_entry(name):
    opt = getattr(oo.optimizers, name)(lr=0.01)
    named = opt.describe().source.split("; ")
    entries = opt.bibtex().split("\n\n")
    assert len(named) == len(entries) >= 1
    for cited, entry in zip(named, entries, strict=True):
        (source,) = [source for source in ALL if source.bibtex == entry]
        assert cited in (source.name, f"{source.name}, {cited.removeprefix(source.name).removeprefix(', ')}")


def test_every_entry_is_cited():
    opts = [getattr(oo.optimizers, name)(lr=0.01) for name in tables.OPTIMIZERS]
    opts.append(oo.optimizers.lookahead(opts[0]))
    assert {source.bibtex for source in ALL} == {entry for opt in opts for entry in opt.bibtex().split("\n\n")}


def test_wrappers_keep_the_sources_inside():
    adam = oo.optimizers.adam()
    assert oo.optimizers.clip_norm(adam, 1.0).bibtex() == adam.bibtex()
    ahead = oo.optimizers.lookahead(adam)
    assert ahead.bibtex().startswith(adam.bibtex())
    assert ahead.describe().source == "Kingma and Ba 2015, alg. 1; Zhang et al. 2019, alg. 1"


def test_an_optimizer_built_by_hand_has_none():
    own = oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1, name="own")
    assert own.describe().source == "your own"
    with pytest.raises(ValueError, match="bibtex needs a named optimizer, own was built by hand"):
        own.bibtex()


def test_how_the_project_is_cited():
    text = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([\w-]+): (.+)$", text, flags=re.MULTILINE))
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == oo.__version__
    assert fields["license"] == "MIT"
    assert fields["title"].strip('"').startswith("odeopt")
    assert set(fields) >= {"message", "type"}
    assert "\nauthors:\n  - name: The odeopt developers\n" in text
