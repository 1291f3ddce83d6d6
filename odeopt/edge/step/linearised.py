"""Phi(y) - y and the products D p and D^T q, D = D(Phi - I)(y), of a step near a state packed into a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odeopt.edge.step.hessian import Product
from odeopt.util.check import Array

TURN = np.pi / 4  # where multipliers leave the unit circle at -1


@dataclass(frozen=True, eq=False)
class Parts:
    """D v = F v + G (H (Q v)) for a step whose coordinates meet in the Hessian only, and that reads one gradient.

    F (m, m, d), G (m, d) and Q (m, d) act on each coordinate of the m variables of the length of theta; the clocks,
    which do not depend on them, are left out.   hessian: H p for rows p;  where: the slices of these variables
    """

    F: Array
    G: Array
    Q: Array
    hessian: Product
    where: tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Linearised:
    """A step near a state: `increment` (n,), and the products D p and D^T q for rows (k, size).

    find_parts: finds `parts`, what D consists of, None if it is not known
    turn:       the least angle a step by which a pair of multipliers must turn to be averaged; the flow follows slower
                ones
    """

    increment: Array
    product: Product
    transposed: Product
    size: int
    find_parts: Callable[[], Parts | None] = lambda: None
    turn: float = TURN

    @cached_property
    def parts(self) -> Parts | None:
        """What D consists of, found when it is first asked for."""
        return self.find_parts()
