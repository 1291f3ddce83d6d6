"""The call that made an object; it is saved and pickled in place of the functions that the object holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from odeopt.util.door import explaining
from odeopt.util.immutable import Immutable

Make = Callable[..., Any]
PLAIN = (bool, int, float, str, np.bool_, np.integer, np.floating, type(None))


@dataclass(frozen=True, eq=False)
class Call:
    """make(*arguments, **keywords), for a public function and arguments that are data or were made by a Call."""

    make: Make
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def again(self) -> Any:
        """The result of the same call."""
        return self.make(*self.arguments, **self.keywords)


class Unrepeatable(TypeError):
    """An argument that is neither data nor made by a public function of data, such as a function of your own."""


def repeatable(make: Make) -> Make:
    """The function whose results know the call that made them, as their `origin`, if that can be repeated."""
    explained = explaining(make)

    @wraps(make)
    def call(*arguments: Any, **keywords: Any) -> Any:
        made = explained(*arguments, **keywords)
        if isinstance(made, Immutable):
            try:
                kept = Call(call, _kept(arguments), _kept(keywords))
            except Unrepeatable:
                return made
            made.remember(kept)
        return made

    return call


def _kept(value: Any) -> Any:
    """A copy of data, which the caller may change later; an object that remembers its own call, as it is."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise Unrepeatable(f"no data: {value.dtype}")
        return value.copy()
    if isinstance(value, list | tuple):
        return type(value)(map(_kept, value)) if type(value) in (list, tuple) else _refused(value)
    if isinstance(value, dict):
        return {key: _kept(inner) for key, inner in value.items()}
    known = isinstance(value, PLAIN) or (isinstance(value, Immutable) and value.origin is not None)
    return value if known else _refused(value)


def _refused(value: Any) -> Any:
    raise Unrepeatable(f"neither data nor made by a public function: {value!r}")
