"""Several micro-batches, then one update: a "soft batch" around any optax transformation."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from odeopt.util import check
from odeopt.util.weighted_mean import WeightedMean


class SoftState(NamedTuple):
    """How many micro-batches wait, their gradients, and the state of the transformation."""

    waiting: Any
    soft: WeightedMean
    inner: Any


class SoftBatch(optax.GradientTransformationExtraArgs):
    """A transformation whose `update` takes micro-batches; `soft_batch` makes it."""

    def flush(self, state: SoftState, params: Any) -> tuple[Any, SoftState]:
        """The update from the micro-batches that wait, at the end of the data; none if none do."""
        return self.update(jax.tree.map(jnp.zeros_like, params), state, params, weight=0, last=True)


def soft_batch(transform: optax.GradientTransformation, micro: int) -> SoftBatch:
    """One update from `micro` micro-batches, exactly that of the big batch:  g = sum_k w_k g_k / sum_k w_k.

    Works around every optax transformation, `to_optax`'s or optax' own, which then sees updates only: its momentum,
    decay, clipping and schedules count those.  `update(grads, state, params, weight=len(x))` takes the gradient of the
    mean over the samples of a micro-batch and their number, and returns no change but in the micro-th, or with
    last=True; `flush(state, params)` makes the update from what is left at the end.  All of it can be jitted.

    The gradients are added up in their own precision and at least in single.  A gradient that is not finite is the
    transformation's matter, at the update.  A scheme that needs several gradients (Heun, RKC) needs all micro-batches
    in each: give `to_optax` itself, as grad_fn, the weighted sum of the micro-batches' gradients.

    >>> soft = soft_batch(optax.sgd(0.5), micro=2)
    >>> theta = jnp.array(1.0)
    >>> state = soft.init(theta)
    >>> for x in jnp.array([1.0, 2.0, 6.0]), jnp.array([3.0]):  # the minimum of the mean of (theta - x)^2/2 is 3
    ...     change, state = soft.update(theta - x.mean(), state, theta, weight=len(x))
    ...     theta = optax.apply_updates(theta, change)
    ...     theta.item()
    1.0
    2.0
    """
    if not isinstance(transform, optax.GradientTransformation):
        raise TypeError(f"transform must be an optax.GradientTransformation, e.g. optax.adam(0.01), got {transform!r}")
    inner, micro = optax.with_extra_args_support(transform), check.count("micro", micro, 1)

    def init(params: Any) -> SoftState:
        return SoftState(jnp.zeros((), jnp.int32), _nothing(params), inner.init(params))

    def update(
        grads: Any, state: SoftState, params: Any = None, *, weight: Any, last: Any = False, **more: Any
    ) -> tuple[Any, SoftState]:
        if "grad_fn" in more:
            raise ValueError("grad_fn must not be given to a soft batch: its micro-batches are gone by the update")
        if isinstance(weight, int | float):
            check.nonnegative("weight", weight)
        leaves, tree = jax.tree.flatten(grads)
        soft = state.soft.including([_at_least_single(g) for g in leaves], jnp.asarray(weight, _widest(leaves)))
        waiting = state.waiting + (soft.weight > state.soft.weight)

        def now() -> tuple[Any, SoftState]:
            mean = [g.astype(leaf.dtype) for g, leaf in zip(soft.mean, leaves, strict=True)]
            changes, after = inner.update(jax.tree.unflatten(tree, mean), state.inner, params, **more)
            return changes, SoftState(jnp.zeros_like(waiting), _nothing(grads), after)

        def later() -> tuple[Any, SoftState]:
            none = jax.tree.map(lambda u: jnp.zeros(u.shape, u.dtype), jax.eval_shape(now)[0])
            return none, SoftState(waiting, soft, state.inner)

        return jax.lax.cond((waiting == micro) | (jnp.asarray(last) & (waiting > 0)), now, later)

    return SoftBatch(init, update)


def _nothing(tree: Any) -> WeightedMean:
    leaves = jax.tree.leaves(tree)
    empty = WeightedMean.empty(jnp.zeros_like(_at_least_single(leaf)) for leaf in leaves)
    return empty._replace(weight=jnp.zeros((), _widest(leaves)))


def _at_least_single(leaf: Any) -> Any:
    return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def _widest(leaves: list[Any]) -> Any:
    return jnp.result_type(jnp.float32, *leaves)
