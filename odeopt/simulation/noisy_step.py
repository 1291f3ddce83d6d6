"""A step with its noise supplied: the noise of the flow's own terms, or of the problem's gradient."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.gradient_noise import coordinates_of
from odeopt.problems.oracle import Gradient
from odeopt.schemes.base import Memory, Step, StochasticScheme
from odeopt.util import check


def is_noisy(opt: Optimizer, problem: Problem) -> bool:
    """Whether a run needs random numbers."""
    return bool(opt.flow.noisy) or problem.noise is not None


def normals_per_step(opt: Optimizer) -> int:
    """The number of normal vectors that one step along a flow with noise needs."""
    assert isinstance(opt.scheme, StochasticScheme)
    return opt.scheme.normals(opt.flow)


def width(flow: Flow, problem: Problem) -> int:
    """The length of the flow's noise vector: d, the width of the gradient's noise, or d more than it for its sign."""
    if flow.source_of_noise == "xi":
        return problem.dim
    if problem.noise is None:
        raise ValueError(f"problem must have noise for {flow.name}, see odeopt.noise; got {problem!r}")
    if flow.source_of_noise != "sign_noise":
        return problem.noise.width
    if coordinates_of(problem.noise) is None:
        raise ValueError(
            f"problem must have noise with independent coordinates for {flow.name}, by odeopt.noise.gaussian or "
            f"odeopt.noise.student, got {problem!r}"
        )
    return problem.noise.width + problem.dim


def draws_of(opt: Optimizer, problem: Problem, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Any]:
    """The random numbers of a run, rows of normals or batches; each member has its own random stream."""
    if opt.flow.noisy:
        from odeopt.noise import normals  # late: most runs have no noise

        return normals(rng, members, width(opt.flow, problem))
    assert problem.noise is not None
    return problem.noise.draws(rng, members)


def recorded(opt: Optimizer, problem: Problem, noise: Any, steps: int, members: tuple[int, ...]) -> Iterator[Any]:
    """The rows (steps, ..., width) of a recorded path of normals or draws, so that several runs can share it."""
    if not is_noisy(opt, problem):
        raise ValueError(f"noise must be None for {opt.name} on {problem!r}, neither of which has noise")
    from odeopt.noise._gaussian import Gaussian  # late, too
    from odeopt.noise._minibatches import Minibatches
    from odeopt.noise.brownian import BrownianPath

    law = problem.noise
    if isinstance(noise, BrownianPath):
        noise = noise.xi
    if not isinstance(noise, list | tuple) and not (isinstance(noise, np.ndarray) and noise.ndim):
        raise TypeError(f"noise must be a BrownianPath or an array of rows, got {check.shown(noise)}")
    rows = steps * (normals_per_step(opt) if opt.flow.noisy else 1)
    if len(noise) < rows:
        raise ValueError(f"noise must have {rows} rows for {steps} steps of {opt.scheme.name}, got {len(noise)}")
    if not opt.flow.noisy and isinstance(law, Minibatches):
        return iter([check.indices("noise", row, law.samples.n) for row in islice(noise, rows)])
    if not opt.flow.noisy and not isinstance(law, Gaussian):
        return iter(noise)
    array = check.point("noise", noise)
    shape = (*members, width(opt.flow, problem) if opt.flow.noisy else problem.dim)
    try:
        np.broadcast_to(array[0], shape)
    except ValueError as error:
        raise ValueError(f"noise must have shape {('rows', *shape)} or broadcast to it, got {array.shape}") from error
    return (np.broadcast_to(row, shape) for row in array)


def driven(opt: Optimizer, problem: Problem, grad: Gradient, draws: Iterator[Any] | None) -> Step:
    """step(t, y, memory, h), which takes its noise from `draws`; all gradients of a step see the same noise."""
    step = opt.scheme.bind(opt.flow, grad)
    if draws is None:
        return step
    if opt.flow.noisy:
        number = normals_per_step(opt)
        return lambda t, y, memory, h: step(t, y, memory, h, list(islice(draws, number)))

    def sampled(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
        grad.use_draw(next(draws))
        return step(t, y, memory, h)

    return sampled
