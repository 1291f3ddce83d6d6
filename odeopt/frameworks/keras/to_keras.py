"""An odeopt optimizer for Keras' model.compile."""

from __future__ import annotations

from typing import Any

from odeopt.frameworks.keras.optimizer import FlowOptimizer
from odeopt.optimizers.base import Optimizer


def to_keras(opt: Optimizer, learning_rate: Any = None, *, nan: str = "raise", **settings: Any) -> FlowOptimizer:
    """The steps of `opt` as a Keras 3 optimizer, for model.compile, on JAX or torch.

    learning_rate: a number or a Keras schedule, by default the optimizer's own.  It acts as a schedule does, at
                   constant betas.  An optimizer built by hand has h as its learning rate.
    nan:           what happens if the gradient or the new state is not finite: "raise" stops with an error that names
                   the step, "skip" counts it in a variable.  Either way, variables and state keep their values.
    settings:      Keras' own: weight_decay, clipnorm, gradient_accumulation_steps, use_ema, name, ....

    theta is all variables in one vector.  Each variable is a layer for LAMB and LARS, and a matrix (... in, out) for
    Muon, Shampoo and Adafactor.  `apply` takes gradients of the variables in any order.  A variable without a gradient
    keeps its value and its memory, while step counts and bias corrections advance, as in Keras.

    A scheme that needs the gradient at points other than theta (Heun, RKC) needs a model that can evaluate the same
    batch again: `odeopt.frameworks.keras.Model` or `Sequential`, or your own with the mixin `SeveralGradients`.  `ngev`
    counts the gradients.  Keras applies weight_decay between the first gradient of a step and the rest of the step: if
    a step takes several gradients, use `optimizers.decoupled` or `l2` instead.

    model.save stores the optimizer and its state.  An optimizer built by hand from a flow and a scheme is code and is
    not stored: pass it to keras.saving.load_model(file, custom_objects={opt.name: opt}).

    >>> import keras
    >>> from odeopt import optimizers
    >>> theta = keras.Variable([1.0, -2.0])
    >>> heavy = to_keras(optimizers.momentum(lr=0.25, beta=0.5))
    >>> for _ in range(2):
    ...     heavy.apply([theta.value], [theta])  # L = theta^2/2
    >>> theta.numpy().tolist()
    [0.4375, -0.875]
    """
    return FlowOptimizer(opt, learning_rate, nan, **settings)
