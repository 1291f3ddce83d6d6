"""An odeopt optimizer as a Keras optimizer, from the same flow, scheme and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import keras
from keras import ops

from odeopt import optimizers
from odeopt.arrays.protocol import Foreign
from odeopt.frameworks.functional_step import Held, advanced, growth, initial, refuse_uncompiled
from odeopt.frameworks.keras.arrays import (
    each,
    filled,
    leaves,
    library,
    matrix,
    pieces,
    raise_unless,
    refuse_pairs,
    refuse_variables,
    settled,
    values,
    vector,
)
from odeopt.frameworks.parameter_blocks import Block, blocks, not_finite, place, refuse
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import inwards, is_paced
from odeopt.util import check

NAME = "custom_object"
Elsewhere = Callable[[list[Any]], list[Any]]  # values of the variables -> the same batch's gradient there, None for 0


@keras.saving.register_keras_serializable(package="odeopt")
class FlowOptimizer(keras.optimizers.Optimizer):
    """The steps of an odeopt optimizer on the variables of a model; `to_keras` makes it."""

    def __init__(self, opt: Optimizer, learning_rate: Any = None, nan: str = "raise", **settings: Any) -> None:
        refuse(opt, "to_keras")
        refuse_uncompiled(list(inwards(opt)), "to_keras")
        if learning_rate is not None and not callable(learning_rate):
            learning_rate = check.scalar("learning_rate", check.nonnegative("learning_rate", learning_rate))
        if learning_rate not in (None, opt.lr) and not is_paced(opt):
            raise ValueError(f"learning_rate must be None for {opt.name}: its lr only sets the first step size")
        super().__init__(**{"learning_rate": opt.lr if learning_rate is None else learning_rate, **settings})
        self.opt, self.nan, self._library = opt, check.choice("nan", nan, ("raise", "skip")), library()
        self._elsewhere: Elsewhere = _no_other_gradient
        self._before: dict[int, Any] = {}  # the variables before Keras' weight decay, by index
        self._stopped: tuple[int, Sequence[Any]] | None = None  # a failed compiled step: k, and all values before it

    def build(self, variables: list[Any]) -> None:
        """Creates the variables that hold the memory of each theta, in the precision of theta."""
        if self.built:
            return
        super().build(variables)
        refuse_variables(variables)
        self._count = self.add_variable(shape=(), dtype="int32", initializer="zeros", name="count")
        self._skipped = self.add_variable(shape=(), dtype="int32", initializer="zeros", name="skipped")
        self._ngev = self.add_variable(shape=(), dtype="int32", initializer="zeros", name="ngev")
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
        """Keras' hook for the step of a single variable, which is then the whole theta."""
        self._backend_update_step([gradient], [variable], learning_rate)

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """One step of the given variables, in any order; a variable without a gradient does not change."""
        given = None if trainable_variables is None else list(trainable_variables)
        refuse_pairs(grads, self._trainable_variables if given is None else given)
        super().apply(grads, given)

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        """The step inside Keras' `apply`: sorts the gradients into the order of the variables."""
        placed: list[Any] = [None for _ in self._trainable_variables]
        for g, v in zip(grads, trainable_variables, strict=True):
            placed[self._get_variable_index(v)] = g
        self.advance(placed, learning_rate, partial(self._as_the_first, [g is not None for g in placed]))

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Keras' own decay.  The values before it are kept, so that a rejected step also undoes the decay."""
        if self.weight_decay:
            self._before = {self._get_variable_index(v): ops.copy(v.value) for v in variables}
        super()._apply_weight_decay(variables)

    @contextmanager
    def evaluated_by(self, elsewhere: Elsewhere) -> Iterator[None]:
        """Inside this context, `apply` calls elsewhere(values) for every gradient of a step after the first."""
        before, self._elsewhere = self._elsewhere, elsewhere
        try:
            yield
        finally:
            self._elsewhere = before

    def _as_the_first(self, moving: list[bool], values: list[Any]) -> list[Any]:
        """The gradient elsewhere, scaled and clipped as Keras does it with the gradient at the variables."""
        if self.gradient_accumulation_steps:
            raise ValueError(
                f"gradient_accumulation_steps must be None for {self.opt.scheme.name}, got "
                f"{self.gradient_accumulation_steps}: the scheme needs gradients of earlier batches, which are gone"
            )
        scale, found = self.loss_scale_factor, self._elsewhere(values)
        given = {j: found[j] for j, moves in enumerate(moving) if moves and found[j] is not None}
        clipped = self._clip_gradients([g if scale is None else g / scale for g in given.values()])
        placed = dict(zip(given, clipped, strict=True))
        return [placed.get(j) for j in range(len(moving))]

    def advance(self, grads: list[Any], learning_rate: Any, elsewhere: Elsewhere) -> None:
        """Takes one step.

        grads:     one per variable in the order of `build`, None for a variable that does not change
        elsewhere: maps values of all variables to the gradient of the same batch there, None for 0
        """
        variables, moves, after, ngev = self._trainable_variables, dict[int, Any](), [], 1
        taken, self._before = self._before, {}
        before = [taken.get(j, v.value) for j, v in enumerate(variables)]
        moving = [g is not None for g in grads]
        k = self._now()
        for block, grown, held in zip(self._blocks, self._growth, self._held, strict=True):
            mine = [variables[j].value for j in block.members]
            theta = Foreign(vector(mine), self._library)
            g = Foreign(filled([grads[j] for j in block.members], mine, theta.value.dtype), self._library)
            rate = Foreign(ops.cast(learning_rate, theta.value.dtype) / float(block.opt.lr), self._library)

            def at(point: Any, block: Block = block, mine: list[Any] = mine) -> Any:
                if len(self._blocks) > 1:
                    raise ValueError(
                        "an optimizer that treats each variable separately needs the gradient at theta only"
                    )
                there = [v.value for v in variables]
                for j, piece in zip(block.members, pieces(point, mine), strict=True):
                    there[j] = piece if moving[j] else there[j]
                found = elsewhere(there)
                return filled([found[j] if moving[j] else None for j in block.members], mine, point.dtype)

            which = each([moving[j] for j in block.members], mine)
            move, new, asked = advanced(block.opt, k, theta, g, values(held), rate, at, grown, which)
            ngev += asked
            moves |= dict(zip(block.members, pieces(move, mine), strict=True))
            after.append(new)
        given = [g for g in grads if g is not None]
        good = ops.all(ops.stack([ops.all(ops.isfinite(u)) for u in leaves([list(moves.values()), given, after])]))
        state = [*before, *(v.value for v in self.variables)]
        for j, move in moves.items():
            if moving[j]:
                variables[j].assign(ops.where(good, variables[j].value + move, before[j]))
        kept = leaves(self._held)
        now = [ops.where(good, new, old.value) for new, old in zip(leaves(after), kept, strict=True)]
        for variable, value in zip(kept, now, strict=True):  # only after all were read: torch assigns in place
            variable.assign(value)
        if self.nan == "raise":
            raise_unless(good, k, self._stop, state)
        self._count.assign_add(ops.cast(good, "int32"))
        self._skipped.assign_add(1 - ops.cast(good, "int32"))
        self._ngev.assign_add(ngev)

    def memory(self, name: str) -> list[Any]:
        """A variable of the flow in the shapes of the model's variables, e.g. the "average" of `optimizers.ema`."""
        where, found = place(self.opt, name), dict[int, Any]()
        for block, held in zip(self._blocks, self._held, strict=True):
            mine = [self._trainable_variables[j].value for j in block.members]
            found |= dict(zip(block.members, pieces(held.memory[where].value, mine), strict=True))
        return [found.get(j, v.value) for j, v in enumerate(self._trainable_variables)]

    @property
    def moved(self) -> list[Any]:
        """The variables of the model that the optimizer was built for."""
        return list(self._trainable_variables)

    @property
    def ngev(self) -> int:
        """The number of gradients evaluated, including those of skipped steps."""
        return int(self._ngev.value) if self.built else 0

    def _now(self) -> Any:
        """The step count: an int, or a traced value on JAX."""
        return self._count.value if keras.backend.backend() == "jax" else int(self._count.value)

    def _stop(self, k: int, values: Sequence[Any]) -> None:
        self._stopped = self._stopped or (k, values)

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Called at the end of fit.  If a compiled step failed, restores the values before it and raises its error."""
        settled()
        if self._stopped is not None:
            (k, values), self._stopped = self._stopped, None
            for variable, value in zip([*self._trainable_variables, *self.variables], values, strict=True):
                variable.assign(value)
            raise not_finite(k)
        super().finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Keras' settings and the odeopt optimizer's; an optimizer built by hand is given by its name and equations."""
        rate = {} if is_paced(self.opt) else {"learning_rate": None}
        opt = self.opt.get_config() if self.opt.recipe else {NAME: self.opt.name, "prints": str(self.opt)}
        return {**super().get_config(), **rate, "opt": opt, "nan": self.nan}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FlowOptimizer:
        """The inverse of get_config; an optimizer built by hand is taken from the custom objects."""
        opt = config["opt"]
        made = _by_hand(opt, custom_objects) if NAME in opt else optimizers.from_config(opt)
        return super().from_config({**config, "opt": made}, custom_objects)


def _no_other_gradient(values: list[Any]) -> list[Any]:
    raise ValueError(
        "this scheme needs the gradient elsewhere than at the variables, but keras.Model computes "
        "one gradient per step: make the model an odeopt.frameworks.keras.Model or Sequential, "
        "or add the mixin SeveralGradients to its class"
    )


def _by_hand(config: dict[str, Any], custom_objects: Any) -> Optimizer:
    """The custom object of the saved name; raises ValueError unless it is the optimizer that was saved."""
    name = config[NAME]
    found = keras.saving.get_registered_object(name, custom_objects)
    if not isinstance(found, Optimizer) or str(found) != config["prints"]:
        raise ValueError(
            f"custom_objects must hold the optimizer {name!r} that was built by hand, "
            f"load_model(file, custom_objects={{{name!r}: opt}}):\n{config['prints']}\ngot {found!r}"
        )
    return found
