"""P, the diagonal by which an adaptive optimizer divides the gradient, from its flow and the memory of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from odeopt.analysis.linear import frozen
from odeopt.core.flow import Flow
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.schemes.implicit import linear_increment
from odeopt.simulation.trajectory import Trajectory, a_run
from odeopt.util import check
from odeopt.util.check import Array


def preconditioner(opt: Optimizer, run: Trajectory, record: int) -> Array:
    """P (d,), the diagonal by which the optimizer divides the gradient at a record, in the units of its library.

    P is the quotient of two speeds of theta under a constant unit gradient with settled averages: the first with the
    reference preconditioner and clocks of `stability_limit`, the second with the recorded ones.
    For Adam this is c1 (sqrt(G/c2) + eps): the bias correction 1/c1 belongs to the step.  [Cohen et al. 2022]

    >>> import odeopt as oo
    >>> opt, problem = oo.optimizers.rmsprop(lr=0.1, rho=0.0), oo.problems.quadratic((1, 20), angle=0)
    >>> preconditioner(opt, oo.simulate(opt, problem, steps=1), 1).round(6)  # |g|
    array([ 1., 20.])
    """
    opt, run = an_optimizer(opt), a_run(run)
    if not -len(run) <= check.integer("record", record) < len(run):
        raise ValueError(f"record must be one of the {len(run)} records of the run, got {record}")
    return of_memory(opt, {name: u[record] for name, u in run.state.items()}, run.theta.shape[-1])


def of_memory(opt: Optimizer, memory: Mapping[str, Array], d: int) -> Array:
    """P (d,) of an optimizer with this memory; see `preconditioner`."""
    flow = opt.flow
    scales = dict.fromkeys(flow.preconditioner.split(), np.full(1, (np.asarray(opt.h) / np.asarray(opt.lr_time)) ** 2))
    reference = dict.fromkeys(flow.clocks, np.ones(1)) | scales
    recorded = {name: memory[name] for name in reference}
    with np.errstate(divide="ignore"):
        return _speed(frozen(flow), reference, d) / _speed(flow, recorded, d)


def _speed(flow: Flow, held: Mapping[str, Array], d: int) -> Array:
    """|theta'| (d,) at theta = 0 under a gradient of ones, with the variables `held` fixed and the others settled."""
    f = flow.rhs(lambda theta: np.ones_like(theta))
    averages = [name for name in flow.memory if name not in held]

    def slopes(settled: State) -> dict[str, Array]:
        values = {**held, **{name: u[:, 0] for name, u in zip(averages, settled, strict=True)}}
        y = tuple(np.broadcast_to(values.get(name, 0.0), d) for name in flow.variables)
        return dict(zip(flow.variables, f(0.0, y), strict=True))

    def residual(u: State) -> State:
        found = slopes(u)
        return tuple(found[name][:, None] for name in averages)

    settled = linear_increment(residual, tuple(np.zeros((d, 1)) for _ in averages)) if averages else ()
    return np.abs(slopes(settled)["theta"])
