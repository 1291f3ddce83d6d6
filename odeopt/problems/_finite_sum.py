"""L = 1/n sum_i L_i from your own loss of one sample and your data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.problems.base import Problem
from odeopt.problems.data import rows_of
from odeopt.problems.derivatives import analytic_in_code, central_differences, complex_step
from odeopt.problems.differences import typical
from odeopt.problems.members import Function, batches, probe_points, single_value
from odeopt.problems.samples import Samples
from odeopt.util import check
from odeopt.util.check import Array


def finite_sum(
    loss: Function,
    grad: Function | None = None,
    *,
    data: tuple[Any, ...],
    theta0: ArrayLike,
    minimizer: Any = None,
    name: str = "finite sum",
    batched: bool | None = None,
) -> Problem:
    """L(theta) = 1/n sum_i loss(theta, x_i, y_i, ...) for data = (x, y, ...), arrays (n, ...).

    loss and grad are functions of one theta and one sample.  If they are also correct on stacks of both (which
    `batched=None` tests), they are called on stacks, otherwise in a loop.  A missing gradient is computed numerically.

    >>> x = np.array([[0.0], [1.0], [5.0]])
    >>> mean = finite_sum(lambda theta, x: (theta[0] - x[0]) ** 2 / 2, data=(x,), theta0=[1.0])
    >>> mean.grad(mean.theta0), mean.samples.batch_grad(mean.theta0, [0, 1]), mean.samples.grads(mean.theta0).ravel()
    (array([-1.]), array([0.5]), array([ 1.,  0., -4.]))
    """
    for argument, f in (("loss", loss), ("grad", grad)):
        if not (callable(f) or (f is None and argument == "grad")):
            raise TypeError(f"{argument} must be a function of theta and a sample, got {f!r}")
    check.switch("batched", batched)
    check.label("name", name)
    rows, near = rows_of(data), probe_points(check.point("theta0", theta0).reshape(-1, np.shape(theta0)[-1])[0])
    few = [np.resize(a, (len(near), *a.shape[1:])) for a in rows]
    one_loss = _over_samples("loss", loss, 0, batched, near, *few)
    one_grad = _over_samples("grad", grad, 1, batched, near, *few) if grad else _numerical(one_loss, near, few)

    def mean_loss(theta: Array, *rows: Array) -> Any:
        return np.mean(one_loss(theta[..., None, :], *rows), axis=-1)

    def mean_grad(theta: Array, w: Array, *rows: Array) -> Array:
        return np.mean(w[..., None] * one_grad(theta[..., None, :], *rows), axis=-2)

    samples = Samples(rows, mean_loss, mean_grad)
    of_all = samples.grad if grad else None
    return Problem(samples.loss, of_all, theta0=theta0, minimizer=minimizer, name=name, batched=True, samples=samples)


def _over_samples(name: str, f: Function, rank: int, batched: bool | None, *points: Array) -> Function:
    """f itself if it is correct on stacks, else f looped over members and samples."""
    single_value(name, f, rank, *(p[0] for p in points))
    if batches(f, *points) if batched is None else batched:
        return f
    axes = [",".join(f"a{i}_{j}" for j in range(p.ndim - 1)) for i, p in enumerate(points)]
    inputs = ",".join(f"({names})" for names in axes)
    return np.vectorize(f, signature=f"{inputs}->({axes[0] if rank else ''})")


def _numerical(loss: Function, near: Array, few: Sequence[Array]) -> Callable[..., Array]:
    """The gradient of one sample's loss."""
    usual = typical(near[0])
    analytic = analytic_in_code(lambda theta: loss(theta, *(a[0] for a in few)), near, usual)
    derivative = complex_step if analytic else central_differences

    def grad(theta: Array, *rows: Array) -> Array:
        apart = [np.expand_dims(a, a.ndim - (example.ndim - 1)) for a, example in zip(rows, few, strict=True)]
        return derivative(lambda moved: loss(moved, *apart), usual)(theta)

    return grad
