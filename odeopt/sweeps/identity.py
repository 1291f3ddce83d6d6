"""The identity of what a sweep runs: text and digests that are the same in every process, and change with the code."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from odeopt.problems import Problem

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
DIGITS = 16
POINTS = 3  # at which loss and gradient of a problem are evaluated
Seen = dict[int, Any]  # what has been described, by its id

OWN = {*sys.stdlib_module_names, "odeopt"}
INSTALLED = {"site-packages", "dist-packages"}


@runtime_checkable
class Numbers(Protocol):
    """An array of any library: its text has but a few of its numbers."""

    def __array__(self) -> Any: ...


def identity(thing: Any) -> str:
    """Name and digest of a function or a problem, or the text of anything else.

    >>> from odeopt import problems
    >>> identity(problems.quadratic()) == identity(problems.quadratic((1.0, 30.0))), identity(None)
    (False, 'None')
    """
    if isinstance(thing, Problem):
        return f"{thing.name or 'problem'} {_digest(_of_problem(thing))}"
    if callable(thing):
        return f"{getattr(thing, '__qualname__', type(thing).__qualname__)} {_digest(_described(thing, {}))}"
    return _text(thing)


def _of_problem(problem: Problem) -> str:
    """Start, noise, and the losses and gradients at the start and at random points about it, to 12 digits."""
    start = problem.theta0.reshape(-1, problem.dim)[0]
    shifts = np.random.default_rng(0).standard_normal((POINTS, problem.dim))
    with np.errstate(all="ignore"):
        values = [f(start + u) for u in (0 * start, *shifts) for f in (problem.loss, problem.grad)]
    seen = [[f"{x:.11e}" for x in np.ravel(each)] for each in values]
    return f"{problem.theta0.tolist()} {seen} {_described(problem.noise, {})}"


def _described(thing: Any, seen: Seen) -> str:
    """A value with the code and the values of all functions in it, each once."""
    own = getattr(thing, "__dict__", None)
    if own is not None:
        if id(thing) in seen:
            return f"number {list(seen).index(id(thing))}"
        seen[id(thing)] = thing
    if isinstance(thing, Problem):
        return identity(thing)
    if isinstance(thing, partial):
        return f"partial {[_described(u, seen) for u in (thing.func, *thing.args)]} {_pairs(thing.keywords, seen)}"
    if isinstance(thing, FunctionType):
        return _of_function(thing, seen)
    if isinstance(thing, MethodType):
        return f"method {_described(thing.__func__, seen)} of {_described(thing.__self__, seen)}"
    if isinstance(thing, Numbers) and not isinstance(thing, type) and (found := _of_numbers(thing)):
        return found
    if isinstance(thing, list | tuple):
        return str([_described(u, seen) for u in thing])
    if isinstance(thing, set | frozenset):  # their order changes from process to process
        return f"set {sorted(_described(u, seen) for u in thing)}"
    if isinstance(thing, dict):
        return _pairs(thing, seen)
    if isinstance(thing, type):
        return _of_class(thing, seen)
    if is_dataclass(thing):
        held = {each.name: getattr(thing, each.name, None) for each in fields(thing)}
        return f"{_of_class(type(thing), seen)} {_pairs(held, seen)}"
    if callable(thing) or type(thing).__repr__ is object.__repr__:  # its text does not say what it holds
        return f"{_text(thing)} {_of_class(type(thing), seen)} {_pairs(own or {}, seen)}"
    return _text(thing)


def _of_numbers(thing: Numbers) -> str:
    """Shape, type and digest of an array; empty for one of objects, or one that cannot be read here."""
    try:
        array = np.ascontiguousarray(thing)
    except (TypeError, ValueError, RuntimeError):  # as of a tensor on another device
        return ""
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return "" if array.dtype.hasobject else f"array {np.shape(thing)} {array.dtype} {digest}"


def _of_class(kind: type, seen: Seen) -> str:
    """Its name, and the code of its own methods if it is the user's."""
    if _is_installed(kind.__module__):
        return _versioned(kind)
    return f"{_text(kind)} {_pairs({name: f for name, f in vars(kind).items() if isinstance(f, FunctionType)}, seen)}"


def _is_installed(module: str) -> bool:
    """Whether a module is Python's, odeopt's or a library's, so that name and version say what its code is."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.partition(".")[0] in OWN or not INSTALLED.isdisjoint(Path(file).parts)


def _versioned(thing: type | FunctionType) -> str:
    """The name of a class or a function, with the version of its library."""
    version = getattr(sys.modules.get(thing.__module__.partition(".")[0]), "__version__", "")
    return f"{thing.__module__}.{thing.__qualname__} {version}"


def _of_function(f: FunctionType, seen: Seen) -> str:
    """Its code, its defaults, what it holds, and the values of the names that it reads from its module."""
    if "__wrapped__" in vars(f):  # a decorator has kept the function inside it
        return _described(vars(f)["__wrapped__"], seen)
    held = [_described(cell.cell_contents, seen) for cell in f.__closure__ or ()]
    if _is_installed(f.__module__):
        return f"{_versioned(f)} {held}"
    read = {name: f.__globals__[name] for name in _names(f.__code__) if name in f.__globals__}
    return f"{_of_code(f.__code__)} {_described(f.__defaults__, seen)} {held} {_pairs(read, seen)}"


def _of_code(code: CodeType) -> str:
    constants = [_of_code(u) if isinstance(u, CodeType) else _described(u, {}) for u in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _names(code: CodeType) -> list[str]:
    """The names that a code and the functions in it read."""
    inner = [name for u in code.co_consts if isinstance(u, CodeType) for name in _names(u)]
    return sorted({*code.co_names, *inner})


def _pairs(values: dict[Any, Any], seen: Seen) -> str:
    return str({_text(name): _described(u, seen) for name, u in values.items()})


def _text(thing: Any) -> str:
    if isinstance(thing, ModuleType):
        return f"module {thing.__name__}"
    if isinstance(thing, type):
        return f"class {thing.__module__}.{thing.__qualname__}"
    return ADDRESS.sub("", repr(thing))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
