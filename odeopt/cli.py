"""`python -m odeopt`: list the names, compare an optimizer with its flow, measure an order of convergence."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from odeopt import flows, optimizers, problems, schemes
from odeopt.analysis.comparison import Comparison, compare
from odeopt.analysis.convergence import STEPS, Convergence, convergence
from odeopt.optimizers.starts import rest as rest_start
from odeopt.optimizers.starts import settled
from odeopt.schemes.base import Scheme
from odeopt.util import check


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status; errors in the arguments go to stderr, with exit status 2."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    try:
        return int(given.run(given, rest))
    except (ValueError, TypeError, ImportError, OSError, ArithmeticError, RuntimeError) as error:
        print(f"odeopt: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m odeopt", description="Optimizers as numerical integrators.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    text = "the available optimizers, flows, schemes and problems"
    listing = commands.add_parser("list", help=text, description=f"List {text}.", allow_abbrev=False)
    listing.set_defaults(run=_list)

    text = "an optimizer and the flow that it discretises"
    one = commands.add_parser(
        "compare", help=text, description=f"Run {text}. --lr, --beta1, ... set its arguments.", allow_abbrev=False
    )
    one.add_argument("optimizer", help="a name from `list`, e.g. adam")
    one.add_argument("problem", help="a name from `list`, e.g. rosenbrock")
    one.add_argument("--steps", type=int, default=300, help="number of steps (default 300)")
    one.add_argument("--out", type=_picture, help="write the picture here (png, svg or pdf)")
    one.set_defaults(run=_compare)

    text = "the measured order of a scheme on a flow"
    order = commands.add_parser(
        "convergence", help=text, description=f"Fit {text}. --damping, --tau, ... set the flow's.", allow_abbrev=False
    )
    order.add_argument("flow", help="a name from `list`, e.g. heavy_ball")
    order.add_argument("scheme", help="a name from `list`, or parts in quotes: 'friction kick drift'")
    order.add_argument("problem", help="a name from `list`, e.g. quadratic")
    order.add_argument("--steps", type=_steps, default=STEPS, help="numbers of steps (default 200,400,800,1600)")
    order.add_argument(
        "--start", choices=("rest", "settled"), default="rest", help="memory at the start: zero, or settled"
    )
    order.add_argument("--t-end", type=float, default=1.0, help="end of the time interval (default 1)")
    order.add_argument("--out", type=_picture, help="write the picture here (png, svg or pdf)")
    order.set_defaults(run=_convergence)
    for command in (listing, one, order):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _list(given: argparse.Namespace, rest: list[str]) -> int:
    _settings(rest, {})
    rooms = {"optimizers": optimizers, "flows": flows, "schemes": schemes, "problems": problems}
    names = {title: _names(room) for title, room in rooms.items()}
    lines = [f"{title:<11} {' '.join(found)}" for title, found in names.items()]
    _print(given, names, "\n".join(lines))
    return 0


def _compare(given: argparse.Namespace, rest: list[str]) -> int:
    make = _named("optimizer", given.optimizer, optimizers)
    opt, problem = make(**_settings(rest, _parameters(make))), _named("problem", given.problem, problems)()
    result: Comparison = compare(opt, problem, given.steps)
    runs = {"iterates": result.iterates, "flow": result.flow, "gradient_flow": result.gradient_flow}
    facts = {
        "optimizer": opt.name,
        "settings": dict(opt.settings),
        "problem": problem.name,
        "steps": given.steps,
        "h": opt.h,
        "max_error": result.max_error,
        **{f"final_loss_{name}": float(run.loss[-1]) for name, run in runs.items()},
        **{f"status_{name}": run.status.name for name, run in runs.items()},
    }
    _print(given, facts, f"{opt}\n\n{result}")
    _write(given.out, result.plot)
    return 0 if result.success else 1


def _convergence(given: argparse.Namespace, rest: list[str]) -> int:
    make = _named("flow", given.flow, flows)
    settings = _settings(rest, _parameters(make))
    required = [name for name, p in _parameters(make).items() if p.default is p.empty and name not in settings]
    if required:
        raise ValueError(f"{given.flow} needs {', '.join('--' + name for name in required)}")
    flow, scheme = make(**settings), _scheme(given.scheme)
    problem, start = _named("problem", given.problem, problems)(), {"rest": rest_start, "settled": settled}[given.start]
    result: Convergence = convergence(flow, scheme, problem, given.t_end, given.steps, start=start)
    facts = {"flow": flow.name, "scheme": scheme.name, "h": result.h.tolist(), "error": result.error.tolist()}
    _print(given, {**facts, "order": result.order}, f"{flow}\n\n{result}")
    _write(given.out, result.plot)
    return 0


def _names(room: ModuleType) -> list[str]:
    """The names of the makers and ready-made schemes in a module."""
    things = {name: getattr(room, name) for name in room.__all__}
    return sorted(name for name, thing in things.items() if _is_ready(thing) or _is_maker(thing))


def _is_ready(thing: Any) -> bool:
    """Whether this is a scheme, not a class of schemes."""
    return isinstance(thing, Scheme) and not isinstance(thing, type)


def _is_maker(thing: Any) -> bool:
    """Whether this is a function of numbers and names, not of other optimizers or flows."""
    return inspect.isfunction(thing) and not set(_parameters(thing)) & {"opt", "flow", "config"}


def _named(kind: str, name: str, room: ModuleType) -> Callable[..., Any]:
    return getattr(room, check.choice(kind, name, _names(room)))


def _scheme(name: str) -> Scheme:
    """A scheme by name, rkc1 and rkc2 with 10 stages; a name with a space lists the parts of a splitting."""
    if " " in name:
        return schemes.Splitting(name)
    found = _named("scheme", name, schemes)
    return found if isinstance(found, Scheme) else found(10)


def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(make).parameters


def _settings(rest: list[str], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The keyword arguments of a constructor from `--name value` pairs, numbers converted."""
    parser = argparse.ArgumentParser(prog="odeopt", add_help=False, allow_abbrev=False)
    for name in parameters:
        parser.add_argument(f"--{name}", type=_value)
    found, unknown = parser.parse_known_args(rest)
    if unknown:
        known = ", ".join(f"--{name}" for name in parameters)
        raise ValueError(f"unknown argument {unknown[0]!r}, allowed are {known or 'none'}")
    return {name: value for name, value in vars(found).items() if value is not None}


def _steps(text: str) -> list[int]:
    """The numbers in a text such as 200,400,800."""
    return [int(number) for number in text.split(",")]


def _value(text: str) -> float | bool | str:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text


def _print(given: argparse.Namespace, facts: Any, text: str) -> None:
    print(json.dumps(_plain(facts), indent=2, allow_nan=False) if given.json else text)


def _plain(facts: Any) -> Any:
    """Facts in the types of JSON: lists for arrays, None for numbers that are not finite."""
    if isinstance(facts, Mapping):
        return {key: _plain(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple | np.ndarray):
        return [_plain(value) for value in facts]
    return None if isinstance(facts, float) and not np.isfinite(facts) else facts


def _picture(text: str) -> Path:
    """A path with the suffix of a picture, checked before any work is done."""
    from odeopt.plots.saving import kind

    path = Path(text)
    try:
        kind(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def _write(out: Path | None, plot: Callable[[], Any]) -> None:
    if out is not None:
        from odeopt.plots import style
        from odeopt.plots.saving import save

        with style.context():
            save(plot()[0].figure, out)
        print(f"wrote {out}", file=sys.stderr)
