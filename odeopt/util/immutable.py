"""A base class for objects that never change, whose copies are the objects themselves."""

from __future__ import annotations

from typing import Any, Self


class Immutable:
    """copy(x) = deepcopy(x) = x, for frozen dataclasses that hold functions and read-only mappings."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        return self
