"""`compare` and `convergence`: an optimizer beside its flow, and the order of a scheme."""

from __future__ import annotations

import argparse

from odeopt import flows, optimizers, problems
from odeopt.analysis.comparison import Comparison, compare
from odeopt.analysis.convergence import Convergence, convergence
from odeopt.commands.arguments import named, parameters, required, scheme, settings
from odeopt.commands.output import draw, show
from odeopt.optimizers.starts import rest as at_rest
from odeopt.optimizers.starts import settled

STARTS = {"rest": at_rest, "settled": settled}


def compared(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints a comparison; exit status 1 if a run did not reach its end."""
    make = named("optimizer", given.optimizer, optimizers)
    opt, problem = make(**settings(rest, parameters(make))), named("problem", given.problem, problems)()
    result: Comparison = compare(opt, problem, given.steps)
    runs = {"iterates": result.iterates, "flow": result.flow, "gradient_flow": result.gradient_flow}
    facts = {
        "optimizer": opt.name,
        "settings": dict(opt.settings),
        "problem": problem.name,
        "steps": given.steps,
        "h": opt.h,
        "max_error": result.max_error,
        **{f"final_loss_{name}": run.loss[-1] for name, run in runs.items()},
        **{f"status_{name}": run.status.name for name, run in runs.items()},
    }
    show(given, facts, f"{opt}\n\n{result}")
    draw(given.out, result.plot)
    return 0 if result.success else 1


def converged(given: argparse.Namespace, rest: list[str]) -> int:
    """Prints the measured order of a scheme."""
    make = named("flow", given.flow, flows)
    keywords = settings(rest, parameters(make))
    if missing := required(make, keywords):
        raise ValueError(f"{given.flow} needs {', '.join('--' + name for name in missing)}")
    flow, method, problem = make(**keywords), scheme(given.scheme), named("problem", given.problem, problems)()
    result: Convergence = convergence(flow, method, problem, given.t_end, given.steps, start=STARTS[given.start])
    facts = {"flow": flow.name, "scheme": method.name, "h": result.h.tolist(), "error": result.error.tolist()}
    show(given, {**facts, "order": result.order}, f"{flow}\n\n{result}")
    draw(given.out, result.plot)
    return 0
