"""A publication as descriptions cite it, with its BibTeX entry; a field that could not be verified is left out."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Source:
    """A publication under the name by which descriptions cite it; `place` is where in it, such as "alg. 1"."""

    name: str
    bibtex: str
    place: str = ""

    def at(self, place: str) -> Source:
        """The same source, cited at a place."""
        return replace(self, place=place)

    def __str__(self) -> str:
        return f"{self.name}, {self.place}" if self.place else self.name


def source(name: str, kind: str, key: str, **fields: str) -> Source:
    """A source with the entry @kind{key, fields}."""
    rows = [f"  {field} = {{{value}}}," for field, value in fields.items()]
    return Source(name, "\n".join([f"@{kind}{{{key},", *rows, "}"]))


def arxiv(number: str) -> dict[str, str]:
    return {"eprint": number, "archiveprefix": "arXiv"}


PMLR = "Proceedings of Machine Learning Research"
