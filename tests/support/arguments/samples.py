"""The arguments of right calls: small problems that count their evaluations, and results, computed once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from support.schedules import annealed

import odeopt as oo
from odeopt import flows, laws, noise, optimizers, problems, schemes
from odeopt.problems.parameters import Parameters

EVALUATED: list[Any] = []  # grows with every gradient of `PROBLEM`


def bowl_grad(theta: Any) -> Any:
    EVALUATED.append(theta)
    return np.array([1.0, 3.0]) * theta


def bowl(theta: Any) -> Any:
    EVALUATED.append(theta)
    return (np.array([1.0, 3.0]) * theta**2).sum(-1) / 2


def quartic(theta: Any) -> Any:
    EVALUATED.append(theta)
    return (theta**4 / 4 - theta**2 / 2).sum(-1)


PROBLEM = oo.Problem(
    bowl,
    bowl_grad,
    theta0=[1.0, -1.0],
    hvp=lambda theta, p: np.array([1.0, 3.0]) * p,
    minimizer=[0.0, 0.0],
    batched=True,
)
LINE = oo.Problem(
    quartic, lambda x: x**3 - x, theta0=[0.5], hvp=lambda x, p: (3 * x**2 - 1) * p, minimizer=[1.0], batched=True
)
NOISY = noise.gaussian(PROBLEM, 0.1)
SUM = problems.least_squares((np.arange(12.0).reshape(6, 2) % 5, np.arange(6.0)))
DRAWN = noise.minibatches(SUM, 2, replace=True)
NAMED = replace(PROBLEM, parameters=Parameters({"a": (2,)}, lambda named: named))
FALLING = oo.schedules.linear(20)
SPACE = oo.search_space(optimizers.gd, lr=(0.01, 0.1))
GD, BALL, ADAM = optimizers.gd(lr=0.1), flows.heavy_ball(1.0), optimizers.adam(lr=0.01)
WALK = oo.flow("theta", drift=oo.push("theta", lambda grad, theta: -grad(theta), noise=lambda xi: 0.1 * xi))
CLIFF = laws.fokker_planck(-1.0, 0.5, (-1.0, 1.0), 4)


@lru_cache(maxsize=1)
def made() -> SimpleNamespace:
    """Results, computed once."""
    run = oo.simulate(optimizers.rmsprop(lr=0.1), PROBLEM, 4)
    text = oo.word2vec.corpus([["a", "b", "a", "c"] * 4], min_count=1)
    cells = dict(beta=[0.0, 0.5], z=[0.1, 0.2])
    vectors = oo.word2vec.Vectors(("a", "b", "c"), [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    many = oo.ensemble(GD, NOISY, 5, 2, rng=0)
    return SimpleNamespace(
        run=run, text=text, vectors=vectors, many=many,
        compared=oo.compare(GD, PROBLEM, 3), converged=oo.convergence(BALL, schemes.rk4, PROBLEM, 0.2, (4, 8)),
        energy=oo.energy(oo.simulate(optimizers.momentum(lr=0.01), PROBLEM, 3)),
        followed=oo.follow(GD, PROBLEM, 3, checks=1), sharp=oo.sharpness(run, PROBLEM),
        chart=oo.stability_chart(lambda beta: optimizers.momentum(beta=beta), **cells),
        region=oo.stability_region(schemes.euler, points=3),
        priced=oo.work_precision(BALL, {"a": schemes.rk4}, PROBLEM, 0.2, (4,)),
        ivp=oo.ivp(BALL, PROBLEM), regular=oo.analysis.implicit_regularizer(GD),
        drawn=oo.simulate(GD, DRAWN, 4, rng=0), gauge=oo.edge_gauge(run),
        batches=oo.compare_batches({2: GD}, SUM, 4, members=2, rng=0),
        scaling=oo.batch_scaling(GD, 2), path=noise.brownian_path(4, 1, rng=0),
        heatmap=oo.sweeps.HeatMap(("lr", "beta", "loss"), (0.1, 0.2), (0.0, 0.5), np.ones((2, 2)), np.zeros(0)),
        marginal=oo.sweeps.Marginal(("lr", "loss"), (0.1, 0.2), np.ones(2), np.ones(2)),
        steep=oo.batch_sharpness(oo.simulate(GD, DRAWN, 4, rng=0)), rods=oo.rod_flow(GD, PROBLEM, 2),
        central=oo.central_flow(GD, PROBLEM, 2), at_edge=oo.compare_at_edge(GD, PROBLEM, 3),
        bound=oo.schedule_bound(oo.schedules.constant(), 3), forecast=annealed(), prediction=annealed().propose(9),
        diagnosis=oo.diagnose({"loss": [1.0, 0.5]}),
        sweep=oo.sweep(optimizers.momentum, PROBLEM, {"lr": [0.1, 0.2], "beta": [0.0, 0.5]}, steps=2),
        moved=oo.transfer(GD, batch=2),
        bench=oo.bench({"gd": SPACE}, {"bowl": NOISY}, 2, steps=2, seeds=2, rng=0),
        fast=oo.symbolic.eliminate_velocity(optimizers.heavy_ball()),
    )  # fmt: skip


@lru_cache
def axes(name: str) -> Any:
    """Axes for the pictures of one function, in a figure that pyplot does not keep."""
    return Figure().add_subplot()


def loaded(path: Any, load: Any) -> Any:
    """What was saved under a name can be loaded by it."""
    if isinstance(path, str):
        made().many.save(path)
    return load(path)


def conforms(**given: Any) -> None:
    with suppress(oo.testing.Nonconformance):  # an order that the optimizer does not have
        oo.testing.check_optimizer(**given)
