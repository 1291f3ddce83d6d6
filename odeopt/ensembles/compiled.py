"""The backend of an ensemble: a compiled kernel, or NumPy on the program of the step.

The choice depends on the request and on the installed packages.  It does not depend on the kernel cache, so that the
same call gives the same digits every time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.costs import WIDEST
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.program import Program
from odeopt.compiler.step_program import QUIET, Noise, program
from odeopt.compiler.trace_cache import fingerprint, steadily
from odeopt.compiler.verify import OTHER, agree
from odeopt.core.state import State
from odeopt.ensembles.blocks import Crew, blocks
from odeopt.ensembles.compiled_blocks import KernelBlock, NumpyBlock
from odeopt.ensembles.kernel import MOST, Layout, ensemble_source
from odeopt.ensembles.plan import Plan
from odeopt.ensembles.program_block import Block, Job
from odeopt.ensembles.random.normals import normals_of
from odeopt.noise._gaussian import Gaussian
from odeopt.problems.members import of_one
from odeopt.simulation.noisy_step import driven, is_noisy
from odeopt.util.check import Array
from odeopt.util.progress import announce

LONG = 1_000_000_000  # operations of all members and steps: one second of NumPy, about the start-up time of Numba
DRAW = 25  # NumPy operations for one normal from Threefry
PROBES = 3  # steps in which a program is compared with the step itself


class ProgramCrew(Crew):
    """Blocks whose states are rows of one array."""

    @property
    def means(self) -> str:
        """The backend, or the reason why the step itself took over."""
        return next((block.refused for block in self.blocks if isinstance(block, Block) and block.refused), self.name)

    def theta(self) -> Array:
        block = self.blocks[0]
        assert isinstance(block, Block)
        return block.job.rows[: block.job.plan.problem.dim].T


def crew_or_reason(
    plan: Plan, generator: str, rng: np.random.Generator, arrivals: Array, backend: str, progress: bool | None
) -> Crew | str:
    """A crew that advances by a program of the step, or the reason why there is no such program."""
    try:
        y = _start(plan, slice(0, 8))
        made, target = verified(plan, *traced(plan, [u.shape[-1] for u in y]), y)
    except Untraceable as reason:
        return str(reason)
    if backend == "numba" and find_spec("numba") is None:
        return "Numba is not installed (extra `fast`)"
    kernel = backend == "numba" or (backend == "auto" and _pays(plan, made, generator))
    if kernel and generator == "sfc64":
        raise ValueError("generator must be 'auto' or 'threefry' for backend 'numba', got 'sfc64'")
    rows = np.empty((sum(map(len, made.state)), plan.members))
    sizes = tuple(u.shape[-1] for u in y)
    job = Job(plan, made, [float(value) for value in made.values(plan.opt)], sizes, rows, arrivals, target)
    parts = _parts(plan.members) if kernel else blocks(plan.members)
    for part in parts:
        rows[:, part.start : part.stop] = job.start(_start(plan, slice(part.start, part.stop)), plan.problem.grad)
    normals: Any = [None] * len(parts)
    if plan.rows:
        normals = normals_of(generator, rng, parts, plan.rows, plan.width)
    text = ensemble_source(Layout(made, target)) if kernel else ""
    if kernel and not kernels.is_ready(text):
        announce(f"{plan.opt.name}: compiling its step, once", progress)
    kind, name = (KernelBlock, "numba") if kernel else (NumpyBlock, "blocks")
    members = [kind(job, part, noise) for part, noise in zip(parts, normals, strict=True)]
    pure = len(made.seen) == len(plan.observables) + 1 + (plan.target is not None)
    return ProgramCrew(members, name, (os.cpu_count() or 1) if pure else 1, several=job.observes)


def _pays(plan: Plan, made: Program, generator: str) -> bool:
    """Whether the run takes NumPy longer than the compiler takes to start."""
    operations = plan.members * plan.steps * (len(made.body) + DRAW * len(made.xi))
    return generator != "sfc64" and operations > LONG and find_spec("numba") is not None


def _parts(members: int) -> list[range]:
    """Up to 64 tasks of whole pieces.  Their number must not depend on the number of threads, or the sums would."""
    size = MOST * -(-members // (64 * MOST))
    return [range(start, min(start + size, members)) for start in range(0, members, size)]


def _start(plan: Plan, part: slice) -> State:
    with np.errstate(all="ignore"):
        return plan.opt.initial_state(plan.problem.oracle(), plan.theta0[part])


def traced(plan: Plan, sizes: list[int]) -> tuple[Program, bool]:
    """The program of a step, which includes the observables, loss and target if these can be traced; and whether it
    includes the target."""
    opt, problem = plan.opt, plan.problem
    if sizes[0] > WIDEST:
        raise Untraceable(f"it has more than {WIDEST} coordinates")
    grad, noise = of_one(problem.grad), _noise(plan)
    tried = lambda seen: _tried(lambda: program(opt, grad, None, sizes, noise, seen))
    make = lambda seen: steadily(lambda: tried(seen), lambda: fingerprint(grad))
    try:
        for read in (*plan.formulas, of_one(problem.loss)):
            fingerprint(read)
        return make(_seen(plan)), plan.target is not None
    except Untraceable:
        return make(None), False


def _seen(plan: Plan) -> Callable[[Any, State], list[Any]]:
    """The observables, the loss and the target of one member."""
    loss, formulas = of_one(plan.problem.loss), list(plan.observables.values())
    last = [] if plan.target is None else [plan.target]
    return lambda t, y: [*(f(t, y) for f in formulas), loss(y[0]), *(f(t, y) for f in last)]


def _noise(plan: Plan) -> Noise:
    """The normals that a step reads, and the function that makes the gradient's noise from them."""
    opt, law = plan.opt, plan.problem.noise
    if not is_noisy(opt, plan.problem):
        return QUIET
    if not plan.rows:
        raise Untraceable("the noise of its gradient is not made of normals")
    if opt.flow.source_of_noise == "xi":
        return Noise(plan.rows, plan.width)
    if not isinstance(law, Gaussian):
        raise Untraceable("the noise of its gradient is not Gaussian")
    law = replace(law, exact=of_one(law.exact))
    fingerprint(law)
    return Noise(plan.rows, plan.width, root=law.root) if opt.flow.noisy else Noise(1, plan.width, grad=law.grad)


