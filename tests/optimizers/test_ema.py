"""An average of the path: the libraries' own, its flow, and theta that does not see it."""

from __future__ import annotations

import numpy as np
import pytest
from support import equality, tables

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schedules

INNER = {
    "gd": lambda: opts.gd(lr=0.1),
    "adam": lambda: opts.adam(lr=0.01),
    "lookahead": lambda: opts.lookahead(opts.momentum(lr=0.01), 0.5, 3),
    "heun": lambda: oo.Optimizer(oo.flows.heavy_ball(0.5), oo.schemes.heun, h=0.1),
    "scheduled": lambda: opts.scheduled(opts.adamw(lr=0.01), schedules.cosine(50)),
}
PROBLEM = tables.smooth_problem()


def by_hand(path, decay):
    averages = [path[0], path[1]]
    for theta in path[2:]:
        averages.append(decay * averages[-1] + (1 - decay) * theta)
    return np.array(averages)


@pytest.mark.parametrize("name", INNER)
def test_by_hand(name):
    alone = oo.simulate(INNER[name](), PROBLEM, 60)
    run = oo.simulate(opts.ema(INNER[name](), 0.8), PROBLEM, 60)
    np.testing.assert_array_equal(run.theta, alone.theta)
    np.testing.assert_allclose(run.state["average"], by_hand(alone.theta, 0.8), rtol=0, atol=1e-13)


def recorded_average(decay=0.9):
    """Adam on recorded gradients: its path, and the average of ours."""
    gradients, theta0 = equality.recorded(0)[:200], equality.first_point(0)
    now, path, averages = {"k": 0}, [], []
    grad = lambda theta: gradients[now["k"]]
    opt = opts.ema(opts.adam(lr=0.01), decay)
    step, memory = opt.scheme.bind(opt.flow, grad), ()
    y = opt.initial_state(grad, theta0)
    for k in range(200):
        now["k"] = k
        y, _, memory = step(k * opt.h, y, memory, opt.h)
        path.append(y[0])
        averages.append(y[opt.flow.variables.index("average")])
    return gradients, theta0, np.array(path), np.array(averages)


@pytest.mark.torch
def test_torch_averages_alike():
    torch = pytest.importorskip("torch")
    _, _, path, ours = recorded_average()
    module = torch.nn.Linear(5, 1, bias=False, dtype=torch.float64)
    rule = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    averaged, theirs = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=rule), []
    for theta in path:
        module.weight.data = torch.tensor(theta[None])
        averaged.update_parameters(module)
        theirs.append(averaged.module.weight.detach().numpy()[0].copy())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.jax
def test_optax_averages_alike():
    """optax leaves the start to its user: here what it is after the first step."""
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    _, _, path, ours = recorded_average()
    average, theirs = jax.numpy.asarray(path[0]), [path[0]]
    for theta in path[1:]:
        average = optax.incremental_update(jax.numpy.asarray(theta), average, 1 - 0.9)
        theirs.append(np.asarray(average))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.keras
def test_keras_averages_alike():
    pytest.importorskip("jax")
    keras = pytest.importorskip("keras")
    gradients, theta0, _, _ = recorded_average()
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        library = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.9)
        variable, theirs = keras.Variable(theta0, dtype="float64"), []
        for g in gradients[:50]:
            library.apply([keras.ops.convert_to_tensor(g)], [variable])
            (average,) = library._model_variables_moving_average
            theirs.append(keras.ops.convert_to_numpy(average).copy())
    finally:
        keras.config.set_floatx(before)
    path = equality.replay(opts.gd(lr=0.01), gradients[:50], theta0)
    np.testing.assert_allclose(by_hand(path, 0.9)[1:], theirs, rtol=0, atol=1e-12)


