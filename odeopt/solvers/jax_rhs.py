"""The right-hand side of a flow on JAX arrays, by traced operations or around a gradient from JAX itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from odeopt.arrays.jax import JAX
from odeopt.arrays.protocol import Foreign, foreign
from odeopt.compiler.ir import Untraceable, needed
from odeopt.compiler.program import evaluated
from odeopt.compiler.rhs_program import traced_field
from odeopt.compiler.trace import TracedGradient
from odeopt.core.state import unpack
from odeopt.problems.derivatives import Automatic, Native
from odeopt.simulation.engines.jax_step import FUNCTIONS
from odeopt.solvers.initial_value import InitialValue

Function = Callable[[Any, Any], Any]


def on_jax(equation: InitialValue) -> Function:
    """f(t, y) on flat vectors."""
    grad = equation.problem.grad
    if isinstance(grad, Automatic) and grad.source == "jax" and grad.native:
        return _with_gradient(equation, grad.native)
    try:
        return _with_program(equation)
    except Untraceable as reason:
        raise ValueError(
            f"flow must have formulas that JAX can compile, got {equation.flow.name}: {reason}"
        ) from reason


def _with_program(equation: InitialValue) -> Function:
    made = traced_field(equation.flow, equation.problem, equation.clock, equation.sizes, equation.members)
    program, shape = made.program, (equation.number, len(made.program.state))
    if program.guards:
        raise Untraceable("its formulas branch on their values")
    nodes = [node for node in needed(program.slopes) if node.op != "input"]

    def f(t: Any, y: Any) -> Any:
        known = {node.index: u for node, u in zip(program.state, jnp.reshape(y, shape).T, strict=True)}
        known |= {node.index: value for node, value in zip(program.constants, made.values, strict=True)}
        value = evaluated(nodes, known, t, FUNCTIONS)
        columns = [jnp.broadcast_to(jnp.asarray(value(node), y.dtype), shape[:1]) for node in program.slopes]
        return jnp.stack(columns, axis=-1).ravel()

    return f


def _with_gradient(equation: InitialValue, native: Native) -> Function:
    inside = range(1, len(native.data) + 1)
    slope = jnp.vectorize(native.f, excluded=inside, signature="(d)->(d)")

    def f(t: Any, y: Any) -> Any:
        state = foreign(unpack(y, equation.y), JAX)
        grad = TracedGradient(lambda at: Foreign(slope(at.value, *native.data), JAX))
        slopes = equation.flow.rhs(grad)(Foreign(jnp.asarray(t, y.dtype), JAX), state)
        whole = [jnp.broadcast_to(JAX.own(k, y), u.shape) for k, u in zip(slopes, state, strict=True)]
        return jnp.concatenate(whole, axis=-1).ravel()

    return f
