"""Laws and noise."""

from __future__ import annotations

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import (
    COUNT,
    FINITE,
    FLAG,
    NONNEGATIVE,
    NONNEGATIVES,
    NOTHING,
    POSITIVE,
    SEED,
    WORK,
    WORK_0,
)
from support.arguments.samples import CLIFF, DRAWN, GD, LINE, NOISY, PROBLEM, SUM, WALK, made

import odeopt as oo
from odeopt import noise

ROWS: dict[str, Row] = {
    "laws.density_of": row(
        lambda: dict(flow=oo.sde(GD), problem=noise.gaussian(LINE, 1.0), box=(-2, 2), cells=4),
        flow=NOTHING,
        problem=NOTHING,
        box=NOTHING,
        cells=WORK,
    ),
    "laws.flow_moments": row(
        lambda: dict(flow=WALK, problem=PROBLEM, t=0.1),
        flow=NOTHING,
        problem=NOTHING,
        t=NONNEGATIVES,
        theta0=NOTHING,
    ),
    "laws.flow_stationary": row(lambda: dict(flow=WALK, problem=PROBLEM), flow=NOTHING, problem=NOTHING),
    "laws.fokker_planck": row(
        lambda: dict(drift=-1.0, diffusion=0.5, box=(-1.0, 1.0), cells=4),
        drift=FINITE,
        diffusion=NONNEGATIVE,
        box=NOTHING,
        cells=WORK,
    ),
    "laws.langevin": row(
        lambda: dict(problem=LINE, temperature=0.5, box=(-1.0, 1.0), cells=4),
        problem=NOTHING,
        temperature=POSITIVE,
        box=NOTHING,
        cells=WORK,
    ),
    "laws.linear_noise": row(lambda: dict(flow=WALK, problem=PROBLEM), flow=NOTHING, problem=NOTHING, theta0=NOTHING),
    "laws.kramers": row(
        lambda: dict(problem=LINE, temperature=0.5, damping=1.0, box=((-1.0, 1.0),) * 2, cells=4),
        problem=NOTHING,
        temperature=POSITIVE,
        damping=POSITIVE,
        box=NOTHING,
        cells=WORK,
    ),
    "laws.kramers_time": row(
        lambda: dict(problem=LINE, temperature=0.5, minimum=-1.0, saddle=0.0),
        problem=NOTHING,
        temperature=POSITIVE,
        minimum="minus",
        saddle="zero",
        damping=POSITIVE,
    ),
    "laws.mean_first_passage": row(
        lambda: dict(problem=LINE, temperature=0.5, start=-0.5, target=0.5),
        problem=NOTHING,
        temperature=POSITIVE,
        start="minus zero huge!",
        target="minus zero huge!",
        wall="minus",
    ),
    "laws.moments": row(
        lambda: dict(opt=GD, problem=NOISY, steps=2), opt=NOTHING, problem=NOTHING, steps=WORK_0, theta0=NOTHING
    ),
    "laws.stationary": row(lambda: dict(opt=GD, problem=NOISY), opt=NOTHING, problem=NOTHING),
    "laws.FokkerPlanck.evolve": row(
        lambda: dict(start=0.0, times=0.1),
        call=CLIFF.evolve,
        start="zero",
        times="zero",
    ),
    "laws.FokkerPlanck.mean_first_passage": row(
        lambda: dict(target=(0.5, np.inf)), call=CLIFF.mean_first_passage, target=NOTHING
    ),
    "laws.FokkerPlanck.mean": row(
        lambda: dict(f=lambda theta: theta, density=np.ones(4)), call=CLIFF.mean, f=NOTHING, density=NOTHING
    ),
    "laws.FokkerPlanck.covariance": row(lambda: dict(density=np.ones(4)), call=CLIFF.covariance, density=NOTHING),
    "laws.FokkerPlanck.flux": row(lambda: dict(density=np.ones(4)), call=CLIFF.flux, density=NOTHING),
    "laws.FokkerPlanck.at": row(
        lambda: dict(values=np.ones(4), theta=0.0), call=CLIFF.at, values=NOTHING, theta="zero"
    ),
    "noise.BrownianPath": row(lambda: dict(xi=np.ones((4, 1))), xi="shape"),
    "noise.BrownianPath.coarsened": row(lambda: dict(k=2), call=lambda **k: made().path.coarsened(**k), k=NOTHING),
    "noise.BrownianPath.refined": row(call=lambda **k: made().path.refined(**k), rng=SEED),
    "noise.BrownianPath.values": row(lambda: dict(T=1.0), call=lambda **k: made().path.values(**k), T=POSITIVE),
    "noise.brownian_path": row(lambda: dict(steps=2, width=1), steps=WORK, width=WORK, members="empty", rng=SEED),
    "noise.normals": row(
        lambda: dict(rng=np.random.default_rng(0), members=(2,), width=1),
        rng=NOTHING,
        members="empty",
        width=WORK,
        call=lambda **k: next(noise.normals(**k)),
    ),
    "noise.streams": row(lambda: dict(rng=np.random.default_rng(0), members=(2,)), rng=NOTHING, members="empty"),
    "noise.batches": row(
        lambda: dict(problem=DRAWN, sizes=[2, 2]), problem=NOTHING, sizes=NOTHING, rng=SEED, members="empty"
    ),
    "noise.accumulated": row(lambda: dict(problem=DRAWN, micro=2), problem=NOTHING, micro=WORK),
    "noise.correlated": row(lambda: dict(problem=PROBLEM, covariance=np.eye(2)), problem=NOTHING, covariance=NOTHING),
    "noise.covariance": row(lambda: dict(problem=NOISY), problem=NOTHING, theta=NOTHING),
    "noise.gaussian": row(lambda: dict(problem=PROBLEM, sigma=0.1), problem=NOTHING, sigma=NONNEGATIVE),
    "noise.gaussian_like": row(lambda: dict(problem=NOISY), problem=NOTHING),
    "noise.minibatches": row(lambda: dict(problem=SUM, size=2), problem=NOTHING, size=NOTHING, replace=FLAG),
    "noise.student": row(
        lambda: dict(problem=PROBLEM, sigma=0.1, nu=3.0), problem=NOTHING, sigma=NONNEGATIVE, nu=POSITIVE
    ),
    "noise.svag": row(lambda: dict(problem=DRAWN, l=2), problem=NOTHING, l=COUNT),
}
