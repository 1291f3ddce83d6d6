"""`python -m odeopt`: list and describe what there is, compare an optimizer with its flow, measure an order."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from odeopt.analysis.convergence import STEPS
from odeopt.commands.arguments import picture, steps
from odeopt.commands.doctor import doctored
from odeopt.commands.measure import STARTS, compared, converged
from odeopt.commands.show import described, listed
from odeopt.commands.sweep import swept

EXPECTED = (ValueError, TypeError, ImportError, OSError, ArithmeticError, RuntimeError)  # their text says it all
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status; errors go to stderr in a line, with exit status 2."""
    given, rest = _parser().parse_known_args(arguments)
    try:
        status = int(given.run(given, rest))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("odeopt: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as of `| head`: what was wanted has been read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED as error:
        print(f"odeopt: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # whatever else an input can cause, without the code in which it happened
        print(f"odeopt: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m odeopt", description="Optimizers as numerical integrators.", allow_abbrev=False
    )
    version = sys.modules["odeopt"].__version__  # the package itself, which is not imported from inside
    parser.add_argument("--version", action="version", version=f"odeopt {version}")
    commands = parser.add_subparsers(required=True, metavar="command")
    text = "the available optimizers, flows, schemes and problems, a line each"
    listing = commands.add_parser("list", help=text, description=f"List {text}.", allow_abbrev=False)
    listing.set_defaults(run=listed)

    text = "an optimizer, a flow, a scheme or a problem"
    about = commands.add_parser(
        "describe", help=text, description=f"Describe {text}. --lr, ... set its arguments.", allow_abbrev=False
    )
    about.add_argument("name", help="a name from `list`, e.g. adam; flows.adam for the flow")
    about.set_defaults(run=described)

    text = "an optimizer and the flow that it discretises"
    one = commands.add_parser(
        "compare", help=text, description=f"Run {text}. --lr, --beta1, ... set its arguments.", allow_abbrev=False
    )
    one.add_argument("optimizer", help="a name from `list`, e.g. adam")
    one.add_argument("problem", help="a name from `list`, e.g. rosenbrock")
    one.add_argument("--steps", type=int, default=300, help="number of steps (default 300)")
    one.add_argument("--out", type=picture, help="write the picture here (png, svg or pdf)")
    one.set_defaults(run=compared)

    text = "the measured order of a scheme on a flow"
    order = commands.add_parser(
        "convergence", help=text, description=f"Fit {text}. --damping, --tau, ... set the flow's.", allow_abbrev=False
    )
    order.add_argument("flow", help="a name from `list`, e.g. heavy_ball")
    order.add_argument("scheme", help="a name from `list`, or parts in quotes: 'friction kick drift'")
    order.add_argument("problem", help="a name from `list`, e.g. quadratic")
    order.add_argument("--steps", type=steps, default=STEPS, help="numbers of steps (default 200,400,800,1600)")
    order.add_argument("--start", choices=STARTS, default="rest", help="memory at the start: zero, or settled")
    order.add_argument("--t-end", type=float, default=1.0, help="end of the time interval (default 1)")
    order.add_argument("--out", type=picture, help="write the picture here (png, svg or pdf)")
    order.set_defaults(run=converged)

    text = "the cells of a configuration (TOML)"
    many = commands.add_parser("sweep", help=text, description=f"Run {text}; see oo.sweep.", allow_abbrev=False)
    many.add_argument("config", nargs="?", type=Path, help="optimizer, problem, steps, path, [grid], ...")
    many.add_argument("--resume", type=Path, metavar="folder", help="go on with the sweep in this folder")
    many.add_argument("--out", type=picture, help="write the picture here (png, svg or pdf)")
    many.set_defaults(run=swept)

    text = "what is installed, and whether the engines run here"
    doctor = commands.add_parser("doctor", help=text, description=f"Report {text}; a self-test.", allow_abbrev=False)
    doctor.set_defaults(run=doctored)
    for command in (listing, about, one, order, many, doctor):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser
