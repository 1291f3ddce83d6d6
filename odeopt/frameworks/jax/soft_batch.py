"""A "soft batch" around any optax transformation: several micro-batches, then one update."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from odeopt.frameworks.jax.trees import arrays, like, tree_of
from odeopt.frameworks.jax.vectors import alone
from odeopt.util import check
from odeopt.util.weighted_mean import WeightedMean


class SoftState(NamedTuple):
    """The number of waiting micro-batches, sum_k w_k g_k (a tree like params), sum_k w_k, and the inner state."""

    waiting: Any
    total: Any
    weight: Any
    inner: Any


class SoftBatch(optax.GradientTransformationExtraArgs):
    """A transformation whose `update` takes micro-batches; `soft_batch` makes it."""

    def flush(self, state: SoftState, params: Any) -> tuple[Any, SoftState]:
        """The update from the waiting micro-batches, at the end of the data; no change if none wait."""
        before = state._replace(waiting=state.waiting - 1)  # the zeros below are no micro-batch
        return self.update(jax.tree.map(jnp.zeros_like, params), before, params, weight=0, last=True)


def soft_batch(transform: optax.GradientTransformation, micro: int) -> SoftBatch:
    """One update from `micro` micro-batches, exactly that of the large batch:  g = sum_k w_k g_k / sum_k w_k.

    It wraps any optax transformation, from `to_optax` or optax' own, which then sees whole updates only: its momentum,
    decay, clipping and schedules count updates.  `update(grads, state, params, weight=len(x))` takes the mean gradient
    over the samples of a micro-batch and their number.  It returns zero changes, except in every micro-th call or with
    last=True.  `flush(state, params)` makes the update from the rest at the end.  All of it can be jitted.  The
    gradients are matched with the params of `init` by path.

    The weight is the number of items over which the loss is a mean: for a mean over unmasked tokens it is mask.sum().
    A micro-batch of weight 0 adds nothing to its window.

    The gradients are added in their own precision, at least in single.  A gradient that is not finite is passed on to
    the transformation at the update.  A scheme that needs several gradients (Heun, RKC) needs all micro-batches for
    each: use `to_optax` without a soft batch, with the weighted sum of the micro-batches' gradients as grad_fn.

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
        return SoftState(jnp.zeros((), jnp.int32), *_nothing(params), inner.init(params))

    def update(
        grads: Any, state: SoftState, params: Any = None, *, weight: Any, last: Any = False, **more: Any
    ) -> tuple[Any, SoftState]:
        if "grad_fn" in more:
            raise ValueError("grad_fn must not be given to a soft batch: the update no longer has its micro-batches")
        if isinstance(weight, int | float):
            check.nonnegative("weight", weight)
        given = like("grads", grads, state.total)
        leaves = arrays(state.total)
        weight = jnp.asarray(weight, state.weight.dtype)
        counted = [jnp.where(weight > 0, g.astype(total.dtype), 0) for g, total in zip(given, leaves, strict=True)]
        soft = WeightedMean(tuple(leaves), state.weight).including(counted, weight)
        waiting = state.waiting + 1
        due = (waiting == micro) | (jnp.asarray(last) & (waiting > 0))

        def now() -> tuple[Any, SoftState]:
            mean = [g.astype(leaf.dtype) for g, leaf in zip(soft.mean, given, strict=True)]
            changes, after = inner.update(tree_of(mean, state.total), state.inner, params, **more)
            return changes, SoftState(jnp.zeros_like(waiting), *_nothing(state.total), after)

        def later() -> tuple[Any, SoftState]:
            none = jax.tree.map(lambda u: jnp.zeros(u.shape, u.dtype), jax.eval_shape(now)[0])
            rest = jnp.where(due, 0, waiting)  # a window of total weight 0 makes no update
            return none, SoftState(rest, tree_of(list(soft.total), state.total), soft.weight, state.inner)

        if jax.make_jaxpr(now)().effects:  # the transformation may raise, which jax.vmap does not notice inside a cond
            due = due & alone(jax.lax.stop_gradient(given))
        return jax.lax.cond(due & (soft.weight > 0), now, later)

    return SoftBatch(init, update)


def _nothing(params: Any) -> tuple[Any, Any]:
    """Zeros in the shapes of params, at least in single precision, and the weight 0."""
    leaves = arrays(params)
    zeros = [jnp.zeros(leaf.shape, jnp.result_type(jnp.float32, leaf)) for leaf in leaves]
    return tree_of(zeros, params), jnp.zeros((), jnp.result_type(jnp.float32, *leaves))
