"""Sweeps: the digits of a cell depend on the cell alone, and what fails is a row."""

from __future__ import annotations

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt.sweeps import cells, stacking, together
from odeopt.sweeps.work import Work, final_loss
from odeopt.util.status import Status

VALLEY = oo.problems.rosenbrock()
NOISY = oo.noise.gaussian(oo.problems.quadratic((1.0, 10.0)), 0.3)
MESH = {"lr": [1e-4, 1e-3, 0.05], "beta": [0.0, 0.5, 0.9]}


def alone(opt, problem, cell, seed, steps, root):
    return oo.simulate(opt, problem, steps, rng=root.stream(cell, seed), backend="numpy", progress=False)


@pytest.mark.parametrize("problem", [VALLEY, NOISY], ids=["valley", "noisy"])
def test_a_cell_has_the_digits_of_simulate(problem):
    """Batched or not, with the noise of its own stream."""
    found = oo.sweep(oo.optimizers.momentum, problem, MESH, seeds=3, steps=40, rng=7)
    root = cells.Root.of("rng", 7)
    for i in range(len(found)):
        for seed in range(3):
            run = alone(oo.optimizers.momentum(**found.cell(i)), problem, found.cell(i), seed, 40, root)
            assert found.ended[i, seed] == run.status
            expected = run.loss[-1] if run.success else np.nan
            np.testing.assert_array_equal(found.values["loss"][i, seed], expected)


def test_no_digit_depends_on_the_order_of_cells_or_names():
    shuffled = [{"beta": cell["beta"], "lr": cell["lr"]} for cell in reversed(cells.expanded(MESH))]
    one, other = (oo.sweep(oo.optimizers.momentum, NOISY, grid, seeds=2, steps=10, rng=7) for grid in (MESH, shuffled))
    assert one.digest == other.digest
    np.testing.assert_array_equal(one.values["loss"], other.values["loss"][::-1])


def test_cells_are_batched(monkeypatch):
    """Nine cells and two seeds are one array run, and the probe."""
    widths = []
    monkeypatch.setattr(
        together, "simulate", lambda opt, problem, steps, theta0, **k: widths.append(len(theta0)) or oo.simulate(
            opt, problem, steps, theta0, **k
        )
    )  # fmt: skip
    oo.sweep(oo.optimizers.momentum, VALLEY, MESH, seeds=2, steps=10)
    assert widths[-1] == 18
    assert len(widths) == 2


@pytest.mark.parametrize("name", sorted(tables.OPTIMIZERS))
def test_every_optimizer_in_a_batch_has_the_digits_that_it_has_alone(name):
    """Or it is not batched."""
    make, grid = getattr(oo.optimizers, name), {"lr": [1e-3, 0.01, 0.02, 0.03, 0.11]}
    try:
        make(lr=0.1)
    except (TypeError, ValueError):
        pytest.skip("needs more than a learning rate")
    found = oo.sweep(make, VALLEY, grid, seeds=2, steps=50, rng=0)
    single = oo.sweep(make, VALLEY, grid, seeds=2, steps=50, rng=0, prune=lambda snapshot: False)
    assert found.digest == single.digest


def test_a_problem_whose_digits_depend_on_the_width_is_not_batched():
    """As those of matrix products may; here by hand."""
    fair = oo.problems.quadratic((1.0, 3.0), angle=0)
    unfair = oo.Problem(
        fair.loss, lambda x: fair.grad(x) * (1 + 1e-15 * (x.ndim > 1 and len(x) > 4)), theta0=[1.0, 1.0], batched=True
    )
    for problem, joins in ((fair, True), (unfair, False)):
        work = Work(oo.optimizers.gd, problem, 5, final_loss, None, cells.Root(0))
        runs = [({"lr": lr}, 0) for lr in np.linspace(0.01, 0.1, 20)]
        assert together.joins(work, runs) is joins
    grid = {"lr": np.linspace(0.01, 0.1, 20)}
    found = oo.sweep(oo.optimizers.gd, unfair, grid, steps=30)
    losses = [oo.simulate(oo.optimizers.gd(lr=lr), unfair, 30, backend="numpy").loss[-1] for lr in grid["lr"]]
    np.testing.assert_array_equal(found.values["loss"][:, 0], losses)


