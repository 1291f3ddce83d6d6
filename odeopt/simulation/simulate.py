"""y_{k+1} = y_k + increment: runs an optimizer on a problem and records its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import OneStep, as_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import EvaluationError, Gradient
from odeopt.schemes.splitting import Splitting
from odeopt.simulation.loop import Leap, StepByStep, Watch, run
from odeopt.simulation.noisy_step import draws_of, driven, is_noisy, recorded
from odeopt.simulation.request import Request
from odeopt.simulation.trajectory import Recorder, Source, Trajectory
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.status import Status


class Snapshot(NamedTuple):
    """The argument of a callback at a record: the step, its time, a read-only theta, and the loss there."""

    step: int
    t: Any
    theta: Array
    loss: Any


Callback = Callable[[Snapshot], Any]

BACKENDS = ("auto", "numpy", "floats", "blocks", "numba", "jax")
WIDE = 200_000  # coordinates; from here on, a step in one pass is cheaper than one by NumPy's functions
WORTHWHILE = 300  # steps; a shorter run costs less than generating the program


def simulate(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    theta0: ArrayLike | None = None,
    *,
    record_every: int = 1,
    rng: Seed = None,
    noise: Any = None,
    callback: Callback | None = None,
    progress: bool | None = None,
    backend: str = "auto",
) -> Trajectory:
    """The iterates of an optimizer, or of a step from `from_step`, as a Trajectory with t = k h.

    theta0 (default: the problem's) has shape (d,) or (..., d).  Array hyperparameters of shape (...) broadcast over the
    members.  Every `record_every`-th step and the last step are recorded.

    If the problem's gradient has noise (see `odeopt.noise`), the iterates use the noisy gradient, and all gradients of
    a step have the same noise.  A flow with its own noise, and a start that reads the gradient, use the exact gradient.
    `rng` (None, a seed or a Generator) drives the noise, with a child stream for each member.  Alternatively `noise` is
    a recorded path: a `noise.BrownianPath`, or rows of (..., width) normals or draws.

    `backend`: "numpy" takes one step after the other.  "floats" (few coordinates), "blocks" (many members), "numba"
    (both; needs the extra `fast`) and "jax" (both, on JAX's device; needs the extra `jax`) take many steps at once with
    code generated from the same step.  For them the gradient must be a formula of at most 64 coordinates; for "floats"
    it may be any function, and for "jax" that of a problem of `odeopt.frameworks.jax`, of any size.  "auto" chooses the
    cheapest engine for this call; for a long theta it may also be "blocks" or "numba" with one pass per step.  The cost
    of a compiler is counted as if none had run before, so the same call uses the same engine and gives the same bits
    whatever ran before it.  For many runs that are each too short for a compiler, choose "numba".  `run.backend` names
    the engine.  The numbers of different engines agree to rounding, everything else exactly.

    `callback(intermediate_result)` is called at each record and may raise StopIteration.  The progress bar appears on
    long runs at a terminal or in Jupyter.  The run ends early, with a status and the results so far, on Ctrl-C, on
    divergence, and if the gradient is NaN or raises after its first evaluation.

    >>> import odeopt as oo
    >>> run = oo.simulate(oo.optimizers.gd(lr=0.04), oo.problems.quadratic(), steps=100)
    >>> run.theta.shape, run.ngev, run.status.name, bool(run.loss[-1] < 1e-2 * run.loss[0])
    ((101, 2), 100, 'DONE', True)
    """
    opt = an_optimizer(as_optimizer(opt))
    check.switch("progress", progress)
    steps, record_every = check.count("steps", steps), check.count("record_every", record_every, 1)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of intermediate_result, got {callback!r}")
    check.choice("backend", backend, BACKENDS)
    theta0 = initial_point(opt.members, problem, theta0)
    records, state = -(-steps // record_every) + 1, theta0.size * len(opt.flow.variables)
    within_memory("steps", within_a_day("steps", steps), NUMBER * records * state)
    grad, draws = problem.oracle(), _draws(opt, problem, rng, noise, steps, theta0.shape[:-1])
    with np.errstate(all="ignore"):
        y = opt.initial_state(grad, theta0)
        _refuse_singular_start(opt, y)
        sizes, members = tuple(u.shape[-1] for u in y), theta0.shape[:-1]
        noisy, watched = draws is not None, callback is not None
        request = Request(opt, problem, steps, record_every, sizes, members, noisy, watched, backend, progress)
        bind = partial(driven, opt, problem, grad, draws)
        path = Recorder(-(-steps // record_every) + 2, 0.0 * np.asarray(opt.h), y)
        leap = _leaps(request, grad, path)
        status, message = run(request, bind, y, _watcher(request, path, callback), leap)
        if status is Status.NOT_FINITE and path.step < steps and not grad.finite:
            message += "; the gradient was NaN or infinite"
    return path.trajectory(Source(opt.flow, problem, grad, opt.name, leap.name, opt), status, message)


def _leaps(request: Request, grad: Gradient, path: Recorder) -> Leap:
    """The leap of this run: an engine for many steps or for one-pass steps if it pays, else `StepByStep`."""
    backend = request.backend
    if isinstance(request.opt.scheme, ForeignStep):
        if backend not in ("auto", "numpy"):
            raise ValueError(f"backend must be 'auto' or 'numpy' for a step from from_step, got {backend!r}")
        return StepByStep()
    if backend == "auto" and not request.noisy and not request.members and request.sizes[0] >= WIDE:
        from odeopt.simulation.engines.fused import Wide

        return Wide(request, grad)
    if backend == "numpy" or (backend == "auto" and request.steps < WORTHWHILE):
        return StepByStep()
    if request.noisy:
        if backend != "auto":
            raise ValueError(f"backend must be 'auto' or 'numpy' for a run with noise, got {backend!r}")
        return StepByStep("numpy (it has noise)")
    from odeopt.simulation.chunked import Leaps

    return Leaps(request, grad, path)


def _draws(
    opt: Optimizer, problem: Problem, rng: Seed, noise: Any, steps: int, members: tuple[int, ...]
) -> Iterator[Any] | None:
    """The noise of each step, or None if there is none."""
    generator = None if rng is None else check.generator("rng", rng)
    if noise is not None:
        if rng is not None:
            raise ValueError(f"rng must be None if noise is given, got {rng!r}")
        return recorded(opt, problem, noise, steps, members)
    if not is_noisy(opt, problem):
        return None
    return draws_of(opt, problem, generator or check.generator("rng", None), members)


def _refuse_singular_start(opt: Optimizer, y: State) -> None:
    """Raises ValueError if the scheme reads the right-hand side at a start where it is infinite."""
    if opt.flow.onset is None or any(u.any() for u in y[1:]):
        return
    from odeopt.schemes.lookahead import innermost  # late, as few flows need it

    if not isinstance(innermost(opt.scheme), Splitting):
        raise ValueError(
            f"start must not be at rest for {opt.scheme.name}: {opt.flow.name} is singular there; "
            "use start=odeopt.starts.settled, or a splitting that relaxes the memory first"
        )


def _watcher(request: Request, path: Recorder, callback: Callback | None) -> Watch:
    """A function that records step k, if it is due or the last, and calls the callback."""

    def watch(k: int, y: State, last: bool) -> None:
        if k == path.step or not (last or k % request.every == 0):
            return
        t = k * np.asarray(request.opt.h)
        path.append(t, y, k)
        if callback is not None:
            y[0].flags.writeable = False
            callback(Snapshot(k, t, y[0], _loss(request.problem, y[0])))

    return watch


def _loss(problem: Problem, theta: Array) -> Any:
    try:
        return problem.loss(theta)
    except Exception as error:
        raise EvaluationError(f"loss raised {type(error).__name__}: {error}") from error