def _tried(make: Callable[[], Program]) -> Program:
    try:
        return make()
    except Untraceable:
        raise
    except Exception as error:  # a formula or a user's function may raise anything on symbols
        raise Untraceable(f"on symbols it raises {error!r}") from error


def verified(plan: Plan, made: Program, target: bool, y: State) -> tuple[Program, bool]:
    """The program and whether it sees the target, after a comparison in the first steps of a few members.

    Where the program disagrees with the loss, the observables or the target, these are removed from it.  Where it
    disagrees with the step itself, Untraceable is raised.
    """
    opt, problem, rng = plan.opt, plan.problem, np.random.default_rng(0)
    compared = False
    for k in range(PROBES):
        xi = [rng.standard_normal((len(y[0]), plan.width)) for _ in range(plan.rows)]
        with np.errstate(all="ignore"):
            step = driven(opt, problem, problem.oracle(), iter(xi) if plan.rows else None)
            new, _, _ = step(k * opt.h, y, (), opt.h)
            before = (*y, problem.grad(y[0])) if made.carried else y
            guess, guarded = made.advance(opt, k * opt.h, before, xi)
            if made.seen and not agree(*_seen_both(plan, made, target, k + 1, new)):
                made, target = replace(made, seen=()), False
        if not guarded and not agree(guess[: len(new)], new, y):
            raise Untraceable(f"{OTHER} the step itself")
        compared, y = compared or not guarded, new
    if not compared:
        raise Untraceable("it branches at every step")
    return made, target


def _seen_both(plan: Plan, made: Program, target: bool, k: int, y: State) -> tuple[list[Any], list[Any]]:
    """The observables, loss and target after step k, by the program and by their functions."""
    shape, t = y[0].shape[:-1], k * plan.opt.h
    found = [np.broadcast_to(u[..., 0] if np.ndim(u) else u, shape) for u in made.look(t, y)]
    inside = [np.asarray(plan.target(t, y))] if target and plan.target else []
    return found, [*plan.observed(k, y), *inside]
