"""L + c |grad L|^2: the loss that an optimizer actually descends, to second order in its learning rate.

Every optimizer that is linear in the gradient has such a loss: the only second-order term is H g = grad |g|^2/2.  Its
coefficient is measured from the step on a quadratic.  There is no such loss at third order: the term of gradient
descent, -h^2 (H H g/3 + third(L)[g, g]/12), is not a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from odeopt import flows
from odeopt.analysis.memoryless import slow_rate
from odeopt.core.decay import SMALLEST
from odeopt.core.flow import Flow
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems.base import Problem, a_problem
from odeopt.schemes.splitting import Splitting
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.saved import Saved

LINEAR = 1e-8  # relative error of superposition
ADAM = (flows.adam,)  # the flows whose regularizer is known
RMSPROP = (lambda tau, eps: flows.rmsprop(tau, eps), lambda tau, eps: flows.rmsprop(tau, eps, "inside"))
ROUNDING = 1e-11  # rounding error of the coefficient and the shift, in units of the step


@dataclass(frozen=True)
class Penalty:
    """P(g), its derivative in g, and the equation of motion on the modified loss, as printed."""

    text: str
    of: Callable[[Array], Any]
    slope: Callable[[Array], Array]
    motion: str


SQUARE = Penalty("|grad L|^2", lambda g: (g * g).sum(axis=-1), lambda g: 2 * g, "theta' = -grad({})")
ONE_NORM = Penalty(
    "|grad L|_1", lambda g: np.abs(g).sum(axis=-1), np.sign, "|grad L| theta' = -grad({}), by coordinate"
)


@dataclass(frozen=True)
class ImplicitRegularizer(Saved):
    """slope L + coefficient P(grad L), descended from theta0 + shift g0, with time `lr_time` per step."""

    name: str
    coefficient: float
    penalty: Penalty
    slope: float = 1.0
    shift: float = 0.0
    remark: str = ""

    def modified(self, problem: Problem) -> Problem:
        """The modified loss as a problem, for plots, for runs, or for `solve` with gradient flow.

        >>> from odeopt import optimizers, problems
        >>> bowl = problems.quadratic((1.0, 2.0), angle=0.0)
        >>> seen = implicit_regularizer(optimizers.gd(lr=0.1)).modified(bowl)
        >>> (seen.grad(bowl.theta0) / bowl.theta0).round(12)  # lambda + h lambda^2/2
        array([1.05, 2.2 ])
        """
        a_problem(problem)
        slope, c, penalty = self.slope, self.coefficient, self.penalty

        def loss(theta: Array) -> Any:
            return slope * problem.loss(theta) + c * penalty.of(problem.grad(theta))

        def grad(theta: Array) -> Array:
            g = problem.grad(theta)
            return slope * g + c * problem.hvp(theta, penalty.slope(g))

        start = problem.theta0 + self.shift * problem.grad(problem.theta0)
        least = problem.minimizer if c >= 0 else None
        name = f"{problem.name or 'problem'} as seen by {self.name}"
        return Problem(loss, grad, theta0=start, minimizer=least, name=name, batched=True)

    def __str__(self) -> str:
        whole = "L" if np.isclose(self.slope, 1) else f"{self.slope:g} L"
        whole += _signed(self.coefficient, self.penalty.text)
        start = f", from theta0{_signed(self.shift, 'grad L(theta0)')}" if self.shift else ""
        return f"{self.name}: {self.penalty.motion.format(whole)}{start}{self.remark}"

    __repr__ = __str__


def implicit_regularizer(opt: Optimizer) -> ImplicitRegularizer:
    """L + c |grad L|^2 with c measured from the step, or L + c |grad L|_1 for RMSprop and Adam.

    The limit is lr -> 0 at fixed beta.  Gradient descent: c = h/4 [Barrett and Dherin 2021, thm 3.1].  Heavy ball,
    h = lr/(1 - beta): c = (h/4)(1 + beta)/(1 - beta) from theta0 + h beta/(1 - beta) g0 [Ghosh et al. 2023].  Any other
    step that is linear in the gradient is treated likewise.  Adam for eps -> 0, in its own metric:
    c = h (beta1/(1 - beta1) - beta2/(1 - beta2)) [Cattaneo, Klusowski and Shigida 2024]; with beta2 > beta1, the
    default, c < 0 and Adam favours steep regions.  Raises ValueError for an optimizer without a known regularizer.

    >>> from odeopt import optimizers
    >>> implicit_regularizer(optimizers.gd(lr=0.1))
    gd: theta' = -grad(L + 0.025 |grad L|^2)
    >>> implicit_regularizer(optimizers.adam(lr=0.001))
    adam: |grad L| theta' = -grad(L - 0.99 |grad L|_1), by coordinate: anti-regularising, for beta2 > beta1
    """
    an_optimizer(opt)
    check.scalar("h", opt.h)
    if opt.flow.preconditioner:
        return _of_adaptive(opt)
    _refuse_nonlinear(opt)
    slope, coefficient, shift = slow_rate(opt)
    least = ROUNDING * float(np.asarray(opt.lr_time))  # schemes of second order have no coefficient
    coefficient, shift = (0.0 if abs(x) < least else x for x in (coefficient, shift))
    return ImplicitRegularizer(opt.name, coefficient, SQUARE, slope, shift)


def _signed(number: float, of: str) -> str:
    """The signed term of a sum, as printed; empty for 0."""
    return f" {'-' if number < 0 else '+'} {abs(number):g} {of}" if number else ""


def _of_adaptive(opt: Optimizer) -> ImplicitRegularizer:
    """theta' = -u - h (beta1/(1 - beta1) - beta2/(1 - beta2)) H u/|g| with u = sign g, and H sign g = grad |g|_1."""
    params, scheme = opt.flow.params, opt.scheme
    if "opt" in opt.settings or opt.flow.filters:
        raise ValueError(f"{opt.name} has no known implicit regularizer under a schedule, decay or clipping")
    adam = any(_same(opt.flow, make) for make in ADAM)
    if not adam and not any(_same(opt.flow, make) for make in RMSPROP):
        raise ValueError(f"{opt.name} has no known implicit regularizer; only Adam, RMSprop and linear steps have one")
    word = " ".join([opt.flow.ages, *opt.flow.moving])
    if not isinstance(scheme, Splitting) or scheme.word != word:
        raise ValueError(f"the scheme must be the splitting {word!r} for {opt.flow.name}, got {scheme.name}")

    def lag(name: str) -> float:
        """beta/(1 - beta), the mean age in steps of the gradients in a memory."""
        z = opt.h / params[name]
        kept = float(scheme.decay.kept(z))
        return kept / float(scheme.decay.lost(z)) if kept > 2 * SMALLEST else 0.0

    first, second = (lag("tau1"), lag("tau2")) if adam else (0.0, lag("tau"))
    known = "beta2 > beta1" if adam else "rho > 0"
    remark = f": anti-regularising, for {known}" if second > first else ""
    return ImplicitRegularizer(opt.name, float(np.asarray(opt.h)) * (first - second), ONE_NORM, remark=remark)


