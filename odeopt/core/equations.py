"""The equations of a flow, obtained by running its formulas on symbols: print and computation share one source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from odeopt.core.formula import Formula, place, reads
from odeopt.core.letters import GRADIENT, sign_noise, symbol, unprintable
from odeopt.core.notation import written
from odeopt.core.parts import NOISES, Part, Project, slope
from odeopt.core.symbols import Symbol, as_symbol, is_number, short


@dataclass(frozen=True, eq=False)
class Equation:
    """left = right, or left <- right for a projection, which acts once per step."""

    left: Symbol
    right: Symbol
    sign: str = " ="
    latex_sign: str = "&="


def equations(
    variables: Sequence[str], params: Mapping[str, Any], terms: Iterable[Part], filters: Sequence[Formula] = ()
) -> list[Equation]:
    """u' = ... for moving variables, then u <- ... for projections, then g(theta) = ... if there are filters."""
    y, values = tuple(symbol(name) for name in variables), [symbol(name) for name in params]
    gradient = symbol("g") if filters else GRADIENT
    rates: dict[str, Symbol] = {}
    projections = []
    for part in terms:
        u = y[variables.index(part.slot)]
        placed = [place(f, variables, tuple(params), values) for f in part.formulas()]
        try:
            seen = [f(symbol("t"), gradient, y) for f in placed]
            term = as_symbol(seen[0] if isinstance(part, Project) else slope(part, u, *seen))
            if part.noise:
                noise = place(part.noise, (*NOISES, *variables), tuple(params), values)
                random = noise(symbol("t"), gradient, (symbol("xi"), symbol("noise"), sign_noise, *y))
                term = random if is_number(term, 0) else term + random
        except Exception as error:  # a formula may use array operations that symbols do not support
            if isinstance(error, NameError) or (
                isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
            ):
                raise ValueError(f"a formula for {part.slot} cannot run: {error}") from error
            term = unprintable(*[name for f in part.formulas() for name in reads(f)])
        if isinstance(part, Project):
            projections.append(Equation(u, term, "<-", r"&\leftarrow"))
        else:
            rates[part.slot] = rates[part.slot] + term if part.slot in rates else term
    moving = [Equation(u.dot(), rates[name]) for name, u in zip(variables, y, strict=True) if name in rates]
    return [*moving, *projections, *_gradient_seen(y, variables, params, filters)]


def _gradient_seen(
    y: tuple[Symbol, ...], variables: Sequence[str], params: Mapping[str, Any], filters: Sequence[Formula]
) -> list[Equation]:
    """The equation g(theta) = ... that defines the filtered gradient."""
    grad: Any = GRADIENT
    for filter in filters:
        placed = place(filter, variables, tuple(params), [symbol(name) for name in params])
        grad = partial(lambda placed, grad, theta: placed(symbol("t"), grad, (theta, *y[1:])), placed, grad)
    return [Equation(symbol("g")(y[0]), grad(y[0]))] if filters else []


def latex(lines: Sequence[Equation], params: Mapping[str, Any]) -> str:
    """The equations in a LaTeX `aligned` block, followed by the repeated parts and the parameter values."""
    found = written([line.right for line in lines])
    rows = [
        f"{line.left.latex} {line.latex_sign} {right}" for line, (_, right) in zip(lines, found.formulas, strict=True)
    ]
    rows += [f"{name} &= {part}" for (_, name), (_, part) in found.parts]
    values = [f"{symbol(name).latex} = {value:g}" for name, value in params.items() if isinstance(value, float)]
    if values:
        rows.append(r"&\text{with } " + r",\; ".join(values))
    return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"


def text(lines: Sequence[Equation], params: Mapping[str, Any]) -> str:
    """One line for each equation and each repeated part, followed by the parameter values."""
    found = written([line.right for line in lines])
    width = max((len(line.left.text) + (line.sign[0] != " ") for line in lines), default=0)  # a space before <-
    rows = [
        f"{line.left.text:<{width}}{line.sign} {right}" for line, (right, _) in zip(lines, found.formulas, strict=True)
    ]
    rows += [f"{name:<{width}} = {part}" for (name, _), (part, _) in found.parts]
    values = ", ".join(f"{name} = {short(value)}" for name, value in params.items())
    return "\n".join([*rows, f"with {values}"] if values else rows)
