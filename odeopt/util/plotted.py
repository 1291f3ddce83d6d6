"""The registry of drawings: `result.plot()` calls the drawing that `odeopt.plots` registers for the result's type.

Results do not depend on matplotlib, and no package below `odeopt.plots` imports it.  `plotted` imports it by name when
the first result is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar, cast

from odeopt.util import check

Drawing = Callable[..., Any]
D = TypeVar("D", bound=Drawing)

_drawings: dict[type, Drawing] = {}


def draws(kind: type) -> Callable[[D], D]:
    """A decorator that registers `drawing(result, *, ax=None, **options)` for results of this type, and no others."""

    def register(drawing: D) -> D:
        name = next(iter(signature(drawing).parameters))

        @wraps(drawing)
        def checked(*arguments: Any, **options: Any) -> Any:
            result = arguments[0] if arguments else options.get(name)
            check.instance(name, result, kind, f"a result of type {kind.__name__}")
            return drawing(*arguments, **options)

        _drawings[kind] = checked
        return cast(D, checked)

    return register


def plotted(result: Any, *arguments: Any, **options: Any) -> Any:
    """Calls the drawing registered for type(result) and returns its artists; LookupError if there is none."""
    import_module("odeopt.plots")
    if type(result) not in _drawings:
        raise LookupError(f"no drawing is registered for {type(result).__name__}: see odeopt.util.plotted.draws")
    return _drawings[type(result)](result, *arguments, **options)
