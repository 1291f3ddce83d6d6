"""The step of an optimizer as a rule that JAX repeats.

A gradient that is a formula is traced with the step, coordinate by coordinate, as for every other engine; the rule
then evaluates the program's operations.  A gradient that is a JAX function is called by the step, and the step's own
formulas run on JAX's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from odeopt.arrays.jax import JAX
from odeopt.arrays.protocol import Foreign, foreign, plain
from odeopt.compiler.codegen.statements import step_lines
from odeopt.compiler.formula_keys import formulas_of
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.program import Program, columns, evaluated
from odeopt.compiler.trace import TracedGradient
from odeopt.compiler.trace_cache import fingerprint
from odeopt.core.operations import OPERATIONS
from odeopt.core.state import State, column
from odeopt.optimizers.base import Optimizer
from odeopt.problems.derivatives import Native
from odeopt.schemes.implicit import BDF2, Theta
from odeopt.schemes.lookahead import innermost
from odeopt.simulation.engines.jax_scan import Rule, Scan
from odeopt.simulation.request import Request

FUNCTIONS: dict[str, Any] = {name: getattr(jnp, name) for name in OPERATIONS}


def scan_of_program(request: Request, program: Program) -> Scan:
    """The scan of a program; its constants, shared or one per member, are arguments of the compiled loop."""
    values = [np.asarray(column(value), dtype=float) for value in program.values(request.opt)]
    return Scan(request, program, _rule(program), values)


def _rule(program: Program) -> Rule:
    inputs, outputs = list(chain(*program.state)), list(chain(*program.outputs))

    def move(t: Any, y: Any, constants: Any) -> tuple[Any, Any]:
        known = {node.index: value for node, value in zip(program.constants, constants, strict=True)}
        known |= {node.index: value for node, value in zip(inputs, y, strict=True)}
        value = evaluated(program.body, known, t, FUNCTIONS)
        new = tuple(_like(value(node), u) for node, u in zip(outputs, y, strict=True))
        return new, _either([jnp.any(value(guard)) for guard in program.guards])

    sizes = tuple(map(len, program.state))
    recorded = sum(sizes[:-1] if program.carried else sizes)
    return Rule((*step_lines(program), sizes, program.carried), recorded, move, columns)


@dataclass(frozen=True, eq=False)
class ArrayStep:
    """A step on arrays (..., d) that calls `count` gradients, the first of them at theta if `first`.

    `carried`: the arrays end with the gradient at theta, which the previous step has evaluated.
    """

    rule: Rule
    count: int
    first: bool
    carried: bool


def scan_of_arrays(request: Request, step: ArrayStep, native: Native) -> Scan:
    """The scan of a step on arrays; its parameters and the gradient's data are arguments of the compiled loop."""
    return Scan(request, step, step.rule, _constants(request.opt, native))


def array_step(opt: Optimizer, native: Native, y: State) -> ArrayStep:
    """The step on states of these shapes; raises Untraceable if JAX cannot trace it."""
    if isinstance(innermost(opt.scheme), Theta | BDF2):
        raise Untraceable(f"{opt.scheme.name} solves an equation in every step")
    try:
        plain, ends_there = _traced(opt, native, y, carried=False)
        return _traced(opt, native, (*y, y[0]), carried=True)[0] if ends_there else plain
    except Untraceable:
        raise
    except Exception as error:  # whatever a formula or a user's function raises on JAX's arrays
        raise Untraceable(f"on JAX's arrays it raises {type(error).__name__}: {str(error).splitlines()[0]}") from error


def _constants(opt: Optimizer, native: Native) -> Any:
    return opt.h, dict(opt.flow.params), native.data


def _traced(opt: Optimizer, native: Native, y: State, carried: bool) -> tuple[ArrayStep, bool]:
    flow, scheme = opt.flow, opt.scheme  # not opt itself: a reference to it would keep its cached rules alive
    slope = jnp.vectorize(native.f, excluded=range(1, len(native.data) + 1), signature="(d)->(d)")
    seen: dict[str, Any] = {}

    def move(t: Any, y: Any, constants: Any) -> tuple[Any, Any]:
        guards: list[Any] = []

        def false(x: Any) -> bool:
            """Records x as a guard and assumes that it is false; the loop ends at a step where it is true."""
            guards.append(jnp.any(x))
            return False

        library = replace(JAX, functions={**JAX.functions, "any": false})
        own: Callable[[Any], Any] = lambda x: Foreign(x, library)
        h, params, data = constants
        state = foreign(tuple(y), library)
        theta, variables = state[0], state[:-1] if carried else state
        grad = TracedGradient(lambda at: own(slope(at.value, *data)))
        if carried:
            grad.learn(theta, state[-1])
        given = replace(flow, params=MappingProxyType({name: own(p) for name, p in params.items()}))
        new, _, memory = scheme.bind(given, grad)(own(t), variables, (), column(own(h)))
        seen.update(count=grad.count, first=grad.first is theta, last=grad.point is new[0], memory=memory)
        after = plain((*new, grad.value) if carried else new, theta)
        return tuple(_like(u, v) for u, v in zip(after, y, strict=True)), _either(guards)

    with jax.enable_x64(True):
        jax.eval_shape(move, 0.0 * column(opt.h), y, _constants(opt, native))
    if seen["memory"]:
        raise Untraceable(f"{scheme.name} remembers earlier steps")
    rule = Rule((formulas(opt), native.f, carried), len(y) - carried, move)
    ends_there = seen["count"] > 1 and seen["last"] and seen["first"]
    return ArrayStep(rule, seen["count"], seen["first"], carried), ends_there


def formulas(opt: Optimizer) -> Hashable:
    """A key that two optimizers share only if their steps differ in nothing but h and parameters."""
    flow = opt.flow
    try:
        return fingerprint(opt.scheme), flow.variables, flow.clocks, formulas_of(flow)
    except Untraceable:
        return object()  # equal to nothing else: the values that the formulas read are unknown


def _either(guards: Sequence[Any]) -> Any:
    return reduce(lambda a, b: a | b, guards, False)


def _like(value: Any, u: Any) -> Any:
    """The value as an array with the shape and dtype of u, which a JAX loop requires."""
    return jnp.broadcast_to(jnp.asarray(value, dtype=u.dtype), u.shape)
