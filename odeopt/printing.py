"""The equations of a flow, by running its formulas on symbols: what is printed is what is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from odeopt.formula import place, reads
from odeopt.parts import Part, Project, slope
from odeopt.symbols import GRADIENT, Symbol, short, symbol, unprintable

Equations = list[tuple[Symbol, Symbol]]  # a variable, its derivative


def equations(variables: Sequence[str], params: Mapping[str, Any], terms: Iterable[Part]) -> Equations:
    """(variable, derivative), for the variables that move."""
    y, names = tuple(symbol(name) for name in variables), tuple(params)
    lines: dict[str, Symbol] = {}
    for part in terms:
        if not isinstance(part, Project):
            u, values = y[variables.index(part.slot)], [symbol(name) for name in names]
            placed = [place(f, variables, names, values) for f in part.formulas()]
            try:
                term = slope(part, u, *[f(symbol("t"), GRADIENT, y) for f in placed])
            except Exception as error:  # a formula may do with arrays what symbols cannot
                if isinstance(error, NameError) or (
                    isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
                ):
                    raise ValueError(f"a formula for {part.slot} cannot run: {error}") from error
                term = unprintable(*[name for f in part.formulas() for name in reads(f)])
            lines[part.slot] = lines[part.slot] + term if part.slot in lines else term
    return [(u, lines[u.text]) for u in y if u.text in lines]


def latex(lines: Equations, params: Mapping[str, Any]) -> str:
    """Aligned equations, and the values of the parameters."""
    rows = [rf"\dot{{{u.latex}}} &= {derivative.latex}" for u, derivative in lines]
    values = [f"{symbol(name).latex} = {value:g}" for name, value in params.items() if isinstance(value, float)]
    if values:
        rows.append(r"&\text{with } " + r",\; ".join(values))
    return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"


def text(lines: Equations, params: Mapping[str, Any]) -> str:
    """A line per equation, and the values of the parameters."""
    width = max((len(u.text) for u, _ in lines), default=0) + 1
    rows = [f"{u.text + chr(39):<{width}} = {derivative.text}" for u, derivative in lines]
    values = ", ".join(f"{name} = {short(value)}" for name, value in params.items())
    return "\n".join([*rows, f"with {values}"] if values else rows)
