r"""Symbols that record the formulas applied to them, as a graph that `odeopt.core.notation` writes.

A flow prints its equations by running its formulas on symbols, so printed and computed equations agree:

>>> theta, tau = atom("theta", r"\theta"), atom("tau", r"\tau")
>>> (theta - 1) ** 2 / tau
(theta - 1)^2/tau
>>> (np.sqrt(theta) / tau).latex
'\\frac{\\sqrt{\\theta}}{\\tau}'
"""

from __future__ import annotations

from itertools import count
from typing import Any, SupportsFloat, TypeAlias

import numpy as np

from odeopt.core import notation
from odeopt.core.notation import Spelling
from odeopt.core.operations import OPERATIONS

MANY = 10**9  # the size of all formulas that are longer


class Symbolic:
    """The interface of symbols: the functions of `odeopt.ops` for which NumPy has no ufunc."""

    def total(self) -> Any:
        """The sum over the coordinates."""
        raise NotImplementedError

    def norm(self, of: str = "") -> Any:
        """The Euclidean norm over the coordinates, or over those of each layer."""
        raise NotImplementedError

    def where_positive(self, a: Any, b: Any) -> Any:
        """a where this is positive, else b."""
        raise NotImplementedError

    def applied(self, name: str) -> Any:
        """Any other function of `odeopt.ops`."""
        raise NotImplementedError


Operand: TypeAlias = "Symbol | SupportsFloat"  # the other operand of an operation


class Symbol(Symbolic):
    """A formula: an operation on other formulas, or an atom.  Formulas that read the same symbol share it.

    spelling, args, index, size: see `odeopt.core.notation.Node`
    leads: whether the written formula begins with a minus sign
    """

    __slots__ = ("args", "index", "leads", "size", "spelling")
    size: int
    leads: bool

    def __init__(self, spelling: Spelling, *args: Symbol) -> None:
        self.spelling, self.args, self.index = spelling, args, next(_made)
        self.size = min(MANY, bool(args) + sum(a.size for a in args))
        first = spelling.text.startswith("{}") and args[0].leads
        self.leads = spelling.text.startswith("-") or bool(
            first and args[0].spelling.binds >= (*spelling.needs, notation.SUM)[0]
        )

    @property
    def text(self) -> str:
        """The formula as text, in one line."""
        return self._written(0)

    @property
    def latex(self) -> str:
        """The formula as LaTeX, in one line."""
        return self._written(1)

    def _written(self, which: int) -> str:
        found = notation.written([self])
        parts = [f"{name[which]} = {part[which]}" for name, part in found.parts]
        where = (" where ", r"\text{ where }")[which]
        return found.formulas[0][which] + (where + ", ".join(parts) if parts else "")

    def __repr__(self) -> str:
        return self.text

    def __call__(self, *arguments: Operand) -> Symbol:
        """grad(theta), written as the gradient of L at theta."""
        return Symbol(notation.call(len(arguments)), self, *map(as_symbol, arguments))

    def __add__(self, other: Operand) -> Symbol:
        return Symbol(notation.ADD, self, as_symbol(other)) if _is_operand(other) else NotImplemented

    def __radd__(self, other: Operand) -> Symbol:
        return as_symbol(other) + self

    def __sub__(self, other: Operand) -> Symbol:
        return Symbol(notation.SUBTRACT, self, as_symbol(other)) if _is_operand(other) else NotImplemented

    def __rsub__(self, other: Operand) -> Symbol:
        return as_symbol(other) - self if not is_number(other, 0) else -self

    def __mul__(self, other: Operand) -> Symbol:
        if not _is_operand(other):
            return NotImplemented
        other = as_symbol(other)
        if self.spelling is notation.DIVIDE and is_number(self.args[0], 1):  # (1/a) b reads b/a
            return other / self.args[1]
        if other.leads and other.spelling.binds > notation.SUM:  # a (-b) reads -a b
            return -(self * -other)
        return Symbol(notation.MULTIPLY, self, other)

    def __rmul__(self, other: Operand) -> Symbol:
        return as_symbol(other) * self

    def __truediv__(self, other: Operand) -> Symbol:
        if self.leads:  # the sign stands before the fraction
            return -((-self) / other)
        return Symbol(notation.DIVIDE, self, as_symbol(other))

    def __rtruediv__(self, other: Operand) -> Symbol:
        return as_symbol(other) / self

    def __pow__(self, exponent: Operand) -> Symbol:
        if self.spelling is _ROOT and is_number(exponent, 2):  # sqrt(a)^2 reads a
            return self.args[0]
        return Symbol(notation.RAISE, self, as_symbol(exponent))

    def __rpow__(self, base: Operand) -> Symbol:
        return as_symbol(base) ** self

    def __neg__(self) -> Symbol:
        if self.leads and self.spelling.binds > notation.SUM:
            return _without_sign(self)
        return Symbol(notation.NEGATE, self)

    def __abs__(self) -> Symbol:
        return _function("absolute", [self])

    def norm(self, of: str = "") -> Symbol:
        """The Euclidean norm over all coordinates, or over the coordinates of each layer."""
        return Symbol(notation.norm_over(of), self)

    def total(self) -> Symbol:
        """The sum over the coordinates."""
        return Symbol(notation.TOTAL, self)

    def dot(self) -> Symbol:
        """The time derivative of a variable."""
        return Symbol(notation.DOT, self)

    def where_positive(self, a: Operand, b: Operand) -> Symbol:
        """a where this symbol is positive, else b."""
        return Symbol(notation.WHERE_POSITIVE, self, as_symbol(a), as_symbol(b))

    def applied(self, name: str) -> Symbol:
        """name(self)."""
        return _function(name, [self])

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises TypeError: a symbol has no entries to reduce over."""
        raise TypeError(f"{self.text} is a symbol, not an array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's ufunc protocol (NEP 13): sqrt, sign, maximum, ... of a symbol are recorded, not computed."""
        if method != "__call__" or kwargs:
            return NotImplemented
        row = OPERATIONS.get(ufunc.__name__)
        if row is not None and row.operator is not None and row.arithmetic:
            return row.operator(*[as_symbol(x) for x in inputs])
        if ufunc.__name__ == "equal":  # a symbol counts as nonzero
            return False
        return _function(ufunc.__name__, [as_symbol(x) for x in inputs])


