"""An odeopt optimizer as a Keras optimizer, from the same flow, scheme and step."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from odeopt import check, optimizers
from odeopt.backends.foreign import Foreign, Library
from odeopt.backends.pure_step import Held, advanced, growth, initial, refuse_uncompiled
from odeopt.backends.training import blocks, inwards, is_paced, refuse
from odeopt.optimizers.base import Optimizer


@keras.saving.register_keras_serializable(package="odeopt")
class FlowOptimizer(keras.optimizers.Optimizer):
    """The steps of an odeopt optimizer on the variables of a model; `to_keras` makes it."""

    def __init__(self, opt: Optimizer, learning_rate: Any = None, nan: str = "raise", **settings: Any) -> None:
        refuse(opt, "to_keras")
        refuse_uncompiled(list(inwards(opt)), "to_keras")
        if learning_rate not in (None, opt.lr) and not is_paced(opt):
            raise ValueError(f"learning_rate must be None for {opt.name}: its own is a first step size only")
        super().__init__(**{"learning_rate": opt.lr if learning_rate is None else learning_rate, **settings})
        self.opt, self.nan, self._library = opt, check.choice("nan", nan, ("raise", "skip")), _library()

    def build(self, variables: list[Any]) -> None:
        """The memory of each theta as variables of their own, in the precision of theta."""
        if self.built:
            return
        super().build(variables)
        _refuse_variables(variables)
        self._count = self.add_variable(shape=(), dtype="int32", initializer="zeros", name="count")
        self._skipped = self.add_variable(shape=(), dtype="int32", initializer="zeros", name="skipped")
        self._blocks = blocks(self.opt, [tuple(v.shape) for v in variables], matrix)
        self._growth = [growth(b.opt, sum(prod(variables[j].shape) for j in b.members)) for b in self._blocks]
        self._held = []
        for block, grown in zip(self._blocks, self._growth, strict=True):
            theta = Foreign(vector([variables[j].value for j in block.members]), self._library)
            self._held.append(self._as_variables(initial(block.opt, theta, grown), block.opt.flow.memory))

    def _as_variables(self, held: Held, names: tuple[str, ...]) -> Held:
        def variable(value: Any, name: str) -> Any:
            kind = keras.backend.standardize_dtype(value.dtype)
            made = self.add_variable(shape=tuple(value.shape), dtype=kind, initializer="zeros", name=name)
            made.assign(value)
            return made

        memory = tuple(variable(u, name) for u, name in zip(held.memory, names, strict=True))
        return Held(memory, tuple(tuple(variable(u, "slope") for u in slope) for slope in held.slopes))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Keras' step of one variable; here theta is all of them."""
        self._backend_update_step([gradient], [variable], learning_rate)

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        """One step of all variables."""
        if len(trainable_variables) < len(self._trainable_variables):
            raise ValueError(
                f"all {len(self._trainable_variables)} variables must have a gradient, got {len(trainable_variables)}"
            )
        self.advance(grads, learning_rate, _no_other_gradient)

    def advance(self, grads: list[Any], learning_rate: Any, elsewhere: Callable[[list[Any]], list[Any]]) -> None:
        """One step; elsewhere(values of the variables) is the gradient of the same batch at another theta."""
        variables, moves, after = self._trainable_variables, [], []
        k = self._now()
        for block, grown, held in zip(self._blocks, self._growth, self._held, strict=True):
            mine = [variables[j].value for j in block.members]
            theta = Foreign(vector(mine), self._library)
            g = Foreign(ops.cast(vector([grads[j] for j in block.members]), theta.value.dtype), self._library)
            rate = Foreign(ops.cast(learning_rate, theta.value.dtype) / float(block.opt.lr), self._library)

            def at(point: Any, mine: list[Any] = mine) -> Any:
                if len(self._blocks) > 1:
                    raise ValueError("an optimizer that sees each variable alone can read the gradient only at theta")
                return ops.cast(vector(elsewhere(pieces(point, mine))), point.dtype)

            move, new = advanced(block.opt, k, theta, g, _values(held), rate, at, grown)
            moves += list(zip(block.members, pieces(move, mine), strict=True))
            after.append(new)
        good = self._all_finite([[move for _, move in moves], grads, after])
        for j, move in moves:
            variables[j].assign(ops.where(good, variables[j].value + move, variables[j].value))
        for variable, value in zip(_leaves(self._held), _leaves(after), strict=True):
            variable.assign(ops.where(good, value, variable.value))
        self._count.assign_add(ops.cast(good, "int32"))
        self._skipped.assign_add(1 - ops.cast(good, "int32"))

    def _now(self) -> Any:
        """The count of steps: a number, or what JAX will know when it runs."""
        return self._count.value if keras.backend.backend() == "jax" else int(self._count.value)

    def _all_finite(self, tree: Any) -> Any:
        good = ops.all(ops.stack([ops.all(ops.isfinite(u)) for u in _leaves(tree)]))
        if self.nan == "raise":
            _raise_unless(good, self._count.value)
        return good

    def get_config(self) -> dict[str, Any]:
        """Keras' settings and those of the odeopt optimizer; one built by hand from a flow has none."""
        rate = {} if is_paced(self.opt) else {"learning_rate": None}
        return {**super().get_config(), **rate, "opt": self.opt.get_config(), "nan": self.nan}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FlowOptimizer:
        """The inverse of get_config."""
        return super().from_config({**config, "opt": optimizers.from_config(config["opt"])}, custom_objects)


