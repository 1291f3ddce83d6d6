"""Shampoo: Adagrad for matrices, with row and column Gram matrices as preconditioners."""

from __future__ import annotations

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push
from odeopt.util import check


def shampoo(shape: tuple[int, int] = (1, 1)) -> Flow:
    """theta' = -L^(-1/4) G R^(-1/4),   L' = G G^T,   R' = G^T G.                 [Gupta, Koren and Singer 2018, alg. 1]

    G is the gradient as a row-major matrix of this shape.  L = R = 0 is singular: start it at L = R = eps I.  As in
    Adagrad, one step takes the time lr^2, and L and R are lr^2 times those of the optimizer.  For a 1 x 1 matrix the
    two flows coincide.

    >>> shampoo((2, 3))
    theta' = -L^(-0.25)*grad L(theta)*R^(-0.25)
    L'     = row_gram(grad L(theta))
    R'     = column_gram(grad L(theta))
    """
    rows, columns = shape = _shape(shape)
    return flow(
        "theta L R",
        lengths={"L": rows**2, "R": columns**2},
        name="Shampoo",
        preconditioner="L R",
        ages="memory",
        memory=(
            push("L", lambda grad, theta: ops.row_gram(grad(theta), shape)),
            push("R", lambda grad, theta: ops.column_gram(grad(theta), shape)),
        ),
        drift=push("theta", lambda grad, theta, L, R: -ops.between(L, grad(theta), R, shape, -0.25)),
    )


def _shape(value: tuple[int, int]) -> tuple[int, int]:
    found = check.shape("shape", value)
    if found is None:
        raise ValueError(f"shape must be (rows, columns), got {value!r}")
    return found
