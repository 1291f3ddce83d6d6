"""Every public function and class, and every public method, by the name by which users know it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import odeopt as oo


def public() -> dict[str, Any]:
    """Every public function and class, and every method of a class that takes arguments, by name; each once."""
    found: dict[str, Any] = {}
    for module in modules():
        prefix = module.__name__.removeprefix("odeopt").removeprefix(".")
        for name in names(module):
            thing = getattr(module, name)
            if callable(thing) and not any(thing is other for other in found.values()):
                found[f"{prefix}.{name}".lstrip(".")] = thing
    for name, thing in list(found.items()):
        for key, f in methods(name, thing):
            if not any(f is other for other in found.values()):
                found[key] = f
    return found


def modules() -> Iterator[ModuleType]:
    """odeopt and its public modules, frameworks that may be missing left out."""
    yield oo
    for name in ("frameworks.numpy", "solvers", "core.flow"):
        yield importlib.import_module(f"odeopt.{name}")
    yield from (thing for name in oo.__all__ if inspect.ismodule(thing := getattr(oo, name)))


def names(module: ModuleType) -> list[str]:
    """The public names of a module: its `__all__`, or what it defines itself."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__]
    return [name for name in own if not name.startswith("_")]


def methods(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """The public methods of a class that take arguments, those of its base classes in odeopt included."""
    bases = [base for base in thing.__mro__ if base.__module__.startswith("odeopt")] if inspect.isclass(thing) else []
    for key, value in ((key, value) for base in bases for key, value in vars(base).items()):
        f = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        alone = 0 if isinstance(value, staticmethod) else 1
        if inspect.isfunction(f) and not key.startswith("_") and len(inspect.signature(f).parameters) > alone:
            yield f"{name}.{key}", f


def parameters(f: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a function that have a name, without self and cls, with the defaults that its code has."""
    try:
        found = inspect.signature(inspect.unwrap(f)).parameters.values()
    except (ValueError, TypeError):  # an alias of a type
        return {}
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {p.name: p for p in found if p.kind not in variadic and p.name not in ("self", "cls")}
