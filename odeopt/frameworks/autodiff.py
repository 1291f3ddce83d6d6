"""L(theta) = f(theta, X, y, ...) of a library's own arrays as a Problem: what torch, JAX and Keras share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from odeopt.problems import Problem
from odeopt.problems.derivatives import Automatic, Native
from odeopt.problems.members import ROUNDING, Function, probe_points
from odeopt.problems.parameters import Parameters
from odeopt.problems.samples import Samples
from odeopt.util.check import Array

Axes = tuple[int | None, ...]  # of each argument: 0 where it is a stack, None where it is the same for all


@dataclass(frozen=True)
class Library:
    """How a library differentiates functions of its own arrays.

    grad(f), hvp(f):  of f(theta, ...) by theta:  (theta, ...) -> grad f  and  (theta, p, ...) -> H p
    vmap(f, axes):    f over the first axis of those arguments whose axis is 0
    compiled(f):      the same function, faster
    hvp_source:       who makes the products, if not its own differentiation
    """

    name: str
    grad: Callable[[Function], Function]
    hvp: Callable[[Function], Function]
    vmap: Callable[[Function, Axes], Function]
    compiled: Callable[[Function], Function]
    stack: Callable[[Sequence[Any]], Any]
    tensor: Callable[[Any], Any]
    array: Callable[[Any], Array]
    hvp_source: str = ""

    def looped(self) -> Library:
        """The same with a loop instead of vmap, for functions that it does not know how to stack."""

        def vmap(f: Function, axes: Axes) -> Function:
            def each(*arguments: Any) -> Any:
                n = next(len(a) for a, axis in zip(arguments, axes, strict=True) if axis == 0)
                rows = (
                    [a if axis is None else a[i] for a, axis in zip(arguments, axes, strict=True)] for i in range(n)
                )
                return self.stack([f(*row) for row in rows])

            return each

        return replace(self, vmap=vmap)


def problem_of(
    library: Library,
    f: Function,
    data: tuple[Array, ...],
    theta0: Array,
    parameters: Parameters,
    name: str,
    others: Sequence[tuple[Library, Function]] = (),
) -> Problem:
    """minimise f(theta, *data); minibatches may be drawn from data (n, ...) if f is a mean over them.

    others: what is asked where this library cannot differentiate f: others, each with its way to compute f
    """
    near, rows = probe_points(theta0), tuple(library.tensor(a) for a in data)
    ranks = tuple(a.ndim for a in data)
    ways = iter([(library, f), (library.looped(), f), *others])

    def found(library: Library, f: Function) -> Any:
        """The first way that works, or the last."""
        made = loss, _, hvp = _derivatives(library, f, ranks)
        works = _works(lambda: (loss(near, *rows), hvp(near, near, *rows)))
        following = None if works else next(ways, None)
        return found(*following) if following else (library, f, *made)

    first = library
    library, f, loss, grad, hvp = found(*next(ways))
    samples = _samples(library, f, loss, grad, data) if data else None
    return Problem(
        lambda theta: loss(theta, *rows),
        Automatic(lambda theta: grad(theta, *rows), library.name, Native(library.grad(f), rows)),
        hvp=Automatic(lambda theta, p: hvp(theta, p, *rows), library.hvp_source or library.name),
        theta0=theta0,
        name=name,
        batched=library is first,
        samples=samples if samples and _is_mean(samples, loss(near[-1], *rows), near[-1]) else None,
        parameters=parameters,
    )


def _derivatives(library: Library, f: Function, ranks: tuple[int, ...]) -> tuple[Function, Function, Function]:
    """f, its gradient and its Hessian-vector product, over members."""
    return (
        over_members(library, f, 1, *ranks),
        over_members(library, library.grad(f), 1, *ranks),
        over_members(library, library.hvp(f), 1, 1, *ranks),
    )


def pieces(theta: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """theta (d,), of any library, as named arrays of these shapes."""
    found, first = {}, 0
    for name, shape in shapes.items():
        found[name] = theta[first : first + math.prod(shape)].reshape(shape)
        first += math.prod(shape)
    return found


def over_members(library: Library, f: Function, *ranks: int) -> Function:
    """f of arguments with these numbers of axes, over any axes before them, which broadcast against each other."""

    @cache
    def over(axes: Axes) -> Function:
        return library.compiled(library.vmap(f, axes) if 0 in axes else f)

    def members(*arguments: Any) -> Any:
        arguments = tuple(np.asarray(a, dtype=np.float64) if isinstance(a, list) else a for a in arguments)
        leading = [tuple(a.shape[: a.ndim - rank]) for a, rank in zip(arguments, ranks, strict=True)]
        shape = np.broadcast_shapes(*leading)
        axes = tuple(0 if axis else None for axis in leading)
        flat = [
            np.broadcast_to(a, (*shape, *a.shape[len(axis) :])).reshape(-1, *a.shape[len(axis) :]) if axis else a
            for a, axis in zip(arguments, leading, strict=True)
        ]
        value = library.array(over(axes)(*map(library.tensor, flat)))
        return value.reshape(*shape, *value.shape[1:])[()] if shape else value[()]

    return members


def _works(evaluate: Callable[[], Any]) -> bool:
    try:
        evaluate()
    except Exception:  # whatever a library says of what it cannot stack, or a user's function of single samples
        return False
    return True


def _samples(library: Library, f: Function, loss: Function, grad: Function, data: tuple[Array, ...]) -> Samples:
    """The mean over samples that f is, if it is one."""
    one = (None, *(0 for _ in data))

    def weighted(theta: Any, w: Any, *rows: Any) -> Any:
        single = library.vmap(lambda theta, *row: f(theta, *(a[None] for a in row)), one)
        return (w * single(theta, *rows)).mean()

    weighted_grad = over_members(library, library.grad(weighted), 1, 1, *(a.ndim for a in data))

    def mean_grad(theta: Array, w: Array, *rows: Array) -> Array:
        return w * grad(theta, *rows) if w.shape[-1] == 1 else weighted_grad(theta, w, *rows)

    return Samples(data, loss, mean_grad)


def _is_mean(samples: Samples, of_all: Any, theta: Array) -> bool:
    """f(theta, X, y) = 1/n sum_i f(theta, x_i, y_i), to rounding?"""
    if not _works(lambda: samples.losses(theta)):
        return False
    return bool(np.abs(np.mean(samples.losses(theta)) - of_all) <= samples.n * ROUNDING * np.abs(of_all))
