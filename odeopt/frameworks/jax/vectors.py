"""Leaves in one vector and back, and the error of a step that is not finite, also out of a compiled program."""

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
    """All numbers in one vector, in the highest precision among them and at least single."""
    dtype = jnp.result_type(jnp.float32, *leaves)
    return jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in leaves])


def pieces(whole: Any, leaves: Any) -> list[Any]:
    """The inverse of `vector`: in the shapes and kinds of `leaves`."""
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = zip(jnp.split(whole, ends), leaves, strict=True)
    return [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]


def raise_unless(
    good: Any, count: Any, told: Callable[[int, Sequence[Any]], None] | None = None, values: Sequence[Any] = ()
) -> None:
    """An error that names the step, also out of a compiled program, which loses all its values: told(step, values)."""

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
    """True, but a ValueError under jax.vmap over the values, where a compiled program cannot stop."""
    return jnp.array(True)


@alone.def_vmap
def _members(size: int, batched: Any, values: Any) -> Any:
    raise ValueError(f'nan must be "skip" under jax.vmap, got "raise", which cannot stop one of {size} members alone')


def settled() -> None:
    """When all that compiled programs had to say is said; their errors are known by then."""
    with suppress(jax.errors.JaxRuntimeError):
        jax.effects_barrier()
