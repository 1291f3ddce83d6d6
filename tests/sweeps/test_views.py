"""Views of a sweep, on numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt.sweeps.views import interval
from odeopt.util.status import Status


def train(lr, beta):
    """|log10(lr) + 2| + beta, with the number of the draw as noise; it fails at lr = 1."""

    def run(steps, rng):
        if lr == 1.0:
            raise RuntimeError("too large")
        return abs(np.log10(lr) + 2) + beta + 0.01 * rng.standard_normal()

    return run


FOUND = oo.sweep(train, None, {"lr": [1.0, 1e-1, 1e-2, 1e-3], "beta": [0.0, 0.5]}, seeds=8, rng=0)


def test_heatmap():
    view = FOUND.heatmap("lr", "beta")
    assert view.x == (1e-3, 1e-2, 1e-1, 1.0)
    np.testing.assert_allclose(view.value[:, :3], [[1, 0, 1], [1.5, 0.5, 1.5]], atol=0.02)
    assert np.isnan(view.value[:, 3]).all()
    medians = np.median(FOUND.values["loss"].reshape(4, 2, 8), axis=-1)
    np.testing.assert_array_equal(view.value[:, :3], medians[:0:-1].T)


def test_marginal():
    view = FOUND.marginal("lr")
    np.testing.assert_allclose(view.best[:3], [1, 0, 1], atol=0.02)
    np.testing.assert_allclose(view.median[:3], [1.25, 0.25, 1.25], atol=0.02)
    assert FOUND.marginal("beta", largest=True).best == pytest.approx([1.0, 1.5], abs=0.02)


def test_best_is_measured_by_other_seeds():
    best = FOUND.best()
    assert best.cell == {"lr": 1e-2, "beta": 0.0}
    assert best.seeds == 4
    assert best.value == np.median(FOUND.values["loss"][4, 1::2])
    assert best.low <= best.value <= best.high
    assert FOUND.best(largest=True).cell["beta"] == 0.5


@pytest.mark.parametrize(("n", "least"), [(2, 0.5), (4, 0.875), (6, 0.95), (9, 0.95), (20, 0.95)])
def test_the_interval_holds_the_median_as_often_as_it_says(n, least):
    """Of skewed draws with median log 2; 4000 of them leave a standard deviation below 0.008."""
    drawn = np.random.default_rng(n).exponential(size=(4000, n))
    low, high = np.array([interval(row) for row in drawn]).T
    assert np.mean((low <= np.log(2)) & (np.log(2) <= high)) > least - 0.025


def test_the_stability_limit_in_a_map():
    """lr lambda = 2 (1 + beta) for momentum."""
    grid = {"lr": [0.05, 0.3], "beta": [0.0, 0.5, 0.9]}
    found = oo.sweep(oo.optimizers.momentum, oo.problems.quadratic((1.0, 10.0)), grid, steps=20)
    view = found.heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=10.0)
    np.testing.assert_allclose(view.limit, 2 * (1 + np.array([0.0, 0.5, 0.9])) / 10, rtol=1e-9)


def test_the_stability_limit_is_one_of_lr():
    """The line lr = 2 (1 + beta)/lambda has no place on an axis of beta, or of half the lr."""
    grid = {"lr": [0.05, 0.3], "beta": [0.0, 0.5]}
    found = oo.sweep(oo.optimizers.momentum, oo.problems.quadratic((1.0, 10.0)), grid, steps=2)
    with pytest.raises(ValueError, match=r"x must be the lr of make, .* got 'beta' = 0.0 for lr = 0.05"):
        found.heatmap("beta", "lr", make=oo.optimizers.momentum, sharpness=10.0)
    with pytest.raises(ValueError, match=r"x must be the lr of make, .* got 'lr' = 0.05 for lr = 0.1"):
        found.heatmap("lr", "beta", make=lambda lr, beta: oo.optimizers.momentum(2 * lr, beta), sharpness=10.0)


def test_a_sweep_without_a_best_cell_prints():
    """One cell is DONE without a number, and one has a number but was pruned."""
    found = oo.sweep(
        oo.optimizers.gd,
        oo.problems.quadratic((1.0, 10.0)),
        {"lr": [0.01, 0.1]},
        steps=5,
        measure=lambda run: np.nan if run.optimizer.h < 0.05 else 1.0,
        prune=lambda snapshot: bool(snapshot.step == 2 and snapshot.loss < 1.0),
    )
    assert sorted(Status(int(u)).name for u in found.ended[:, 0]) == ["DONE", "STOPPED"]
    assert not found.has_best
    assert str(found).endswith("1 seeds: 0 runs failed")


def test_few_values_have_a_tick_each():
    """An axis from -0.45 to 1.35 with ticks of its own would show a beta of 1.2, which nobody ran."""
    found = oo.sweep(lambda lr, beta: oo.optimizers.momentum(lr, beta), oo.problems.quadratic((1.0, 10.0)),
        {"lr": [0.01, 0.02], "beta": [0.0, 0.9]}, steps=2)  # fmt: skip
    axes = found.plot()[0].axes
    assert axes.get_xticks().tolist() == [0.01, 0.02]
    assert axes.get_yticks().tolist() == [0.0, 0.9]


def test_tables():
    pytest.importorskip("xarray")
    frame = FOUND.to_dataframe()
    assert list(frame.columns) == ["lr", "beta", "loss", "status", "message"]
    assert len(frame) == 64
    assert frame.loc[(0, 0), "message"] == "RuntimeError: too large"
    data = FOUND.to_xarray()
    assert data["loss"].dims == ("lr", "beta", "seed")
    place = {"lr": 1e-2, "beta": 0.5, "seed": 3}
    assert float(data["loss"].sel(place)) == FOUND.values["loss"][5, 3]
    some = oo.sweep(train, None, [{"lr": 0.1, "beta": 0.0}, {"lr": 0.01, "beta": 0.5}])
    assert some.to_xarray()["loss"].dims == ("cell", "seed")


def test_netcdf_keeps_every_digit(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    FOUND.to_xarray().to_netcdf(tmp_path / "sweep.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "sweep.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["loss"].values, FOUND.to_xarray()["loss"].values)


def test_errors():
    with pytest.raises(ValueError, match="y must be another name than x"):
        FOUND.heatmap("lr", "lr")
    with pytest.raises(ValueError, match="sharpness must be given with make"):
        FOUND.heatmap("lr", "beta", sharpness=1.0)
    lost = oo.sweep(train, None, {"lr": [1.0], "beta": [0.0]})
    assert lost.ended[0, 0] == Status.EVALUATION_FAILED
    for view in (lost.best, lambda: lost.marginal("lr")):
        with pytest.raises(LookupError, match="nothing was measured"):
            view()
