"""An optimizer as a library's training loop drives it: theta is all parameters in one vector, its lr may change.

Formulas then mean what they mean everywhere: `clip_norm` clips by the norm of the whole model.  Layers are the
parameters.  Where a formula needs one matrix (Muon, Shampoo, Adafactor), each parameter is a theta of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from odeopt.arrays.protocol import Foreign
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer
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
    """The parameters, by their places in the list of all, that make up one theta, and its optimizer."""

    opt: Optimizer
    members: tuple[int, ...]


def refuse(opt: Any, caller: str) -> None:
    """What no training loop can run, with the reason."""
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.adam(), got {opt!r}")
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
        raise ValueError(f"{caller} cannot fit {opt.flow.name}, whose variables have lengths of their own, to a model")


def place(opt: Optimizer, name: str) -> int:
    """Where a variable with an entry for each of theta stands in the memory of a flow."""
    flow = opt.flow
    check.choice("name", name, [u for u in flow.memory if u not in flow.clocks and u not in flow.lengths])
    return flow.memory.index(name)


def not_finite(k: int) -> FloatingPointError:
    """What stops a step that would poison the parameters."""
    return FloatingPointError(f"the gradient or the state is not finite in step {k + 1}")


def blocks(opt: Optimizer, shapes: Sequence[Shape], matrix: Callable[[Shape], tuple[int, int] | None]) -> list[Block]:
    """One block of all parameters that hold numbers, or one for each where the optimizer has a matrix `shape`."""
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
            f"clip_norm would see one parameter at a time of {innermost_optimizer(opt).name}: clip the gradients before"
        )
    return [Block(with_settings(opt, shape=_fitting(opt, shapes[i], matrix)), (i,)) for i in everything]


def _fitting(opt: Optimizer, shape: Shape, matrix: Callable[[Shape], tuple[int, int] | None]) -> tuple[int, int] | None:
    """The matrix that a parameter is; a vector is a column to what must have one."""
    return matrix(shape) or ((prod(shape), 1) if opt.flow.lengths else None)


def bound(opt: Optimizer, grad: Grad, rate: Rate) -> Step:
    """The step of an optimizer whose learning rate is rate() times its own."""
    return opt.scheme.bind(paced(opt, rate).flow, grad)


def begin(opt: Optimizer, grad: Grad, theta: Any, clock: Callable[[Any], Any]) -> State:
    """The first state: memory as the library's arrays in the precision of theta, clocks as clock(c) has them."""

    def of_library(name: str, u: Any) -> Any:
        if isinstance(u, Foreign):
            return u
        return clock(u) if name in opt.flow.clocks else Foreign(theta.library.array(u, theta.value), theta.library)

    y = opt.initial_state(grad, theta)
    return tuple(of_library(name, u) for name, u in zip(opt.flow.variables, y, strict=True))
