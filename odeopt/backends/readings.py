"""What a flow's formulas read: those of users may read something else at the next run, this package's own never do."""

from __future__ import annotations

import os
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary

from odeopt import check
from odeopt.backends.nodes import Untraceable
from odeopt.backends.pure import FORMULA, fingerprint
from odeopt.flow import Field, Flow

PACKAGE = os.path.dirname(check.__file__) + os.sep

_own: WeakKeyDictionary[Field, bool] = WeakKeyDictionary()  # whether all formulas of a flow are this package's


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