@pytest.mark.torch
def test_in_a_training_loop_of_torch():
    torch = pytest.importorskip("torch")
    from odeopt.frameworks.torch import to_torch

    p = torch.nn.Parameter(torch.tensor(PROBLEM.theta0.copy()))
    optimizer = to_torch(opts.ema(opts.adam(lr=0.01), 0.8), [p])
    with pytest.raises(ValueError, match="no step has been made"):
        optimizer.memory("average")
    for _ in range(20):
        p.grad = torch.tensor(PROBLEM.grad(p.detach().numpy()))
        optimizer.step()
    (average,) = optimizer.memory("average")
    ours = oo.simulate(opts.ema(opts.adam(lr=0.01), 0.8), PROBLEM, 20)
    np.testing.assert_allclose(p.detach().numpy(), ours.theta[-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(average.numpy(), ours.state["average"][-1], rtol=0, atol=1e-13)


@pytest.mark.jax
def test_in_a_training_loop_of_optax():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    from odeopt.frameworks.jax import memory, to_optax

    transform, theta = to_optax(opts.ema(opts.adam(lr=0.01), 0.8)), jax.numpy.asarray(PROBLEM.theta0)
    state, update = transform.init(theta), jax.jit(transform.update)
    for _ in range(20):
        change, state = update(jax.numpy.asarray(PROBLEM.grad(np.asarray(theta))), state, theta)
        theta = optax.apply_updates(theta, change)
    ours = oo.simulate(opts.ema(opts.adam(lr=0.01), 0.8), PROBLEM, 20)
    np.testing.assert_allclose(theta, ours.theta[-1], rtol=0, atol=1e-13)
    average = memory(opts.ema(opts.adam(lr=0.01), 0.8), state, theta, "average")
    np.testing.assert_allclose(average, ours.state["average"][-1], rtol=0, atol=1e-13)


@pytest.mark.keras
def test_in_a_training_loop_of_keras():
    """Two variables, in their shapes; what has no entry for each of theta is named."""
    pytest.importorskip("jax")
    keras = pytest.importorskip("keras")
    from odeopt.frameworks.keras import to_keras

    variables = [keras.Variable(part.reshape(-1, 1), dtype="float64") for part in np.split(PROBLEM.theta0, 2)]
    optimizer = to_keras(opts.ema(opts.adam(lr=0.01), 0.8), 0.01)
    for _ in range(20):
        g = PROBLEM.grad(np.concatenate([v.numpy().ravel() for v in variables]))
        optimizer.apply([part.reshape(-1, 1) for part in np.split(g, 2)], variables)
    ours = oo.simulate(opts.ema(opts.adam(lr=0.01), 0.8), PROBLEM, 20)
    average = [np.asarray(u) for u in optimizer.memory("average")]
    assert [u.shape for u in average] == [(1, 1), (1, 1)]
    np.testing.assert_allclose(np.ravel(average), ours.state["average"][-1], rtol=0, atol=1e-8)  # lr in float32
    with pytest.raises(ValueError, match="name must be one of G, average, m, got 'c1'"):
        optimizer.memory("c1")


def test_the_average_follows_its_flow():
    """To first order: it is one step late, and its first value is a copy."""
    error, steps = [], (50, 100, 200, 400)
    for n in steps:
        opt = opts.ema(opts.gd(lr=1 / n), np.exp(-3 / n))
        assert opt.flow.params["averaging"] == pytest.approx(3, rel=1e-12)
        run = oo.simulate(opt, PROBLEM, n)
        start = opt.matched_state(PROBLEM.oracle(), PROBLEM.theta0)
        truth = oo.solve(opt.flow, PROBLEM, run.t, memory={"average": start[-1]}).check()
        error.append(np.abs(run.state["average"] - truth.state["average"]).max())
    assert -np.polyfit(np.log(steps), np.log(error), 1)[0] == pytest.approx(1, abs=0.1)


def test_where_the_flow_starts_singular():
    """RMSprop from G = 0: the onset of the flow knows the average."""
    inner = oo.Optimizer(oo.flows.rmsprop(0.1, 0.0), oo.schemes.Splitting("memory drift"), 0.01)
    opt = opts.ema(inner, 0.9)
    cmp, alone = oo.compare(opt, PROBLEM, 50), oo.compare(inner, PROBLEM, 50)
    assert cmp.max_error == pytest.approx(alone.max_error, rel=1e-6)
    np.testing.assert_array_equal(cmp.iterates.state["average"][0], PROBLEM.theta0)
    moved = np.abs(cmp.flow.theta - PROBLEM.theta0).max(axis=-1)
    behind = np.abs(cmp.flow.state["average"] - cmp.flow.theta).max(axis=-1)
    assert (behind[1:] < moved[1:]).all()


def test_members_and_another_step():
    opt = opts.ema(opts.momentum(lr=0.01), np.array([0.5, 0.9]))
    run = oo.simulate(opt, PROBLEM, 20)
    for i, decay in enumerate((0.5, 0.9)):
        one = oo.simulate(opts.ema(opts.momentum(lr=0.01), decay), PROBLEM, 20)
        np.testing.assert_allclose(run.state["average"][:, i], one.state["average"], rtol=0, atol=1e-14)
    half = opts.ema(opts.momentum(lr=0.01), 0.81).with_step(opts.momentum(lr=0.01).h / 2)
    assert half.settings["decay"] == pytest.approx(0.9, rel=1e-12)
    again = opts.from_config(opts.ema(opts.adam(lr=0.1), 0.95).get_config())
    assert (again.settings["decay"], again.recipe.make.__name__) == (0.95, "ema")


def test_what_is_refused():
    for decay in (0.0, 1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="decay must be in"):
            opts.ema(opts.gd(0.1), decay)
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        opts.ema("adam", 0.9)
    with pytest.raises(ValueError, match="variables must be distinct names, got average twice"):
        opts.ema(opts.asgd(), 0.9)
