"""Public names whose arguments no row attacks, by the reason why not.

Results, which inherit from `Saved`, are made by the library, and their `plot` passes its arguments on to odeopt.plots:
they need no line here.
"""

from __future__ import annotations

import inspect
from collections.abc import Container
from typing import Any

from odeopt.util.saved import Saved

REASONS = {
    "made by the library": """
        Flow IVP ImplicitRegularizer Snapshot Status analysis.OneStep LossPrediction symbolic.HighResolution
        symbolic.ModifiedEquation testing.Report testing.Nonconformance word2vec.Agreement word2vec.Corpus
        solvers.Reason core.flow.Project core.flow.Push core.flow.Relax core.flow.Quantity core.decay.Decay
        optimizers.schedules.Schedule optimizers.schedules.Rate schemes.StepFailure SearchSpace
        SearchSpace.draw SearchSpace.optimizer sweeps.Best sweeps.HeatMap sweeps.Marginal sweeps.Study
        sweeps.Study.rounds""",
    "needs an extra; tests/sweeps/test_study.py checks it": "sweeps.from_study",
    "a protocol or an alias of a type, which nobody calls": """
        core.flow.Field core.flow.Field.start core.flow.Field.rhs core.flow.Speed schemes.Scheme schemes.Scheme.bind
        schemes.Step schemes.StochasticScheme schemes.StochasticScheme.normals word2vec.Model word2vec.Model.start
        word2vec.Model.batch word2vec.Model.loss word2vec.Model.grad""",
    "without arguments": """
        flows.gradient_flow problems.beale problems.himmelblau problems.saddle word2vec.wikipedia
        word2vec.wordsim353""",
    "acts on arrays of any library and on symbols, with their own errors": """
        core.ops.abs core.ops.between core.ops.called core.ops.column_gram core.ops.column_mean core.ops.exp
        core.ops.expm1 core.ops.log core.ops.log1p core.ops.maximum core.ops.minimum core.ops.msign core.ops.norm
        core.ops.norms core.ops.ratio core.ops.rms core.ops.row_gram core.ops.row_mean core.ops.sign core.ops.sqrt
        core.ops.tanh core.ops.total core.ops.where_positive""",
    "takes states or gradients of any array library, also traced ones; runs check them before": """
        Flow.placed Flow.diffusion Flow.driven Flow.rhs Flow.start Optimizer.pace
        Optimizer.initial_state Optimizer.matched_state core.flow.Project.paced core.flow.Push.paced
        core.flow.Relax.paced core.flow.Relax.driven core.flow.Quantity.text analysis.ModifiedFlow.start
        analysis.ModifiedFlow.rhs analysis.OneStep.states
        optimizers.schedules.Rate.at_time optimizers.starts.rest optimizers.starts.ageing optimizers.starts.settled
        optimizers.starts.at_rest_but
        optimizers.starts.singular_match schemes.AdamsBashforth.bind schemes.BDF2.bind schemes.BDF2.solve
        schemes.Chebyshev.bind schemes.Exponential.bind schemes.RungeKutta.bind schemes.RungeKutta.error_estimate
        schemes.Splitting.bind schemes.Splitting.normals schemes.Splitting.along schemes.StochasticRungeKutta.bind
        schemes.StochasticRungeKutta.normals schemes.Theta.bind word2vec.CBOW.start
        word2vec.CBOW.batch word2vec.CBOW.loss word2vec.CBOW.grad word2vec.SkipGram.start word2vec.SkipGram.batch
        word2vec.SkipGram.loss word2vec.SkipGram.grad IVP.vector_field""",
    "SciPy's own class, whose arguments tests/solvers/test_guarded.py checks": """
        solvers.GuardedBDF solvers.GuardedDOP853 solvers.GuardedLSODA solvers.GuardedRK23 solvers.GuardedRK45
        solvers.GuardedRadau""",
    "called by the library alone": "Flow.remember",
    "passes fields on to dataclasses.replace": "Flow.altered",
    "has the argument `map` of the optimizers, and refuses by that name": "core.decay.of_map",
}

UNCHECKED = {name: reason for reason, names in REASONS.items() for name in names.split()}


def needs_no_row(name: str, thing: Any, rows: Container[str]) -> bool:
    """Whether a public name is unchecked, a result that has no row, or the `plot` of a result."""
    result = inspect.isclass(thing) and issubclass(thing, Saved) and name not in rows
    return name in UNCHECKED or result or name.endswith(".plot")
