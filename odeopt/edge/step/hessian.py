"""H p and D^3 L[p, q, .] of a problem, counted, and its gradient on recorded arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.arrays.tape import Link, Taped, plain
from odeopt.problems import Problem
from odeopt.problems.derivatives import BY_DIFFERENCES, COARSE, EPS, Automatic
from odeopt.problems.members import of_one
from odeopt.problems.oracle import EvaluationError, Gradient, is_proven
from odeopt.util.check import Array

Product = Callable[[Array], Array]
Call = tuple[Taped, Taped, Product]  # a point, the gradient and H p there


class Hessian:
    """H(theta) p for rows p (k, d), counted in `count`; after the first, an exception becomes an EvaluationError.

    rounding: the relative error of a product;  third: whether `moved` has D^3 L too
    """

    def __init__(self, problem: Problem) -> None:
        made = of_one(problem.hvp)
        self._by_library = isinstance(made, Automatic)  # which then shares what depends on theta alone
        self._hvp, self._third = problem.hvp, made.third if isinstance(made, Automatic) else None
        self.count, self.third = 0, self._third is not None
        self.rounding = COARSE if problem.hvp_source.startswith(BY_DIFFERENCES) else EPS

    def __call__(self, theta: Array, p: Array) -> Array:
        rows = np.atleast_2d(p)
        return self._counted("hvp(theta, p)", self._hvp, theta, rows).reshape(np.shape(p))

    def moved(self, theta: Array, p: Array, q: Array) -> Array:
        """D^3 L(theta)[p, q, .], by the derivative that the problem's library has of H p."""
        assert self._third is not None
        p, q = np.broadcast_arrays(p, q)
        return self._counted("D^3 L", self._third, theta, np.atleast_2d(p), np.atleast_2d(q)).reshape(p.shape)

    def _counted(self, name: str, f: Callable[..., Any], theta: Array, *rows: Array) -> Array:
        """f at theta for each row."""
        if not len(rows[0]):
            return np.zeros(rows[0].shape)
        try:
            at = theta if self._by_library else np.broadcast_to(theta, rows[0].shape)
            found = np.asarray(f(at, *rows), dtype=np.float64)
        except Exception as error:
            if self.count == 0 and not is_proven():
                error.add_note(f"raised by {name} at theta of shape {rows[0].shape}")
                raise
            raise EvaluationError(f"{name.partition('(')[0]} raised {type(error).__name__}: {error}") from error
        self.count += len(rows[0])
        return found


class Slope:
    """The gradient on recorded arrays: its derivative is H, whose derivative is D^3 L; both are symmetric.

    calls: those since the list was last replaced
    """

    def __init__(self, grad: Gradient, hessian: Hessian) -> None:
        self._grad, self._hessian = grad, hessian
        self._last: tuple[Any, Any] = (None, None)
        self.calls: list[Call] = []

    def __call__(self, theta: Any) -> Any:
        if not isinstance(theta, Taped):
            return self._grad(theta)
        if theta is not self._last[0]:
            value, H = self._at(theta.value)
            self._last = theta, theta.tape.record(value, Link(theta.index, H, H))
            self.calls.append((theta, self._last[1], H))
        return self._last[1]

    def _at(self, point: Any) -> tuple[Any, Any]:
        """The gradient and p -> H p at a point, which are recorded if it is."""
        here = plain(point)
        H: Product = lambda p: self._hessian(here, p)
        if not isinstance(point, Taped):
            return self._grad(here), H

        def recorded(p: Any) -> Taped:
            """H p as a function of the point, and of p if it is recorded."""
            along = plain(p)
            moved: Product = lambda q: self._hessian.moved(here, along, q)
            links = [Link(point.index, moved, moved)]
            if isinstance(p, Taped):
                links.append(Link(p.index, H, H))
            return point.tape.record(H(along), *links)

        return point.tape.record(self._grad(here), Link(point.index, H, H)), recorded