def _is_operand(value: Any) -> bool:
    """Whether the symbol's own arithmetic applies; if not, that of the other operand does."""
    return isinstance(value, Symbol | SupportsFloat)


_made = count()
_ROOT = notation.function("sqrt", 1)


def _function(name: str, inputs: list[Symbol]) -> Symbol:
    """name(inputs)."""
    return Symbol(_ROOT if name == "sqrt" else notation.function(name, len(inputs)), *inputs)


def _without_sign(formula: Symbol) -> Symbol:
    """-formula, for a formula that is written with a leading minus sign and is not a sum."""
    if not formula.args:
        return atom(formula.spelling.text[1:], formula.spelling.latex[1:])
    inner, *others = formula.args
    if formula.spelling is notation.NEGATE:
        return inner if inner.spelling.binds > notation.SUM else Symbol(notation.BRACKETS, inner)
    return Symbol(formula.spelling, _without_sign(inner), *others)


def atom(text: str, latex: str) -> Symbol:
    """A formula without operations."""
    return Symbol(Spelling(text, latex))


def short(value: Any) -> str:
    """The printed form of a setting.

    >>> short(1e-8), short(np.ones(3)), short("exact")
    ('1e-08', '<3 values>', "'exact'")
    """
    if isinstance(value, float):
        return f"{value:g}"
    return f"<{' x '.join(map(str, np.shape(value)))} values>" if np.ndim(value) else repr(value)


def is_number(value: Operand, number: float) -> bool:
    """Whether a value, which may be a symbol, is this number."""
    if isinstance(value, Symbol):
        return value.spelling.text == f"{number:g}"
    return float(value) == number


def as_symbol(value: Operand) -> Symbol:
    """A number as a symbol; a symbol unchanged."""
    if isinstance(value, Symbol):
        return value
    number = f"{float(value):g}"
    return Symbol(Spelling(number, number, notation.ATOM if float(value) >= 0 else notation.PRODUCT))
