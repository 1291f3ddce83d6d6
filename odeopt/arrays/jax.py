"""NumPy's functions as JAX has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

from odeopt.arrays.protocol import Library
from odeopt.frameworks.parameter_blocks import not_finite


def _any(x: Any) -> Any:
    """While it is compiled nothing is known: perhaps."""
    return True if isinstance(x, jax.core.Tracer) else bool(jnp.any(x))


SAME = (
    *("sqrt", "exp", "expm1", "log", "log1p", "sign", "tanh", "floor", "rint", "cos", "clip", "maximum", "minimum"),
    *("where", "sum", "mean", "all", "broadcast_to", "zeros_like", "isfinite", "concatenate", "ndim", "expand_dims"),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(jnp, name)
        for name in (*SAME, "broadcast_to", "zeros_like", "isfinite", "concatenate", "ndim", "expand_dims")
    },
    "svd": jnp.linalg.svd,
    "eigh": jnp.linalg.eigh,
    "any": _any,
    "repeat": lambda x, counts, axis: jnp.repeat(x, np.array(counts), axis=axis, total_repeat_length=int(sum(counts))),
}


def _choose(index: Any, alternatives: list[Callable[[], Any]]) -> Any:
    if len(alternatives) == 1:
        return alternatives[0]()
    return jax.lax.switch(index, alternatives) if isinstance(index, jax.core.Tracer) else alternatives[int(index)]()


JAX = Library("JAX", FUNCTIONS, lambda x, like: jnp.asarray(x, dtype=like.dtype), _choose)


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
        jax.lax.cond(good, lambda: None, lambda: io_callback(stop, None, count, *values))
    elif not good:
        stop(count, *values)


def settled() -> None:
    """When all that compiled programs had to say is said; their errors are known by then."""
    with suppress(jax.errors.JaxRuntimeError):
        jax.effects_barrier()
