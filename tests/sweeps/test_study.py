"""Cells that an Optuna study chooses."""

from __future__ import annotations

import pytest

import odeopt as oo

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)

BOWL = oo.problems.quadratic((1.0, 10.0))


def grid(cells=12):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=6))
    return oo.sweeps.from_study(study, {"lr": optuna.distributions.FloatDistribution(1e-3, 1.0, log=True)}, cells, 4)


def test_a_study_is_told_and_resumed(tmp_path):
    first = grid()
    found = oo.sweep(oo.optimizers.gd, BOWL, first, steps=20, rng=0, path=tmp_path)
    assert len(first.study.trials) == len(found) == 12
    told = {trial.params["lr"]: trial.value for trial in first.study.trials if trial.value is not None}
    for i in range(12):
        assert told.get(found.cell(i)["lr"], found.values["loss"][i, 0]) == found.values["loss"][i, 0]
    assert oo.sweep(oo.optimizers.gd, BOWL, grid(), steps=20, rng=0, path=tmp_path).digest == found.digest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(study=None), "study must be an optuna.Study"),
        (dict(distributions={}), "distributions must name at least one"),
        (dict(distributions={"lr": 1.0}), r"distributions\['lr'\] must be a distribution"),
        (dict(cells=0), "cells must be at least 1"),
        (dict(at_once=0), "at_once must be at least 1"),
    ],
)
def test_mistakes(given, message):
    right = dict(study=grid().study, distributions={"lr": optuna.distributions.FloatDistribution(0.1, 1)}, cells=2)
    with pytest.raises((ValueError, TypeError), match=message):
        oo.sweeps.from_study(**{**right, **given})
