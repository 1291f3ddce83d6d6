"""Problems."""

from __future__ import annotations

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import FINITE, NAME, NONNEGATIVE, NOTHING, POSITIVE, SEED, SWITCH, WORK
from support.arguments.samples import NAMED, PROBLEM, quartic

ROWS: dict[str, Row] = {
    "Problem": row(
        lambda: dict(loss=quartic, theta0=[1.0, 1.0], grad=lambda x: x**3 - x, batched=True),
        loss=NOTHING,
        grad=NOTHING,
        theta0="shape",
        hvp=NOTHING,
        minimizer=NOTHING,
        name=NAME,
        batched=SWITCH,
        flow_solution=NOTHING,
        noise=NOTHING,
        samples=NOTHING,
        parameters=NOTHING,
    ),
    "Problem.at": row(lambda: dict(theta0=[1.0, 1.0]), call=PROBLEM.at, theta0=NOTHING),
    "Problem.to_parameters": row(
        lambda: dict(theta=[1.0, 1.0]), call=lambda **k: NAMED.to_parameters(**k), theta=NOTHING
    ),
    "Problem.load": row(lambda: dict(theta=[1.0, 1.0]), call=lambda **k: NAMED.load(**k), theta=NOTHING),
    "Problem.check_gradient": row(call=PROBLEM.check_gradient, theta=NOTHING),
    "problems.catapult": row(width=WORK, output="minus zero", curvature=POSITIVE),
    "problems.double_well": row(d=WORK),
    "problems.valley": row(d=WORK, b=POSITIVE),
    "problems.rosenbrock": row(a=FINITE, b=POSITIVE),
    "problems.huber": row(slope=POSITIVE, smoothness=POSITIVE, theta0="minus zero huge"),
    "problems.quadratic": row(eigenvalues=NOTHING, angle=FINITE, theta0=NOTHING),
    **{
        f"problems.{name}": row(
            lambda: dict(data=(np.arange(12.0).reshape(6, 2) % 5, np.arange(6) % 2)),
            data=NOTHING,
            features=NOTHING,
            ridge=NONNEGATIVE,
        )
        for name in ("least_squares", "logistic_regression")
    },
    "problems.tanh_network": row(lambda: dict(hidden=1, samples=2), hidden=WORK, samples=NOTHING, rng=SEED),
    "problems.finite_sum": row(
        lambda: dict(
            loss=lambda theta, x: (theta[0] - x[0]) ** 2,
            grad=lambda theta, x: 2 * (theta - x),
            data=(np.ones((3, 1)),),
            theta0=[1.0],
        ),
        loss=NOTHING,
        grad=NOTHING,
        data=NOTHING,
        theta0="shape",
        minimizer=NOTHING,
        name=NAME,
        batched=SWITCH,
    ),
}
