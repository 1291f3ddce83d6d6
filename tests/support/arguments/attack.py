"""Bad values, and what a public function must do with each: refuse it by name, or take it because it is right."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from support.arguments.public import parameters

ALLOWED = re.compile(r"\b(must|needs|should|Could not)\b")  # the last two: Keras' own errors
VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "text": lambda: "x",
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "minus": lambda: -1,
    "zero": lambda: 0,
    "complex": lambda: 1j,
    "object": object,
    "empty": list,
    "shape": lambda: np.full((2, 3, 5), 0.5),
    "true": lambda: True,
    "huge": lambda: 10**30,
    "masked": lambda: np.ma.masked_array([0.5, 0.25], mask=[False, True]),
}


@dataclass(frozen=True)
class Row:
    """A right call of a public function, and for each argument the names of those VALUES that it takes as well.

    given: makes the arguments of the right call anew
    takes: argument -> names of VALUES, in one string; a default of None adds "none", and "none-" takes it away again.
           "huge!" is refused too, but only after gradients: the run shows that it is too large
    call:  what to call with them; the public function itself by default
    """

    given: Callable[[], dict[str, Any]]
    takes: Mapping[str, str]
    call: Callable[..., Any] | None = None


def row(given: Callable[[], dict[str, Any]] = dict, call: Callable[..., Any] | None = None, **takes: str) -> Row:
    """A row of the table."""
    return Row(given, takes, call)


def mistakes(name: str, f: Any, row: Row, watched: list[Any], values: Mapping[str, Callable[[], Any]]) -> list[str]:
    """What is wrong with what a function does with bad values: one line for each.

    watched: grows with every evaluation of a gradient; a value must be refused before the first
    """
    found, known = [], parameters(f)
    for argument, right in row.takes.items():
        default = known[argument].default if argument in known else inspect.Parameter.empty
        taken = {*(["none"] if default is None else []), *right.split()}
        for label, make in values.items():
            value, given = make(), {**row.given()}
            watched.clear()
            said = _said(argument, row.call or f, {**given, argument: value}, watched)
            if said != _right(label, taken):
                found.append(f"{name}({argument}={label}): {said}")
    return found


def _right(label: str, taken: set[str]) -> str:
    if f"{label}!" in taken:
        return "refused late"
    return "taken" if label in taken and f"{label}-" not in taken else "refused"


def _said(argument: str, call: Callable[..., Any], given: dict[str, Any], watched: list[Any]) -> str:
    """ "taken" if the call returns, "refused" if it refuses its argument as it must, else what it did."""
    try:
        call(**given)
    except (ValueError, TypeError, KeyError) as error:  # KeyError: of an unknown word, as of a dictionary
        if type(error) not in (ValueError, TypeError, KeyError):
            return f"{type(error).__name__}: {error}"
        if not re.search(rf"\b{argument}\b", str(error)) or not re.search(
            r"\b(must|needs|should|Could not)\b", str(error)
        ):
            return f"unclear: {type(error).__name__}: {error}"
        return "refused late" if watched else "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken"
