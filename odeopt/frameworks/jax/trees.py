"""Trees of arrays whose leaves are matched by their paths, not by their order."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def named(tree: Any) -> dict[str, Any]:
    """The leaves as arrays, by their paths; a Python number becomes an array of shape ().

    >>> {path: leaf.shape for path, leaf in named({"a": jnp.ones(2), "b": [1.0, None]}).items()}
    {"['a']": (2,), "['b'][0]": ()}
    """
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): _array(leaf) for path, leaf in found}


def arrays(tree: Any) -> list[Any]:
    """The leaves as arrays, in their order."""
    return list(map(_array, jax.tree.leaves(tree)))


def _array(leaf: Any) -> Any:
    """An array with a fixed dtype: a Python number would otherwise be weakly typed."""
    return jnp.asarray(leaf, dtype=jnp.asarray(leaf).dtype)


def tree_of(leaves: list[Any], params: Any) -> Any:
    """The inverse of `arrays`: a tree like params."""
    return jax.tree.unflatten(jax.tree.structure(params), leaves)


def like(argument: str, tree: Any, params: Any) -> list[Any]:
    """The leaves of a tree in the order of those of params.

    Raises ValueError with the path of a leaf that only one of the trees has, or that differs in shape.
    """
    given, known = named(tree), named(params)
    if others := given.keys() ^ known.keys():
        path = min(others)
        raise ValueError(
            f"{argument} must have the leaves of params, got {'one' if path in given else 'none'} at "
            f"{argument}{path} and {'one' if path in known else 'none'} at params{path}"
        )
    for path, leaf in known.items():
        if given[path].shape != leaf.shape:
            raise ValueError(f"{argument}{path} must have shape {leaf.shape} like params, got {given[path].shape}")
    return [given[path] for path in known]
