"""A Keras optimizer as a one-step map, treated as a black box.                                    (extra `keras`)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from odeopt.frameworks.flatten import pure_step
from odeopt.frameworks.keras.soft_batch import soft_batch
from odeopt.frameworks.keras.to_keras import to_keras
from odeopt.frameworks.keras.trainer import Model, Sequential, SeveralGradients
from odeopt.optimizers.one_step import OneStep
from odeopt.util import check
from odeopt.util.check import Array

__all__ = ["Model", "Sequential", "SeveralGradients", "from_keras", "soft_batch", "to_keras"]

BACKENDS = ("jax", "torch")
CLOCK = "clock"


def from_keras(
    optimizer: keras.optimizers.Optimizer, grad: Callable[[Any], Any], theta0: Any, name: str = ""
) -> OneStep:
    """The step of a Keras optimizer along `grad`, for `modified_flow`; h is its learning rate, a number.

    theta0: an array, or a list of arrays, one per variable; in the state it is one vector
    grad:   a function of such a theta, e.g. jax.jit(jax.grad(loss)), or the gradient of an odeopt problem
    The memory has Keras's names.  If the optimizer was already built on such variables, the memory starts with its
    present values.  The step count, an integer in Keras, is here the real number `clock`.  The optimizer is copied and
    never changes.

    Keras stores the learning rate in its floatx: call keras.config.set_floatx("float64") before the optimizer is made;
    with JAX, set JAX_ENABLE_X64=1 too.  The NumPy backend is refused because it is inexact.

    >>> keras.config.set_floatx("float64")
    >>> sgd = keras.optimizers.SGD(0.25, momentum=0.5)
    >>> from_keras(sgd, lambda theta: theta, np.array([1.0, -2.0])).iterates([1.0, -2.0], steps=2).tolist()
    [[1.0, -2.0], [0.75, -1.5], [0.4375, -0.875]]
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a keras.optimizers.Optimizer, got {optimizer!r}")
    if not callable(grad):
        raise TypeError(f"grad must be a function of theta, e.g. jax.grad(loss), got {grad!r}")
    _refuse(optimizer)
    single = not isinstance(theta0, list | tuple)
    check.label("name", name)
    theta = [np.asarray(check.finite("theta0", p)) for p in ([theta0] if single else theta0)]
    if not theta:
        raise ValueError(f"theta0 must hold numbers, got {theta0!r}")
    slopes = grad(theta[0] if single else theta)  # an error inside grad is raised here
    found, shapes = [np.shape(_numpy(g)) for g in ([slopes] if single else slopes)], [p.shape for p in theta]
    if found != shapes:
        raise ValueError(f"grad must return arrays of the shapes of theta0, {shapes}, got {found}")
    copy = _copied(optimizer, theta)
    held = [v for v in copy.variables if v.name not in ("iteration", "learning_rate")]
    for variable in held:
        if keras.backend.standardize_dtype(variable.dtype) != "float64":
            raise ValueError(f"the state of the optimizer must be float64, got {variable.name} of {variable.dtype}")
    apply = _compiled(copy, held)

    def update(theta: list[Array], held: list[Array]) -> tuple[list[Array], list[Array]]:
        g = grad(theta[0] if single else theta)
        new, memory = apply([g] if single else g, theta, held)
        return [_numpy(p) for p in new], [_numpy(v) for v in memory]

    memory = dict(zip(_names(held), (_numpy(v) for v in held), strict=True))
    h = float(_numpy(optimizer.learning_rate))
    return pure_step(update, theta, memory, [CLOCK], h, name or type(optimizer).__name__)


def _refuse(optimizer: Any) -> None:
    """Raises ValueError for an optimizer whose step is inexact or not defined between two steps."""
    if keras.backend.backend() not in BACKENDS:
        raise ValueError(f"Keras must run on {' or '.join(BACKENDS)}, got the backend {keras.backend.backend()}")
    rate = optimizer.get_config()["learning_rate"]
    if not isinstance(rate, float):
        raise ValueError(f"learning_rate must be a number, got a schedule or function: {rate!r}")
    kept = keras.backend.standardize_dtype(optimizer.learning_rate.dtype)
    if kept != "float64":
        raise ValueError(
            f"learning_rate must be kept in float64, got {kept}: "
            "call keras.config.set_floatx('float64') before the optimizer is made"
        )
    if keras.backend.standardize_dtype(keras.ops.convert_to_tensor(np.zeros(1)).dtype) != "float64":
        raise ValueError("JAX must compute in float64: set JAX_ENABLE_X64=1 before it is imported")
    for several in ("gradient_accumulation_steps", "use_ema"):
        if getattr(optimizer, several):
            raise ValueError(f"{several} must be off, got {getattr(optimizer, several)}: it makes steps differ")


def _copied(optimizer: Any, theta: list[Array]) -> Any:
    """A copy of the optimizer on variables of these shapes; its `iterations` is the real variable `clock`."""

    def iterations(self: Any) -> Any:
        return next(v for v in self.variables if v.name == CLOCK)

    kind = type(optimizer)
    between: Any = type(kind.__name__, (kind,), {"iterations": property(iterations)})
    copy = between.from_config(optimizer.get_config())
    copy.build([keras.Variable(p, dtype="float64", name=f"theta{i or ''}") for i, p in enumerate(theta)])
    before = optimizer.variables if optimizer.built else []
    if before and [tuple(v.shape) for v in before] != [tuple(v.shape) for v in copy.variables]:
        raise ValueError(
            f"theta0 must have the shapes that the optimizer was built for, got {[p.shape for p in theta]}"
        )
    for ours, theirs in zip(copy.variables, before, strict=False):
        ours.assign(theirs)
    clock = copy.add_variable(shape=(), dtype="float64", initializer="zeros", name=CLOCK)
    clock.assign(keras.ops.cast(optimizer.iterations, "float64"))
    return copy


def _compiled(copy: Any, held: list[Any]) -> Callable[..., Any]:
    """The map (gradients, theta, memory) -> (theta, memory) by `stateless_apply`; all other variables are constant."""
    fixed, where = list(copy.variables), [next(i for i, v in enumerate(copy.variables) if v is u) for u in held]

    def apply(g: list[Any], theta: list[Any], memory: list[Any]) -> tuple[list[Any], list[Any]]:
        values = [v.value for v in fixed]
        for i, value in zip(where, memory, strict=True):
            values[i] = value
        theta, values = copy.stateless_apply(values, g, theta)
        later = [values[i] + (v.name == CLOCK) for i, v in zip(where, held, strict=True)]
        return theta, later

    if keras.backend.backend() != "jax":
        return lambda *state: apply(*[[keras.ops.convert_to_tensor(np.array(u)) for u in part] for part in state])
    import jax

    return jax.jit(apply)


def _numpy(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _names(variables: list[Any]) -> list[str]:
    """momentum, velocity, clock: Keras's names without the prefix of theta, and with an index if two would agree."""
    short = [v.name.removeprefix("theta_") for v in variables]
    return [name if short.count(name) == 1 else f"{name}{i}" for i, name in enumerate(short)]