def to_keras(opt: Optimizer, learning_rate: Any = None, *, nan: str = "raise", **settings: Any) -> FlowOptimizer:
    """The steps of `opt` as a Keras 3 optimizer, for model.compile, on JAX or torch.

    learning_rate: a number or a Keras schedule, default the optimizer's own; it acts as a schedule does, at constant
                   betas.  An optimizer built by hand has h for learning rate, and cannot be saved with the model.
    nan:           "raise" stops with an error that names the step, "skip" counts it in a variable; variables and state
                   stay as before the gradient, or the step, that was not finite.
    settings:      Keras' own: weight_decay, clipnorm, gradient_accumulation_steps, use_ema, name, ....

    theta is all variables in one vector; the layers of LAMB and LARS are the variables, and Muon, Shampoo and Adafactor
    see each as a matrix (... in, out).  A scheme that needs the gradient elsewhere than at theta (Heun, RKC) is refused
    by model.fit, which has one gradient: call `advance(grads, learning_rate, elsewhere)` in a train_step of your own.

    >>> from odeopt import optimizers
    >>> theta = keras.Variable([1.0, -2.0])
    >>> heavy = to_keras(optimizers.momentum(lr=0.25, beta=0.5))
    >>> for _ in range(2):
    ...     heavy.apply([theta.value], [theta])  # L = theta^2/2
    >>> theta.numpy().tolist()
    [0.4375, -0.875]
    """
    return FlowOptimizer(opt, learning_rate, nan, **settings)


def _library() -> Library:
    """The arrays of the backend that Keras runs on."""
    if keras.backend.backend() == "jax":
        from odeopt.backends.jax_arrays import JAX

        return JAX
    if keras.backend.backend() == "torch":
        from odeopt.backends.torch_arrays import TORCH

        return TORCH
    raise ValueError(f"Keras must run on jax or torch, got the backend {keras.backend.backend()}")


def matrix(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Keras' kernels are (..., in, out): a column for each output; a vector is none."""
    return (prod(shape[:-1]), shape[-1]) if len(shape) > 1 else None


def vector(values: list[Any]) -> Any:
    """All numbers in one vector, in the highest precision among them and at least single."""
    kinds = {keras.backend.standardize_dtype(v.dtype) for v in values}
    dtype = "float64" if "float64" in kinds else "float32"  # Keras' own result_type says float32 of both
    return ops.concatenate([ops.cast(ops.reshape(v, (-1,)), dtype) for v in values])


def pieces(whole: Any, values: list[Any]) -> list[Any]:
    """The inverse of `vector`: in the shapes and kinds of `values`."""
    ends = np.cumsum([prod(v.shape) for v in values])[:-1].tolist()
    parts = zip(ops.split(whole, ends), values, strict=True) if ends else [(whole, values[0])]
    return [ops.cast(ops.reshape(part, v.shape), v.dtype) for part, v in parts]


def _values(held: Held) -> Held:
    return Held(tuple(v.value for v in held.memory), tuple(tuple(v.value for v in slope) for slope in held.slopes))


def _leaves(tree: Any) -> list[Any]:
    """What stands in nested lists and tuples, in order."""
    return [leaf for part in tree for leaf in _leaves(part)] if isinstance(tree, list | tuple) else [tree]


def _no_other_gradient(values: list[Any]) -> list[Any]:
    raise ValueError(
        "this scheme needs the gradient elsewhere than at the variables, and model.fit has one gradient a step: "
        "call advance(grads, learning_rate, elsewhere) in a train_step of your own"
    )


def _raise_unless(good: Any, count: Any) -> None:
    if keras.backend.backend() == "jax":
        from odeopt.backends.jax_arrays import raise_unless

        raise_unless(good, count)
    elif not bool(good):
        raise FloatingPointError(f"the gradient or the state is not finite in step {int(count) + 1}")


def _refuse_variables(variables: list[Any]) -> None:
    if not variables:
        raise ValueError("variables must not be empty, got none")
    for v in variables:
        if not keras.backend.is_float_dtype(v.dtype):
            raise TypeError(f"variables must be real and floating, got {v.path} of {v.dtype}")
        if prod(v.shape) == 0:
            raise ValueError(f"variables must not be empty, got {v.path} of shape {tuple(v.shape)}")
