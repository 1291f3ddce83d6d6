"""L(theta) = f(theta, X, y, ...) on a library's own arrays as a Problem, for the adapters of torch, JAX and Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from odeopt.problems import Problem
from odeopt.problems.data import rows_of
from odeopt.problems.derivatives import Automatic, Native
from odeopt.problems.members import ROUNDING, Function, probe_points
from odeopt.problems.parameters import Parameters
from odeopt.problems.samples import Samples
from odeopt.util.check import Array

KEPT = {
    "f": np.float64,
    "i": np.int64,
    "u": np.int64,
    "b": np.bool_,
}  # the types in which a network reads data, by kind
Axes = tuple[int | None, ...]  # one entry per argument: 0 if it is a stack, None if all members share it


@dataclass(frozen=True)
class Library:
    """How a library differentiates functions of its own arrays.

    grad(f), hvp(f):  derivatives of f(theta, ...) in theta:  (theta, ...) -> grad f  and  (theta, p, ...) -> H p
    vmap(f, axes):    f mapped over the first axis of each argument whose entry in `axes` is 0
    compiled(f):      the same function, compiled
    stack, tensor, array:  stacks values, converts to the library's arrays, converts to NumPy
    hvp_source:       how H p is computed, if not by the library's own differentiation
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

    def third(self, f: Function) -> Function:
        """(theta, p, q, ...) -> D^3 L[p, q, .], the gradient of q H p."""
        hvp = self.hvp(f)

        def product(theta: Any, p: Any, q: Any, *rows: Any) -> Any:
            return self.grad(lambda at: (hvp(at, p, *rows) * q).sum())(theta)

        return product

    def looped(self) -> Library:
        """The same library with a loop in place of vmap, for functions that vmap cannot handle."""

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
    """The problem of minimising f(theta, *data).

    Minibatches can be drawn from the data (n, ...) if f is a mean over the samples.

    others: fallbacks for an f that this library cannot differentiate: pairs of a library and its version of f
    """
    near, rows = probe_points(theta0), tuple(library.tensor(a) for a in data)
    ranks = tuple(a.ndim for a in data)
    ways = iter([(library, f), (library.looped(), f), *others])

    def found(library: Library, f: Function) -> Any:
        """The first library and f whose loss and H p evaluate without an error, or else the last."""
        made = loss, _, hvp = _derivatives(library, f, ranks)
        works = _works(lambda: (loss(near, *rows), hvp(near, near, *rows)))
        following = None if works else next(ways, None)
        return found(*following) if following else (library, f, *made)

    first = library
    library, f, loss, grad, hvp = found(*next(ways))
    third = None if library.hvp_source else over_members(library, library.third(f), 1, 1, 1, *ranks)
    samples = _samples(library, f, loss, grad, data) if data else None
    return Problem(
        lambda theta: loss(theta, *rows),
        Automatic(lambda theta: grad(theta, *rows), library.name, Native(library.grad(f), rows)),
        hvp=Automatic(
            lambda theta, p: hvp(theta, p, *rows),
            library.hvp_source or library.name,
            third=None if third is None else lambda theta, p, q: third(theta, p, q, *rows),
        ),
        theta0=theta0,
        name=name,
        batched=library is first,
        samples=samples if samples and _is_mean(samples, loss(near[-1], *rows), near[-1]) else None,
        parameters=parameters,
    )


def _derivatives(library: Library, f: Function, ranks: tuple[int, ...]) -> tuple[Function, Function, Function]:
    """f, its gradient and its Hessian-vector product, each mapped over the members."""
    return (
        over_members(library, f, 1, *ranks),
        over_members(library, library.grad(f), 1, *ranks),
        over_members(library, library.hvp(f), 1, 1, *ranks),
    )


def pieces(theta: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """theta (d,), an array of any library, cut into named arrays of these shapes."""
    found, first = {}, 0
    for name, shape in shapes.items():
        found[name] = theta[first : first + math.prod(shape)].reshape(shape)
        first += math.prod(shape)
    return found


def over_members(library: Library, f: Function, *ranks: int) -> Function:
    """f mapped over leading axes: argument i of f has ranks[i] axes, and the axes before them broadcast."""

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
    except Exception:  # a library raises its own type where it cannot stack; so may a user's function on one sample
        return False
    return True


def _samples(library: Library, f: Function, loss: Function, grad: Function, data: tuple[Array, ...]) -> Samples:
    """f as a mean over samples.  `_is_mean` decides whether that is true."""
    one = (None, *(0 for _ in data))

    def weighted(theta: Any, w: Any, *rows: Any) -> Any:
        single = library.vmap(lambda theta, *row: f(theta, *(a[None] for a in row)), one)
        return (w * single(theta, *rows)).mean()

    weighted_grad = over_members(library, library.grad(weighted), 1, 1, *(a.ndim for a in data))

    def mean_grad(theta: Array, w: Array, *rows: Array) -> Array:
        return w * grad(theta, *rows) if w.shape[-1] == 1 else weighted_grad(theta, w, *rows)

    return Samples(data, loss, mean_grad)


def _is_mean(samples: Samples, of_all: Any, theta: Array) -> bool:
    """Whether f(theta, X, y) = 1/n sum_i f(theta, x_i, y_i) to rounding."""
    if not _works(lambda: samples.losses(theta)):
        return False
    return bool(np.abs(np.mean(samples.losses(theta)) - of_all) <= samples.n * ROUNDING * np.abs(of_all))


def data_rows(data: Any) -> tuple[Array, ...]:
    """Copies of the arrays of a tuple (X, y).

    >>> [a.dtype.name for a in data_rows(([[1.0], [2.0]], [0, 1]))]
    ['float64', 'int64']
    """
    return tuple(a.astype(KEPT[a.dtype.kind]) for a in rows_of(data))
