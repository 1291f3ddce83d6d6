"""One result of every type that can be saved, and what it means that two are the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np
from support.schedules import annealed

import odeopt as oo
from odeopt.core.flow import Flow
from odeopt.core.quantities import Quantity
from odeopt.laws import fokker_planck, moments
from odeopt.optimizers.one_step import OneStep
from odeopt.solvers.closed_form import ClosedForm
from odeopt.solvers.recording import Interpolant

BOWL = oo.problems.quadratic((1.0, 3.0), angle=0.3)
VALLEY = oo.problems.rosenbrock(b=3).at([-0.5, 1.0])
DATA = np.arange(10.0).reshape(5, 2) ** 2 / 10, np.arange(5.0)
NOISY = oo.noise.gaussian(BOWL, 0.5)
GD, ADAM = oo.optimizers.gd(lr=0.1), oo.optimizers.adam(lr=0.01)
WRAPPED = oo.optimizers.clip_norm(oo.optimizers.scheduled(ADAM, oo.schedules.warm_up(3, oo.schedules.cosine(20))), 1.0)
SWEEP = oo.optimizers.momentum(lr=np.array([0.01, 0.02, 0.03]))


def _training():
    text = oo.word2vec.corpus([["sun", "moon", "sun", "star", "moon", "star"] * 5], min_count=1)
    return oo.word2vec.train(text, dim=3, epochs=2, batch=10, threshold=1.0, rng=0)


MADE = {
    "Trajectory": [
        lambda: oo.simulate(WRAPPED, VALLEY, 20),
        lambda: oo.simulate(SWEEP, VALLEY, 5, np.ones((4, 3, 2))),
        lambda: oo.solve(oo.flows.heavy_ball(damping=0.5), VALLEY, 1.0, dense_output=True),
        lambda: oo.solve(oo.flows.gradient_flow(), BOWL, 1.0, dense_output=True),
        *[
            lambda m=m: oo.solve(oo.flows.gradient_flow(), VALLEY, 1.0, method=m, dense_output=True)
            for m in ("RK23", "Radau", "BDF", "LSODA")
        ],
        lambda: oo.solve(oo.modified_flow(ADAM, 2), VALLEY, 0.1),
    ],
    "Comparison": [lambda: oo.compare(WRAPPED, VALLEY, 20), lambda: oo.compare(SWEEP, BOWL, 20)],
    "Following": [lambda: oo.follow(ADAM, VALLEY, 10)],
    "Convergence": [lambda: oo.convergence(oo.flows.gradient_flow(), oo.schemes.heun, BOWL, steps=(5, 10))],
    "WorkPrecision": [
        lambda: oo.work_precision(oo.flows.gradient_flow(), {"Euler": oo.schemes.euler}, BOWL, steps=(1, 5))
    ],
    "Energy": [lambda: oo.energy(oo.simulate(SWEEP, VALLEY, 5)), lambda: oo.energy(oo.simulate(GD, BOWL, 5))],
    "Sharpness": [lambda: oo.sharpness(oo.simulate(ADAM, VALLEY, 5), VALLEY, ADAM)],
    "StabilityRegion": [lambda: oo.stability_region(GD, points=5)],
    "StabilityChart": [lambda: oo.stability_chart(lambda beta: oo.optimizers.momentum(beta=beta), [0, 0.5], [1, 2.0])],
    "BatchComparison": [lambda: oo.compare_batches({1: GD, 8: ADAM}, oo.problems.least_squares(), 40, rng=0)],
    "BatchScaling": [lambda: oo.batch_scaling(ADAM, 4, noise_ratio=np.inf)],
    "ImplicitRegularizer": [lambda: oo.implicit_regularizer(GD), lambda: oo.implicit_regularizer(ADAM)],
    "Ensemble": [
        lambda: oo.ensemble(GD, NOISY, 9, 5, rng=1, quantiles=(0.5,), edges=(-1, 0, 1), paths=2),
        lambda: oo.ensemble(GD, NOISY, 4, 3, rng=1, target=lambda theta: theta[..., 0] < 0.5),
    ],
    "Moments": [lambda: moments(GD, NOISY, 5)],
    "FokkerPlanck": [lambda: fokker_planck(lambda x: -x, 0.5, box=(-3, 3), cells=9)],
    "GradientCheck": [lambda: VALLEY.check_gradient()],
    "BrownianPath": [lambda: oo.noise.brownian_path(4, 2, (3,), rng=0)],
    "CentralFlow": [lambda: oo.central_flow(GD, oo.problems.quadratic((1.0, 15.0)), 3)],
    "EdgeComparison": [lambda: oo.compare_at_edge(GD, oo.problems.quadratic((1.0, 15.0)), 4)],
    "EdgeGauge": [lambda: oo.edge_gauge(oo.simulate(GD, VALLEY, 5))],
    "BatchSharpness": [
        lambda: oo.batch_sharpness(
            oo.simulate(GD, oo.noise.minibatches(oo.problems.least_squares(DATA), 3), 2, rng=0), GD
        )
    ],
    "RodFlow": [lambda: oo.rod_flow(ADAM, VALLEY, 5), lambda: oo.rod_flow(GD, BOWL, 5, rank=1)],
    "ScheduleBound": [
        lambda: oo.schedule_bound(oo.schedules.warm_up(3, oo.schedules.wsd(40, 8)), 40, D=2),
        lambda: oo.schedule_bound(oo.schedules.table([1, 0.5]).stretched(0.5), 4),
    ],
    "Diagnosis": [lambda: oo.diagnose({"loss": [1.0, 4.0, np.inf], "lr": [0.4] * 3}, GD)],
    "Bench": [
        lambda: oo.bench(
            {"gd": oo.search_space(oo.optimizers.gd, lr=(0.01, 0.1))}, {"bowl": NOISY}, 3, steps=4, seeds=2, rng=0
        )
    ],
    "Sweep": [
        lambda: oo.sweep(oo.optimizers.gd, NOISY, {"lr": [0.1, 1e3]}, seeds=2, steps=20, rng=0),
        lambda: oo.sweep(
            lambda name: getattr(oo.optimizers, name)(),
            VALLEY,
            {"name": ["gd", "adam"]},
            steps=3,
            measure=lambda run: {"loss": run.loss[-1], "x": run.theta[-1, 0]},
        ),
    ],
    "LossForecast": [annealed, lambda: annealed("functional")],
    "LossPrediction": [lambda: annealed().predict(oo.schedules.wsd(40, 8), 40), lambda: annealed().propose(40, warm=3)],
    "Transfer": [
        lambda: oo.transfer(WRAPPED, batch=(32, 512), horizon=4, noise_ratio=(2, 8)),
        lambda: oo.transfer(ADAM, width=4, depth=2, groups={"block": "hidden", "head": "output"}),
    ],
    "Training": [_training],
    "Vectors": [lambda: _training().vectors],
}
BY_HAND = {
    "optimizer": lambda: oo.compare(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.01), BOWL, 5),
    "changed": lambda: oo.compare(_changed(), VALLEY, 5),
    "schedule": lambda: oo.compare(oo.optimizers.scheduled(GD, lambda k: 1 / (1 + k)), VALLEY, 5),
    "problem": lambda: oo.compare(GD, oo.Problem(lambda x: (x**2).sum(-1), theta0=[1.0, 2.0], name="own"), 5),
    "flow": lambda: oo.energy(oo.solve(_own_flow(), VALLEY, 1.0)),
    "step": lambda: oo.follow(oo.from_step(lambda y, grad, h: (y[0] - h * grad(y[0]),), h=0.01), BOWL, 5),
}


def _changed():
    """As if another optimizer had the name of this one."""
    from dataclasses import replace

    return replace(ADAM, start=oo.starts.settled, flow_start=oo.starts.settled)


def _own_flow():
    return oo.flow(
        "theta v",
        drift=oo.push("theta", lambda v: v),
        kick=oo.push("v", lambda grad, theta: -grad(theta)),
        quantities={"energy": oo.conserved(lambda loss, v: loss + oo.ops.norm(v) ** 2 / 2)},
    )


def assert_same(a, b, path="result"):
    """Bit for bit, types included; functions by what they give."""
    assert type(a) is type(b), path
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), path
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (u, v) in enumerate(zip(a, b, strict=True)):
            assert_same(u, v, f"{path}[{i}]")
    elif isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            assert_same(a[key], b[key], f"{path}[{key!r}]")
    elif isinstance(a, Interpolant | ClosedForm):
        begin, end = (a.clock.t0, a.clock.time(a.ends[-1])) if isinstance(a, Interpolant) else (a.first, a.last)
        t = np.linspace(begin, end, 33)
        assert_same(a(t), b(t), path)
    elif isinstance(a, oo.Optimizer | Flow | OneStep):
        assert str(a) == str(b), path
    elif isinstance(a, oo.schedules.Schedule):
        assert repr(a) == repr(b), path
        assert_same(a(np.arange(50)), b(np.arange(50)), path)
    elif isinstance(a, oo.Problem):
        assert repr(a) == repr(b), path
        assert_same(
            [a.theta0, a.loss(a.theta0), a.grad(a.theta0)], [b.theta0, b.loss(a.theta0), b.grad(a.theta0)], path
        )
    elif isinstance(a, Quantity):
        assert (a.law, a.where) == (b.law, b.where), path
    elif is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    else:
        assert repr(a) == repr(b), path
