"""An odeopt optimizer as an optax transformation, from the same flow, scheme and step."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from odeopt.arrays.jax import JAX
from odeopt.arrays.protocol import Foreign
from odeopt.frameworks.functional_step import Held, advanced, growth, initial, refuse_uncompiled
from odeopt.frameworks.jax.trees import arrays, like, named, tree_of
from odeopt.frameworks.jax.vectors import pieces, raise_unless, vector
from odeopt.frameworks.parameter_blocks import Block, blocks, place, refuse
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import inwards, is_paced
from odeopt.util import check


class FlowState(NamedTuple):
    """Steps done, steps skipped, gradients evaluated (including those of skipped steps), and each theta's memory."""

    count: Any
    skipped: Any
    ngev: Any
    held: tuple[Held, ...]


def to_optax(opt: Optimizer, learning_rate: Any = None, *, nan: str = "raise") -> optax.GradientTransformationExtraArgs:
    """The steps of `opt` as an optax transformation, to be jitted, chained and accumulated.

    learning_rate: a number, a JAX scalar or an optax schedule of the step count; by default the optimizer's own.  It
                   acts as a schedule does, at constant betas.  `optax.inject_hyperparams(to_optax)(opt,
                   learning_rate=...)` keeps it in the state.  An optimizer built by hand has h as its learning rate.
    nan:           what happens if the gradient or the new state is not finite: "raise" stops with an error that names
                   the step, "skip" counts it in `skipped`.  Either way, parameters and state keep their values.

    theta is all parameters in one vector.  Each parameter is a layer for LAMB and LARS, and a matrix (... in, out) for
    Muon, Shampoo and Adafactor.  `update` needs params.  Gradients are matched with parameters by path; an unknown path
    or another shape is an error.  Under jax.vmap nan must be "skip".

    A scheme that needs the gradient at points other than params (Heun, RKC, leapfrog) calls the grad_fn of
    update(grads, state, params, grad_fn=...), which must use the same batch and the same random key.  `ngev` of the
    state counts the gradients, including the given one.

    >>> from odeopt import optimizers
    >>> heavy, theta = to_optax(optimizers.momentum(lr=0.25, beta=0.5)), jnp.array([1.0, -2.0])
    >>> state = heavy.init(theta)
    >>> for _ in range(2):
    ...     change, state = heavy.update(theta, state, theta)  # L = theta^2/2
    ...     theta = optax.apply_updates(theta, change)
    >>> theta.tolist()
    [0.4375, -0.875]
    """
    refuse(opt, "to_optax")
    refuse_uncompiled(list(inwards(opt)), "to_optax")
    check.choice("nan", nan, ("raise", "skip"))
    if not (learning_rate is None or callable(learning_rate) or isinstance(learning_rate, jax.Array)):
        learning_rate = check.scalar("learning_rate", check.nonnegative("learning_rate", learning_rate))
    if learning_rate is not None and not is_paced(opt):
        raise ValueError(f"learning_rate must be None for {opt.name}: its lr only sets the first step size")

    def init(params: Any) -> FlowState:
        _refuse_parameters(params)
        leaves, held = arrays(params), []
        for block in _blocks(opt, leaves):
            theta = Foreign(vector([leaves[j] for j in block.members]), JAX)
            held.append(initial(block.opt, theta, growth(block.opt, theta.shape[0])))
        count, skipped, ngev = (jnp.zeros((), jnp.int32) for _ in range(3))
        return FlowState(count, skipped, ngev, tuple(held))

    def update(grads: Any, state: FlowState, params: Any = None, *, grad_fn: Any = None, **_: Any) -> Any:
        if params is None:
            raise ValueError("params must be given to update: the steps of odeopt read theta")
        leaves = arrays(params)
        found = _blocks(opt, leaves)
        slopes = like("grads", grads, params)
        changes = list(map(jnp.zeros_like, leaves))
        after: list[Held] = []
        ngev = state.ngev + 1
        for block, held in zip(found, state.held, strict=True):
            mine = [leaves[j] for j in block.members]
            theta, g = vector(mine), vector([slopes[j] for j in block.members])
            rate = _rate(opt, learning_rate, state.count, theta.dtype)
            elsewhere = _elsewhere(grad_fn, params, len(found))
            given = Foreign(theta, JAX), Foreign(g.astype(theta.dtype), JAX)
            grown = growth(block.opt, theta.size)
            move, new, asked = advanced(block.opt, state.count, *given, held, rate, elsewhere, grown)
            after.append(new)
            ngev = ngev + asked
            for j, piece in zip(block.members, pieces(move, mine), strict=True):
                changes[j] = piece
        moves, state = _guarded(changes, slopes, state._replace(ngev=ngev), tuple(after), nan)
        return tree_of(moves, params), state

    return optax.GradientTransformationExtraArgs(init, update)


