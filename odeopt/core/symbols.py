r"""Symbols that record the formulas applied to them, as text and as LaTeX.

A flow prints its equations by running its formulas on symbols, so printed and computed equations agree:

>>> theta, tau = symbol("theta"), symbol("tau1")
>>> (theta - 1) ** 2 / tau
(theta - 1)^2/tau1
>>> (np.sqrt(theta) / tau).latex
'\\frac{\\sqrt{\\theta}}{\\tau_{1}}'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.operations import OPERATIONS

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a formula binds, loosest first
_GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "rho", "sigma", "tau"}
_LATEX = {"eps": r"\varepsilon", "grad": r"\nabla L"}


class Symbolic:
    """What a formula may run on beside arrays, and what `odeopt.ops` asks of it where NumPy has no ufunc."""

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


@dataclass(frozen=True)
class Symbol(Symbolic):
    """A formula as text and as LaTeX, with the precedence of its outermost operation."""

    text: str
    latex: str
    binds: int = ATOM
    reciprocal_of: Symbol | None = None
    root_of: Symbol | None = None

    def __repr__(self) -> str:
        return self.text

    def __call__(self, *arguments: Any) -> Symbol:
        """grad(theta), written as the gradient of L at theta."""
        inside = [_symbol(a) for a in arguments]
        text = ", ".join(a.text for a in inside)
        latex = ", ".join(a.latex for a in inside)
        return Symbol(f"{self.text}({text})", rf"{self.latex}({latex})")

    def __add__(self, other: Any) -> Symbol:
        other = _symbol(other)
        if other.text.startswith("-"):  # a + (-b) reads a - b
            return Symbol(f"{self.text} - {other.text[1:]}", f"{self.latex} - {other.latex[1:]}", SUM)
        return Symbol(f"{self.text} + {other.text}", f"{self.latex} + {other.latex}", SUM)

    def __radd__(self, other: Any) -> Symbol:
        return _symbol(other) + self

    def __sub__(self, other: Any) -> Symbol:
        text, latex = _inside(_symbol(other), PRODUCT)
        return Symbol(f"{self.text} - {text}", f"{self.latex} - {latex}", SUM)

    def __rsub__(self, other: Any) -> Symbol:
        return _symbol(other) - self if not _is_zero(other) else -self

    def __mul__(self, other: Any) -> Symbol:
        other = _symbol(other)
        if self.reciprocal_of is not None:  # (1/a) b reads b/a
            return other / self.reciprocal_of
        if other.text.startswith("-") and other.binds > SUM:  # a (-b) reads -a b
            return -(self * -other)
        (a, la), (b, lb) = _inside(self, PRODUCT), _inside(other, PRODUCT)
        return Symbol(f"{a}*{b}", rf"{la}\,{lb}", PRODUCT)

    def __rmul__(self, other: Any) -> Symbol:
        return _symbol(other) * self

    def __truediv__(self, other: Any) -> Symbol:
        other = _symbol(other)
        (a, _), (b, _) = _inside(self, PRODUCT), _inside(other, POWER)
        if self.text.startswith("-"):  # the sign stands before the fraction
            return -((-self) / other)
        return Symbol(f"{a}/{b}", rf"\frac{{{self.latex}}}{{{other.latex}}}", PRODUCT)

    def __rtruediv__(self, other: Any) -> Symbol:
        quotient = _symbol(other) / self
        return Symbol(quotient.text, quotient.latex, PRODUCT, self) if other == 1 else quotient

    def __pow__(self, exponent: Any) -> Symbol:
        if self.root_of is not None and exponent == 2:  # sqrt(a)^2 reads a
            return self.root_of
        (a, la), power = _inside(self, ATOM), _symbol(exponent)
        text, _ = _inside(power, ATOM)
        return Symbol(f"{a}^{text}", f"{la}^{{{power.latex}}}", POWER)

    def __rpow__(self, base: Any) -> Symbol:
        return _symbol(base) ** self

    def __neg__(self) -> Symbol:
        if self.text.startswith("-") and self.binds > SUM:
            return Symbol(self.text[1:], self.latex[1:], self.binds)
        text, latex = _inside(self, PRODUCT)
        return Symbol(f"-{text}", f"-{latex}", PRODUCT)

    def norm(self, of: str = "") -> Symbol:
        """The Euclidean norm over all coordinates, or over the coordinates of each layer."""
        text, latex = (f"_{of}", rf"_{{\mathrm{{{of}}}}}") if of else ("", "")
        return Symbol(f"||{self.text}||{text}", rf"\lVert {self.latex} \rVert{latex}")

    def total(self) -> Symbol:
        """The sum over the coordinates."""
        return Symbol(f"sum({self.text})", rf"\sum {_inside(self, PRODUCT)[1]}", PRODUCT)

    def dot(self) -> Symbol:
        """The time derivative of a variable."""
        return Symbol(f"{self.text}'", rf"\dot{{{self.latex}}}")

    def where_positive(self, a: Any, b: Any) -> Symbol:
        """a where this symbol is positive, else b."""
        a, b = _symbol(a), _symbol(b)
        return Symbol(
            f"({a.text} if {self.text} > 0 else {b.text})",
            rf"\begin{{cases}} {a.latex} & {self.latex} > 0 \\ {b.latex} \end{{cases}}",
        )

    def applied(self, name: str) -> Symbol:
        """name(self)."""
        return _function(name, [self])

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises TypeError: a symbol has no entries to reduce over."""
        raise TypeError(f"{self.text} is a symbol, not an array")

    def __abs__(self) -> Symbol:
        return _function("absolute", [self])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's ufunc protocol (NEP 13): sqrt, sign, maximum, ... of a symbol are recorded, not computed."""
        if method != "__call__" or kwargs:
            return NotImplemented
        row = OPERATIONS.get(ufunc.__name__)
        if row is not None and row.operator is not None and row.arithmetic:
            return row.operator(*[_symbol(x) for x in inputs])
        if ufunc.__name__ == "equal":  # a symbol counts as nonzero
            return False
        return _function(ufunc.__name__, [_symbol(x) for x in inputs])


