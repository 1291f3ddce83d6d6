"""Prepares an optimizer for a library's training loop: theta is all parameters in one vector, and lr may change.

Every formula keeps its meaning: `clip_norm`, for example, clips by the norm of the whole model.  Each parameter is a
layer.  An optimizer whose formula needs a matrix (Muon, Shampoo, Adafactor) treats each parameter as its own theta.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from odeopt.arrays.protocol import Foreign
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.rescheduling import Rate, innermost_optimizer, inwards, paced, with_settings
from odeopt.optimizers.starts import rest
from odeopt.optimizers.wrappers import clip_norm
from odeopt.schemes.base import Step, refuse_noise
from odeopt.schemes.implicit import BDF2, Theta
from odeopt.schemes.lookahead import innermost
from odeopt.schemes.splitting import Splitting
from odeopt.util import check

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """One theta: its optimizer, and the indices of the parameters that it consists of."""

    opt: Optimizer
    members: tuple[int, ...]


def refuse(opt: Any, caller: str) -> None:
    """Raises TypeError or ValueError, with the reason, for an optimizer that no training loop can run."""
    an_optimizer(opt)
    if opt.members:
        raise ValueError(f"{caller} needs single numbers as hyperparameters, got members of shape {opt.members}")
    refuse_noise(caller, opt.flow)
    scheme = innermost(opt.scheme)
    if isinstance(scheme, Theta | BDF2):
        raise ValueError(
            f"{caller} needs an explicit scheme: {scheme.name} solves an equation in all parameters each step"
        )
    if opt.flow.onset is not None and opt.start is rest and not isinstance(scheme, Splitting):
        raise ValueError(
            f"start must not be at rest for {scheme.name}: {opt.flow.name} is singular there; "
            "use start=odeopt.starts.settled, or a splitting that relaxes the memory first"
        )
    if opt.flow.lengths and "shape" not in innermost_optimizer(opt).settings:
        raise ValueError(
            f"{caller} cannot use {opt.flow.name} on a model: some of its variables do not have the length of theta"
        )


def place(opt: Optimizer, name: str) -> int:
    """The index of the variable `name` in the flow's memory; it must have one entry per entry of theta."""
    flow = opt.flow
    check.choice("name", name, [u for u in flow.memory if u not in flow.clocks and u not in flow.lengths])
    return flow.memory.index(name)


def not_finite(k: int) -> FloatingPointError:
    """The error for step k if its gradient or new state is not finite."""
    return FloatingPointError(f"the gradient or the state is not finite in step {k + 1}")


def blocks(opt: Optimizer, shapes: Sequence[Shape], matrix: Callable[[Shape], tuple[int, int] | None]) -> list[Block]:
    """One block of all non-empty parameters, or one block per parameter if the optimizer has a matrix `shape`."""
    everything = tuple(i for i, shape in enumerate(shapes) if prod(shape))
    if not everything:
        return []
    recipe = innermost_optimizer(opt).recipe
    settings = recipe.settings if recipe else {}
    if "layers" in settings and settings["layers"] is None:
        return [Block(with_settings(opt, layers=tuple(prod(shapes[i]) for i in everything)), everything)]
    if "shape" not in settings:
        return [Block(opt, everything)]
    if any(wrapped.recipe and wrapped.recipe.make is clip_norm for wrapped in inwards(opt)):
        raise ValueError(
            f"clip_norm would clip each parameter of {innermost_optimizer(opt).name} separately: "
            "clip the gradients before the step instead"
        )
    return [Block(with_settings(opt, shape=_fitting(opt, shapes[i], matrix)), (i,)) for i in everything]


def _fitting(opt: Optimizer, shape: Shape, matrix: Callable[[Shape], tuple[int, int] | None]) -> tuple[int, int] | None:
    """The matrix shape of a parameter, or None; a flow that must have a matrix treats a vector as a column."""
    return matrix(shape) or ((prod(shape), 1) if opt.flow.lengths else None)


def bound(opt: Optimizer, grad: Grad, rate: Rate) -> Step:
    """The step of the optimizer with its learning rate multiplied by rate()."""
    return opt.scheme.bind(paced(opt, rate).flow, grad)


def begin(opt: Optimizer, grad: Grad, theta: Any, clock: Callable[[Any], Any]) -> State:
    """The first state: memory as the library's arrays in the precision of theta, and each clock c as clock(c)."""

    def of_library(name: str, u: Any) -> Any:
        if isinstance(u, Foreign):
            return u
        return clock(u) if name in opt.flow.clocks else Foreign(theta.library.array(u, theta.value), theta.library)

    y = opt.initial_state(grad, theta)
    return tuple(of_library(name, u) for name, u in zip(opt.flow.variables, y, strict=True))
