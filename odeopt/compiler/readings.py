"""What a flow's formulas read: those of users may read something else at the next run, this package's own never do."""

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
KEPT = 64  # programs of one optimizer or flow

_own: WeakKeyDictionary[Field, bool] = WeakKeyDictionary()  # whether all formulas of a flow are this package's


def once(known: dict[Any, Any], key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What is made for a key, or the Untraceable that was raised; the last KEPT are remembered in `known`.

    It is made anew each time where the key ends with None, what `read_by` gives where nothing is known.
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


def read_by(flow: Field) -> Any:
    """What equals another only if formulas written elsewhere read the same as then; () if there are none.

    None where they read more than numbers, collections of them and functions, of which nothing is known.
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
    """What equals that of another flow only if their formulas are the same and read the same; or raises Untraceable."""
    return fingerprint((flow.filters, flow.parts), FORMULA)


def _foreign(found: Any) -> bool:
    if isinstance(found, CodeType):
        return not found.co_filename.startswith(PACKAGE)
    return isinstance(found, tuple) and any(map(_foreign, found))
