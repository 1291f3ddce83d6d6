"""k_i = f(t + c_i h, y + h sum_j a_ij k_j),   y+ = y + h sum_i b_i k_i.       [Hairer, Norsett, Wanner I, (II.1.8)]"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, plus, weighted
from odeopt.schemes.base import Memory, Step, refuse_projections
from odeopt.util import check
from odeopt.util.check import Array


def order_conditions(A: Array, b: Array, c: Array) -> list[list[float]]:
    """The residuals of the conditions of order 1, 2, 3, 4, one per rooted tree.    [Hairer, Norsett, Wanner I, II.2]"""
    return [
        [b.sum() - 1],
        [b @ c - 1 / 2],
        [b @ c**2 - 1 / 3, b @ A @ c - 1 / 6],
        [b @ c**3 - 1 / 4, b @ (c * (A @ c)) - 1 / 8, b @ A @ c**2 - 1 / 12, b @ A @ A @ c - 1 / 24],
    ]


@dataclass(frozen=True)
class RungeKutta:
    """An explicit Runge-Kutta scheme; the constructor checks its tableau.

    `b_hat`, of order `order - 1`, makes it an embedded pair with the error estimate h sum (b - b_hat) k.

    >>> RungeKutta("Heun", A=[[0, 0], [1, 0]], b=[1/2, 1/2], order=3)
    Traceback (most recent call last):
        ...
    ValueError: order must be at most 2 for the tableau of Heun, got 3
    """

    name: str
    A: Any
    b: Any
    order: int
    b_hat: Any = None

    def __post_init__(self) -> None:
        check.label("name", self.name)
        A, b = check.point("A", self.A), check.point("b", self.b)
        if b.ndim != 1:
            raise ValueError(f"b must have shape (stages,), got {b.shape}")
        object.__setattr__(
            self, "A", tuple(map(tuple, A.tolist()))
        )  # a copy: the checked tableau cannot change afterwards
        object.__setattr__(self, "b", tuple(b.tolist()))
        if A.shape != (b.size, b.size):
            raise ValueError(f"A must have shape {(b.size, b.size)} to go with b, got {A.shape}")
        if np.any(np.triu(A)):
            raise ValueError(f"A must be strictly lower triangular (explicit), got {self.A!r}")
        check.count("order", self.order, 1)
        _check_order(self.name, A, b, self.order)
        if self.b_hat is not None:
            b_hat = check.point("b_hat", self.b_hat)
            if b_hat.shape != b.shape:
                raise ValueError(f"b_hat must have shape {b.shape} like b, got {b_hat.shape}")
            object.__setattr__(self, "b_hat", tuple(b_hat.tolist()))
            _check_order(f"{self.name} (b_hat)", A, b_hat, self.order - 1)

    def __repr__(self) -> str:
        return f"{self.name}: Runge-Kutta, order {self.order}, {self.stages} gradients a step"

    @property
    def stages(self) -> int:
        """Gradient evaluations per step."""
        return len(self.b)

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        slopes, b = self._slopes(flow, grad), self.b

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            increment = weighted(h, b, slopes(t, y, h))
            return plus(y, increment), increment, memory

        return step

    def error_estimate(self, flow: Flow, grad: Grad) -> Callable[[Any, State, Any], State]:
        """(t, y, h) -> h sum (b_i - b_hat_i) k_i, the local error of the embedded scheme."""
        if self.b_hat is None:
            raise ValueError(f"error_estimate needs an embedded pair (b_hat), {self.name} has none")
        slopes = self._slopes(flow, grad)
        difference = [b - b_hat for b, b_hat in zip(self.b, self.b_hat, strict=True)]
        return lambda t, y, h: weighted(h, difference, slopes(t, y, h))

    def _slopes(self, flow: Flow, grad: Grad) -> Callable[[Any, State, Any], list[State]]:
        f, A, c = flow.rhs(grad), self.A, [float(sum(row)) for row in self.A]

        def slopes(t: Any, y: State, h: Any) -> list[State]:
            k = [f(t, y)]
            for i in range(1, len(c)):
                k.append(f(t + c[i] * h, plus(y, weighted(h, A[i][:i], k))))
            return k

        return slopes


def _check_order(name: str, A: Array, b: Array, order: int) -> None:
    conditions = order_conditions(A, b, A.sum(axis=1))
    reached = next((p for p, residuals in enumerate(conditions) if max(map(abs, residuals)) > 1e-14), len(conditions))
    if order > len(conditions):
        raise ValueError(f"order must be at most {len(conditions)}, the highest order that is checked, got {order}")
    if order > reached:
        raise ValueError(f"order must be at most {reached} for the tableau of {name}, got {order}")


def _rows(*rows: list[float]) -> list[list[float]]:
    """The rows of a lower triangle, padded with zeros to a square tableau."""
    return [[*row, *[0.0] * (len(rows) - len(row))] for row in rows]


euler = RungeKutta("Euler", _rows([]), [1.0], order=1)
heun = RungeKutta("Heun", _rows([], [1.0]), [1 / 2, 1 / 2], order=2, b_hat=[1.0, 0.0])
midpoint = RungeKutta("midpoint", _rows([], [1 / 2]), [0.0, 1.0], order=2)
rk3 = RungeKutta("RK3", _rows([], [1 / 2], [-1.0, 2.0]), [1 / 6, 2 / 3, 1 / 6], order=3)  # Kutta 1901
rk4 = RungeKutta("RK4", _rows([], [1 / 2], [0.0, 1 / 2], [0.0, 0.0, 1.0]), [1 / 6, 1 / 3, 1 / 3, 1 / 6], order=4)
bogacki_shampine = RungeKutta(  # Bogacki and Shampine 1989, the pair behind RK23
    "Bogacki-Shampine",
    _rows([], [1 / 2], [0.0, 3 / 4], [2 / 9, 1 / 3, 4 / 9]),
    [2 / 9, 1 / 3, 4 / 9, 0.0],
    order=3,
    b_hat=[7 / 24, 1 / 4, 1 / 3, 1 / 8],
)
