"""`list` and `describe`: the available names in one line each, and one of them in full."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import fields
from types import ModuleType
from typing import Any

from odeopt.commands.arguments import ROOMS, named, names, parameters, required, settings
from odeopt.commands.output import show
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check


def listed(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints every name with a line about it."""
    settings(rest, {})
    lines = {title: {name: line(room, name) for name in names(room)} for title, room in ROOMS.items()}
    width = max(len(name) for found in lines.values() for name in found)
    blocks = [
        [title, *(f"  {name:<{width}}  {about}" for name, about in found.items())] for title, found in lines.items()
    ]
    show(given, lines, "\n\n".join("\n".join(block) for block in blocks))
    return 0


def line(room: ModuleType, name: str) -> str:
    """The first line of its docstring; the name and the order of a ready-made scheme."""
    thing = getattr(room, name)
    if isinstance(thing, Scheme):
        return f"{thing.name}, of order {thing.order:g}"
    return " ".join((inspect.getdoc(thing) or "").splitlines()[0].split())


def described(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints what is known of an optimizer, a flow, a scheme or a problem."""
    title, name = _found(given.name)
    thing = named(title.removesuffix("s"), name, ROOMS[title])
    if isinstance(thing, Scheme):
        settings(rest, {})
        facts = {"name": thing.name, "order": thing.order, "scheme": repr(thing)}
        show(given, facts, f"{thing.name}, a scheme of order {thing.order:g}\n{thing!r}")
        return 0
    keywords = settings(rest, parameters(thing))
    signature = f"{title}.{name}{_readable(inspect.signature(thing))}"
    about = [signature, "", inspect.getdoc(thing) or ""]
    facts = {"call": signature, "about": inspect.getdoc(thing)}
    if not required(thing, keywords):
        made = thing(**keywords)
        facts |= _facts(made)
        about = [signature, "", str(made.describe()) if isinstance(made, Optimizer) else f"{about[2]}\n\n{made}"]
    show(given, facts, "\n".join(about))
    return 0


def _found(name: str) -> tuple[str, str]:
    """The room and the name in it: of `flows.adam` the flow, of `adam` the first in the order of the list."""
    title, _, short = name.rpartition(".")
    if title:
        return check.choice("room", title, ROOMS), short
    every = {other: title for title in reversed(ROOMS) for other in names(ROOMS[title])}
    return every[check.choice("name", name, every)], name


def _readable(signature: inspect.Signature) -> str:
    """The signature without types."""
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _facts(made: Any) -> dict[str, Any]:
    """What can be said of an object in JSON."""
    if not isinstance(made, Optimizer):
        return {"printed": str(made)}
    description = made.describe()
    return {field.name: getattr(description, field.name) for field in fields(description)}
