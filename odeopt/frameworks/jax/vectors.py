"""Joins leaves into one vector and splits it again; raises for a step that is not finite, also when compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import jax
import jax.custom_batching
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

from odeopt.frameworks.parameter_blocks import not_finite


def vector(leaves: Any) -> Any:
    """All entries in one vector, in the highest precision among them and at least single precision."""
    dtype = jnp.result_type(jnp.float32, *leaves)
    return jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in leaves])


def pieces(whole: Any, leaves: Any) -> list[Any]:
    """The inverse of `vector`: pieces with the shapes and dtypes of `leaves`."""
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = zip(jnp.split(whole, ends), leaves, strict=True)
    return [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]


def raise_unless(
    good: Any, count: Any, told: Callable[[int, Sequence[Any]], None] | None = None, values: Sequence[Any] = ()
) -> None:
    """Raises an error that names the step unless `good`, even inside a compiled program.

    told(step, values) is called first, because a compiled program that fails loses its values.
    """

    def stop(k: Any, *values: Any) -> None:
        if told is not None:
            told(int(k), values)
        raise not_finite(int(k))

    if isinstance(good, jax.core.Tracer):
        jax.lax.cond(good & alone(good), lambda: None, lambda: io_callback(stop, None, count, *values))
    elif not good:
        stop(count, *values)


@jax.custom_batching.custom_vmap
def alone(values: Any) -> Any:
    """True; raises ValueError under jax.vmap over the values, where a single member cannot raise."""
    return jnp.array(True)


@alone.def_vmap
def _members(size: int, batched: Any, values: Any) -> Any:
    raise ValueError(f'nan must be "skip" under jax.vmap, got "raise", which cannot stop one of {size} members alone')


def settled() -> None:
    """Waits until all callbacks of compiled programs have run; their errors are known by then."""
    with suppress(jax.errors.JaxRuntimeError):
        jax.effects_barrier()
