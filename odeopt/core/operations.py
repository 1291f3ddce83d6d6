"""The elementary operations of which every formula is made, one row each.

Every module that computes, differentiates, bounds or prints an operation reads its row.  A new operation is a new row.

>>> OPERATIONS["multiply"].written("a", "b"), OPERATIONS["multiply"].real(2.0, 3.0)
('(a * b)', 6.0)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

RAISED = (ZeroDivisionError, OverflowError, ValueError)  # by `Operation.real`, where NumPy's value is inf or NaN


@dataclass(frozen=True)
class Operation:
    """One elementary operation.

    name:      the name of NumPy's function, which is also its name in programs and in generated code
    real:      the operation on Python's floats; it may raise one of `RAISED`
    numpy:     NumPy's function
    operator:  Python's operator, if there is one; it also works on symbols, tensors and arrays of JAX
    code:      the text in generated code, a format of the texts of the arguments; default: a call of `name`
    text:      the text in printed equations, a format of the joined arguments
    latex:     the same in LaTeX
    truth:     whether the value is true or false
    truths:    the operation on truth values that NumPy performs under this name
    integers:  whether integers have the same value as the floats they equal
    partials:  (apply, value, *arguments) -> the partial derivatives; apply(name, *arguments) is another operation
    chooses:   (apply, *arguments) -> whether the value is the last argument but one; it is the last one otherwise
    bound:     a bound on |value| from bounds on the |arguments|; None if finite arguments may have no finite value
    symbolic:  (sympy, argument) -> the expression in SymPy
    """

    name: str
    real: Callable[..., Any]
    operator: Callable[..., Any] | None = None
    code: str = ""
    text: str = ""
    latex: str = ""
    truth: bool = False
    truths: str | None = None
    integers: bool = False
    partials: Callable[..., tuple[Any, ...]] | None = None
    chooses: Callable[..., Any] | None = None
    bound: Callable[..., float] | None = None
    symbolic: Callable[[Any, Any], Any] | None = None

    @property
    def numpy(self) -> Any:
        """NumPy's function: a ufunc, except for `where`."""
        return getattr(np, self.name)

    @property
    def arithmetic(self) -> bool:
        """Whether Python's operator gives a number: it takes a truth value for 1 or 0."""
        return self.operator is not None and not self.truth

    def written(self, *arguments: str) -> str:
        """The operation in generated code, on arguments with these texts."""
        return self.code.format(*arguments) if self.code else f"{self.name}({', '.join(arguments)})"


def _one(*args: float) -> float:
    return 1.0


def _arithmetic(name: str, code: str, function: Callable[..., Any], **settings: Any) -> Operation:
    """An operation that Python's operator performs on floats as on all else."""
    return Operation(name, function, function, code, **settings)


def _comparison(name: str, symbol: str, function: Callable[..., Any]) -> Operation:
    return Operation(
        name, function, function, f"({{}} {symbol} {{}})", truth=True, truths=name, integers=True, bound=_one
    )


def _logical(name: str, code: str, function: Callable[..., Any]) -> Operation:
    return Operation(name, function, None, code, truth=True, truths=name, integers=True, bound=_one)


_AND, _OR = "logical_and", "logical_or"
_ROWS = (
    _arithmetic("add", "({} + {})", operator.add, truths=_OR, integers=True,
                partials=lambda apply, v, a, b: (1.0, 1.0), bound=lambda a, b: a + b),
    _arithmetic("subtract", "({} - {})", operator.sub, integers=True,
                partials=lambda apply, v, a, b: (1.0, -1.0), bound=lambda a, b: a + b),
    _arithmetic("multiply", "({} * {})", operator.mul, truths=_AND, integers=True,
                partials=lambda apply, v, a, b: (b, a), bound=lambda a, b: a * b),
    _arithmetic("divide", "({} / {})", operator.truediv, partials=lambda apply, v, a, b: (1.0 / b, -v / b)),
    Operation("power", math.pow, operator.pow,
              partials=lambda apply, v, a, b: (b * a ** (b - 1.0), v * apply("log", a))),
    _arithmetic("negative", "(-{})", operator.neg, integers=True,
                partials=lambda apply, v, a: (-1.0,), bound=lambda a: a),
    Operation("absolute", abs, abs, text="|{}|", latex=r"\lvert {} \rvert", integers=True,
              partials=lambda apply, v, a: (apply("sign", a),), bound=lambda a: a,
              symbolic=lambda sympy, x: sympy.Abs(x)),
    Operation("sqrt", math.sqrt, latex=r"\sqrt{{{}}}",
              partials=lambda apply, v, a: (0.5 / v,), symbolic=lambda sympy, x: sympy.sqrt(x)),
    Operation("exp", math.exp, partials=lambda apply, v, a: (v,), symbolic=lambda sympy, x: sympy.exp(x)),
    Operation("expm1", math.expm1, partials=lambda apply, v, a: (v + 1.0,), symbolic=lambda sympy, x: sympy.exp(x) - 1),
    Operation("log", math.log, partials=lambda apply, v, a: (1.0 / a,), symbolic=lambda sympy, x: sympy.log(x)),
    Operation("log1p", math.log1p,
              partials=lambda apply, v, a: (1.0 / (1.0 + a),), symbolic=lambda sympy, x: sympy.log(1 + x)),
    Operation("tanh", math.tanh,
              partials=lambda apply, v, a: (1.0 - v * v,), bound=_one, symbolic=lambda sympy, x: sympy.tanh(x)),
    Operation("sin", math.sin,
              partials=lambda apply, v, a: (apply("cos", a),), bound=_one, symbolic=lambda sympy, x: sympy.sin(x)),
    Operation("cos", math.cos,
              partials=lambda apply, v, a: (-apply("sin", a),), bound=_one, symbolic=lambda sympy, x: sympy.cos(x)),
    Operation("sign", lambda x: 1.0 if x > 0 else -1.0 if x < 0 else x * 0.0, bound=_one),
    Operation("floor", lambda x: float(math.floor(x)), bound=lambda a: a + 1.0),
    Operation("maximum", lambda a, b: a if a >= b or a != a else b, truths=_OR, integers=True,
              chooses=lambda apply, a, b: apply("greater_equal", a, b), bound=max),
    Operation("minimum", lambda a, b: a if a <= b or a != a else b, truths=_AND, integers=True,
              chooses=lambda apply, a, b: apply("less_equal", a, b), bound=max),
    Operation("where", lambda condition, a, b: a if condition else b, code="({1} if {0} else {2})",
              chooses=lambda apply, condition, a, b: condition, bound=lambda condition, a, b: max(a, b)),
    _comparison("less", "<", operator.lt),
    _comparison("less_equal", "<=", operator.le),
    _comparison("greater", ">", operator.gt),
    _comparison("greater_equal", ">=", operator.ge),
    _comparison("equal", "==", operator.eq),
    _comparison("not_equal", "!=", operator.ne),
    _logical(_AND, "({} and {})", operator.and_),
    _logical(_OR, "({} or {})", operator.or_),
    _logical("logical_not", "(not {})", operator.not_),
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
NUMPY: Mapping[str, Any] = MappingProxyType({name: row.numpy for name, row in OPERATIONS.items()})
REAL: Mapping[str, Callable[..., Any]] = MappingProxyType({name: row.real for name, row in OPERATIONS.items()})
TRUTH = frozenset(name for name, row in OPERATIONS.items() if row.truth)
