"""Modified equations as formulas, from an optimizer's step run on SymPy symbols.                    (extra `symbolic`)

On symbols the step returns its expansion in h.  The logarithm of this series is the field that the iterates follow.
[Hairer, Lubich and Wanner 2006, IX.1]
"""

from __future__ import annotations

from typing import Any

from odeopt.analysis.modified import ModifiedFlow
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import OneStep, as_optimizer, of_optimizer
from odeopt.symbolic.high_resolution import HighResolution, eliminated
from odeopt.symbolic.loss_derivatives import gradient, scalar, t
from odeopt.symbolic.memoryless import memoryless_limit
from odeopt.symbolic.modified_equation import ModifiedEquation
from odeopt.symbolic.series import Series
from odeopt.symbolic.step_expansion import formal_step, tidy, variables
from odeopt.util import check

__all__ = ["HighResolution", "ModifiedEquation", "eliminate_velocity", "memoryless_limit", "modified_equation"]

LARGEST = 4


def modified_equation(opt: Optimizer | OneStep, order: int = 2) -> ModifiedEquation:
    """y' = F_1 + h F_2 + ... + h^(K-1) F_K, the equation that the iterates follow with order K = 1 to 4.

    >>> from odeopt import optimizers
    >>> modified_equation(optimizers.momentum(lr=0.01, beta=0.9))
    theta' = -m + h*(-g + m)/(2*tau)
    m'     = (g - m)/tau + h*H[m]/(2*tau)
    with g = grad L(theta), H its Hessian, h = 0.1, tau = 0.949122
    """
    opt = an_optimizer(as_optimizer(opt))
    if check.count("order", order, 1) > LARGEST:
        raise ValueError(f"order must be 1 to {LARGEST}, got {order}")
    step = formal_step(opt, {name: Series({0: scalar(name)}, order) for name in opt.flow.params}, order)
    y = variables(opt.flow)
    start: Any = tuple(Series({0: u}, order) for u in y)
    _refuse_jumps(opt.name, y, step.increment(gradient)(Series({0: t}, order), start))
    field: Any = ModifiedFlow(step, order).rhs(gradient)(Series({0: t}, order), start)
    terms = {u: tuple(tidy(F.of(k)) for k in range(order)) for u, F in zip(y, field, strict=True)}
    begin = of_optimizer(opt).start
    name = f"modified equation of {opt.name}, order {order}"
    return ModifiedEquation(name, terms, opt.flow.params, opt.h, lambda grad, theta0, **m: begin(theta0, **m))


def _refuse_jumps(name: str, variables: Any, increments: Any) -> None:
    """Raises ValueError if a step of length 0 moves the state: its logarithm has no series in h."""
    for u, d in zip(variables, increments, strict=True):
        if d.of(0) != 0:
            raise ValueError(
                f"{name} has no modified equation: its step moves {u} by {d.of(0)} even as h -> 0; "
                "memoryless_limit gives the equation of theta alone"
            )


def eliminate_velocity(opt: Optimizer | OneStep) -> HighResolution:
    """X'' = A_1 + h A_2: the modified equation of order 2 without the velocity.       [Shi, Du, Jordan, Su 2022]

    >>> from odeopt import optimizers
    >>> eliminate_velocity(optimizers.heavy_ball(lr=0.01, beta=0.9, map="exponential"))
    X'' + damping*X' + g*(damping*h/2 + 1) = 0
    with g = grad L(theta), H its Hessian, h = 0.1, damping = 1.05361
    """
    return eliminated(modified_equation(opt, 2))
