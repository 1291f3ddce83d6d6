"""Optimizers on problems, each tuned by random search with the same effort."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt.problems.base import Problem
from odeopt.trials.result import Bench
from odeopt.trials.search_space import SearchSpace
from odeopt.trials.trial import Course, gradients_per_step, recorded_gradients
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.interrupts import noted
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.progress import bar
from odeopt.util.status import Status


def bench(
    optimizers: Mapping[str, SearchSpace],
    problems: Mapping[str, Problem],
    budget: int = 32,
    *,
    steps: int = 300,
    seeds: int = 8,
    targets: Mapping[str, float] | None = None,
    rng: Seed = None,
    progress: bool | None = None,
) -> Bench:
    """The tuned losses of optimizers on problems, with intervals, and which of them may be the best.

    Each optimizer tries `budget` settings, drawn at random from its space, on every problem.  Each setting is run with
    `steps` gradients from 2 `seeds` seeds: half of them choose the best setting, the other half give its loss.  An
    optimizer that takes several gradients a step makes fewer steps.

    optimizers: {name: search_space(...)};  problems: {name: problem}.  A seed is a path of the problem's noise, and a
                start if theta0 has shape (2 seeds, d); a problem with neither is run once
    targets:    {problem: loss} for the numbers of gradients to a loss; by default the largest tuned median
    rng:        the settings of an optimizer depend on it, its name and the number of the trial alone, and the noise on
                it and the name of the problem: not on what else is compared, nor on the order

    Intervals come from a bootstrap over settings and seeds.  There is a winner only if every other optimizer is worse
    beyond the luck of the seeds (bootstrap) and of the search (exceedance test), at 5 % each.  A setting that diverges
    is a trial with its status and the loss inf.  Ctrl-C ends the search after the trial at hand, a second one at once,
    with all that was tried.

    >>> from odeopt import noise, optimizers, problems, search_space
    >>> spaces = {
    ...     "SGD": search_space(optimizers.gd, lr=(1e-3, 1.0)),
    ...     "Momentum": search_space(optimizers.momentum, lr=(1e-3, 1.0), beta=(0.5, 0.99)),
    ... }
    >>> bowl = noise.gaussian(problems.quadratic((1.0, 100.0)), 0.01)
    >>> found = bench(spaces, {"bowl": bowl}, 24, steps=100, rng=0)
    >>> found.winner("bowl")
    'Momentum'
    """
    spaces = _named("optimizers", optimizers, SearchSpace, "spaces of odeopt.search_space")
    made = _named("problems", problems, Problem, "problems")
    budget, steps = check.count("budget", budget, 1), within_a_day("steps", check.count("steps", steps, 1))
    seeds = check.count("seeds", seeds, 2)
    check.switch("progress", progress)
    gradients = recorded_gradients(steps)
    one = NUMBER * 2 * seeds * (len(gradients) + max(problem.dim for problem in made.values()))
    within_memory("seeds", seeds, one)
    within_memory("budget", budget, one * len(spaces) * len(made) * budget)
    goals = check.mapping("targets", targets, "names of problems to losses")
    for name in goals:
        check.choice("name in targets", name, made)
    wanted = [check.scalar("targets", check.finite("targets", goals[p])) if p in goals else np.nan for p in made]
    seed: Any = check.generator("rng", rng).bit_generator.seed_seq
    (root,) = seed.spawn(1)
    courses = {
        p: Course(_started(p, problem, 2 * seeds), gradients, 2 * seeds, _child(root, p)) for p, problem in made.items()
    }
    drawn = {
        name: [space.draw(np.random.default_rng(_child(root, name, k))) for k in range(budget)]
        for name, space in spaces.items()
    }
    losses, ended, status = _run(spaces, courses, drawn, budget, progress)
    tried = int(np.flatnonzero((ended != Status.INTERRUPTED).any(axis=(0, 1))).max()) + 1
    settings = {
        name: {key: np.array([each[key] for each in rows[:tried]]) for key in rows[0]} for name, rows in drawn.items()
    }
    return Bench(
        tuple(spaces),
        tuple(made),
        {name: dict(space.ranges) for name, space in spaces.items()},
        settings,
        gradients,
        losses[:, :, :tried, :seeds, -1].copy(),
        losses[:, :, :tried, seeds:].copy(),
        ended[:, :, :tried],
        np.array(wanted),
        status,
    )


def _run(
    spaces: Mapping[str, SearchSpace],
    courses: Mapping[str, Course],
    drawn: Mapping[str, list[dict[str, float]]],
    budget: int,
    progress: bool | None,
) -> tuple[Array, Array, Status]:
    """All losses (p, o, budget, 2 seeds, r), how each trial ended, and whether all were run: round by round."""
    course = next(iter(courses.values()))
    shape = len(courses), len(spaces), budget
    losses = np.full((*shape, course.seeds, len(course.gradients)), np.nan)
    ended = np.full(shape, int(Status.INTERRUPTED))
    per_step: dict[str, int] = {}
    try:
        with noted() as ctrl_c, bar(ended.size, "bench", progress, "trial") as shown:
            for k in range(budget):
                for o, (name, space) in enumerate(spaces.items()):
                    opt = space.optimizer(drawn[name][k])
                    for p, course in enumerate(courses.values()):
                        if ctrl_c.asked:
                            raise KeyboardInterrupt
                        per_step.setdefault(name, gradients_per_step(opt, course.problem))
                        found, status = course.losses(opt, per_step[name])
                        if status is Status.INTERRUPTED:
                            raise KeyboardInterrupt
                        losses[p, o, k], ended[p, o, k] = found, status
                        shown.update(1)
    except KeyboardInterrupt:
        if (ended == Status.INTERRUPTED).all():
            raise
        return losses, ended, Status.INTERRUPTED
    return losses, ended, Status.DONE


def _named(argument: str, given: Any, kind: type, text: str) -> dict[str, Any]:
    """{name: value}, one or more, each of this kind."""
    found = check.mapping(argument, given, f"names to {text}")
    if not found:
        raise ValueError(f"{argument} must map one or more names to {text}, got {check.shown(given)}")
    for name, value in found.items():
        check.label(f"name in {argument}", name)
        check.instance(f"{argument}[{name!r}]", value, kind, f"one of the {text}")
    return found


def _started(name: str, problem: Problem, runs: int) -> Problem:
    """The problem, whose theta0 must be (d,) or (runs, d)."""
    d, shape = problem.dim, problem.theta0.shape
    if shape not in ((d,), (runs, d)):
        raise ValueError(f"theta0 of problems[{name!r}] must have shape ({d},) or ({runs}, {d}), got {shape}")
    return problem


def _child(root: Any, name: str, *more: int) -> np.random.SeedSequence:
    """The seed of a name, whatever other names there are."""
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, zlib.crc32(name.encode()), *more))
