"""What makes a flow hard to solve, found with a few gradients: kinks of the loss, and vanishing components."""

from __future__ import annotations

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import Grad
from odeopt.util.check import Array

HALVINGS = 30  # of a segment, which reduce the change of a smooth gradient to 1e-9 of it
JUMP, ROUNDING = 1e-5, 1e-10  # of the change over the whole segment, and of the gradient


def difficulties(flow: Flow, grad: Grad, start: Array, kinked: bool) -> tuple[str, ...]:
    """Sentences for users about the flow from `start`; `kinked`: whether the gradient jumps on its path."""
    found, first = [], grad(start)
    zero = int(np.count_nonzero(first == 0))
    if flow.preconditioner and zero:
        found.append(f"{zero} of {first.size} components of the first gradient are 0: {flow.name} is singular there")
    if kinked:
        found.append("the gradient jumps on the way (a kink of the loss): a solver takes many small steps at each jump")
    return tuple(found)


def jumps(grad: Grad, a: Array, b: Array) -> bool:
    """Whether the gradient jumps between a and b, for any member.

    The segment is bisected; each time the half with the larger change of the gradient is kept.  This halves the change
    of a smooth gradient, but keeps a jump.

    >>> from odeopt import problems
    >>> kink = problems.Problem(lambda x: abs(x).sum(-1), np.sign, theta0=[1.0], batched=True)
    >>> jumps(kink.grad, np.array([1.0]), np.array([-0.7])), jumps(problems.rosenbrock().grad, np.zeros(2), np.ones(2))
    (True, False)
    """
    before, after = grad(a), grad(b)
    size, whole = _size(before) + _size(after), _size(after - before)
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        here = grad(middle)
        left = _size(here - before) >= _size(after - here)
        a, before = np.where(left, a, middle), np.where(left, before, here)
        b, after = np.where(left, middle, b), np.where(left, here, after)
    return bool(np.any(_size(after - before) > np.maximum(JUMP * whole, ROUNDING * size)))


def _size(u: Array) -> Array:
    """The largest coordinate of each member, (..., 1)."""
    return np.abs(u).max(axis=-1, keepdims=True)
