"""The key of the trace cache: all that a function reads.  A trace is used again while its key is the same.

`fingerprint` holds a function's code, and what its closure, globals and defaults are now.  A function that reads an
object whose changes cannot be seen has no key.  The names of the globals are read from the bytecode, once per function.
A key does not say that a function is pure: that is a contract, and each program is compared with its function in
numbers (`odeopt.compiler.verify`).

A key costs 10 microseconds.  Tracing anew in each run would cost 0.5 to 4.5 milliseconds more per run (measured on 1000
steps of gradient descent, Adam and LAMB on 2 and 8 coordinates, which take 0.3 to 2.9), so short runs would take about
three times as long.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from odeopt.compiler.ir import Untraceable
from odeopt.core import ops

T = TypeVar("T")
PLAIN = bool, int, float, complex, str, np.number
LARGEST = 4096  # entries of an array in a key; no traceable function reads more
UNSEEN = "random", "nan_to_num", "real_if_close"  # the first has a hidden state; the others ignore arrays of objects
HOUSE = (
    *("odeopt.noise._gaussian", "odeopt.core.parts", "odeopt.flows.", "odeopt.schemes.", "odeopt.core.decay"),
    "odeopt.optimizers.schedules",
)
BUILTINS = {"abs", "enumerate", "float", "int", "len", "list", "pow", "range", "reversed", "sum", "tuple", "zip"}


class Reads(NamedTuple):
    """What a function may read: collections of the types `several`; all globals if its module begins with `trusted`."""

    several: tuple[type, ...]
    trusted: str | None


GRADIENT = Reads((tuple,), None)  # a gradient may append to a list, so no lists
FORMULA = Reads((tuple, list, Mapping), "odeopt.")  # a formula of a flow, which is known to run on symbols
FUNCTIONS = (FunctionType, BuiltinFunctionType, type, type(np.mean))  # of NumPy


def fingerprint(function: Any, reads: Reads = GRADIENT) -> Any:
    """A key that is equal for two functions only if they are the same; raises Untraceable if they may read more."""
    return _of(function, (), reads)


def steadily(make: Callable[[], T], read: Callable[[], Any]) -> T:
    """make(), which runs functions on symbols; raises Untraceable if that changes what they read."""
    before, made = read(), make()
    if read() != before:
        raise Untraceable("it changes what it reads")
    return made


def _of(value: Any, inside: tuple[Any, ...], reads: Reads) -> Any:
    if isinstance(value, FunctionType) and not str(value.__module__).startswith("numpy"):
        return "itself" if value in inside else _function(value, (*inside, value), reads)
    if value is None or isinstance(value, PLAIN):
        return type(value), value
    if isinstance(value, reads.several):
        items: Any = value.items() if isinstance(value, Mapping) else value
        return tuple([_of(item, inside, reads) for item in items])
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" and value.size <= LARGEST:
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, partial):
        return _of((value.func, value.args, *sorted(value.keywords.items())), inside, reads)
    if isinstance(value, np.vectorize):
        return _of(value.pyfunc, inside, reads)
    if _harmless(value):
        return "library", value
    if _known(value):
        return type(value), tuple(_of(getattr(value, field.name), inside, reads) for field in fields(value))
    raise Untraceable(f"it reads {type(value).__name__}, which may change")


def _harmless(value: Any) -> bool:
    if value is np or value is ops or isinstance(value, np.ufunc):
        return True
    if isinstance(value, BuiltinFunctionType | type) and value.__module__ == "builtins":
        return value.__name__ in BUILTINS
    return isinstance(value, FUNCTIONS) and str(value.__module__).split(".")[0] == "numpy" and not _draws(value)


def _known(value: Any) -> bool:
    """Whether a value is a frozen dataclass of this package whose methods read nothing but its fields."""
    return is_dataclass(value) and type(value).__module__.startswith(HOUSE)


def _draws(value: Any) -> bool:
    return "random" in value.__module__


def _function(f: FunctionType, inside: tuple[Any, ...], reads: Reads) -> Any:
    values = [cell.cell_contents for cell in f.__closure__ or ()]
    read = _globals_read(f.__code__)
    if read and not (reads.trusted and str(f.__module__).startswith(reads.trusted)):
        builtins = f.__globals__["__builtins__"]
        outer = builtins if isinstance(builtins, dict) else vars(builtins)
        values += [f.__globals__.get(name, outer.get(name)) for name in read]
    values += (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
    values += [item for item in vars(f).items() if not item[0].startswith("__")]
    return f.__code__, tuple([_of(value, inside, reads) for value in values])


@lru_cache(maxsize=1024)
def _globals_read(code: CodeType) -> tuple[str, ...]:
    """The global names that a code reads; raises Untraceable for reads that a key cannot hold."""
    read: dict[str, None] = {}
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" or instruction.argval in UNSEEN:
            raise Untraceable(f"it reads {instruction.argval}, which may change")
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read[instruction.argval] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            read.update(dict.fromkeys(_globals_read(constant)))
    return tuple(read)
