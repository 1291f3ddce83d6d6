"""A base class for objects that never change, whose copies are the objects themselves."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar, Self


class Immutable:
    """copy(x) = deepcopy(x) = x, for frozen dataclasses that hold functions and read-only mappings.

    origin: the call of a public function that made this object (`odeopt.util.origin`), or None.  A changed copy, as by
            dataclasses.replace, has none, for it is no field
    """

    origin: ClassVar[Any] = None

    def remember(self, call: Any) -> None:
        """Sets the origin."""
        object.__setattr__(self, "origin", call)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> Any:
        """What pickle writes: the origin, or else the attributes, whose functions pickle must find by name."""
        if self.origin is not None:
            return self.origin.again, ()
        values = {key: dict(v) if isinstance(v, MappingProxyType) else v for key, v in vars(self).items()}
        return rebuilt, (type(self), values)


def rebuilt(kind: type, values: dict[str, Any]) -> Any:
    """The object of this type with these attributes."""
    made: Any = object.__new__(kind)
    vars(made).update(values)
    return made
