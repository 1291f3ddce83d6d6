"""y_{n+1} = M(lr lambda) y_n: the settled step of an optimizer on L = lambda theta^2/2, as a matrix.

The matrix is computed by applying the step to unit vectors.  y is theta and all memory, including the earlier slopes
of a multistep scheme once it has them all.  The preconditioner (G of RMSprop, Adagrad and Adam) is frozen at 1 in the
library's units, the clocks at 1 and eps at 0, so lambda is the preconditioned curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.core.flow import Flow, relax
from odeopt.core.state import State, column
from odeopt.flows.gradient import gradient_flow
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import as_optimizer as of_step
from odeopt.schemes.base import Scheme
from odeopt.schemes.implicit import BDF2, Theta, linear_increment
from odeopt.util import check
from odeopt.util.check import Array

Matrices = NDArray[Any]  # real for real lr lambda, complex for complex

LINEAR = 1e-9  # relative deviation from superposition that rounding over many stages may cause


def as_optimizer(opt: Any, name: str = "opt") -> Optimizer:
    """The optimizer unchanged; for a scheme, the optimizer that applies it to gradient flow with h = 1."""
    opt = of_step(opt)
    if isinstance(opt, Optimizer):
        if isinstance(opt.scheme, ForeignStep) and "grad" not in opt.scheme.reads:
            raise ValueError(f"step {opt.name!r} must read grad, as in step(y, grad), to run on L = lambda theta^2/2")
        return opt
    if isinstance(opt, Scheme):
        return Optimizer(gradient_flow(), opt, 1.0, name=opt.name)
    raise TypeError(f"{name} must be an Optimizer, e.g. odeopt.optimizers.adam(), or a scheme, got {check.shown(opt)}")


def step_matrix(opt: Optimizer | Scheme, z: Any, t: float | None = None) -> Matrices:
    """M(z) with y_{n+1} = M y_n on L = lambda theta^2/2 for z = lr lambda; lr is h for an unnamed optimizer.

    z: a real or complex number or array, which broadcasts with the members of the optimizer
    t: the time at which the step is taken, for a flow that reads the time, as under a schedule

    The result has shape (..., n, n).  Rows and columns are theta, the memory without clocks and preconditioner, and the
    earlier slopes of a multistep scheme.

    >>> from odeopt import optimizers, schemes
    >>> step_matrix(optimizers.gd(lr=0.1), 0.5)
    array([[0.5]])
    >>> step_matrix(schemes.ab2, 1.0).shape  # theta and the previous slope
    (2, 2)
    """
    opt, z = as_optimizer(opt), check.complex_numbers("z", z)
    begin = _time_of(opt, t)
    shape = np.broadcast_shapes(opt.members, z.shape)
    unit = np.asarray(opt.h) / np.asarray(opt.lr_time)  # of G: Adagrad's is lr^2 times its library's
    curvature, unit = np.broadcast_to(z / opt.lr, shape)[..., None], np.broadcast_to(unit, shape)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        try:
            advance, size = _settled_step(opt, curvature, unit, begin)
            M = np.stack([advance(e) for e in np.eye(size)], axis=-1)
        except ZeroDivisionError as error:
            raise ValueError(
                f"t must be a time at which {opt.name} has a step, got {begin:g}: {opt.flow.name} divides by 0 there"
            ) from error
        generic = 2 + np.arange(size) / 3
        linear = np.abs(advance(generic) - M @ generic) <= LINEAR * (1 + np.abs(M) @ generic)
    pole = ~np.isfinite(M).all(axis=(-2, -1))  # of an implicit scheme
    if not np.all(linear[~pole]):
        raise ValueError(f"the step of {opt.name} is not linear in theta and its memory: it has no step matrix")
    return M


def multipliers(opt: Optimizer | Scheme, z: Any, t: float | None = None) -> Matrices:
    """The eigenvalues of M(z), shape (..., n); infinite at a pole of an implicit scheme.

    >>> from odeopt import optimizers
    >>> multipliers(optimizers.momentum(beta=0.25), 2.5).real.round(12).tolist()  # both -sqrt(beta), or their sum -1.25
    [-1.0, -0.25]
    """
    M = step_matrix(opt, z, t)
    finite = np.isfinite(M).all(axis=(-2, -1))
    found = np.full(M.shape[:-1], np.inf, dtype=complex)
    found[finite] = np.linalg.eigvals(M[finite])
    return found


def spectral_radius(opt: Optimizer | Scheme, z: Any, t: float | None = None) -> Array:
    """max |eigenvalue of M(z)|, shape (...): the factor per step of the slowest decay or of the fastest growth.

    >>> from odeopt import optimizers
    >>> spectral_radius(optimizers.gd(), [0.5, 1.0, 3.0]).tolist()
    [0.5, 0.0, 2.0]
    """
    return np.abs(multipliers(opt, z, t)).max(axis=-1)


def amplification(scheme: Scheme, z: Any) -> Any:
    """R(z), the factor of one step on y' = z y/h, for a real or complex number or array z.

    >>> from odeopt import schemes
    >>> amplification(schemes.heun, np.array([-1.0, -2.0]))
    array([0.5, 1. ])
    """
    check.instance("scheme", scheme, Scheme, "a scheme, e.g. odeopt.schemes.heun")
    M = step_matrix(scheme, -check.complex_numbers("z", z))
    if M.shape[-1] > 1:
        raise ValueError(f"scheme must be a one-step scheme, got {scheme.name}")
    return M[..., 0, 0]


def _settled_step(opt: Optimizer, curvature: Any, preconditioner: Any, t: float) -> tuple[Callable[[Array], Any], int]:
    """A function that maps x (n,) to its image (..., n) under the step at t, for all members at once, and n."""
    flow, h = frozen(opt.flow), column(opt.h)
    step = _linearly(opt.scheme).bind(flow, lambda theta: curvature * theta)
    held = dict.fromkeys(flow.clocks, 1.0) | dict.fromkeys(flow.preconditioner.split(), preconditioner[..., None] ** 2)
    moving = [i for i, name in enumerate(flow.variables) if name not in held]
    ones = np.ones_like(curvature)

    def state(x: Any, held: Any) -> State:
        values = dict(zip((flow.variables[i] for i in moving), x, strict=True))
        return tuple({**values, **held}.get(name, 0.0) * ones for name in flow.variables)

    at_rest: State = state([1.0] * len(moving), held)
    memory, length = step(t, at_rest, (), h)[2], 0
    while len(memory) > length:
        length, memory = len(memory), step(t, at_rest, memory, h)[2]

    def advance(x: Array) -> Any:
        first, *rest = np.split(x, 1 + length)
        y, _, memory = step(t, state(first, held), tuple(state(slot, {}) for slot in rest), h)
        return np.concatenate([kept[i] * ones for kept in (y, *memory) for i in moving], axis=-1)

    return advance, len(moving) * (1 + length)


def frozen(flow: Flow) -> Flow:
    """The flow with its preconditioner frozen and its floors, such as eps, at 0."""
    held = flow.preconditioner.split()
    if not held:
        return flow
    parts = {
        key: tuple(relax(part.slot, rate=0.0) if part.slot in held else part for part in group)
        for key, group in flow.parts.items()
    }
    params = {name: 0.0 if name in flow.floors.split() else value for name, value in flow.params.items()}
    return replace(flow, parts=MappingProxyType(parts), params=MappingProxyType(params))


def _linearly(scheme: Scheme) -> Scheme:
    """The scheme; an implicit one solves its equations by linear algebra."""
    return replace(scheme, solve=linear_increment) if isinstance(scheme, Theta | BDF2) else scheme


def _time_of(opt: Optimizer, t: float | None) -> float:
    """The time at which the step is taken; raises ValueError if the flow reads the time and t is None."""
    if t is not None:
        return check.scalar("t", check.nonnegative("t", t))
    if where := opt.flow.timed:
        raise ValueError(
            f"{opt.name} has no settled step: {where} of {opt.flow.name} reads the time t; "
            "give t, the time at which the step is taken"
        )
    return 0.0