def test_real_data_has_the_same_digits_at_any_width():
    """Whether its products of matrices are batched or not."""
    rng = np.random.default_rng(0)
    data = oo.problems.least_squares((rng.normal(size=(50, 7)), rng.normal(size=50)))
    noisy = oo.noise.minibatches(data, 5)
    grid = {"lr": np.geomspace(1e-3, 0.1, 12), "beta": [0.5, 0.9]}
    for problem in (data, noisy):
        found = oo.sweep(oo.optimizers.momentum, problem, grid, seeds=2, steps=60, rng=0)
        single = oo.sweep(oo.optimizers.momentum, problem, grid, seeds=2, steps=60, rng=0, prune=lambda snapshot: False)
        assert found.digest == single.digest


def test_stacks_of_wrapped_and_scheduled_optimizers():
    def make(lr):
        inner = oo.optimizers.scheduled(oo.optimizers.adam(lr=lr), oo.schedules.cosine(50))
        return oo.optimizers.clip_norm(inner, 1.0)

    stack = stacking.stacked([make(0.01), make(0.02)])
    assert stack is not None
    assert stack.members == (2,)
    assert stacking.structure(make(0.01)) != stacking.structure(oo.optimizers.clip_norm(oo.optimizers.adam(0.1), 1.0))
    own = oo.optimizers.scheduled(oo.optimizers.gd(), lambda k: 1 / (1 + k))
    assert stacking.structure(own) is None
    grid = {"lr": [0.01, 0.02, 0.5]}
    found = oo.sweep(make, VALLEY, grid, steps=50)
    assert found.digest == oo.sweep(make, VALLEY, grid, steps=50, prune=lambda snapshot: False).digest


def test_order_does_not_matter():
    grid = cells.expanded(MESH)
    found = oo.sweep(oo.optimizers.momentum, NOISY, grid, seeds=2, steps=20, rng=1)
    mixed = oo.sweep(
        oo.optimizers.momentum,
        NOISY,
        [grid[i] for i in np.random.default_rng(0).permutation(9)],
        seeds=2,
        steps=20,
        rng=1,
    )
    assert found.digest == mixed.digest
    assert found.digest != oo.sweep(oo.optimizers.momentum, NOISY, grid, seeds=2, steps=20, rng=2).digest


def test_a_failing_cell_is_a_row():
    def make(lr):
        if lr == 0.2:
            raise RuntimeError("no such lr")
        return oo.optimizers.gd(lr=lr)

    bowl = oo.problems.quadratic((1.0, 3.0))
    found = oo.sweep(make, bowl, {"lr": [0.1, 0.2, -1.0, 1e3]}, steps=200)
    names = [Status(int(each)).name for each in found.ended[:, 0]]
    assert names == ["DONE", "EVALUATION_FAILED", "EVALUATION_FAILED", "NOT_FINITE"]
    texts = {i: text for i, _, text in found.messages}
    assert texts[1] == "RuntimeError: no such lr"
    assert "lr must be positive" in texts[2]
    assert np.isnan(found.values["loss"][1:]).all()
    assert found.best().cell == {"lr": 0.1}


def test_a_problem_of_the_cell_and_text_in_it():
    found = oo.sweep(
        lambda name, lr: getattr(oo.optimizers, name)(lr=lr),
        lambda steepness: oo.problems.quadratic((1.0, steepness)),
        {"name": ["gd", "adam"], "lr": [0.01, 0.02], "steepness": [2.0, 20.0]},
        steps=30,
    )
    for i in range(8):
        cell = found.cell(i)
        opt = getattr(oo.optimizers, cell["name"])(lr=cell["lr"])
        run = oo.simulate(opt, oo.problems.quadratic((1.0, cell["steepness"])), 30, backend="numpy")
        assert found.values["loss"][i, 0] == run.loss[-1]


