"""The program of a right-hand side dy/ds = f(s, y) of one member, and its Jacobian.

The right-hand side is traced once.  The flow's parameters, its clock, and the constants of the gradient that differ
from member to member are inputs of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import FunctionType, MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from odeopt.compiler.codegen.statements import name_of
from odeopt.compiler.formula_keys import formula_key, remembered
from odeopt.compiler.ir import Graph, Node, Untraceable
from odeopt.compiler.passes.forward_mode import jacobian
from odeopt.compiler.trace import TracedGradient, as_traced, called, on_nodes, scalar, traced
from odeopt.compiler.trace_cache import fingerprint, steadily
from odeopt.core.flow import Field, Flow
from odeopt.core.time_map import Clock
from odeopt.problems import Problem
from odeopt.problems.members import of_one
from odeopt.util.check import Array

WIDEST = 64  # coordinates of the largest program; NumPy's own loops are faster beyond it

Rows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, eq=False)
class FieldProgram:
    """slopes = f(s, state, constants) if no guard is true.  gradients: evaluations of the gradient in one call."""

    s: Node
    state: tuple[Node, ...]
    constants: tuple[Node, ...]
    slopes: tuple[Any, ...]
    guards: tuple[Node, ...]
    gradients: int

    @cached_property
    def partials(self) -> Rows | None:
        """d slopes / d (state, s), or None if that has too many operations."""
        try:
            return jacobian(self.slopes, (*self.state, self.s))
        except Untraceable:
            return None

    @cached_property
    def jacobian(self) -> Rows | None:
        """d slopes / d state."""
        return None if self.partials is None else tuple(row[:-1] for row in self.partials)

    @cached_property
    def names(self) -> list[str]:
        """The arguments: s, the state, the constants."""
        return [name_of(node) for node in (self.s, *self.state, *self.constants)]


@dataclass(frozen=True, eq=False)
class Traced:
    """A program with the values of its constants: numbers, or (M,) with one per member."""

    program: FieldProgram
    values: tuple[Any, ...]


_programs: WeakKeyDictionary[Field, dict[Any, FieldProgram | Untraceable]] = WeakKeyDictionary()


def traced_field(
    field: Field, problem: Problem, clock: Clock, sizes: Sequence[int], members: tuple[int, ...]
) -> Traced:
    """The program of dy/ds, traced once for a flow and all that its gradient reads; may raise Untraceable."""
    if sum(sizes) > WIDEST:
        raise Untraceable(f"it has more than {WIDEST} coordinates")
    grad, own = of_one(problem.grad), []
    if members:
        own = _arrays_of(grad, members)
    params = dict(field.params) if isinstance(field, Flow) else {}
    values = (clock.t0, clock.T, *params.values(), *own)
    known = _programs.setdefault(field, {})
    key = _without(own, grad), tuple(sizes), clock.power, formula_key(field)
    make = lambda: _program(field, grad, clock.power, sizes, own)
    found = remembered(known, key, lambda: steadily(make, lambda: _without(own, grad)))
    return Traced(found, tuple(_per_member(value, members) for value in values))


def _program(field: Field, grad: Any, power: int, sizes: Sequence[int], own: Sequence[Any]) -> FieldProgram:
    graph = Graph()
    moment = graph.input("time", varies=True)
    s = scalar(moment)
    params = tuple(field.params) if isinstance(field, Flow) else ()
    constants = [graph.input("constant", i, varies=True) for i in range(2 + len(params) + len(own))]
    clock = Clock(scalar(constants[0]), scalar(constants[1]), power)
    if isinstance(field, Flow):
        values = dict(zip(params, map(scalar, constants[2:]), strict=False))
        field = replace(field, params=MappingProxyType(values))
    y = tuple(traced(graph, "state", slot, size) for slot, size in enumerate(sizes))
    gradient = TracedGradient(on_nodes(_with(own, constants[2 + len(params) :], grad)))
    slopes = tuple(clock.speed(s) * u for u in field.rhs(gradient)(clock.time(s), y))
    if [np.shape(k) for k in slopes] != [u.shape for u in y]:
        raise Untraceable(f"its slopes have shapes {[np.shape(k) for k in slopes]}, not {[u.shape for u in y]}")
    flat = lambda arrays: tuple(node for u in arrays for node in as_traced(u).entries)
    return FieldProgram(moment, flat(y), tuple(constants), flat(slopes), tuple(graph.guards), gradient.count)


def _per_member(value: Any, members: tuple[int, ...]) -> Any:
    """A constant as a number, or as (M,)."""
    if np.ndim(value) == 0:
        return float(value)
    array = np.asarray(value, dtype=float)
    array = array[..., 0] if array.ndim > len(members) else array  # the clock's T is (..., 1)
    return np.broadcast_to(array, members).ravel()


def _arrays_of(function: Any, members: tuple[int, ...]) -> list[Any]:
    """The arrays in a function's closure that have one number per member."""
    cells = getattr(function, "__closure__", None) or ()
    found = (cell.cell_contents for cell in cells)
    return [u for u in found if isinstance(u, np.ndarray) and u.shape == members and u.dtype.kind in "iuf"]


def _with(own: Sequence[Any], nodes: Sequence[Node], function: Any) -> Callable[[Any], Any]:
    """The function of one member: nodes replace the arrays that have one number per member."""
    if not own:
        return function
    inside = {id(array): scalar(node) for array, node in zip(own, nodes, strict=True)}
    return _closed(function, lambda value: inside.get(id(value), value))


def _without(own: Sequence[Any], function: Any) -> Any:
    """The key of a function's program: its fingerprint without the numbers of the members."""
    places = {id(array): f"member constant {i}" for i, array in enumerate(own)}
    return fingerprint(_closed(function, lambda value: places.get(id(value), value)) if own else function)


def _closed(f: FunctionType, replaced: Callable[[Any], Any]) -> FunctionType:
    """The function with other values in its closure."""
    cells = tuple(type(cell)(replaced(cell.cell_contents)) for cell in f.__closure__ or ())
    made = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, cells)
    made.__kwdefaults__ = f.__kwdefaults__
    made.__module__ = f.__module__
    return made


def is_gradient_flow(flow: Flow, theta: Array) -> bool:
    """Whether it is theta' = -grad L(theta), whatever L, for theta of this shape.

    Its program for few coordinates has to be -grad, and so has its slope on numbers of this shape.
    """
    if flow.variables != ("theta",) or flow.members or not all(_is_downhill(flow, size) for size in (3, 5)):
        return False
    at, g = (np.sin(frequency * np.arange(1.0, theta.size + 1)).reshape(theta.shape) for frequency in (1.0, 0.7))
    try:
        (slope,) = flow.rhs(lambda point: g)(0.5, (at,))
    except Exception:  # the solver meets the same exception, and reports it
        return False
    return np.array_equal(slope, -g)


def _is_downhill(flow: Flow, size: int) -> bool:
    graph = Graph()
    theta, gradient = traced(graph, "state", 0, size), TracedGradient(on_nodes(called(graph)))
    try:
        (slope,) = flow.rhs(gradient)(scalar(graph.input("time", varies=True)), (theta,))
        ends = as_traced(slope).entries
    except Exception:  # whatever a formula raises on symbols
        return False
    if gradient.point is not theta or ends.shape != (size,):
        return False
    return all(node is graph.apply("negative", g) for node, g in zip(ends, gradient.value.entries, strict=True))
