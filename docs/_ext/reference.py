"""The reference, made of the docstrings before Sphinx reads its sources: a page a topic, an entry a public name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_origin

from docstrings import markdown, summary
from topics import TOPICS, Topic

PLACE = "reference"


def write(docs: Path) -> list[Path]:
    """Writes docs/reference/*.md; returns the pages."""
    (docs / PLACE).mkdir(exist_ok=True)
    known = {full for topic in TOPICS.values() for full, _ in entries(topic)}
    pages = []
    for name, topic in TOPICS.items():
        text = page(topic, known)
        path = docs / PLACE / f"{name}.md"
        if not path.exists() or path.read_text() != text:  # an unchanged page is not read again
            path.write_text(text)
        pages.append(path)
    return pages


def entries(topic: Topic) -> Iterator[tuple[str, object]]:
    """The full names of a page and what they name; nothing where the extra is not installed."""
    try:
        module = importlib.import_module(topic.module)
        for name in topic.names.split() or module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, ModuleType):
                yield f"{topic.module}.{name}", thing
    except ImportError:
        return


def page(topic: Topic, known: set[str]) -> str:
    """A page in MyST Markdown."""
    found = list(entries(topic))
    needs = f"\nNeeds the extra `{topic.extra}`: `pip install odeopt-toolkit[{topic.extra}]`.\n" if topic.extra else ""
    if not found:
        return f"# {topic.title}\n\n{topic.text}\n{needs}\nThis page was built without it.\n"
    rows = "\n".join(f"- {{py:obj}}`{full}`: {summary(_doc(thing), known)}" for full, thing in found)
    bodies = "\n\n".join(entry(full, thing, known) for full, thing in found)
    return f"# {topic.title}\n\n{topic.text}\n{needs}\n{rows}\n\n{bodies}\n"


def entry(full: str, thing: object, known: set[str]) -> str:
    """A directive of the Python domain with the signature and the docstring."""
    if inspect.isclass(thing):
        members = "\n\n".join(_member(full, name, member, known) for name, member in _members(thing))
        return _directive("py:class", full + _signature(thing), f"{markdown(_doc(thing), known)}\n\n{members}", 7)
    if inspect.isroutine(thing):
        return _directive("py:function", full + _signature(thing), markdown(_doc(thing), known), 5)
    return _directive("py:data", full, markdown(_doc(thing), known), 5)


def _member(full: str, name: str, member: object, known: set[str]) -> str:
    text = markdown(inspect.getdoc(member) or "", known)
    if isinstance(member, property):
        return _directive("py:property", f"{full}.{name}", text, 5)
    made = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    return _directive("py:method", f"{full}.{name}{_signature(made)}", text, 5)


def _members(cls: type) -> Iterator[tuple[str, object]]:
    """The documented public methods and properties of a class, its own bases' too."""
    seen = set()
    for base in (base for base in cls.__mro__ if base.__module__.startswith("odeopt")):
        for name, member in vars(base).items():
            callable_ = inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod)
            if callable_ and not name.startswith("_") and name not in seen and inspect.getdoc(member):
                seen.add(name)
                yield name, member


def _signature(thing: object) -> str:
    """(opt, problem, steps=300, *, rng=None), without annotations and self; () for what has none."""
    try:
        parameters = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "()"
    kept = [p.replace(annotation=inspect.Parameter.empty) for p in parameters if p.name not in ("self", "cls")]
    return str(inspect.Signature(kept)).replace("\n", " ")


def _doc(thing: object) -> str:
    """The docstring of a class or function; what an object prints; a word for an alias of a type."""
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return inspect.getdoc(thing) or ""
    return "An alias of a type, for annotations." if get_origin(thing) else str(thing)


def _directive(kind: str, title: str, body: str, fence: int) -> str:
    ticks = "`" * fence
    return f"{ticks}{{{kind}}} {title}\n{body}\n{ticks}"
