"""theta' = F_1(theta) + h F_2(theta): an optimizer without memory, in the limit lr -> 0 at fixed beta.

After a start-up of a few 1/(1 - beta) steps the memory is a function of theta, m = M_0(theta) + h M_1(theta), and
stays one.  From then on a step is a map of theta alone.  This module computes the modified equation of that map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy
from sympy.matrices.exceptions import NonInvertibleMatrixError
from sympy.solvers.solveset import NonlinearError

from odeopt.analysis.memoryless import start_shift
from odeopt.core import decay
from odeopt.core.flow import Relax
from odeopt.core.formula import reads
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import OneStep, as_optimizer
from odeopt.schemes.splitting import Splitting
from odeopt.symbolic.loss_derivatives import Derivative, g, gradient, rate, scalar, t, theta
from odeopt.symbolic.modified_equation import ModifiedEquation
from odeopt.symbolic.series import Series
from odeopt.symbolic.step_expansion import formal_step, tidy, variables
from odeopt.symbolic.sums import Total, expanded
from odeopt.util.check import Array, Number

CUT = 2


def memoryless_limit(opt: Optimizer | OneStep) -> ModifiedEquation:
    """theta' = F_1 + h F_2, which theta follows with order 2 for lr -> 0 at fixed beta, after the start-up.

    Gradient descent [Barrett and Dherin 2021, thm 3.1], momentum [Ghosh et al. 2023], Adam [Cattaneo, Klusowski and
    Shigida 2024, thm 1], and any step whose memory relaxes.

    >>> from odeopt import optimizers
    >>> memoryless_limit(optimizers.momentum(lr=0.01, beta=0.9))
    theta' = -g - h*(beta + 1)*H[g]/(2*(1 - beta))
    with g = grad L(theta), H its Hessian, h = 0.1, beta = 0.9
    """
    return _limit_of(as_optimizer(opt))


def _limit_of(opt: Optimizer) -> ModifiedEquation:
    params, values = _fixed_betas(opt)
    d = formal_step(opt, params, CUT).increment(gradient)

    def increments(memory: Iterable[Sequence[Any]]) -> Any:
        """The increments of all variables at theta; the memory is given as (M_0, M_1) for each variable."""
        state: Any = tuple(Series(dict(enumerate(m)), CUT) for m in ([theta], *memory))
        return d(Series({0: t}, CUT), state)

    unknown = variables(opt.flow)[1:]
    M0 = _solved(opt, [u.of(0) for u in increments([(u,) for u in unknown])[1:]], unknown)
    velocity = {theta: increments([(m,) for m in M0])[0].of(1)}
    lag = zip(increments(list(zip(M0, unknown, strict=True)))[1:], M0, strict=True)
    M1 = _solved(opt, [u.of(1) - rate(m, velocity) for u, m in lag], unknown)
    moved = increments(list(zip(M0, M1, strict=True)))[0]
    if moved.of(1) == 0:
        raise ValueError(
            f"{opt.name} has no memoryless limit: theta stands still in its time h; use optimizers.momentum"
        )
    second = moved.of(2) - rate(moved.of(1), {theta: moved.of(1)}) / 2
    betas = [scalar(name) for name in values if name.startswith("beta")]
    first = _collected(moved.of(1), betas) if moved.of(1).has(Total) else tidy(moved.of(1))
    terms = {theta: (first, _by_beta(second, betas))}
    return ModifiedEquation(f"memoryless limit of {opt.name}", terms, values, opt.h, _behind_startup(opt))


def _fixed_betas(opt: Optimizer) -> tuple[dict[str, Series], dict[str, Number]]:
    """The flow's parameters as series in h at fixed beta = R(-z), rate = z/h, and the parameters to print."""
    an_optimizer(opt)
    rule = opt.scheme.decay if isinstance(opt.scheme, Splitting) else decay.exact
    params = {name: Series({0: scalar(name)}, CUT) for name in opt.flow.params}
    values: dict[str, Number] = dict(opt.flow.params)
    z, p = scalar("z"), scalar("p")
    for part in opt.flow.terms():
        if isinstance(part, Relax):
            (name, *others), power = reads(part.rate) or ("",), 0
            if name in params and not others:
                power = {1 / p: 1, p: -1}.get(part.rate(Series({0: p}, CUT)).of(0), 0)
            if not power:
                raise ValueError(f"{opt.name}: the rate of {part.slot} must be a parameter or 1/parameter here")
            beta = scalar(name.replace("tau", "beta") if name.startswith("tau") else "beta")
            (of_beta,) = sympy.solve(rule.kept(Series({0: z}, CUT)).of(0) - beta, z)
            params[name] = Series({power: of_beta**-power}, CUT)
            values.pop(name, None)
            values[beta.name] = rule.kept(opt.h * part.rate(opt.flow.params[name]))
    return params, values


