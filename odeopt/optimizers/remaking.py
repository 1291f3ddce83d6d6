"""Whether the recipe of an optimizer makes it again."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np


def remade(opt: Any) -> bool:
    """False for an optimizer without recipe, or one that dataclasses.replace has changed since the recipe made it."""
    if opt.recipe is None:
        return False
    again = opt.recipe.make(**opt.recipe.settings)
    pairs = [(again.h, opt.h), (again.lr_time, opt.lr_time)]
    pairs += [(again.flow.params.get(name), value) for name, value in opt.flow.params.items()]
    printed = str(again) == str(opt) and repr(again.scheme) == repr(opt.scheme)
    starts = _alike(again.start, opt.start) and _alike(again.flow_start, opt.flow_start)
    return printed and starts and all(np.array_equal(u, v) for u, v in pairs)


def made(make: Any, settings: dict[str, Any]) -> Any:
    """make(**settings), as pickle calls it."""
    return make(**settings)


def _alike(f: Any, g: Any) -> bool:
    """Whether two functions have the same code and hold alike values; whether two other values are equal."""
    if f is g or not (isinstance(f, FunctionType) and isinstance(g, FunctionType)):
        return f is g or bool(np.array_equal(f, g))
    held = [tuple(cell.cell_contents for cell in each.__closure__ or ()) for each in (f, g)]
    return f.__code__ is g.__code__ and all(_alike(u, v) for u, v in zip(*held, strict=True))
