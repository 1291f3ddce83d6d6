"""Analysis, batches and results."""

from __future__ import annotations

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import (
    COMPLEX,
    COUNT,
    COUNT_0,
    FINITE,
    FLAG,
    NAME,
    NONNEGATIVE,
    NONNEGATIVES,
    NOTHING,
    POSITIVE,
    POSITIVES,
    SEED,
    SWITCH,
    WORK,
    WORK_0,
)
from support.arguments.samples import FALLING, GD, NOISY, PROBLEM, SPACE, SUM, loaded, made
from support.schedules import annealed

import odeopt as oo
from odeopt import optimizers, schemes

ROWS: dict[str, Row] = {
    "modified_flow": row(lambda: dict(opt=GD, order=2), opt=NOTHING, order=NOTHING, central=FLAG),
    "sde": row(lambda: dict(opt=GD), opt=NOTHING, order=NOTHING),
    "energy": row(lambda: dict(run=made().run), run=NOTHING),
    "sharpness": row(
        lambda: dict(run=made().run, problem=PROBLEM), run=NOTHING, problem=NOTHING, opt=NOTHING, every=COUNT
    ),
    "implicit_regularizer": row(lambda: dict(opt=GD), opt=NOTHING),
    "ImplicitRegularizer.modified": row(
        lambda: dict(problem=PROBLEM), problem=NOTHING, call=lambda **k: made().regular.modified(**k)
    ),
    "stability_limit": row(lambda: dict(opt=schemes.euler), opt=NOTHING, t="zero huge shape"),
    "stability_region": row(
        lambda: dict(opt=schemes.euler, points=3), opt=NOTHING, re=NOTHING, im=NOTHING, points=WORK, t="zero huge"
    ),
    "stability_chart": row(
        lambda: dict(make=lambda beta: optimizers.momentum(beta=beta), beta=[0.0, 0.5], z=[0.1, 0.2]),
        make=NOTHING,
        beta=NOTHING,
        z=NOTHING,
        t="zero huge",
    ),
    "analysis.amplification": row(lambda: dict(scheme=schemes.euler, z=0.1), scheme=NOTHING, z=COMPLEX),
    **{
        f"analysis.{name}": row(lambda: dict(opt=GD, z=0.1), opt=NOTHING, z=COMPLEX, t="zero huge")
        for name in ("multipliers", "spectral_radius", "step_matrix")
    },
    "analysis.step_jacobian": row(
        lambda: dict(opt=optimizers.momentum(lr=0.1), problem=PROBLEM),
        opt=NOTHING,
        problem=NOTHING,
        theta=NOTHING,
        t=NONNEGATIVE,
        m=FINITE,
    ),
    "analysis.preconditioner": row(
        lambda: dict(opt=optimizers.rmsprop(lr=0.1), run=made().run, record=1),
        opt=NOTHING,
        run=NOTHING,
        record="minus zero",
    ),
    "analysis.slow_rate": row(lambda: dict(opt=GD), opt=NOTHING),
    "analysis.start_shift": row(
        lambda: dict(opt=GD, grad=lambda theta: 0 * theta + 1, theta0=np.zeros(1)),
        opt=NOTHING,
        grad=NOTHING,
        theta0="shape",
    ),
    "analysis.ModifiedFlow": row(
        lambda: dict(map=oo.from_step(lambda y: (y[0] / 2,)), order=2), map=NOTHING, order=NOTHING, central=FLAG
    ),
    "analysis.ModifiedFlow.indicator": row(
        lambda: dict(problem=PROBLEM),
        call=lambda **k: oo.modified_flow(GD).indicator(**k),
        problem=NOTHING,
        theta=NOTHING,
    ),
    "analysis.OneStep.iterates": row(
        lambda: dict(theta0=[1.0], steps=2),
        call=lambda **k: oo.from_step(lambda y: (y[0] / 2,)).iterates(**k),
        theta0="shape",
        steps=WORK_0,
        grad=NOTHING,
    ),
    "convergence_rate": row(lambda: dict(opt=GD, eigenvalues=[1.0]), opt=NOTHING, eigenvalues=NOTHING),
    "critical_beta": row(lambda: dict(z=0.1), z="shape"),
    **{
        name: row(lambda: dict(smallest=1.0, largest=2.0), smallest=NOTHING, largest=POSITIVE)
        for name in ("tuned_gd", "tuned_momentum", "tuned_nesterov")
    },
    **{
        f"analysis.{name}": row(lambda: dict(t=1.0), t=NONNEGATIVES, distance=POSITIVES, smoothness=POSITIVES)
        for name in ("gradient_bound", "worst_slope")
    },
    "analysis.nesterov_bound": row(lambda: dict(steps=3, lr=0.1), steps=NONNEGATIVES, lr=POSITIVES, distance=POSITIVES),
    "analysis.nesterov_flow_bound": row(lambda: dict(t=1.0), t=POSITIVES, distance=POSITIVES),
    "scale_batch": row(lambda: dict(opt=GD, kappa=2), opt=NOTHING, kappa=POSITIVE, noise_ratio="zero inf huge"),
    "batch_scaling": row(lambda: dict(opt=GD, kappa=2), opt=NOTHING, kappa=POSITIVE, noise_ratio="zero inf huge"),
    "BatchScaling.steps": row(lambda: dict(steps=4), call=lambda **k: made().scaling.steps(**k), steps=COUNT_0),
    "noise_ratio": row(lambda: dict(problem=NOISY), problem=NOTHING, theta=NOTHING),
    "batch_schedule": row(
        lambda: dict(schedule=oo.schedules.constant(), size=2, samples=6), schedule=NOTHING, size="huge", samples=WORK
    ),
    "compare_batches": row(
        lambda: dict(optimizers={2: GD}, problem=SUM, samples=4, members=2),
        optimizers=NOTHING,
        problem=NOTHING,
        samples=WORK,
        members=WORK,
        rng=SEED,
    ),
    **{
        f"BatchComparison.{name}": row(
            lambda: dict(loss=1.0), call=lambda n=name, **k: getattr(made().batches, n)(**k), loss=FINITE
        )
        for name in ("steps_to", "samples_to")
    },
    "load": row(
        lambda: dict(path=made().many.save("y")),
        call=lambda path, **of: loaded(path, lambda path: oo.load(path, **of)),
        path=NAME,
        of=NOTHING,
    ),
    "BatchComparison.save": row(lambda: dict(path="b.npz"), call=lambda path: made().many.save(path), path=NAME),
    "BatchComparison.load": row(
        lambda: dict(path=made().many.save("y")), call=lambda path: loaded(path, oo.Ensemble.load), path=NAME
    ),
    "IVP.unpack": row(lambda: dict(y=np.zeros(4)), call=lambda **k: made().ivp.unpack(**k), y=NOTHING),
    "schedule_bound": row(
        lambda: dict(schedule=oo.schedules.constant(), steps=3), schedule=NOTHING, steps=WORK, D=POSITIVE, G=POSITIVE
    ),
    "ScheduleBound.at": row(lambda: dict(lr=0.1), call=lambda lr: made().bound.at(lr), lr=POSITIVES),
    "loss_forecast": row(
        lambda: dict(curves=[(FALLING, 1 / np.arange(1, 10))]), curves=NOTHING, lr=NOTHING, law=NOTHING
    ),
    "LossForecast.predict": row(
        lambda: dict(schedule=FALLING, steps=9),
        call=lambda **k: annealed().predict(**k),
        schedule=NOTHING,
        steps=WORK,
        lr=NOTHING,
    ),
    "LossForecast.propose": row(
        lambda: dict(steps=9), call=lambda **k: annealed().propose(**k), steps=WORK, lr=NOTHING, warm=WORK_0
    ),
    "transfer": row(
        lambda: dict(opt=GD, batch=2),
        opt=NOTHING,
        **dict.fromkeys(("batch", "width", "depth", "horizon"), NOTHING),
        noise_ratio="zero inf huge",
        noise_scale="none",
        schedule=NOTHING,
        groups=NOTHING,
    ),
    "Transfer.steps": row(lambda: dict(steps=4), call=lambda **k: made().moved.steps(**k), steps=COUNT),
    "Transfer.lr_range": row(call=lambda **k: made().moved.lr_range(**k), group=NOTHING),
    "diagnose": row(
        lambda: dict(source={"loss": [1.0, 0.5]}),
        source=NOTHING,
        opt=NOTHING,
        parameters=COUNT,
        samples=COUNT,
        columns=NOTHING,
    ),
    "bench": row(
        lambda: dict(optimizers={"gd": SPACE}, problems={"bowl": NOISY}, budget=2, steps=2, seeds=2),
        optimizers=NOTHING,
        problems=NOTHING,
        budget=WORK,
        steps=WORK,
        seeds=WORK,
        targets=NOTHING,
        rng=SEED,
        progress=SWITCH,
    ),
    "search_space": row(lambda: dict(make=optimizers.gd, lr=(0.01, 0.1)), make=NOTHING, fixed=NOTHING, lr=NOTHING),
    "Bench.best": row(
        lambda: dict(problem="bowl", optimizer="gd"),
        call=lambda **k: made().bench.best(**k),
        problem=NOTHING,
        optimizer=NOTHING,
    ),
    **{
        f"Bench.{name}": row(
            lambda: dict(problem="bowl"), call=lambda n=name, **k: getattr(made().bench, n)(**k), problem=NOTHING
        )
        for name in ("effort", "standing", "winner")
    },
    "sweep": row(
        lambda: dict(make=optimizers.gd, problem=PROBLEM, grid={"lr": [0.1]}, steps=2),
        make=NOTHING,
        problem=NOTHING,
        grid=NOTHING,
        seeds=WORK,
        steps=WORK_0,
        measure=NOTHING,
        path=NAME,
        jobs="minus",
        prune=NOTHING,
        rng=SEED,
        progress=SWITCH,
    ),
    "Sweep.cell": row(lambda: dict(i=0), call=lambda **k: made().sweep.cell(**k), i="zero minus"),
    "Sweep.heatmap": row(
        lambda: dict(x="lr", y="beta", make=optimizers.momentum, sharpness=3.0),
        call=lambda **k: made().sweep.heatmap(**k),
        x=NOTHING,
        y=NOTHING,
        value=NOTHING,
        make="none-",
        sharpness="huge none-",
    ),
    "Sweep.marginal": row(
        lambda: dict(x="lr"), call=lambda **k: made().sweep.marginal(**k), x=NOTHING, value=NOTHING, largest=FLAG
    ),
    "Sweep.best": row(call=lambda **k: made().sweep.best(**k), value=NOTHING, largest=FLAG),
    **{
        f"sweeps.{name}": row(lambda: dict(cells=2, lr=(0.01, 0.1)), cells=WORK, rng=SEED, lr=NOTHING)
        for name in ("random", "sobol")
    },
    "transfer_function": row(lambda: dict(opt=GD, z=-1), opt=NOTHING, z=COMPLEX, t="zero huge"),
    "compare_at_edge": row(
        lambda: dict(opt=GD, problem=PROBLEM, steps=3),
        opt=NOTHING,
        problem=NOTHING,
        steps=WORK,
        theta0=NOTHING,
        memory=NOTHING,
        substeps=WORK,
        size=f"{NONNEGATIVE} none",
        seed=COUNT_0,
        progress=SWITCH,
    ),
    "central_flow": row(
        lambda: dict(opt=GD, problem=PROBLEM, steps=2),
        opt=NOTHING,
        problem=NOTHING,
        steps=WORK_0,
        theta0=NOTHING,
        memory=NOTHING,
        substeps=WORK,
        modes=NOTHING,
        form=NOTHING,
        order=NOTHING,
        record_every=COUNT,
        progress=SWITCH,
    ),
    "rod_flow": row(
        lambda: dict(opt=GD, problem=PROBLEM, steps=2),
        opt=NOTHING,
        problem=NOTHING,
        steps=WORK_0,
        theta0=NOTHING,
        delta0=NOTHING,
        memory=NOTHING,
        smooth="empty",
        substeps=WORK,
        order=NOTHING,
        rank=COUNT,
        record_every=COUNT,
        progress=SWITCH,
    ),
    "edge_gauge": row(lambda: dict(run=made().run), run=NOTHING),
    "batch_sharpness": row(
        lambda: dict(run=made().drawn, every=2), run=NOTHING, opt=NOTHING, every=COUNT, batches=COUNT, rng=SEED
    ),
}
