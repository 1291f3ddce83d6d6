"""Lazy imports of a package's public names, with a suggestion for a misspelt name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any

import lazy_loader

from odeopt.util.names import NOTHING, Elsewhere, hint

Wrap = Callable[[Any], Any]
Door = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def door(
    package: str, file: str, *, elsewhere: Elsewhere = NOTHING, rooms: tuple[str, ...] = (), wrap: Wrap | None = None
) -> Door:
    """(__getattr__, __dir__, __all__) of the package with this file, by the stub `__init__.pyi` beside it.

    elsewhere: what the names of other libraries stand for, for the error
    rooms:     public packages in which a name that is missing here may be
    wrap:      applied to each public function
    """
    find, listed, names = lazy_loader.attach_stub(package, file)
    room = vars(sys.modules[package])

    def shown(name: str, value: Any) -> Any:
        if wrap is not None and isinstance(value, FunctionType):
            value = wrap(value)
            value.__module__ = package  # where pickle finds it
            room[name] = value
        return value

    def get(name: str) -> Any:
        if name not in names:
            inside = tuple(f"{room}.{name}" for room in rooms if name in find(room).__all__)
            meant = "" if name.startswith("_") else hint(name, names, {name: inside} if inside else elsewhere)
            raise AttributeError(f"{package} has no {name!r}{meant}")
        return shown(name, find(name))

    for name in names:  # with EAGER_IMPORT=1 they are there already
        shown(name, room.get(name))
    return get, listed, names


def suggesting(package: str, names: Iterable[str]) -> None:
    """Lets a package that imports its public names at once suggest the one that was meant.

    A `__getattr__` in its source would tell type checkers that it has every name.
    """

    def get(name: str) -> Any:
        meant = "" if name.startswith("_") else hint(name, names)
        raise AttributeError(f"{package} has no {name!r}{meant}")

    vars(sys.modules[package])["__getattr__"] = get


def explaining(make: Any, elsewhere: Elsewhere = NOTHING) -> Any:
    """The function, whose error for an unknown keyword says which one was meant and which there are."""

    @wraps(make)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return make(*arguments, **keywords)
        except TypeError:
            allowed = _parameters(make)
            unknown = [name for name in keywords if name not in allowed]
            if not unknown:
                raise
        only = f"only {', '.join(allowed)}" if allowed else "for it has none"
        meant = hint(unknown[0], allowed, elsewhere)
        raise TypeError(f"{make.__name__} has no argument {unknown[0]!r}, {only}{meant}")

    return call


def _parameters(make: Any) -> list[str]:
    import inspect

    return list(inspect.signature(make).parameters)
