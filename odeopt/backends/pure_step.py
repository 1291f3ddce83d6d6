"""An optimizer as a pure function of (gradient, theta, state), which JAX can compile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from odeopt.backends.foreign import Foreign
from odeopt.backends.jax_arrays import JAX, foreign, plain
from odeopt.backends.training import begin, bound
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.wrappers import scheduled
from odeopt.starts import rest

Elsewhere = Callable[[Any], Any]  # the gradient at another theta


class Held(NamedTuple):
    """What one theta remembers: the flow's memory, and the scheme's, whose length is that of its last steps."""

    memory: tuple[Any, ...]
    slopes: tuple[Any, ...]


def initial(opt: Optimizer, theta: Any) -> Held:
    """The memory before the first step; a start that reads the gradient is made in that step."""
    y = _first(opt, lambda theta: theta, theta)
    memory = y[1:] if opt.start is rest else tuple(jnp.zeros_like(u) for u in y[1:])
    *_, last = _growing(opt, theta)
    return Held(memory, jax.tree.map(lambda u: jnp.zeros(u.shape, theta.dtype), last))


def advanced(opt: Optimizer, k: Any, theta: Any, g: Any, held: Held, rate: Any, elsewhere: Elsewhere) -> Any:
    """The increment of theta in step k, and what is remembered after it."""

    def grad(point: Any) -> Any:
        return Foreign(g if point.value is theta else elsewhere(point.value), JAX)

    memory = held.memory
    if opt.start is not rest:
        memory = jax.lax.cond(k == 0, lambda: _first(opt, grad, theta)[1:], lambda: held.memory)
    lengths = [len(slopes) for slopes in _growing(opt, theta)]
    step = bound(opt, remembered(grad), lambda: rate)

    def branch(known: int) -> Callable[[], Any]:
        def run() -> Any:
            y, past = foreign((theta, *memory)), foreign(held.slopes[:known])
            new, increment, slopes = step(Foreign(k, JAX) * opt.h, y, past, opt.h)
            kept = plain(slopes, theta)
            return plain(increment[0], theta), Held(plain(new[1:], theta), (*kept, *held.slopes[len(kept) :]))

        return run

    branches = [branch(known) for known in lengths]
    return branches[0]() if len(branches) == 1 else jax.lax.switch(jnp.minimum(k, len(branches) - 1), branches)


def remembered(grad: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The gradient, evaluated once at a point that is the same object."""
    last: list[Any] = [None, None]

    def once(theta: Any) -> Any:
        if last[0] is not theta:
            last[:] = theta, grad(theta)
        return last[1]

    return once


def _first(opt: Optimizer, grad: Callable[[Any], Any], theta: Any) -> Any:
    return plain(begin(opt, grad, Foreign(theta, JAX), clock=lambda u: u), theta)


def _growing(opt: Optimizer, theta: Any) -> list[Any]:
    """The scheme's memory before each of its first steps, as shapes, until it grows no more."""
    step = bound(opt, lambda theta: theta, lambda: 1.0)

    def after(y: Any, slopes: Any) -> Any:
        return plain(step(opt.h, foreign(y), foreign(slopes), opt.h)[2], theta)

    y = jax.eval_shape(lambda theta: _first(opt, lambda theta: theta, theta), theta)
    found: list[Any] = [()]
    while len(following := jax.eval_shape(after, y, found[-1])) > len(found[-1]):
        found.append(following)
    return found


def refuse_uncompiled(opts: Sequence[Optimizer], caller: str) -> None:
    """What needs to know the time as a number."""
    for opt in opts:
        settings = opt.recipe.settings if opt.recipe else {}
        if opt.recipe and opt.recipe.make is scheduled and _is_custom(settings["schedule"]):
            raise ValueError(
                f"{caller} needs a schedule of odeopt.schedules, got a function of your own: give the library's own "
                "schedule as the learning rate"
            )
        for part in opt.flow.terms():
            if vars(part).get("limit") is not None:
                raise ValueError(f"{caller} cannot compile {opt.flow.name}: a rate of {part.slot} is infinite at t = 0")


def _is_custom(schedule: Any) -> bool:
    return schedule.name == "custom" or ("then" in schedule.settings and _is_custom(schedule.settings["then"]))
