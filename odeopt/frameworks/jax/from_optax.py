"""An optax transformation as a one-step map, treated as a black box.                                (extra `jax`)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import jax
    import optax
except ImportError as error:
    raise ImportError("jax and optax are needed here: install odeopt-toolkit[jax]") from error

from odeopt.frameworks.flatten import pure_step
from odeopt.frameworks.jax.optimizer import memory, to_optax
from odeopt.frameworks.jax.soft_batch import soft_batch
from odeopt.frameworks.jax.trees import like
from odeopt.optimizers.one_step import OneStep
from odeopt.util import check
from odeopt.util.check import Array

__all__ = ["from_optax", "memory", "soft_batch", "to_optax"]


def from_optax(
    transform: optax.GradientTransformation, grad: Callable[[Any], Any], theta0: Any, h: float, name: str = "optax"
) -> OneStep:
    """The step of an optax transformation along `grad`, for `modified_flow`; h is its learning rate.

    theta0: an array, or any pytree of arrays, as the transformation will see it; in the state it is one vector
    grad:   a function of such a theta, e.g. jax.jit(jax.grad(loss)), or the gradient of an odeopt problem
    The transformation's state becomes the memory, under optax's names (mu, nu, count); a step count becomes a real
    number.  JAX must compute in float64 (JAX_ENABLE_X64=1).  States that hold random keys, flags, or counts of anything
    but steps (MultiSteps, lookahead) are refused.

    >>> with jax.enable_x64(True):
    ...     heavy = from_optax(optax.sgd(0.25, momentum=0.5), lambda theta: theta, np.array([1.0, -2.0]), h=0.25)
    ...     heavy.variables, heavy.iterates([1.0, -2.0], steps=2).tolist()
    (('theta', 'trace'), [[1.0, -2.0], [0.75, -1.5], [0.4375, -0.875]])
    """
    if not isinstance(transform, optax.GradientTransformation):
        raise TypeError(f"transform must be an optax.GradientTransformation, e.g. optax.adam(0.01), got {transform!r}")
    if not callable(grad):
        raise TypeError(f"grad must be a function of theta, e.g. jax.grad(loss), got {grad!r}")
    h = check.scalar("h", check.positive("h", h))
    if jax.numpy.asarray(np.zeros(1)).dtype != np.float64:
        raise ValueError("JAX must compute in float64: set JAX_ENABLE_X64=1 before it is imported")
    tree: Any
    theta, tree = jax.tree.flatten(theta0)
    if not theta:
        raise ValueError(f"theta0 must hold numbers, got {check.shown(theta0)}")
    theta = [np.asarray(check.finite("theta0", leaf)) for leaf in theta]
    state_tree: Any
    theta0 = tree.unflatten(theta)
    like("grad(theta0)", grad(theta0), theta0)  # an error inside grad is raised here, too
    named, state_tree = jax.tree_util.tree_flatten_with_path(transform.init(theta0))
    names = _names([path for path, _ in named])
    counts = [key for key, (_, leaf) in zip(names, named, strict=True) if _is_count(key, leaf)]
    memory = {key: np.asarray(leaf, dtype=np.float64) for key, (_, leaf) in zip(names, named, strict=True)}

    @jax.jit
    def apply(theta: list[Any], held: list[Any], g: Any) -> tuple[list[Any], list[Any]]:
        now = tree.unflatten(theta)
        change, state = transform.update(g, state_tree.unflatten(held), now)
        return jax.tree.leaves(optax.apply_updates(now, change)), jax.tree.leaves(state)

    def update(theta: list[Array], held: list[Array]) -> tuple[list[Any], list[Any]]:
        g = like("grad(theta)", grad(tree.unflatten(theta)), theta0)
        return apply(theta, held, tree.unflatten(g))

    return pure_step(update, theta, memory, counts, h, name)


def _is_count(name: str, leaf: Any) -> bool:
    """Whether the leaf is an integer; raises ValueError if it is neither an integer nor float64."""
    if leaf.dtype == np.float64:
        return False
    if not jax.numpy.issubdtype(leaf.dtype, np.integer):
        raise ValueError(f"the state of the transform must be float64 and step counts, got {name} of {leaf.dtype}")
    return True


def _names(paths: list[Any]) -> list[str]:
    """mu, nu, count, followed by the keys of a pytree; the index in a chain comes first if two names would agree."""
    full = [[jax.tree_util.keystr((key,), simple=True) for key in path] for path in paths]
    short = [".".join(key for i, key in enumerate(path) if i or not key.isdigit()) for path in full]
    return [name if name and short.count(name) == 1 else ".".join(path) for name, path in zip(short, full, strict=True)]
