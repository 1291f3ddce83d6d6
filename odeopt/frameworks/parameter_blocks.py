"""An optimizer as a library's training loop drives it: theta is all parameters in one vector, its lr may change.

Formulas then mean what they mean everywhere: `clip_norm` clips by the norm of the whole model.  Layers are the
parameters.  Where a formula needs one matrix (Muon, Shampoo, Adafactor), each parameter is a theta of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any

from odeopt.arrays.protocol import Foreign
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State
from odeopt.optimizers import schedules
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.schedules import Schedule
from odeopt.optimizers.starts import rest
from odeopt.optimizers.wrappers import clip_norm, scheduled
from odeopt.schemes.base import Step, refuse_noise
from odeopt.schemes.implicit import BDF2, Theta
from odeopt.schemes.lookahead import innermost
from odeopt.schemes.splitting import Splitting
from odeopt.util import check

Shape = tuple[int, ...]
Rate = Callable[[], Any]  # the present learning rate over the optimizer's own


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
    if opt.flow.lengths and "shape" not in _named(opt).settings:
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
    """One block of all parameters, or one for each where the optimizer has a matrix `shape`."""
    everything = tuple(range(len(shapes)))
    recipe = _named(opt).recipe
    settings = recipe.settings if recipe else {}
    if "layers" in settings and settings["layers"] is None:
        return [Block(_with(opt, layers=tuple(prod(shape) for shape in shapes)), everything)]
    if "shape" not in settings:
        return [Block(opt, everything)]
    if any(wrapped.recipe and wrapped.recipe.make is clip_norm for wrapped in inwards(opt)):
        raise ValueError(
            f"clip_norm would see one parameter at a time of {_named(opt).name}: clip the gradients before"
        )
    return [Block(_with(opt, shape=_fitting(opt, shapes[i], matrix)), (i,)) for i in everything]


def _fitting(opt: Optimizer, shape: Shape, matrix: Callable[[Shape], tuple[int, int] | None]) -> tuple[int, int] | None:
    """The matrix that a parameter is; a vector is a column to what must have one."""
    return matrix(shape) or ((prod(shape), 1) if opt.flow.lengths else None)


def bound(opt: Optimizer, grad: Grad, rate: Rate) -> Step:
    """The step of an optimizer whose learning rate is rate() times its own."""
    return opt.scheme.bind(paced(opt, rate).flow, grad)


def is_paced(opt: Optimizer) -> bool:
    """Whether its learning rate acts in every step: Rprop's is a first step size only."""
    recipe = _named(opt).recipe
    return recipe is None or recipe.at is not None


def paced(opt: Optimizer, rate: Rate) -> Optimizer:
    """As under a schedule whose factor is rate(); an optimizer's own schedule goes on beside it."""

    def together(own: Schedule | None) -> Schedule:
        if own is None:
            return schedules.Rate("lr", lambda k: rate())
        return replace(own, factor=lambda k: rate() * own.factor(k))

    return rescheduled(opt, together)


def rescheduled(opt: Optimizer, make: Callable[[Schedule | None], Schedule]) -> Optimizer:
    """The optimizer under make(its own schedule); one built by hand has its step for a rate."""
    if not is_paced(opt):
        return opt
    if opt.recipe is None:
        return replace(opt, flow=_paced_throughout(opt.flow, make(None).at_time(opt.h)))
    settings = opt.recipe.settings
    if opt.recipe.make is scheduled:
        return scheduled(settings["opt"], make(settings["schedule"]))
    if "opt" in settings:
        return _with_inner(opt, rescheduled(settings["opt"], make))
    return scheduled(opt, make(None))


def _paced_throughout(flow: Flow, speed: Speed) -> Flow:
    parts = {name: tuple(part.paced(speed) for part in group) for name, group in flow.parts.items()}
    return flow.altered(parts=MappingProxyType(parts))


def begin(opt: Optimizer, grad: Grad, theta: Any, clock: Callable[[Any], Any]) -> State:
    """The first state: memory as the library's arrays in the precision of theta, clocks as clock(c) has them."""

    def of_library(name: str, u: Any) -> Any:
        if isinstance(u, Foreign):
            return u
        return clock(u) if name in opt.flow.clocks else Foreign(theta.library.array(u, theta.value), theta.library)

    y = opt.initial_state(grad, theta)
    return tuple(of_library(name, u) for name, u in zip(opt.flow.variables, y, strict=True))


def inwards(opt: Optimizer) -> Iterator[Optimizer]:
    """The optimizer and those inside its wrappers."""
    yield opt
    if opt.recipe and "opt" in opt.recipe.settings:
        yield from inwards(opt.recipe.settings["opt"])


def _named(opt: Optimizer) -> Optimizer:
    """The optimizer inside all wrappers."""
    *_, inner = inwards(opt)
    return inner


def _with(opt: Optimizer, **changes: Any) -> Optimizer:
    """The same optimizer, made with other settings inside its wrappers."""
    assert opt.recipe is not None
    if "opt" in opt.recipe.settings:
        return _with_inner(opt, _with(opt.recipe.settings["opt"], **changes))
    return opt.recipe.make(**{**opt.recipe.settings, **changes})


def _with_inner(opt: Optimizer, inner: Optimizer) -> Optimizer:
    assert opt.recipe is not None
    return opt.recipe.make(**{**opt.recipe.settings, "opt": inner})
