"""1/(sqrt(G) + eps) and 1/sqrt(G + eps): the preconditioner, its integral, and the displacement from G = 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.util import check


@dataclass(frozen=True)
class Root:
    """A denominator and its integrals.

    of(G, eps) is the denominator, primitive(G, eps) the integral of 1/of over [0, G], and move(g, rate, t, eps) the
    integral of g/of(g^2 rate s, eps) over s in [0, t].
    """

    name: str
    of: Callable[[Any, Any], Any]
    primitive: Callable[[Any, Any], Any]
    move: Callable[[Any, Any, Any, Any], Any]

    def __repr__(self) -> str:
        return self.name


def move_outside(g: Any, rate: Any, t: Any, eps: Any) -> Any:
    """The integral of g/(a sqrt(s) + eps) over s in [0, t], with a = |g| sqrt(rate).

    It is (2 g eps/a^2) (x - log(1 + x)) with x = a sqrt(t)/eps, and 2 sign(g) sqrt(t/rate) for eps = 0.

    >>> move_outside(np.array([3.0, 0.0]), rate=4.0, t=0.01, eps=0.0)
    array([0.1, 0. ])
    """
    g, a, root = np.asarray(g), np.abs(g) * np.sqrt(rate), np.sqrt(t)
    with np.errstate(all="ignore"):
        x = a * root / eps
        # (x - log(1 + x))/x^2, by its series where the difference cancels
        series = 1 / 2 - x / 3 + x**2 / 4 - x**3 / 5 + x**4 / 6 - x**5 / 7
        shape = np.where(x < 1e-2, series, (x - np.log1p(x)) / x**2)
        smooth = 2 * g * root**2 / eps * shape
        sharp = 2 * np.sign(g) * np.sqrt(t / rate)
    return np.where(np.asarray(eps) * np.ones_like(a) > 0, smooth, sharp)


def move_inside(g: Any, rate: Any, t: Any, eps: Any) -> Any:
    """The integral of g/sqrt(g^2 rate s + eps) over s in [0, t]: 2 g t/(sqrt(g^2 rate t + eps) + sqrt(eps)).

    >>> move_inside(np.array([3.0, 0.0]), rate=4.0, t=0.01, eps=0.0)
    array([0.1, 0. ])
    """
    g = np.asarray(g)
    below = np.sqrt(g**2 * rate * t + eps) + np.sqrt(eps)
    return np.divide(2 * g * t, below, out=np.zeros_like(below * g), where=below * np.ones_like(g) > 0)


def primitive_outside(G: Any, eps: Any) -> Any:
    """The integral of 1/(sqrt(s) + eps) over s in [0, G]: 2 sqrt(G) - 2 eps log(1 + sqrt(G)/eps).

    >>> primitive_outside(np.array([4.0, 0.0]), eps=0.0)
    array([4., 0.])
    """
    return 2 * (ops.sqrt(G) - eps * ops.log1p(ops.ratio(ops.sqrt(G), eps, limit=lambda: 0.0)))


def primitive_inside(G: Any, eps: Any) -> Any:
    """The integral of 1/sqrt(s + eps) over s in [0, G]: 2 sqrt(G + eps) - 2 sqrt(eps).

    >>> primitive_inside(np.array([3.0]), eps=1.0)
    array([2.])
    """
    return 2 * (ops.sqrt(G + eps) - ops.sqrt(eps))


ROOTS = {
    "outside": Root("outside", lambda G, eps: ops.sqrt(G) + eps, primitive_outside, move_outside),
    "inside": Root("inside", lambda G, eps: ops.sqrt(G + eps), primitive_inside, move_inside),
}


def root_of(name: str) -> Root:
    """The root with eps "outside" (torch) or "inside" (Keras, optax).

    >>> root_of("inside").of(np.array([0.75]), 0.25)
    array([1.])
    """
    return ROOTS[check.choice("root", name, ROOTS)]
