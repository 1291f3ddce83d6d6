"""h F_K(y) = sum_{k=1..K} (-1)^(k+1)/k Delta^k y: the flow that an optimizer follows with order K.

Delta^k are forward differences of y, Phi(y), Phi(Phi(y)), ..., so only the step Phi is needed; the sum is the series
of log Phi.  It is computed from the increments d_j = Phi(y_j) - y_j, which lose no digits at small h.  The series
converges if every multiplier mu of DPhi has |mu - 1| < 1; otherwise a real flow need not exist.
[Hairer, Lubich and Wanner 2006, IX.1]
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.jacobian import increment_jacobian
from odeopt.core.state import Grad, Rhs, State, column, plus
from odeopt.core.symbols import short
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import Increment, OneStep, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.schemes.implicit import solve_increment
from odeopt.util import check
from odeopt.util.absent import Absent
from odeopt.util.check import Array

LARGEST = 8


def forward_weights(order: int) -> list[float]:
    """h F_K = sum_j w_j d_j, with w_j = (-1)^j sum_{k>j} C(k-1, j)/k.

    >>> forward_weights(1), forward_weights(2)
    ([1.0], [1.5, -0.5])
    """
    return [(-1) ** j * sum(comb(k - 1, j) / k for k in range(j + 1, order + 1)) for j in range(order)]


def central_weights(half: int) -> list[float]:
    """h F_2p = sum_{j=1..p} c_j (y_j - y_-j), with c_j = (-1)^(j+1) p!^2/(j (p-j)! (p+j)!).

    >>> central_weights(1), [round(12 * c, 12) for c in central_weights(2)]
    ([0.5], [8.0, -1.0])
    """
    p = half
    numerator = factorial(p) ** 2
    return [(-1) ** (j + 1) * numerator / (j * factorial(p - j) * factorial(p + j)) for j in range(1, p + 1)]


@dataclass(frozen=True, eq=False)
class ModifiedFlow:
    """y' = F_K(y): the ODE that the iterates follow with order K from their own first state.  `solve` solves it."""

    map: OneStep
    order: int
    central: bool = False

    def __post_init__(self) -> None:
        check.instance("map", self.map, OneStep | Absent, "a step, e.g. from odeopt.from_step")
        if check.count("order", self.order, 1) > LARGEST:
            raise ValueError(f"order must be 1 to {LARGEST}, got {self.order}")
        if check.flag("central", self.central) and self.order % 2:
            raise ValueError(f"order must be even for central=True, got {self.order}")

    def __repr__(self) -> str:
        return f"{self.name}{' (central)' if self.central else ''}, of steps h = {short(self.map.h)}"

    @property
    def name(self) -> str:
        return f"modified flow of {self.map.name}, order {self.order}"

    @property
    def variables(self) -> tuple[str, ...]:
        return self.map.variables

    @property
    def memory(self) -> tuple[str, ...]:
        """The variables besides theta."""
        return self.variables[1:]

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued hyperparameters span."""
        return self.map.members

    def start(self, theta0: Array, **memory: Array) -> State:
        """The state from which the iterates begin."""
        return self.map.start(theta0, **memory)

    def rhs(self, grad: Grad) -> Rhs:
        """F_K(t, y), by K steps (forward), or K/2 steps each way (central)."""
        return self._central(grad) if self.central else self._forward(grad)

    def indicator(self, problem: Problem, theta: ArrayLike | None = None, **memory: Any) -> float:
        """The spectral radius of DPhi - I at a state (default: the first): the series needs it below 1.

        `odeopt.follow` asks for it along a path, and warns.
        """
        theta = single_point(problem, "theta", theta)
        return series_radius(self.map, problem, 0.0, self.start(theta, **memory))

    def _forward(self, grad: Grad) -> Rhs:
        d, h, weights = self.map.increment(grad), column(self.map.h), forward_weights(self.order)

        def F(t: Any, y: State) -> State:
            total, now = tuple(0.0 * u for u in y), y
            for j, w in enumerate(weights):
                increment = d(t + j * h, now)
                total = tuple(s + w / h * u for s, u in zip(total, increment, strict=True))
                now = plus(now, increment)
            return total

        return F

    def _central(self, grad: Grad) -> Rhs:
        d, h, weights = self.map.increment(grad), column(self.map.h), central_weights(self.order // 2)

        def F(t: Any, y: State) -> State:
            total = ahead = behind = tuple(0.0 * u for u in y)
            for j, c in enumerate(weights):
                ahead = plus(ahead, d(t + j * h, plus(y, ahead)))
                behind = plus(behind, _backward(d, t - (j + 1) * h, plus(y, behind)))
                terms = zip(total, ahead, behind, strict=True)
                total = tuple(s + c / h * (u - v) for s, u, v in terms)
            return total

        return F


def modified_flow(opt: Optimizer | OneStep, order: int = 3, central: bool = False) -> ModifiedFlow:
    """The flow that an optimizer follows with this order, 1 to 8, for `solve`.

    Check `.indicator(problem)`, the spectral radius of DPhi - I, first.  The series needs a value below 1; otherwise
    the flow is meaningless, however accurately it is solved.  central=True uses steps backwards too, by solving for the
    inverse of the step, and requires an even order.

    >>> import odeopt as oo
    >>> flow = modified_flow(oo.optimizers.gd(lr=0.1), order=2)
    >>> problem = oo.problems.quadratic((1.0, 2.0), angle=0)
    >>> flow.rhs(problem.grad)(0.0, (problem.theta0,))[0].round(12)  # -(lambda + h lambda^2/2) theta
    array([-1.05, -2.2 ])
    """
    if not isinstance(opt, Optimizer | OneStep):
        raise TypeError(f"opt must be an Optimizer or come from from_step, got {opt!r}")
    return ModifiedFlow(of_optimizer(opt) if isinstance(opt, Optimizer) else opt, order, central)


def series_radius(step: OneStep, problem: Problem, t: Any, y: State) -> float:
    """max |mu - 1| over the multipliers mu of DPhi(t, y); NaN if the step has no finite derivative there."""
    with np.errstate(all="ignore"):
        jacobian = increment_jacobian(step.increment(problem.oracle()), y, t)
    return float(np.abs(np.linalg.eigvals(jacobian)).max()) if np.isfinite(jacobian).all() else np.nan


def _backward(d: Increment, t: Any, y: State) -> State:
    """e with Phi(y + e) = y."""
    guess = tuple(-u for u in d(t, y))
    return solve_increment(lambda e: plus(e, d(t, plus(y, e))), guess)
