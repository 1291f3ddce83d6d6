"""Wrappers of optimizers: schedules, weight decay, clipping, Lookahead, averages.  Wrappers can be nested.

A filter (l2, clip_value, clip_norm) changes the gradient that the formulas read.  The outermost filter acts first:
clip_norm(l2(opt, ...), 1.0) clips the gradient of the loss and then adds the decay, as torch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.flow import Flow, Speed
from odeopt.core.formula import Formula, mapped
from odeopt.core.state import Grad, State, column
from odeopt.flows.averaging import AVERAGING, averaged
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.bibliography import Source
from odeopt.optimizers.recipe import BY_HAND, Recipe
from odeopt.optimizers.schedules.base import checked
from odeopt.optimizers.sources import ZHANG
from odeopt.optimizers.starts import Start
from odeopt.schemes.averaged import Averaged
from odeopt.schemes.lookahead import Lookahead, innermost
from odeopt.schemes.splitting import Splitting
from odeopt.util import check
from odeopt.util.check import Number


def scheduled(opt: Optimizer, schedule: Any) -> Optimizer:
    """lr_k = lr s(k): an optimizer under a schedule, which is a Schedule or any function of the step count.

    The schedule enters as in the library: torch scales the increment of theta, Keras the input of the momentum buffer.
    Constant betas under a changing rate mean that the friction varies in the time of the flow; the map is exact only
    for constant lr.

    >>> from odeopt import optimizers, schedules
    >>> print(str(scheduled(optimizers.gd(lr=0.1), schedules.cosine(100))).splitlines()[1])
    theta' = -s(t)*grad L(theta)
    """
    s, made = checked("schedule", schedule), an_optimizer(opt).recipe
    if made and made.make is scheduled:
        raise ValueError(f"opt must not be under a schedule yet, got {opt.settings['schedule']!r}")
    if made and "opt" in made.settings:  # a schedule belongs to the optimizer inside the wrappers
        return made.make(**{**made.settings, "opt": scheduled(made.settings["opt"], s)})

    def at(h: Any) -> dict[str, Any]:
        ratio = check.scalar("h", h) / check.scalar("h", opt.h)
        return {"opt": opt.with_step(h), "schedule": s.stretched(ratio)}

    speed = s.at_time(column(opt.h), middle=0.5 if isinstance(innermost(opt.scheme), Splitting) else 0.0)
    return _wrapped(scheduled, {"opt": opt, "schedule": s}, opt, at=at, flow=opt.pace(opt.flow, speed), speed=speed)


def l2(opt: Optimizer, weight_decay: Number) -> Optimizer:
    """g <- g + weight_decay theta: the decay enters the gradient and hence the memory.  [torch's weight_decay]

    >>> from odeopt import optimizers
    >>> print(str(l2(optimizers.gd(lr=0.1), 0.01)).partition(": ")[2])
    gradient flow by Euler, h = 0.1
    theta'   = -g(theta)
    g(theta) = grad L(theta) + weight_decay*theta
    with weight_decay = 0.01
    """
    weight_decay = check.nonnegative("weight_decay", weight_decay)
    flow = an_optimizer(opt).flow.filtered(
        lambda grad, theta, weight_decay: grad(theta) + weight_decay * theta, weight_decay=weight_decay
    )
    return _wrapped(l2, {"opt": opt, "weight_decay": weight_decay}, opt, flow=flow)


def clip_value(opt: Optimizer, limit: Number) -> Optimizer:
    """g <- min(max(g, -limit), limit), coordinate by coordinate.   [torch's clip_grad_value_; Keras' clipvalue]

    >>> from odeopt import optimizers
    >>> clip_value(optimizers.gd(lr=0.1), 1.0).flow.params["limit"]
    1.0
    """
    limit = check.positive("limit", limit)
    flow = an_optimizer(opt).flow.filtered(
        lambda grad, theta, limit: ops.minimum(ops.maximum(grad(theta), -limit), limit), limit=limit
    )
    return _wrapped(clip_value, {"opt": opt, "limit": limit}, opt, flow=flow)


def clip_norm(opt: Optimizer, limit: Number, eps: Number = 0.0) -> Optimizer:
    """g <- g min(1, limit/(|g| + eps)), |g| the norm over all coordinates.  [Keras clipnorm; torch has eps = 1e-6]

    >>> from odeopt import optimizers
    >>> clip_norm(optimizers.gd(lr=0.1), 1.0).flow.params["ceiling"]
    1.0
    """
    limit, eps = check.positive("limit", limit), check.scalar("eps", check.nonnegative("eps", eps))
    flow = an_optimizer(opt).flow.filtered(
        lambda grad, theta, ceiling: grad(theta) * (ceiling / ops.maximum(ceiling, ops.norm(grad(theta)) + eps)),
        ceiling=limit,
    )
    return _wrapped(clip_norm, {"opt": opt, "limit": limit, "eps": eps}, opt, flow=flow)


def decoupled(opt: Optimizer, weight_decay: Number) -> Optimizer:
    """theta <- (1 - lr w) theta + ...: scheduled decay that bypasses the memory.       [as in Keras, optax]

    theta' = F - w lr/h theta by explicit Euler, of order 1; `adamw` solves the decay exactly and keeps Adam's order 2.

    >>> from odeopt import optimizers
    >>> decoupled(optimizers.gd(lr=0.1), 0.01).flow
    theta' = -grad L(theta) - weight_decay*theta
    with weight_decay = 0.01
    """
    weight_decay = check.nonnegative("weight_decay", weight_decay)
    flow = an_optimizer(opt).flow
    check.distinct("params", ("weight_decay", *flow.params))
    name, push = flow.mover
    rate = weight_decay * opt.lr / opt.h
    parts = MappingProxyType({**flow.parts, name: (replace(push, force=_decaying(push.force, opt.speed)),)})
    params = MappingProxyType({**flow.params, "weight_decay": rate})

    def at(h: Any) -> dict[str, Any]:
        inner = opt.with_step(h)
        return {"opt": inner, "weight_decay": rate * h / inner.lr}

    settings = {"opt": opt, "weight_decay": weight_decay}
    return _wrapped(decoupled, settings, opt, order=1, at=at, flow=flow.altered(parts=parts, params=params))


def _decaying(force: Formula, speed: Speed | None) -> Formula:
    """force - s(t) weight_decay theta."""
    if speed is None:
        return mapped(lambda theta, weight_decay, F: F - weight_decay * theta, force, "theta", "weight_decay")
    return mapped(lambda t, theta, w, F: F - speed(t) * w * theta, force, "t", "theta", "weight_decay")


def lookahead(opt: Optimizer, alpha: float = 0.5, every: int = 5) -> Optimizer:
    """every k steps:   slow <- slow + alpha (theta - slow),   theta <- slow.               [Zhang et al. 2019, alg. 1]

    At fixed k and small steps theta' = alpha F; the time scale of the memory is unchanged.

    >>> from odeopt import optimizers
    >>> lookahead(optimizers.gd(lr=0.1)).flow
    theta' = -0.5*grad L(theta)
    """
    alpha, every = check.scalar("alpha", check.positive("alpha", alpha)), check.count("every", every, 1)
    if alpha > 1:
        raise ValueError(f"alpha must be in (0, 1], got {alpha!r}")
    scheme = Lookahead(an_optimizer(opt).scheme, alpha, every)
    flow = opt.flow.theta_paced(alpha)
    lr_time = alpha * opt.lr_time if opt.lr_time is not None else None
    settings = {"opt": opt, "alpha": alpha, "every": every}
    sources = (ZHANG.at("alg. 1"),)
    return _wrapped(lookahead, settings, opt, order=1, sources=sources, flow=flow, scheme=scheme, lr_time=lr_time)


def ema(opt: Optimizer, decay: Number = 0.999) -> Optimizer:
    """average <- decay average + (1 - decay) theta after each step; after the first step it is theta.

    The average is run.state["average"].

    average' = (theta - average)/tau, decay = exp(-h/tau).                [as AveragedModel of torch, use_ema of Keras]
    In a training loop: optimizer.memory("average") of `to_torch` and `to_keras`, `odeopt.frameworks.jax.memory`.

    >>> from odeopt import optimizers
    >>> print(str(ema(optimizers.gd(lr=0.1), 0.9)).partition(": ")[2])
    gradient flow by Euler, averaged, h = 0.1
    theta'   = -grad L(theta)
    average' = averaging*(theta - average)
    with averaging = 1.05361
    """
    decay = check.fraction("decay", decay)
    if not np.all(np.asarray(decay) > 0):
        raise ValueError(f"decay must be in (0, 1), got {decay!r}")
    rate = -np.log(decay) / an_optimizer(opt).h

    def at(h: Any) -> dict[str, Any]:
        return {"opt": opt.with_step(h), "decay": np.exp(-rate * h)[()]}

    return _wrapped(
        ema,
        {"opt": opt, "decay": decay},
        opt,
        at=at,
        flow=averaged(opt.flow, rate),
        scheme=Averaged(opt.scheme, AVERAGING),
        start=_with_average(opt.start),
        flow_start=_at_rest_or_with_average(opt.flow_start or opt.start),
    )


def _with_average(start: Start) -> Start:
    """The start with the average at theta0."""
    return lambda flow, grad, theta0, h: (*start(flow, grad, theta0, h)[:-1], theta0)


def _at_rest_or_with_average(start: Start) -> Start:
    """The start with the average at theta0; unchanged for a singular start at rest, whose onset sets the average."""

    def started(flow: Flow, grad: Grad, theta0: Any, h: Any) -> State:
        y = start(flow, grad, theta0, h)
        return y if flow.onset and not any(u.any() for u in y[1:]) else (*y[:-1], theta0)

    return started


def _wrapped(
    make: Callable[..., Optimizer],
    settings: Mapping[str, Any],
    opt: Optimizer,
    *,
    order: float | None = None,
    sources: tuple[Source, ...] = (),
    at: Callable[[Any], Mapping[str, Any]] | None = None,
    **changes: Any,
) -> Optimizer:
    """The optimizer with these changes, made by make(**settings)."""
    facts = opt.recipe.facts if opt.recipe else BY_HAND
    if order is not None and not (opt.recipe and opt.recipe.at is None):
        facts = replace(facts, order=None if facts.order is None else min(order, facts.order))
    facts = replace(facts, sources=(*facts.sources, *sources))
    recipe = Recipe(make, settings, at or (lambda h: {"opt": opt.with_step(h)}), facts)
    flow: Flow = changes.pop("flow")
    return replace(opt, flow=flow, settings=settings, recipe=recipe, **changes)
