"""Results as tables: every number of a table stands in its result."""

from __future__ import annotations

import numpy as np
import pytest
from support.results import ADAM, BOWL, BY_HAND, GD, MADE, SWEEP, VALLEY

import odeopt as oo
from odeopt.results.frames import FRAMES
from odeopt.results.kinds import RESULTS

pandas = pytest.importorskip("pandas")
CASES = [pytest.param(make, id=f"{name}-{i}") for name, makes in MADE.items() for i, make in enumerate(makes)]


def test_every_result_has_a_table():
    assert set(FRAMES) == set(RESULTS)


@pytest.mark.parametrize("make", CASES)
def test_a_table_of_every_result(make):
    frame = make().to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame)
    assert len(frame.columns)
    assert frame.columns.is_unique
    assert all(frame.index.names)


def test_a_run():
    run = oo.simulate(ADAM, VALLEY, 4)
    frame = run.to_dataframe()
    assert list(frame) == ["theta[0]", "theta[1]", "loss", "m[0]", "m[1]", "G[0]", "G[1]", "c1", "c2"]
    assert frame.index.name == "t"
    np.testing.assert_array_equal(frame.index, run.t)
    np.testing.assert_array_equal(frame["theta[1]"], run.theta[:, 1])
    np.testing.assert_array_equal(frame["m[0]"], run.state["m"][:, 0])
    np.testing.assert_array_equal(frame["c2"], run.state["c2"][:, 0])


def test_a_run_of_members():
    """Each has its own step, and so its own times."""
    run = oo.simulate(SWEEP, VALLEY, 5, np.ones((2, 3, 2)))
    frame = run.to_dataframe()
    assert frame.index.names == ["t", "member 0", "member 1"]
    assert len(frame) == 6 * 2 * 3
    one = frame.xs((1, 2), level=("member 0", "member 1"))
    np.testing.assert_array_equal(one["theta[0]"], run.theta[:, 1, 2, 0])
    np.testing.assert_array_equal(one["loss"], run.loss[:, 1, 2])
    np.testing.assert_array_equal(one.index, run.t[:, 2])


def test_a_comparison():
    result = oo.compare(ADAM, VALLEY, 10)
    frame = result.to_dataframe()
    np.testing.assert_array_equal(frame["error"], result.error)
    for name in ("iterates", "flow", "gradient_flow"):
        np.testing.assert_array_equal(frame[f"{name} theta[1]"], getattr(result, name).theta[:, 1])
        np.testing.assert_array_equal(frame[f"{name} loss"], getattr(result, name).loss)


def test_a_flow_that_ended_early():
    """Its rows are empty from there on; the time of its own at which it ended is no row."""
    cliff = oo.Problem(
        lambda x: -np.exp(x[..., 0]), lambda x: -np.exp(x), hvp=lambda x, p: -np.exp(x) * p, theta0=[0.0], batched=True
    )
    result = oo.compare(oo.optimizers.gd(lr=0.1), cliff, 11)
    assert not result.flow.success
    frame = result.to_dataframe()
    assert len(frame) == len(result.iterates)
    reached = len(result.error)
    assert np.isfinite(frame["flow theta[0]"][:reached]).all()
    assert np.isnan(frame["flow theta[0]"][reached:]).all()
    assert 0 < reached < len(frame)


def test_the_others():
    chart = MADE["StabilityChart"][0]()
    frame = chart.to_dataframe()
    assert frame["radius"].loc[0.5, 2.0] == chart.radius[1, 1]
    energy = oo.energy(oo.simulate(SWEEP, VALLEY, 5))
    name = next(iter(energy.values))
    np.testing.assert_array_equal(energy.to_dataframe()[name].to_numpy().reshape(6, 3), energy.values[name])
    scaling = oo.batch_scaling(GD, 4)
    assert scaling.to_dataframe().loc["lr"].tolist() == [0.1, 0.4]
    batches = MADE["BatchComparison"][0]()
    np.testing.assert_array_equal(batches.to_dataframe()["loss"].loc[8], batches.loss[8])
    path = oo.noise.brownian_path(4, 2, (3,), rng=0)
    np.testing.assert_array_equal(path.to_dataframe().xs(2, level="member")["xi[1]"], path.xi[:, 2, 1])
    training = MADE["Training"][0]()
    assert training.to_dataframe().index.tolist() == [1, 2]
    np.testing.assert_array_equal(training.vectors.to_dataframe().loc["moon"], training.vectors["moon"])


def test_a_table_of_what_was_loaded(tmp_path):
    result = BY_HAND["optimizer"]()
    pandas.testing.assert_frame_equal(oo.load(result.save(tmp_path / "r")).to_dataframe(), result.to_dataframe())
    assert len(oo.simulate(GD, BOWL, 0).to_dataframe()) == 1


def test_members_along_two_axes_have_the_times_of_their_own_steps():
    """h (3,) belongs to the last axis of members (2, 3), in tables, plots and energies."""
    run = oo.simulate(SWEEP, VALLEY, 5, np.ones((2, 3, 2)))
    assert run.times.shape == (6, 2, 3)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(run.times[:, i, j], run.t[:, j])
    energy = oo.energy(run)
    lines = energy.plot()
    assert len(lines) % 6 == 0
    for i, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_xdata(), run.t[:, i % 3])


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
@pytest.mark.parametrize("make", MADE["Trajectory"])
def test_netcdf_of_a_run_keeps_every_digit(make, engine, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip(engine)
    run = make()
    run.to_xarray().to_netcdf(tmp_path / "run.nc", engine=engine)
    with xarray.open_dataset(tmp_path / "run.nc", engine=engine) as read:
        np.testing.assert_array_equal(read["t"], run.t)
        np.testing.assert_array_equal(read["theta"], run.theta)
        np.testing.assert_array_equal(read["loss"], run.loss)
        for name, value in run.state.items():
            np.testing.assert_array_equal(read[name].values.reshape(value.shape), value)
        assert (read.attrs["name"], read.attrs["status"], read.attrs["ngev"]) == (run.name, "DONE", run.ngev)


def test_axes_of_a_run_of_members():
    """Each member of the last axis has its own step, and so its own times."""
    pytest.importorskip("xarray")
    run = oo.simulate(SWEEP, VALLEY, 5, np.ones((2, 3, 2)))
    data = run.to_xarray()
    assert data["theta"].dims == ("record", "member 0", "member 1", "coordinate")
    assert data["t"].dims == ("record", "member 1")
    place = {"member 0": 1, "member 1": 2}
    np.testing.assert_array_equal(data["theta"].isel(place), run.theta[:, 1, 2])
    assert oo.simulate(ADAM, VALLEY, 4).to_xarray()["c2"].dims == ("t",)