def test_a_training_function_is_a_cell():
    """It gets steps and a stream of random numbers; the measure gets what it returns."""

    def make(lr):
        return lambda steps, rng: {"loss": lr * steps + rng.random(), "time": 1.0}

    found = oo.sweep(make, None, {"lr": [1.0, 2.0]}, seeds=2, steps=3, rng=0)
    root = cells.Root.of("rng", 0)
    expected = 3.0 + np.random.default_rng(root.stream({"lr": 1.0}, 1)).random()
    assert found.values["loss"][0, 1] == expected
    assert set(found.values) == {"loss", "time"}
    with pytest.raises(TypeError, match="problem must be a Problem"):
        oo.sweep(oo.optimizers.gd, None, {"lr": [0.1]})


def test_measures_see_the_run_that_simulate_gives():
    def measure(run):
        assert run.theta.shape == (21, 2)
        return {"loss": run.loss[-1], "path": np.linalg.norm(np.diff(run.theta, axis=0), axis=1).sum()}

    found = oo.sweep(oo.optimizers.momentum, VALLEY, MESH, steps=20, measure=measure)
    for i in range(9):
        run = oo.simulate(oo.optimizers.momentum(**found.cell(i)), VALLEY, 20, backend="numpy")
        if run.success:
            assert found.values["path"][i, 0] == measure(run)["path"]
    with pytest.raises(ValueError, match="measure must not be called like a name of the cell"):
        oo.sweep(oo.optimizers.gd, VALLEY, {"lr": [1e-3]}, measure=lambda run: {"lr": 1.0})
    wrong = oo.sweep(oo.optimizers.gd, VALLEY, {"lr": [1e-3]}, steps=2, measure=lambda run: "x")
    assert "value in measure must be numbers" in wrong.messages[0][2]


def test_prune_stops_a_run():
    found = oo.sweep(
        oo.optimizers.gd,
        VALLEY,
        {"lr": [1e-4, 1e-3]},
        steps=50,
        measure=len,
        prune=lambda snapshot: snapshot.step >= 10,
    )
    assert (found.ended == Status.STOPPED).all()
    assert (found.values["value"] == 11).all()


def test_ctrl_c_keeps_what_had_finished():
    def make(lr):
        def train(steps, rng):
            if lr == 3.0:
                raise KeyboardInterrupt
            return lr

        return train

    found = oo.sweep(make, None, {"lr": [1.0, 2.0, 3.0, 4.0]})
    assert found.status is Status.INTERRUPTED
    assert [Status(int(each)).name for each in found.ended[:, 0]] == ["DONE", "DONE", "INTERRUPTED", "INTERRUPTED"]
    assert "2 missing" in str(found)
    with pytest.raises(KeyboardInterrupt):
        oo.sweep(make, None, {"lr": [3.0]})


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "at least one cell"),
        ({"lr": []}, "at least one value"),
        ([{"lr": 0.1}, {"beta": 0.1}], "the same names"),
        ([{"lr": 0.1}, {"lr": 0.1}], "each cell once"),
        ([{"lr": 1.0}, {"lr": 1}], "each cell once"),
        ({"lr": [True, 1]}, "each cell once"),
        ({"lr": [0.1], "bta": [1.0]}, "names that make or problem takes, got bta"),
        ({"lr": [np.nan]}, "lr in grid must be finite"),
        ({"lr": np.ones((2, 2))}, "one value or a list"),
    ],
)
def test_grids_that_are_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        oo.sweep(oo.optimizers.gd, VALLEY, grid)


def test_samplers_fill_their_ranges():
    for sampler in (oo.sweeps.random, oo.sweeps.sobol):
        drawn = sampler(256, lr=(1e-4, 1.0), beta=(0.5, 0.99))
        shares = np.array([[np.log10(c["lr"]) / 4 + 1, np.log((1 - c["beta"]) / 0.5) / np.log(0.02)] for c in drawn])
        assert ((shares >= 0) & (shares <= 1)).all()
        counts = np.histogram(shares[:, 1], 16, (0, 1))[0]
        assert (counts == 16).all() == (sampler is oo.sweeps.sobol)
        assert drawn == sampler(256, lr=(1e-4, 1.0), beta=(0.5, 0.99))
