"""`check_optimizer(opt)`: the checks that this project applies to its own optimizers, for yours."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.comparison import compare
from odeopt.optimizers import from_config
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import OneStep, as_optimizer
from odeopt.problems import rosenbrock
from odeopt.problems.base import Problem, a_problem
from odeopt.schemes.base import projections_that_are_read
from odeopt.simulation.simulate import simulate
from odeopt.util import check
from odeopt.util.check import Array

STEPS = 30  # steps of length h; the order is measured over this time
FINER = (4, 8, 16)  # steps h/4, h/8, h/16
TOLERANCE = 0.15  # for a measured order: h/4 is not in the asymptotic range of every memory
ROUNDING = 1e-12
BAD = (float("nan"), -1.0, float("inf"), "0.1")


@dataclass(frozen=True)
class Report:
    """The name of an optimizer, and one line (check, finding) per check."""

    name: str
    lines: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.name} conforms", *[f"  {check:<22} {found}" for check, found in self.lines]])

    __repr__ = __str__


class Nonconformance(AssertionError):
    """A check that an optimizer fails."""


def check_optimizer(opt: Optimizer | OneStep, order: float | None = None, problem: Problem | None = None) -> Report:
    """Runs all checks on an optimizer and returns a Report; raises Nonconformance at the first check that fails.

    An optimizer must be deterministic, leave theta0 unchanged, accept theta of every shape, and move each member as if
    alone.  It must follow its flow at least with `order`, by default the order that it states.  A named optimizer must
    also refuse bad arguments, keep its flow at another step, and survive a round trip through JSON.  The default
    problem is a smooth valley with d = 2.  A step from `from_step` is held against its modified flow of order 3 if
    `order` is given; one without grad as an argument needs the problem of its own gradient.

    >>> from odeopt import optimizers
    >>> check_optimizer(optimizers.momentum(lr=0.01))
    momentum conforms
      determinism            30 steps, bit for bit
      shapes                 (2,), (3, 2), (2, 3, 2) in float64
      members                each as if alone
      order                  2.00, at least 2
      arguments              lr, beta, dampening refused when bad
      step                   h/2 keeps tau
      configuration          survives JSON
    """
    opt = an_optimizer(as_optimizer(opt))
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got members of shape {opt.members}")
    problem = rosenbrock(b=1).at([-0.5, 1.0]) if problem is None else a_problem(problem)
    order = None if order is None else check.scalar("order", check.positive("order", order))
    return Report(opt.name, tuple(_checks(opt, problem, order)))


def _checks(opt: Optimizer, problem: Problem, order: float | None) -> Iterator[tuple[str, str]]:
    yield "determinism", _determinism(opt, problem)
    yield "shapes", _shapes(opt, problem.dim)
    yield "members", _members(opt, problem)
    stated = opt.recipe.facts.order if opt.recipe else None
    yield "order", _order(opt, problem, stated if order is None else order)
    if opt.recipe is not None and _named(opt):
        yield "arguments", _arguments(opt.recipe.make, opt.settings)
        yield "step", "none: it follows no flow" if opt.recipe.facts.order is None else _step(opt)
        yield "configuration", _configuration(opt, problem)


def _named(opt: Optimizer) -> bool:
    """Whether a function can make this optimizer, and any optimizer that it wraps, again from its settings."""
    return _named(opt.settings["opt"]) if "opt" in opt.settings else opt.recipe is not None


def _path(opt: Optimizer, problem: Problem, theta0: ArrayLike | None = None) -> Array:
    return simulate(opt, problem, STEPS, theta0, progress=False).check().theta


def _require(holds: Any, text: str) -> None:
    if not holds:
        raise Nonconformance(text)


def _determinism(opt: Optimizer, problem: Problem) -> str:
    theta0 = problem.theta0.copy()
    first, second = (_path(opt, problem, theta0) for _ in range(2))
    _require(np.array_equal(first, second), "two runs differ")
    _require(np.array_equal(theta0, problem.theta0), "theta0 was changed in place")
    _require(np.isfinite(first).all(), f"{STEPS} steps did not stay finite")
    return f"{STEPS} steps, bit for bit"


def _shapes(opt: Optimizer, d: int) -> str:
    shapes = ((d,), (3, d), (2, 3, d))
    bowl = Problem(lambda x: (x**2).sum(-1), lambda x: 2 * x, theta0=np.ones(d), batched=True)
    for shape in shapes:
        path = _path(opt, bowl, np.broadcast_to(np.linspace(0.5, 1, d, dtype=np.float32), shape))
        _require(path.shape == (STEPS + 1, *shape), f"theta of shape {shape} became one of shape {path.shape[1:]}")
        _require(path.dtype == np.float64, f"theta became {path.dtype}")
    return f"{', '.join(map(str, shapes))} in float64"


def _members(opt: Optimizer, problem: Problem) -> str:
    starts = problem.theta0 * np.array([[1.0], [0.8], [1.1]])
    together = _path(opt, problem, starts)
    for i, theta0 in enumerate(starts):
        gap = np.abs(together[:, i] - _path(opt, problem, theta0)).max()
        _require(gap <= ROUNDING, f"member {i} differs by {gap:.1e} from its run alone")
    return "each as if alone"


def _order(opt: Optimizer, problem: Problem, order: float | None) -> str:
    if order is None or np.isnan(order):
        return "none stated, none measured"
    if projections_that_are_read(opt.flow) and not isinstance(opt.scheme, ForeignStep):
        order = min(order, 1)  # `compare` has such a flow to first order only
    errors = []
    for finer in FINER:
        found = compare(opt.with_step(np.asarray(opt.h) / finer), problem, STEPS * finer, rtol=1e-12)
        _require(found.success, f"the comparison with its flow failed: {found.flow.message}")
        errors.append(float(np.max(found.max_error)))
    if max(errors) < ROUNDING:
        return f"exact to {max(errors):.0e} over {STEPS} steps"
    measured = float(np.polyfit(np.log(FINER), -np.log(errors), 1)[0])
    _require(measured >= order - TOLERANCE, f"follows its flow with order {measured:.2f}, not {order:g}")
    return f"{measured:.2f}, at least {order:g}"


def _arguments(make: Callable[..., Optimizer], settings: Any) -> str:
    numbers = [name for name, value in settings.items() if isinstance(value, float | np.ndarray)]
    taken = [name for name in numbers if name in inspect.signature(make).parameters]
    for name in taken:
        for value in BAD:
            try:
                make(**{**settings, name: value})
            except (ValueError, TypeError) as error:
                _require(name in str(error), f"{name} = {value!r} is refused, but the error does not name it: {error}")
            else:
                raise Nonconformance(f"{name} = {value!r} is accepted")
    return f"{', '.join(taken)} refused when bad"


def _step(opt: Optimizer) -> str:
    finer = opt.with_step(np.asarray(opt.h) / 2)
    _require(np.allclose(finer.h, np.asarray(opt.h) / 2, rtol=1e-12), f"with_step(h/2) has the step {finer.h!r}")
    kept = [name for name, old in opt.flow.params.items() if np.allclose(finer.flow.params[name], old, rtol=1e-9)]
    made = [name for name in opt.flow.params if name not in kept]  # weights and counts that depend on the step
    for name in made:
        constant = name.startswith("tau") or name in ("damping", "eps")
        _require(not constant, f"with_step(h/2) changes {name} of the flow")
    return f"h/2 keeps {', '.join(kept) or 'the flow'}" + (f"; makes {', '.join(made)} anew" if made else "")


def _configuration(opt: Optimizer, problem: Problem) -> str:
    again = from_config(json.loads(json.dumps(opt.get_config())))
    _require(str(again) == str(opt), f"its configuration makes another optimizer, {str(again).partition(':')[0]}")
    _require(np.array_equal(_path(again, problem), _path(opt, problem)), "its configuration makes other steps")
    return "survives JSON"
