"""Names and settings on a command line, as objects of odeopt."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from odeopt import flows, optimizers, problems, schemes
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.names import hint

ROOMS: dict[str, ModuleType] = {"optimizers": optimizers, "flows": flows, "schemes": schemes, "problems": problems}
STAGES = 10  # of rkc1 and rkc2 where only their name is given


def names(room: ModuleType) -> list[str]:
    """The names of the makers and ready-made schemes in a module."""
    things = {name: getattr(room, name) for name in room.__all__}
    return sorted(name for name, thing in things.items() if _is_ready(thing) or _is_maker(thing))


def _is_ready(thing: Any) -> bool:
    """Whether this is a scheme, not a class of schemes."""
    return isinstance(thing, Scheme) and not isinstance(thing, type)


def _is_maker(thing: Any) -> bool:
    """Whether this is a function of numbers and names, not of other optimizers, flows or losses."""
    return inspect.isfunction(thing) and not set(parameters(thing)) & {"opt", "flow", "config", "loss"}


def named(kind: str, name: str, room: ModuleType) -> Any:
    """The maker or scheme of this name."""
    return getattr(room, check.choice(kind, name, names(room)))


def scheme(name: str) -> Scheme:
    """A scheme by its name; a name with a space lists the parts of a splitting."""
    if " " in name:
        return schemes.Splitting(name)
    found = named("scheme", name, schemes)
    return found if isinstance(found, Scheme) else found(STAGES)


def parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a maker by name."""
    return inspect.signature(make).parameters


def settings(rest: list[str], allowed: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The keyword arguments of a maker from `--name value` pairs."""
    parser = argparse.ArgumentParser(prog="odeopt", add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in allowed:
        parser.add_argument(f"--{name}", type=value)
    try:
        found, unknown = parser.parse_known_args(rest)
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from error
    if unknown:
        known = [f"--{name}" for name in allowed]
        meant = hint(unknown[0].partition("=")[0], known)
        raise ValueError(f"unknown argument {unknown[0]!r}, allowed are {', '.join(known) or 'none'}{meant}")
    return {name: value for name, value in vars(found).items() if value is not None}


def required(make: Callable[..., Any], given: Mapping[str, Any]) -> list[str]:
    """The parameters without default that are not given."""
    return [name for name, p in parameters(make).items() if p.default is p.empty and name not in given]


def value(text: str) -> Any:
    """A number, True or False, several numbers as in 2,3, or text."""
    if text in ("True", "False"):
        return text == "True"
    if "," in text:
        return tuple(value(part) for part in text.split(","))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def steps(text: str) -> list[int]:
    """The numbers in a text such as 200,400,800."""
    return [int(number) for number in text.split(",")]


def picture(text: str) -> Path:
    """A path with the suffix of a picture, checked before any work is done."""
    from odeopt.plots.saving import kind

    path = Path(text)
    try:
        kind(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path
