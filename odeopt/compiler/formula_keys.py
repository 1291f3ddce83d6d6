"""Keys for what a flow's formulas read, so that a program is traced anew when it changes.

Only formulas of users can read values that change; those of this package never do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary

from odeopt.compiler.ir import Untraceable
from odeopt.compiler.trace_cache import FORMULA, fingerprint
from odeopt.core.flow import Field, Flow
from odeopt.util import check

PACKAGE = os.path.dirname(os.path.dirname(check.__file__)) + os.sep  # odeopt/
KEPT = 64  # programs remembered per optimizer or flow

_own: WeakKeyDictionary[Field, bool] = WeakKeyDictionary()  # whether all formulas of a flow are this package's


def remembered(known: dict[Any, Any], key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """make(), remembered in `known` under a key.  An exception becomes Untraceable, is remembered too, and is raised.

    The last KEPT results are remembered.  A key that ends with None (see `formula_key`) is never found again.
    """
    if key[-1] is None or key not in known:
        while len(known) >= KEPT:
            del known[next(iter(known))]
        try:
            known[key] = make()
        except Exception as error:  # whatever a formula or a user's function raises on symbols
            known[key] = error if isinstance(error, Untraceable) else Untraceable(f"on symbols it raises {error!r}")
    found = known[key]
    if isinstance(found, Untraceable):
        raise found
    return found


def formula_key(flow: Field) -> Any:
    """A key for all that formulas written outside this package read; () if there are no such formulas.

    It is None if they read objects whose changes cannot be seen: anything but numbers, collections and functions.
    """
    if not isinstance(flow, Flow) or _own.get(flow, False):
        return ()
    try:
        found = formulas_of(flow)
    except Untraceable:
        return None
    _own[flow] = not _foreign(found)
    return () if _own[flow] else found


def formulas_of(flow: Flow) -> Any:
    """A key that is equal for two flows only if their formulas, and all they read, are equal; may raise Untraceable."""
    return fingerprint((flow.filters, flow.parts), FORMULA)


def _foreign(found: Any) -> bool:
    if isinstance(found, CodeType):
        return not found.co_filename.startswith(PACKAGE)
    return isinstance(found, tuple) and any(map(_foreign, found))
