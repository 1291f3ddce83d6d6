"""Keras variables on the current backend: joined into one vector, and cut into pieces again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from odeopt.arrays.protocol import Library
from odeopt.frameworks.functional_step import Held
from odeopt.frameworks.parameter_blocks import not_finite
from odeopt.util.check import Array


def library() -> Library:
    """The arrays of the backend that Keras runs on."""
    if keras.backend.backend() == "jax":
        from odeopt.arrays.jax import JAX

        return JAX
    if keras.backend.backend() == "torch":
        from odeopt.arrays.torch import TORCH

        return TORCH
    raise ValueError(f"Keras must run on jax or torch, got the backend {keras.backend.backend()}")


def matrix(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The matrix shape of a Keras kernel (..., in, out), one column per output; None for a vector."""
    return (prod(shape[:-1]), shape[-1]) if len(shape) > 1 else None


def vector(values: list[Any]) -> Any:
    """All entries in one vector, in the highest precision among them and at least single precision."""
    kinds = {keras.backend.standardize_dtype(v.dtype) for v in values}
    dtype = "float64" if "float64" in kinds else "float32"  # Keras' result_type would be float32 in both cases
    return ops.concatenate([ops.cast(ops.reshape(v, (-1,)), dtype) for v in values])


def pieces(whole: Any, values: list[Any]) -> list[Any]:
    """The inverse of `vector`: pieces with the shapes and dtypes of `values`."""
    ends = np.cumsum([prod(v.shape) for v in values])[:-1].tolist()
    parts = zip(ops.split(whole, ends), values, strict=True) if ends else [(whole, values[0])]
    return [ops.cast(ops.reshape(part, v.shape), v.dtype) for part, v in parts]


def filled(gradients: list[Any], values: list[Any], dtype: Any) -> Any:
    """The gradients of the variables in one vector; None becomes 0."""
    both = zip(gradients, values, strict=True)
    return ops.cast(vector([ops.zeros_like(v) if g is None else g for g, v in both]), dtype)


def each(moving: list[bool], values: list[Any]) -> Array | None:
    """One truth value per entry of the variables, or None if all variables move."""
    return None if all(moving) else np.repeat(moving, [prod(v.shape) for v in values])


def values(held: Held) -> Held:
    return Held(tuple(v.value for v in held.memory), tuple(tuple(v.value for v in slope) for slope in held.slopes))


def own(sample_weight: Any) -> Any:
    """A copy of the sample weights for one evaluation: on torch, Keras multiplies them by masks in place."""
    return keras.tree.map_structure(lambda w: None if w is None else ops.copy(w), sample_weight)


def leaves(tree: Any) -> list[Any]:
    """The leaves of nested lists and tuples, in order."""
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, list | tuple) else [tree]


def raise_unless(good: Any, k: Any, told: Callable[[int, Sequence[Any]], None], values: Sequence[Any]) -> None:
    """Raises an error that names the step unless `good`.

    On JAX, told(step, values) is called first, because a compiled program that fails loses its values.
    """
    if keras.backend.backend() == "jax":
        from odeopt.frameworks.jax import vectors

        vectors.raise_unless(good, k, told, values)
    elif not bool(good):
        raise not_finite(int(k))


def settled() -> None:
    """Waits until all compiled steps are done."""
    if keras.backend.backend() == "jax":
        from odeopt.frameworks.jax import vectors

        vectors.settled()


def refuse_variables(variables: list[Any]) -> None:
    """Raises TypeError for variables that are not real."""
    for v in variables:
        if not keras.backend.is_float_dtype(v.dtype):
            raise TypeError(f"variables must be real and floating, got {v.path} of {v.dtype}")


def refuse_pairs(gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Raises ValueError unless there is one gradient, of the right shape or None, for each of different variables."""
    if len(gradients) != len(variables):
        raise ValueError(f"grads must be one for each of {len(variables)} variables, got {len(gradients)}")
    for i, (g, v) in enumerate(zip(gradients, variables, strict=True)):
        if any(v is other for other in variables[:i]):
            raise ValueError(f"variables must differ, got {v.path} twice: add up its gradients")
        if g is not None and tuple(ops.shape(g)) != tuple(v.shape):
            raise ValueError(
                f"the gradient of {v.path} must have its shape {tuple(v.shape)}, got {tuple(ops.shape(g))}"
            )
