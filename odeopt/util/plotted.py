"""The registry of drawings: `result.plot()` calls the drawing that `odeopt.plots` registers for the result's type.

Results do not depend on matplotlib, and no package below `odeopt.plots` imports it.  `plotted` imports it by name when
the first result is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Drawing = Callable[..., Any]
D = TypeVar("D", bound=Drawing)

_drawings: dict[type, Drawing] = {}


def draws(kind: type) -> Callable[[D], D]:
    """A decorator that registers `drawing(result, *, ax=None, **options)` for results of this type."""

    def register(drawing: D) -> D:
        _drawings[kind] = drawing
        return drawing

    return register


def plotted(result: Any, *arguments: Any, **options: Any) -> Any:
    """Calls the drawing registered for type(result) and returns its artists; LookupError if there is none."""
    import_module("odeopt.plots")
    if type(result) not in _drawings:
        raise LookupError(f"no drawing is registered for {type(result).__name__}: see odeopt.util.plotted.draws")
    return _drawings[type(result)](result, *arguments, **options)
