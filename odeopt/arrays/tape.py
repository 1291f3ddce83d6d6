"""dF(x) p and q^T dF(x) of a function F of NumPy arrays, from one evaluation that records its operations.

F runs on `Taped` arrays, as it is.  Their ufuncs are the rows of `odeopt.core.operations`, whose partial derivatives
are evaluated as the function runs.  [Griewank and Walther 2008, ch. 3]  Functions that are missing here raise
TypeError.

The values of a recording may be `Taped` on another tape.  Then dF(x) p and q^T dF(x) are recorded there as functions of
x, and the derivative of that recording is the second derivative of F.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from odeopt.core.operations import NUMPY, OPERATIONS
from odeopt.util.check import Array

Map = Callable[[Array], Array]


@dataclass(frozen=True)
class Link:
    """How a value depends on an earlier one: `push` a tangent forwards, `pull` an adjoint backwards."""

    source: int
    push: Map
    pull: Map


class Tape:
    """The links of each recorded value, in order; the inputs of the function have none."""

    def __init__(self) -> None:
        self.links: list[tuple[Link, ...]] = []

    def record(self, value: Any, *links: Link) -> Taped:
        """A value that depends on earlier ones by these links; an input, without links."""
        self.links.append(links)
        return Taped(value if isinstance(value, Taped) else np.asarray(value), self, len(self.links) - 1)


class Taped(NDArrayOperatorsMixin):
    """An array (..., n) whose operations are recorded; its value is an array, or `Taped` on an outer tape."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, tape: Tape, index: int) -> None:
        self.value, self.tape, self.index = value, tape, index

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """NumPy's protocol (NEP 13)."""
        if method != "__call__" or settings or ufunc.__name__ not in OPERATIONS:
            raise TypeError(f"{ufunc.__name__}.{method} cannot be recorded: use the names in odeopt.ops")
        return self.recorded(ufunc.__name__, inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        """NumPy's protocol (NEP 18)."""
        if function is np.where and not settings:
            return self.recorded("where", arguments)
        if function not in FUNCTIONS:
            raise TypeError(f"numpy.{function.__name__} cannot be recorded: use the names in odeopt.ops")
        return FUNCTIONS[function](*arguments, **settings)

    def __getitem__(self, where: Any) -> Taped:
        def pull(q: Array) -> Array:
            if isinstance(q, Taped):
                raise TypeError("the adjoint of [..., i:j] cannot be recorded")
            whole = np.zeros((*q.shape[: q.ndim - self.value[where].ndim], *self.shape))
            whole[(..., where) if not isinstance(where, tuple) else where] = q
            return whole

        if not (isinstance(where, tuple) and where and where[0] is Ellipsis):
            raise TypeError(f"only [..., i:j] can be recorded, got [{where!r}]")
        return self.tape.record(self.value[where], Link(self.index, lambda p: p[where], pull))

    def recorded(self, name: str, inputs: Sequence[Any]) -> Any:
        """An elementary operation: a plain array where it is piecewise constant."""
        row = OPERATIONS[name]
        values = [u.value if isinstance(u, Taped) else u for u in inputs]
        with np.errstate(all="ignore"):
            value = row.numpy(*values)
            if row.partials is not None:
                slopes: Sequence[Any] = row.partials(_apply, value, *values)
            elif row.chooses is not None:
                first = row.chooses(_apply, *values)
                slopes = (*[0.0] * (len(values) - 2), np.where(first, 1.0, 0.0), np.where(first, 0.0, 1.0))
            else:
                return value
        pairs = zip(inputs, slopes, strict=True)
        return self.tape.record(
            value, *(_scaling(u, slope, np.shape(value)) for u, slope in pairs if isinstance(u, Taped))
        )


def plain(value: Any) -> Any:
    """The array, without its tapes."""
    while isinstance(value, Taped):
        value = value.value
    return value


def _apply(name: str, *values: Any) -> Any:
    return NUMPY[name](*values)


def _scaling(source: Taped, slope: Any, shape: tuple[int, ...]) -> Link:
    """p -> slope p.  A slope that is not finite counts as 0: sqrt(G) at a G that has always been 0 stays there."""
    finite = np.isfinite(plain(slope))
    slope = slope if np.all(finite) else np.where(finite, slope, 0.0)
    shared = source.shape[-1:] == (1,) != shape[-1:]  # a clock, beside theta

    def pull(q: Array) -> Array:
        moved = q * slope
        return np.sum(moved, axis=-1, keepdims=True) if shared else moved

    return Link(source.index, lambda p: slope * p, pull)


def _sum(x: Taped, axis: Any = None, keepdims: bool = False) -> Taped:
    if axis != -1 or not keepdims:
        raise TypeError("only sums over the last axis that keep it can be recorded: use odeopt.ops.total")
    total: Map = lambda p: np.sum(p, axis=-1, keepdims=True)
    return x.tape.record(total(x.value), Link(x.index, total, lambda q: q + np.zeros(x.shape[-1:])))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.mean: lambda x, axis=None, keepdims=False: _sum(x, axis, keepdims) / x.shape[-1],
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
    np.zeros_like: lambda x: np.zeros_like(x.value),
    np.ones_like: lambda x: np.ones_like(x.value),
}


@dataclass(frozen=True, eq=False)
class Derivative:
    """The derivative of recorded outputs in the inputs; arrays may have leading axes, one product for each."""

    tape: Tape
    inputs: tuple[Taped, ...]
    outputs: tuple[Any, ...]

    def push(self, p: tuple[Array, ...], given: Mapping[int, Array] | None = None) -> tuple[Array, ...]:
        """dF p, one array for each output, from one for each input.

        given: tangents of recorded values, by index, in place of those that follow from p
        """
        lead, given = p[0].shape[:-1], given or {}
        moved: list[Any] = [None] * len(self.tape.links)
        for u, tangent in zip(self.inputs, p, strict=True):
            moved[u.index] = tangent
        for i, links in enumerate(self.tape.links):
            if i in given:
                moved[i] = given[i]
                continue
            for link in links:
                if moved[link.source] is not None:
                    step = link.push(moved[link.source])
                    moved[i] = step if moved[i] is None else moved[i] + step
        return tuple(_filled(moved[v.index] if isinstance(v, Taped) else None, lead, v) for v in self.outputs)

    def pull(self, q: tuple[Array, ...]) -> tuple[Array, ...]:
        """q^T dF, one array for each input, from one for each output."""
        lead = q[0].shape[:-1]
        moved: list[Any] = [None] * len(self.tape.links)

        def add(i: int, adjoint: Array) -> None:
            moved[i] = adjoint if moved[i] is None else moved[i] + adjoint

        for v, adjoint in zip(self.outputs, q, strict=True):
            if isinstance(v, Taped):
                add(v.index, adjoint)
        for i in reversed(range(len(self.tape.links))):
            if moved[i] is not None:
                for link in self.tape.links[i]:
                    add(link.source, link.pull(moved[i]))
        return tuple(_filled(moved[u.index], lead, u) for u in self.inputs)


def _filled(value: Any, lead: tuple[int, ...], like: Any) -> Any:
    """The value in its full shape; 0 for None."""
    if isinstance(value, Taped):
        return value + np.zeros((*lead, *np.shape(like)))
    return np.broadcast_to(0.0 if value is None else value, (*lead, *np.shape(like)))
