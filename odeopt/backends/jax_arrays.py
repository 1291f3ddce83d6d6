"""NumPy's functions as JAX has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from odeopt.backends.foreign import Foreign, Library


def _any(x: Any) -> Any:
    """While it is compiled nothing is known: perhaps."""
    return True if isinstance(x, jax.core.Tracer) else bool(jnp.any(x))


SAME = "sqrt exp expm1 log log1p sign tanh floor rint cos clip maximum minimum where sum mean all".split()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(jnp, name) for name in (*SAME, "broadcast_to", "zeros_like", "isfinite", "concatenate")},
    "svd": jnp.linalg.svd,
    "eigh": jnp.linalg.eigh,
    "any": _any,
    "repeat": lambda x, counts, axis: jnp.repeat(x, np.array(counts), axis=axis, total_repeat_length=int(sum(counts))),
}
JAX = Library("JAX", FUNCTIONS, lambda x, like: jnp.asarray(x, dtype=like.dtype))


def foreign(tree: Any) -> Any:
    """A state, or a tuple of states, of JAX's arrays as NumPy's functions take them."""
    return tuple(foreign(part) for part in tree) if isinstance(tree, tuple) else Foreign(tree, JAX)


def plain(tree: Any, like: Any) -> Any:
    """The inverse, in the precision of the array `like`: the kinds of a state never change."""
    if isinstance(tree, tuple):
        return tuple(plain(part, like) for part in tree)
    value = tree.value if isinstance(tree, Foreign) else np.asarray(tree)
    return jnp.asarray(value, dtype=like.dtype)


def vector(leaves: Any) -> Any:
    """All numbers in one vector, in the highest precision among them and at least single."""
    dtype = jnp.result_type(jnp.float32, *leaves)
    return jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in leaves])


def pieces(whole: Any, leaves: Any) -> list[Any]:
    """The inverse of `vector`: in the shapes and kinds of `leaves`."""
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = zip(jnp.split(whole, ends), leaves, strict=True)
    return [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]
