"""a(h) = sum_k a_k h^k, truncated after h^N: a step that runs on such series returns its own expansion in h.

The coefficients are SymPy expressions.  A scheme's step runs on series as it runs on arrays, by NumPy's protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from itertools import product
from math import factorial
from typing import Any

import numpy as np
import sympy

from odeopt.core.operations import OPERATIONS
from odeopt.core.symbols import Symbolic
from odeopt.symbolic.sums import DIMENSION, Total, expanded

ROUNDING = 4e-16


class Series(Symbolic):
    """Coefficients by power of h, from any power, also negative, up to `cut`."""

    ndim, shape = 0, ()
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, coefficients: Mapping[int, Any], cut: int) -> None:
        kept = {k: expanded(sympy.sympify(c)) for k, c in coefficients.items() if k <= cut}
        self.coefficients, self.cut = {k: c for k, c in kept.items() if c != 0}, cut

    def of(self, power: int) -> Any:
        """The coefficient of a power of h."""
        return self.coefficients.get(power, sympy.Integer(0))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises TypeError: a series has no entries to reduce over."""
        raise TypeError("a symbol has no entries")

    def __repr__(self) -> str:
        return " + ".join(f"({c})*h^{k}" for k, c in sorted(self.coefficients.items())) or "0"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's protocol (NEP 13)."""
        if ufunc.__name__ in ("equal", "not_equal", "logical_or", "logical_and"):  # no symbol counts as zero
            return ufunc.__name__ != "equal"
        if method != "__call__":
            raise TypeError(f"{ufunc.__name__}.{method} of a symbol has no series")
        arguments = [x if isinstance(x, Series) else Series({0: number(x)}, self.cut) for x in inputs]
        if method == "__call__" and not kwargs and ufunc.__name__ in ARITHMETIC:
            return ARITHMETIC[ufunc.__name__](*arguments)
        row = OPERATIONS.get(ufunc.__name__)
        if method == "__call__" and not kwargs and row is not None and row.symbolic is not None:
            return _composed(partial(row.symbolic, sympy), arguments[0])
        raise TypeError(f"{ufunc.__name__} of a symbol has no series")

    def total(self) -> Series:
        return Series({k: Total(c) for k, c in self.coefficients.items()}, self.cut)

    def norm(self, of: str = "") -> Series:
        if of:
            raise TypeError(f"the norm of each {of} of a symbol has no series")
        return Norm(np.sqrt((self * self).total()).coefficients, self.cut)

    def where_positive(self, a: Any, b: Any) -> Any:
        raise TypeError("where_positive of a symbol of either sign has no series")

    def applied(self, name: str) -> Series:
        if name != "rms":
            raise TypeError(f"{name} of a symbol has no series")
        return np.sqrt((self * self).total() / Series({0: DIMENSION}, self.cut))

    __add__ = __radd__ = lambda self, other: np.add(self, other)
    __mul__ = __rmul__ = lambda self, other: np.multiply(self, other)
    __sub__ = lambda self, other: np.subtract(self, other)
    __rsub__ = lambda self, other: np.subtract(other, self)
    __truediv__ = lambda self, other: np.divide(self, other)
    __rtruediv__ = lambda self, other: np.divide(other, self)
    __pow__ = lambda self, other: np.power(self, other)
    __neg__ = lambda self: np.negative(self)
    __abs__ = lambda self: np.abs(self)
    __eq__ = lambda self, other: False


class Norm(Series):
    """The series of a norm.  It counts as positive, because no symbol counts as zero."""

    def where_positive(self, a: Any, b: Any) -> Any:
        return a


def number(value: Any) -> Any:
    """A SymPy number.  A float that a short fraction rounds to, such as 1/6 in a tableau, becomes that fraction."""
    exact = Fraction(float(value)).limit_denominator(1000)
    near = abs(float(exact) - float(value)) <= ROUNDING * abs(float(value))
    return sympy.Rational(exact.numerator, exact.denominator) if near else sympy.Float(float(value))


def _plus(a: Series, b: Series) -> Series:
    return Series({k: a.of(k) + b.of(k) for k in a.coefficients | b.coefficients}, a.cut)


def _times(a: Series, b: Series) -> Series:
    total: dict[int, Any] = {}
    for (j, c), (k, d) in product(a.coefficients.items(), b.coefficients.items()):
        if j + k <= a.cut:
            total[j + k] = total.get(j + k, 0) + c * d
    return Series(total, a.cut)


def _power(a: Series, exponent: Series) -> Series:
    """(c h^k (1 + d))^p = c^p h^(kp) (1 + d)^p."""
    p, k = exponent.of(0), min(a.coefficients, default=0)
    if set(exponent.coefficients) - {0} or a.of(k) == 0 or not (k * p).is_integer:
        raise TypeError(f"({a})^({exponent}) has no series")
    relative = Series({j - k: c / a.of(k) for j, c in a.coefficients.items()}, a.cut)
    one_plus = _composed(lambda x: x**p, relative)
    return Series({j + int(k * p): c * a.of(k) ** p for j, c in one_plus.coefficients.items()}, a.cut)


def _composed(f: Callable[[Any], Any], a: Series) -> Series:
    """f(a_0 + d) = sum_m f^(m)(a_0) d^m/m!."""
    if min(a.coefficients, default=0) < 0:
        raise TypeError(f"a function of {a} has no series")
    x = sympy.Dummy("x", real=True)
    slope, power = f(x), Series({0: sympy.Integer(1)}, a.cut)
    change, total = Series({k: c for k, c in a.coefficients.items() if k > 0}, a.cut), Series({}, a.cut)
    for m in range(a.cut + 1):
        total = _plus(total, _times(Series({0: slope.subs(x, a.of(0)) / factorial(m)}, a.cut), power))
        slope, power = sympy.diff(slope, x), _times(power, change)
        if not power.coefficients:
            break
    return total


ARITHMETIC: dict[str, Callable[..., Series]] = {
    "add": _plus,
    "subtract": lambda a, b: _plus(a, _times(b, Series({0: -1}, b.cut))),
    "multiply": _times,
    "divide": lambda a, b: _times(a, _power(b, Series({0: sympy.Integer(-1)}, b.cut))),
    "power": _power,
    "negative": lambda a: _times(a, Series({0: -1}, a.cut)),
}
