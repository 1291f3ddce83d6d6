"""The known name closest to a misspelt one, for error messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

Elsewhere = Mapping[str, tuple[str, ...]]  # {a name in another library: the names here that do its work}
NOTHING: Elsewhere = MappingProxyType({})
MOST = 3  # names in a hint


def hint(name: str, allowed: Iterable[str], elsewhere: Elsewhere = NOTHING) -> str:
    """The question after "got 'adm'": the allowed name that was meant; "" if none is close.

    >>> hint("adm", ["adam", "gd"]), hint("SGD", ["adam"], {"sgd": ("gd", "momentum")}), hint("xyz", ["adam"])
    ("; did you mean 'adam'?", "; did you mean 'gd' or 'momentum'?", '')
    """
    folded = {other.casefold(): other for other in allowed}
    key = name.casefold()
    meant = (folded[key],) if key in folded else elsewhere.get(key) or _close(key, folded)
    return f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""


def _close(key: str, folded: Mapping[str, str]) -> tuple[str, ...]:
    """The names that begin with this one, if they are few; else the closest name, if it is close enough."""
    longer = [name for other, name in folded.items() if other.startswith(key)]
    if len(key) > 1 and 0 < len(longer) <= MOST:
        return tuple(longer)
    import difflib  # late: only mistakes need it

    return tuple(folded[other] for other in difflib.get_close_matches(key, folded, n=1))
