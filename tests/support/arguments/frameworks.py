"""The doors to torch, JAX and Keras; a framework is imported where its rows are asked for."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import NAME, NONNEGATIVE, NOTHING, POSITIVE, WORK
from support.arguments.samples import GD

import odeopt as oo

CONSTANT = oo.schedules.constant()
DATA = (np.ones((3, 1), np.float32), np.ones((3, 1), np.float32))


def of_torch() -> dict[str, Row]:
    """The rows of odeopt.frameworks.torch."""
    import torch
    from torch.nn import functional as F

    def linear() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Linear(1, 1).double()

    def sgd() -> torch.optim.Optimizer:
        return torch.optim.SGD(linear().parameters(), lr=0.1)

    def step_lr(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.StepLR(optimizer, 2)

    def from_torch() -> dict[str, Any]:
        module = linear()
        return dict(
            optimizer=torch.optim.SGD(module.parameters(), lr=0.1), loss=lambda: (module(x) ** 2).mean(), name="a"
        )

    def monitor() -> dict[str, Any]:
        module = linear()
        return dict(
            model=module, optimizer=torch.optim.SGD(module.parameters(), lr=0.1), loss=lambda model, x: model(x).mean()
        )

    x = torch.ones(3, 1, dtype=torch.float64)
    return {
        "Monitor": row(
            lambda: monitor(), model=NOTHING, optimizer=NOTHING, loss=NOTHING, every="huge", path=NAME,
            samples="huge", more="zero huge", budget=POSITIVE,
        ),
        "from_schedule": row(lambda: dict(theirs=step_lr, steps=3), theirs=NOTHING, steps=WORK, lr=POSITIVE),
        "from_torch": row(
            lambda: from_torch(), optimizer=NOTHING, loss=NOTHING, name=NAME
        ),
        "parameter_groups": row(
            lambda: dict(module=linear(), narrow=linear(), found=oo.transfer(GD, width=2)), module=NOTHING,
            narrow=NOTHING, found=NOTHING,
        ),
        "parameter_kinds": row(
            lambda: dict(module=linear(), narrow=linear()), module=NOTHING, narrow=NOTHING,
        ),
        "problem": row(
            lambda: dict(module=linear(), loss=F.mse_loss, data=(x, x)), module=NOTHING, loss=NOTHING, data=NOTHING,
            name=NAME,
        ),
        "schedule": row(
            lambda: dict(s=CONSTANT, optimizer=sgd()), s=NOTHING, optimizer=NOTHING, last_epoch="minus"
        ),
        "soft_batch": row(lambda: dict(optimizer=sgd(), micro=2), optimizer=NOTHING, micro="huge"),
        "to_torch": row(lambda: dict(opt=GD, params=linear().parameters()), opt=NOTHING, params=NOTHING, nan=NOTHING),
    }  # fmt: skip


def of_jax() -> dict[str, Row]:
    """The rows of odeopt.frameworks.jax."""
    import jax
    import jax.numpy as jnp
    import optax

    from odeopt.frameworks.jax import to_optax

    def squares(params: Any, x: Any = 0.0) -> Any:
        return sum(jnp.sum(u**2) for u in jax.tree.leaves(params))

    params = {"a": jnp.ones(2)}
    adam = oo.optimizers.adam()
    state = to_optax(adam, 0.1).init(params)
    return {
        "from_optax": row(
            lambda: dict(transform=optax.sgd(0.1), grad=lambda x: x, theta0=np.ones(2), h=0.1), transform=NOTHING,
            grad=NOTHING, theta0="minus zero huge shape", h=POSITIVE, name=NAME,
        ),
        "from_schedule": row(lambda: dict(theirs=lambda k: 0.1, steps=3), theirs=NOTHING, steps=WORK, lr=POSITIVE),
        "memory": row(
            lambda: dict(opt=adam, state=state, params=params, name="m"), opt=NOTHING, state=NOTHING, params=NOTHING,
            name=NOTHING,
        ),
        "problem": row(
            lambda: dict(fn=squares, params=params), fn=NOTHING, params="shape", data="shape", name=NAME
        ),
        "schedule": row(lambda: dict(s=CONSTANT, lr=0.1), s=NOTHING, lr=POSITIVE),
        "soft_batch": row(lambda: dict(transform=optax.sgd(0.1), micro=2), transform=NOTHING, micro="huge"),
        "to_optax": row(lambda: dict(opt=GD), opt=NOTHING, learning_rate=NONNEGATIVE, nan=NOTHING),
    }  # fmt: skip


def of_keras() -> dict[str, Row]:
    """The rows of odeopt.frameworks.keras."""
    import keras

    def model() -> keras.Model:
        made = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
        made.compile(keras.optimizers.SGD(0.1), loss="mse")
        return made

    def in_double() -> keras.optimizers.Optimizer:
        before = keras.config.floatx()
        keras.config.set_floatx("float64")
        optimizer = keras.optimizers.SGD(0.1)
        keras.config.set_floatx(before)
        return optimizer

    @lru_cache(maxsize=1)
    def made() -> SimpleNamespace:
        return SimpleNamespace(model=model())

    return {
        "from_keras": row(
            lambda: dict(optimizer=in_double(), grad=lambda x: x, theta0=np.ones(2)), optimizer=NOTHING,
            grad=NOTHING, theta0="minus zero huge shape", name=NAME,
        ),
        "from_schedule": row(
            lambda: dict(theirs=keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), steps=3), theirs=NOTHING,
            steps=WORK, lr=POSITIVE,
        ),
        "problem": row(
            lambda: dict(model=made().model, data=DATA), model=NOTHING, data=NOTHING, loss=NOTHING, name=NAME
        ),
        "schedule": row(lambda: dict(s=CONSTANT, lr=0.1), s=NOTHING, lr=POSITIVE),
        "soft_batch": row(lambda: dict(model=model(), size=2), model=NOTHING, size="huge"),
        "to_keras": row(lambda: dict(opt=GD), opt=NOTHING, learning_rate=NONNEGATIVE, nan=NOTHING),
    }  # fmt: skip


ROWS = {"torch": of_torch, "jax": of_jax, "keras": of_keras}
UNCHECKED = {"keras": {"Model", "Sequential", "SeveralGradients"}}  # Keras' own classes with another train_step