def memory(opt: Optimizer, state: FlowState, params: Any, name: str) -> Any:
    """A variable of the flow in the shapes of the parameters, e.g. the "average" of `optimizers.ema`.

    >>> from odeopt import optimizers
    >>> opt, theta = optimizers.momentum(lr=0.25, beta=0.5), {"w": jnp.array([1.0, -2.0])}
    >>> _, state = to_optax(opt).update(theta, to_optax(opt).init(theta), theta)
    >>> memory(opt, state, theta, "m")["w"].tolist()
    [0.5, -1.0]
    """
    refuse(opt, "memory")
    check.instance("state", state, FlowState, "what the init or update of to_optax(opt) returned")
    _refuse_parameters(params)
    where, leaves = place(opt, name), arrays(params)
    found, of_opt = list(leaves), _blocks(opt, leaves)
    numbers = [sum(leaves[j].size for j in block.members) for block in of_opt]
    if numbers != [held.memory[where].size for held in state.held]:
        raise ValueError(f"params must have the shapes that state was made for, got {[u.shape for u in leaves]}")
    for block, held in zip(of_opt, state.held, strict=True):
        for j, piece in zip(block.members, pieces(held.memory[where], [leaves[j] for j in block.members]), strict=True):
            found[j] = piece
    return tree_of(found, params)


def _blocks(opt: Optimizer, leaves: list[Any]) -> list[Block]:
    return blocks(opt, [leaf.shape for leaf in leaves], matrix)


def matrix(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The matrix shape of a JAX kernel (..., in, out), one column per output; None for a vector."""
    return (prod(shape[:-1]), shape[-1]) if len(shape) > 1 else None


def _rate(opt: Optimizer, learning_rate: Any, count: Any, dtype: Any) -> Any:
    """The present learning rate divided by the optimizer's own."""
    if learning_rate is None:
        return 1.0
    present = learning_rate(count) if callable(learning_rate) else learning_rate
    return Foreign(jnp.asarray(present / opt.lr, dtype=dtype), JAX)


def _elsewhere(grad_fn: Callable[[Any], Any] | None, params: Any, several: int) -> Callable[[Any], Any]:
    """theta -> the gradient there, by grad_fn."""
    leaves = arrays(params)

    def gradient(theta: Any) -> Any:
        if grad_fn is None:
            raise ValueError(
                "grad_fn must be given: this scheme needs the gradient elsewhere than at params, "
                "by update(grads, state, params, grad_fn=...) on the same batch"
            )
        if several > 1:
            raise ValueError("an optimizer that treats each parameter separately needs the gradient at params only")
        there = tree_of(pieces(theta, leaves), params)
        return vector(like("grad_fn(params)", grad_fn(there), params)).astype(theta.dtype)

    return gradient


def _guarded(
    changes: list[Any], slopes: list[Any], state: FlowState, after: tuple[Held, ...], nan: str
) -> tuple[list[Any], FlowState]:
    """The changes and the next state; if anything is not finite, zero changes and the old state."""
    finite = [jnp.isfinite(u).all() for u in jax.tree.leaves((changes, slopes, after))]
    good = jnp.all(jnp.array(finite, dtype=bool))
    if nan == "raise":
        raise_unless(good, state.count)
    held = jax.tree.map(lambda new, old: jnp.where(good, new, old), after, state.held)
    moves = [jnp.where(good, change, 0) for change in changes]
    return moves, FlowState(state.count + good, state.skipped + ~good, state.ngev, held)


def _refuse_parameters(params: Any) -> None:
    try:
        leaves = named(params)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"params must be real and floating, got {check.shown(params)}: {error}") from error
    for path, leaf in leaves.items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(f"params{path} must be real and floating, got {leaf.dtype} of shape {leaf.shape}")
