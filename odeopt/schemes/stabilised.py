"""d_j = mu_j d_{j-1} + nu_j d_{j-2} + h (mu~_j f_{j-1} + gamma~_j f_0): Runge-Kutta-Chebyshev, s stages.

The stability polynomial is a shifted Chebyshev polynomial, so the real stability interval grows like s^2 while
the cost grows like s.                                        [Sommeijer, Shampine and Verwer 1998, eqs. 2.1-2.8]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, plus
from odeopt.schemes.base import Memory, Step, refuse_projections
from odeopt.util import check

DAMPING = {1: 0.05, 2: 2 / 13}
MOST = 1000  # stages: their coefficients take a time that grows like the square, 1 s here


class Coefficients(NamedTuple):
    """The shift w0 and scale w1 of the Chebyshev polynomial; (mu, nu, mu~, gamma~) for stages 2, ..., s."""

    w0: float
    w1: float
    first: float
    rows: list[tuple[float, float, float, float]]


def coefficients(order: int, stages: int) -> Coefficients:
    """The recursion of order 1 or 2 with the standard damping."""
    from numpy.polynomial import chebyshev

    w0 = 1 + DAMPING[order] / stages**2
    T, dT, ddT = ([float(chebyshev.chebval(w0, chebyshev.chebder([0] * j + [1], m))) for j in range(stages + 1)]
                  for m in (0, 1, 2))  # fmt: skip
    if order == 1:
        w1 = T[stages] / dT[stages]
        b = [1 / Tj for Tj in T]
        a = [0.0] * len(b)
        first = w1 / w0
    else:
        w1 = dT[stages] / ddT[stages]
        b = [ddT[j] / dT[j] ** 2 for j in range(2, stages + 1)]
        b = [b[0], b[0], *b]
        a = [1 - bj * Tj for bj, Tj in zip(b, T, strict=True)]
        first = b[1] * w1
    rows = []
    for j in range(2, stages + 1):
        mu_tilde = 2 * w1 * b[j] / b[j - 1]
        rows.append((2 * w0 * b[j] / b[j - 1], -b[j] / b[j - 2], mu_tilde, -a[j - 1] * mu_tilde))
    return Coefficients(w0, w1, first, rows)


@dataclass(frozen=True)
class Chebyshev:
    """RKC of order 1 or 2 with s stages: stable on [-beta(s), 0] with beta near 2 s^2 and 0.65 s^2.

    >>> round(rkc1(10).real_stability, 1), round(rkc2(10).real_stability, 1)
    (193.6, 64.7)
    """

    order: int
    stages: int

    def __post_init__(self) -> None:
        if check.count("order", self.order, 1) > 2:
            raise ValueError(f"order must be 1 or 2, got {self.order}")
        if check.count("stages", self.stages, self.order) > MOST:
            raise ValueError(f"stages must be at most {MOST}, each is one gradient of a step, got {self.stages}")

    @property
    def name(self) -> str:
        return f"RKC{self.order}({self.stages})"

    @property
    def real_stability(self) -> float:
        """The length of the damped stability interval, at whose end w0 - w1 z leaves [-1, 1]."""
        c = coefficients(self.order, self.stages)
        return (1 + c.w0) / c.w1

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        f, c = flow.rhs(grad), coefficients(self.order, self.stages)

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            f0 = f(t, y)
            before, earlier = tuple(0.0 * k for k in f0), 0.0
            last, now = tuple(h * c.first * k for k in f0), c.first
            for mu, nu, mu_t, gamma_t in c.rows:
                terms = zip(last, before, f(t + now * h, plus(y, last)), f0, strict=True)
                new = tuple(mu * d + nu * e + h * (mu_t * k + gamma_t * k0) for d, e, k, k0 in terms)
                before, last = last, new
                earlier, now = now, mu * now + nu * earlier + mu_t + gamma_t
            return plus(y, last), last, memory

        return step


def rkc1(stages: int) -> Chebyshev:
    """RKC of first order, damping 0.05: the longest stability interval per gradient.

    >>> round(rkc1(10).real_stability, 1)  # s gradients reach nearly 2 s^2, s steps of Euler 2 s
    193.6
    """
    return Chebyshev(1, stages)


def rkc2(stages: int) -> Chebyshev:
    """RKC of second order, damping 2/13.

    >>> rkc2(10).order, round(rkc2(10).real_stability, 1)
    (2, 64.7)
    """
    return Chebyshev(2, stages)
