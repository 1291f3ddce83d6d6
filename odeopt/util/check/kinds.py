"""Values of a kind: functions, names, switches, paths, generators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from odeopt.util.check.values import shown
from odeopt.util.names import hint

if TYPE_CHECKING:
    from pathlib import Path

MANY = 20  # names in an error before what is wrong
# in quotes, because numpy.random is imported late
Seed: TypeAlias = "int | np.integer | np.random.Generator | np.random.SeedSequence | np.random.BitGenerator | None"


def instance(name: str, value: Any, kind: Any, text: str) -> Any:
    """The value if it is of this kind; `text` says which one is meant."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {text}, got {shown(value)}")
    return value


def function(name: str, value: Any, of: str) -> Any:
    """A function of what `of` names."""
    if not callable(value):
        raise TypeError(f"{name} must be a function of {of}, got {shown(value)}")
    return value


def label(name: str, value: Any) -> str:
    """Text, for print."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {shown(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def switch(name: str, value: Any) -> bool | None:
    """True, False, or None for the default."""
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} must be True, False or None, got {shown(value)}")
    return value


def mapping(name: str, value: Any, of: str) -> dict[Any, Any]:
    """A mapping as a new dictionary, empty for None; `of` names keys and values in the error."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map {of}, got {shown(value)}")
    return dict(value)


def path(name: str, value: Any) -> Path:
    """The path of a file."""
    if not isinstance(value, str | PathLike) or not (text := fspath(value)) or not isinstance(text, str):
        raise TypeError(f"{name} must be the path of a file, a str or pathlib.Path, got {shown(value)}")
    from pathlib import Path  # late, as is_masked is: a run needs no files

    return Path(text)


def generator(name: str, value: Any) -> np.random.Generator:
    """A Generator made from None, a seed or a Generator.                               [Scientific Python, SPEC 7]"""
    seed = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
    known = isinstance(value, np.random.Generator | np.random.SeedSequence | np.random.BitGenerator)
    if value is not None and not seed and not known:
        raise TypeError(f"{name} must be None, an integer >= 0 or a numpy.random.Generator, got {shown(value)}")
    return np.random.default_rng(value)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of the allowed names; the error suggests the closest one, before the names where they are many."""
    names = sorted(allowed)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(names)}, got {shown(value)}")
    if value in names:
        return value
    meant = hint(value, names)
    if len(names) <= MANY:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got {shown(value)}{meant}")
    many = f"{name} must be one of {len(names)} names, got {shown(value)}{meant or '.'}"
    raise ValueError(f"{many} They are {', '.join(names)}")


def distinct(name: str, values: Iterable[str]) -> None:
    """Refuses names that occur twice."""
    if twice := sorted(value for value, number in Counter(values).items() if number > 1):
        raise ValueError(f"{name} must be distinct names, got {', '.join(twice)} twice")
