"""The known name closest to a misspelt one, for error messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

Elsewhere = Mapping[str, tuple[str, ...]]  # {a name in another library: the names here that do its work}
NOTHING: Elsewhere = MappingProxyType({})
MOST = 3  # names in a hint


def hint(name: str, allowed: Iterable[str], elsewhere: Elsewhere = NOTHING) -> str:
    """The question after "got 'adm'": the allowed names that were meant, functions before classes; "" if none is close.

    >>> hint("adm", ["adam", "gd"]), hint("SGD", ["adam"], {"sgd": ("gd", "momentum")}), hint("xyz", ["adam"])
    ("; did you mean 'adam'?", "; did you mean 'gd' or 'momentum'?", '')
    >>> hint("rodflow", ["RodFlow", "rod_flow"])
    "; did you mean 'rod_flow' or 'RodFlow'?"
    """
    alike: dict[str, tuple[str, ...]] = {}  # names by their letters
    for other in sorted(allowed, key=lambda each: not each.islower()):
        alike[_letters(other)] = (*alike.get(_letters(other), ()), other)
    meant = alike.get(_letters(name)) or elsewhere.get(name.casefold()) or _close(_letters(name), alike)
    return f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""


def _letters(name: str) -> str:
    return name.casefold().replace("_", "")


def _close(key: str, alike: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names that begin with this one, if they are few; else the closest names, if they are close enough."""
    longer = [name for other, names in alike.items() if other.startswith(key) for name in names]
    if len(key) > 1 and 0 < len(longer) <= MOST:
        return tuple(longer)
    import difflib  # late: only mistakes need it

    return tuple(name for other in difflib.get_close_matches(key, alike, n=1) for name in alike[other])
