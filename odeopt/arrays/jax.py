"""NumPy's functions in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from odeopt.arrays.protocol import CALLED, Library


def _any(x: Any) -> Any:
    """any(x); True while JAX compiles, when the values are not known."""
    return True if isinstance(x, jax.core.Tracer) else bool(jnp.any(x))


SAME = (
    *CALLED,
    *("rint", "clip", "sum", "mean", "all", "isfinite", "ndim", "spacing"),
    *("broadcast_to", "zeros_like", "concatenate", "expand_dims"),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(jnp, name) for name in SAME},
    "svd": jnp.linalg.svd,
    "eigh": jnp.linalg.eigh,
    "any": _any,
    "interp": lambda x, at, values: jnp.interp(x, jnp.atleast_1d(at), jnp.atleast_1d(values)),
    "repeat": lambda x, counts, axis: jnp.repeat(x, np.array(counts), axis=axis, total_repeat_length=int(sum(counts))),
}


def _choose(index: Any, alternatives: list[Callable[[], Any]]) -> Any:
    if len(alternatives) == 1:
        return alternatives[0]()
    return jax.lax.switch(index, alternatives) if isinstance(index, jax.core.Tracer) else alternatives[int(index)]()


JAX = Library("JAX", FUNCTIONS, lambda x, like: jnp.asarray(x, dtype=like.dtype), _choose)
