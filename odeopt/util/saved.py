"""The base class of results: files, tables and pickles, by `odeopt.results`.

Results know no file format and no pandas.  `odeopt.results` knows all of them, and is imported when one is saved.
"""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from pathlib import Path

    from odeopt.util.check import Array
    from odeopt.util.status import Status


class Saved:
    """The base class of results, which are frozen dataclasses."""

    def save(self, path: str | Path) -> Path:
        """Writes an .npz file, whole or not at all, with a checksum; returns its path.

        Named optimizers, flows and problems are written as the call that makes them.  Of those with functions of your
        own a description is kept, and the loaded result says so.
        """
        return import_module("odeopt.results").save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The result that `save` wrote to this file; ValueError if the file is damaged or of another kind."""
        return import_module("odeopt.results").load(path, cls)

    def to_dataframe(self) -> Any:
        """A pandas DataFrame; ImportError without the extra `tables`."""
        return import_module("odeopt.results").to_dataframe(self)

    def __reduce__(self) -> Any:
        """What pickle writes: the same as `save`."""
        return import_module("odeopt.results").reduced(self)

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        """New arrays; functions, flows and problems never change and are shared."""
        copy = object.__new__(type(self))
        known[id(self)] = copy
        for name, value in vars(self).items():
            object.__setattr__(copy, name, deepcopy(value, known))
        return copy


class _Run(Protocol):
    """What a path of theta has."""

    @property
    def theta(self) -> Array: ...
    @property
    def status(self) -> Status: ...


class SavedPath(Saved):
    """The base of results that are a path theta (n+1, ..., d), which may have ended early."""

    @property
    def success(self: _Run) -> bool:
        """True if the path reached its end, or the callback's, with every number finite."""
        return self.status >= 0

    @property
    def final(self: _Run) -> Array:
        """The last theta, shape (..., d)."""
        return self.theta[-1]
