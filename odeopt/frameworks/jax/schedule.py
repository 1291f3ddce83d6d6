"""Schedules of odeopt as optax schedules, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from odeopt.arrays.jax import JAX
from odeopt.frameworks.schedules import factor, named, rate, recorded, table_length, untraceable
from odeopt.optimizers.schedules import Schedule
from odeopt.util import check


def schedule(s: Any, lr: float) -> Callable[[Any], Any]:
    """count -> lr s(count): an optax schedule, which may be compiled and differentiated.

    The count becomes a floating-point number of JAX's precision.  The result can be the learning rate of optax's own
    optimizers and of `to_optax`.  Its derivative is finite everywhere, also at the start of
    one_minus_sqrt.

    >>> from odeopt import schedules
    >>> jax.jit(schedule(schedules.linear(4), lr=0.5))(1).item()
    0.375
    """
    made, lr = named(s), rate("lr", lr)
    return lambda count: lr * factor(made, jnp.asarray(count, dtype=float), JAX)


def from_schedule(theirs: Callable[[Any], Any], steps: int, lr: float = 1.0) -> Schedule:
    """The factors theirs(k)/lr of the first `steps` steps, as a table; the last one stays.

    >>> import optax
    >>> from_schedule(optax.linear_schedule(0.5, 0.0, 4), steps=5, lr=0.5)([0, 1, 4]).tolist()
    [1.0, 0.75, 0.0]
    """
    if not callable(theirs):
        raise TypeError(f"theirs must be an optax schedule, a function of the step count, got {check.shown(theirs)}")
    steps, lr = table_length(steps), rate("lr", lr)
    try:
        rates = jax.vmap(theirs)(jnp.arange(steps))
    except jax.errors.JAXTypeError as error:
        raise untraceable("JAX", "jax.numpy.where", theirs) from error
    return recorded(np.asarray(rates, dtype=float), lr)