def _function(name: str, inputs: list[Symbol]) -> Symbol:
    """name(inputs), in the notation of its row if it is an elementary operation."""
    text, latex = ", ".join(x.text for x in inputs), ", ".join(x.latex for x in inputs)
    row = OPERATIONS.get(name)
    as_text, as_latex = (row.text, row.latex) if row else ("", "")
    return Symbol(
        as_text.format(text) if as_text else f"{name}({text})",
        as_latex.format(latex) if as_latex else rf"\operatorname{{{name}}}({latex})",
        root_of=inputs[0] if name == "sqrt" else None,
    )


def symbol(name: str) -> Symbol:
    """The symbol of a variable or parameter; Greek names and trailing digits are typeset in LaTeX."""
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    letters, digits = match.groups() if match else (name, "")
    if letters in _LATEX:
        latex = _LATEX[letters]
    elif letters in _GREEK:
        latex = rf"\{letters}"
    else:
        latex = letters if len(letters) == 1 else rf"\mathrm{{{letters.replace('_', chr(92) + '_')}}}"
    return Symbol(name, f"{latex}_{{{digits}}}" if digits else latex)


def unprintable(*names: str) -> Symbol:
    """f(names), the stand-in for a formula that cannot be run on symbols."""
    inside = [symbol(name) for name in dict.fromkeys(names)]
    return Symbol("f", "f")(*inside)


def short(value: Any) -> str:
    """The printed form of a setting.

    >>> short(1e-8), short(np.ones(3)), short("exact")
    ('1e-08', '<3 values>', "'exact'")
    """
    if isinstance(value, float):
        return f"{value:g}"
    return f"<{' x '.join(map(str, np.shape(value)))} values>" if np.ndim(value) else repr(value)


class GradientSymbol(Symbol):
    """The symbol of the gradient, with the Hessian product and noise variance that formulas may use."""

    def hvp(self, theta: Any, p: Any) -> Symbol:
        """H(theta) p."""
        return Symbol("H", "H")(theta) * _symbol(p)

    def variance(self, theta: Any) -> Symbol:
        """The diagonal of the noise covariance."""
        return Symbol("diag Sigma", r"\operatorname{diag}\Sigma")(theta)


GRADIENT = GradientSymbol("grad L", r"\nabla L")


def _symbol(value: Any) -> Symbol:
    if isinstance(value, Symbol):
        return value
    number = f"{float(value):g}"
    return Symbol(number, number, ATOM if float(value) >= 0 else PRODUCT)


def _is_zero(value: Any) -> bool:
    return not isinstance(value, Symbol) and float(value) == 0


def _inside(value: Symbol, level: int) -> tuple[str, str]:
    """Text and LaTeX, in brackets if the enclosing operation binds more tightly."""
    bare = value.binds >= level
    return (value.text, value.latex) if bare else (f"({value.text})", rf"\left({value.latex}\right)")
