"""A program stands for a function only where both were seen to give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

OTHER = "its program gives other numbers than"  # ... the step itself
DIGITS = 0.5  # the share of a number's digits that must be the same
ROUNDED, CANCELLED = 16, 4096  # roundings of the number itself; of others in the array, of whose sum little is left
KEPT = 64  # points of one program

_agreed: WeakKeyDictionary[Any, dict[Any, bool]] = WeakKeyDictionary()


def agree(
    found: Iterable[Any], expected: Iterable[Any], before: Iterable[Any] | None = None, precision: Any = np.float64
) -> bool:
    """Whether arrays are the same to rounding in that by which they differ from `before` (default: 0).

    Another order of the same operations changes the last digits; another formula changes more than half of them.
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
    """look(), which compares a program with its function at a point; it is not repeated where they agreed before."""
    known = _agreed.setdefault(program, {})
    if point in known:
        return True
    while len(known) >= KEPT:
        del known[next(iter(known))]
    if found := look():
        known[point] = True
    return found