def _same(flow: Flow, make: Callable[..., Flow]) -> bool:
    """Whether a flow has the equations of make(**parameters), whatever its name."""
    return set(flow.params) == set(signature(make).parameters) and str(flow) == str(make(**flow.params))


def _refuse_nonlinear(opt: Optimizer) -> None:
    """Raises ValueError unless the step, on a linear gradient, obeys superposition and does not change with time."""
    d = of_optimizer(opt).increment(lambda theta: theta @ np.array([[1.0, 0.5], [0.5, 2.0]]))
    rng, h = np.random.default_rng(0), float(np.asarray(opt.h))
    y, z = (tuple(rng.standard_normal(2) for _ in opt.flow.variables) for _ in range(2))

    def differ(a: State, b: State) -> bool:
        return not np.allclose(np.concatenate(a), np.concatenate(b), rtol=LINEAR, atol=LINEAR * h)

    both = d(h, tuple(u + v for u, v in zip(y, z, strict=True)))
    if differ(both, tuple(u + v for u, v in zip(d(h, y), d(h, z), strict=True))):
        raise ValueError(f"{opt.name} has no known implicit regularizer: its step is not linear in the gradient")
    if differ(d(h, y), d(2 * h, y)):
        raise ValueError(f"{opt.name} has no implicit regularizer: its step changes with time")
