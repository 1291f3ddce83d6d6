"""The numerical check of a program against its function, which every program passes before it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

OTHER = "its program gives other numbers than"  # begins a reason, which goes on with the name of the function
DIGITS = 0.5  # share of the digits that must agree
ROUNDED, CANCELLED = 16, 4096  # roundings allowed: of the number, and of the largest in its array (cancellation)
KEPT = 64  # points remembered per program

_agreed: WeakKeyDictionary[Any, dict[Any, None]] = WeakKeyDictionary()  # the points of each program, oldest first


def agree(
    found: Iterable[Any], expected: Iterable[Any], before: Iterable[Any] | None = None, precision: Any = np.float64
) -> bool:
    """Whether `found` and `expected` agree to rounding in their differences from `before` (default: 0).

    A different order of the same operations changes the last digits.  A different formula changes more than half of
    them.
    """
    pairs = [(np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in zip(found, expected, strict=True)]
    starts = [np.zeros(()) for _ in pairs] if before is None else map(np.asarray, before)
    eps = float(np.finfo(precision).eps)
    return all(_close(a, b, start, eps) for (a, b), start in zip(pairs, starts, strict=True))


def _close(a: Any, b: Any, start: Any, eps: float) -> bool:
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):
        change = np.abs(b - start)
        most = change.max(initial=0.0)
        if not np.isfinite(most):
            most = change.max(initial=0.0, where=np.isfinite(change))
        near = np.abs(a - b) <= eps**DIGITS * change + ROUNDED * eps * np.abs(b) + CANCELLED * eps * most
        return bool(near.all() or (near | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def agreed_at(program: Any, point: Any, look: Callable[[], bool | None]) -> bool | None:
    """The result of look(), which compares a program with its function; a point where they agreed is not repeated."""
    known = _agreed.setdefault(program, {})
    if point in known:
        return True
    while len(known) >= KEPT:
        del known[next(iter(known))]
    if found := look():
        known[point] = None
    return found
