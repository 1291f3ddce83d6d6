"""Calls as users write them, for the type checkers: `make types` reads them with the stubs of the lazy names."""
# ruff: noqa: F841  the names are what the type checker looks at

from __future__ import annotations

import numpy as np

import odeopt as oo
from odeopt import Optimizer, flow, push, relax, schedules, schemes


def calls() -> None:
    """Nobody runs it."""
    problem = oo.Problem(lambda x: (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2, theta0=[-1.0, 0.5])
    adam = oo.optimizers.adam(lr=0.01)
    run = oo.simulate(adam, problem, steps=300)
    theta: np.ndarray = run.theta
    cmp = oo.compare(adam, problem, steps=300)
    error: float = cmp.max_error
    ball = flow("theta v", {"damping": 1.0}, drift=push("theta", lambda v: v), friction=relax("v", rate=1.0))
    opt = Optimizer(ball, schemes.Splitting("friction drift"), h=0.1)
    text: str = str(opt)
    scheduled = oo.optimizers.scheduled(adam, schedules.cosine(100))
    limit = oo.stability_limit(oo.optimizers.momentum(lr=0.1, beta=0.9))
    noisy = oo.noise.gaussian(oo.problems.double_well().at([-1.0]), sigma=1.0)
    cloud = oo.ensemble(oo.optimizers.gd(lr=0.1), noisy, members=100, steps=10, rng=0)
    edge = oo.edge_gauge(run)
    flowed = oo.central_flow(oo.optimizers.gd(lr=0.1), problem, steps=3)
    bound: float = oo.schedule_bound(schedules.linear(10), 10).bound
    status: oo.Status = run.status
    run.save("run.npz")
    back = oo.load("run.npz")