def _solved(opt: Optimizer, equations: list[Any], unknown: Sequence[Any]) -> list[Any]:
    """The solution of equations that are linear in the unknowns."""
    if any(total.has(*unknown) for equation in equations for total in equation.atoms(Total)):
        raise ValueError(f"{opt.name} has no memoryless limit: its memory reads a norm of itself")
    try:
        matrix, right = sympy.linear_eq_to_matrix(equations, unknown)
        return [m if m.has(Total) else sympy.simplify(m) for m in matrix.LUsolve(right)] if equations else []
    except (NonInvertibleMatrixError, NonlinearError) as error:
        raise ValueError(f"{opt.name} has no memoryless limit: its memory does not relax to a value") from error


def _by_beta(expression: Any, betas: list[Any]) -> Any:
    """Simplifies with g = |g| sign(g) and sign(g)^2 = 1; several betas are separated by partial fractions."""
    if expression.has(Total):
        return _collected(expression, betas)
    size, sign = sympy.Dummy("size", positive=True), sympy.Dummy("sign")
    held = {u: sympy.Dummy() for u in expression.atoms(Derivative, Total)}
    bare = expression.xreplace(held).subs({sympy.Abs(g): size, sympy.sign(g): sign}).subs(g, size * sign).expand()
    even = bare.replace(lambda u: u.is_Pow and u.base == sign, lambda u: sign ** (u.exp % 2))
    pieces = [sympy.factor(even)]
    for beta in betas if len(betas) > 1 else ():
        split = [sympy.apart(u, beta) if u.is_rational_function(beta) else u for u in pieces]
        pieces = [sympy.factor(term) for u in split for term in sympy.Add.make_args(u)]
    back = {size: sympy.Abs(g)} | {short: u for u, short in held.items()}
    total = sympy.Add(*pieces).xreplace({sign: g / size}).xreplace(back)
    for beta in betas:  # 1/(beta - 1) reads -1/(1 - beta)
        total = total.replace(
            lambda u, b=beta: u.is_Pow and u.base == b - 1, lambda u, b=beta: (-1) ** u.exp * (1 - b) ** u.exp
        )
    return total


def _collected(expression: Any, betas: list[Any]) -> Any:
    """Collects the terms that differ only in their factors of beta."""
    coefficients: dict[Any, Any] = {}
    for term in sympy.Add.make_args(expanded(expression)):
        rest, of_beta = term.as_independent(*betas, as_Add=False) if betas else (term, sympy.Integer(1))
        coefficients[rest] = coefficients.get(rest, 0) + of_beta
    return sympy.Add(*[sympy.factor(of_beta) * rest for rest, of_beta in coefficients.items()])


def _behind_startup(opt: Optimizer) -> Any:
    """The start of the limit: theta0 plus the displacement that the start-up causes."""

    def begin(grad: Grad, theta0: Array, **memory: Any) -> State:
        if memory:
            raise ValueError(f"memory must be empty, because the limit has none, got {', '.join(memory)}")
        return (theta0 + start_shift(opt, grad, theta0),)

    return begin
