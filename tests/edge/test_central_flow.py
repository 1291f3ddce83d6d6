"""Central flows against closed forms, an independent integration, iterates, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from support.edge_networks import network, valley

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.util.status import Status


def filtered(run):
    """(w- + 2 w + w+)/4, from which an oscillation of period 2 is gone."""
    return (run.theta[:-2] + 2 * run.theta[1:-1] + run.theta[2:]) / 4


def published_gd(problem, lr, steps, substeps):
    """w' = -lr [g + s2 grad S/2], S the largest eigenvalue: one mode, from dense Hessians, by Euler's method."""
    w, dt, path = problem.theta0.copy(), 1 / substeps, [problem.theta0]
    eye = np.eye(len(w))
    for _ in range(steps):
        for _ in range(substeps):
            S, U = np.linalg.eigh(problem.hvp(np.broadcast_to(w, eye.shape), eye))
            u, g, e = U[:, -1], problem.grad(w), 1e-5
            dS = (problem.hvp(w + e * u, u) - problem.hvp(w - e * u, u)) / (2 * e)
            slack, fall = 2 / lr - S[-1], dt * lr * dS @ dS / 2
            s2 = max(0.0, -(slack + dt * lr * dS @ g) / fall)
            w = w - dt * lr * (g + s2 * dS / 2)
        path.append(w)
    return np.array(path)


def published_rmsprop(problem, eta, rho, eps, G, steps, substeps):
    """w' = -[g + s2 grad S/2]/P, G' = ((1 - rho)/rho) [g^2 + s2 (H v)^2 - G], S = v H v, v P v = 1: one mode, dense."""
    w, dt, path = problem.theta0.copy(), 1 / substeps, [(problem.theta0, G)]
    eye = np.eye(len(w))
    for _ in range(steps):
        for _ in range(substeps):
            P, H, g, e = (
                (np.sqrt(G) + eps) / eta,
                problem.hvp(np.broadcast_to(w, eye.shape), eye),
                problem.grad(w),
                1e-5,
            )
            S, U = np.linalg.eigh(H / np.sqrt(P[:, None] * P))
            v, speed = U[:, -1] / np.sqrt(P), (1 - rho) / rho
            third = (problem.hvp(w + e * v, v) - problem.hvp(w - e * v, v)) / (2 * e)
            in_G = -S[-1] * v * v / (2 * eta * np.sqrt(G))
            drift, push = (-g / P, speed * (g * g - G)), (-third / (2 * P), speed * (H @ v) ** 2)
            slack = 2 - S[-1] - dt * (third @ drift[0] + in_G @ drift[1])
            s2 = max(0.0, -slack / -(dt * (third @ push[0] + in_G @ push[1])))
            w, G = (u + dt * (a + s2 * b) for u, a, b in zip((w, G), drift, push, strict=True))
        path.append((w, G))
    return [np.array(u) for u in zip(*path, strict=True)]


@pytest.mark.parametrize("form", ["step", "published"])
def test_exact_two_cycle(form):
    """y = 2/lr, sigma^2 = 2 a, excess loss sigma^2/lr."""
    flow = oo.central_flow(opts.gd(lr=0.1), valley(0.02, [0.0, 19.9]), 60, form=form)
    assert flow.status is Status.DONE
    np.testing.assert_allclose(flow.final, [0.0, 20.0], rtol=1e-10)
    np.testing.assert_allclose(flow.covariance.weights[-1], [0.04], rtol=1e-9)
    np.testing.assert_allclose(np.abs(flow.covariance.modes[-1]), [[1.0], [0.0]], atol=1e-12)
    np.testing.assert_allclose(flow.mean_loss[-1] - flow.loss[-1], 0.4, rtol=1e-9)
    np.testing.assert_allclose(flow.multipliers[-1], [-1.0], rtol=1e-9)
    np.testing.assert_allclose(flow.sharpness[-1], flow.threshold[-1:], rtol=1e-9)
    assert flow.residual.max() < 1e-12
    cycle = oo.simulate(opts.gd(lr=0.1), valley(0.02, [0.2, 20.0]), 60)
    np.testing.assert_allclose(cycle.theta[:, 0] ** 2, flow.covariance.trace[-1], rtol=1e-9)
    np.testing.assert_allclose(cycle.loss, flow.mean_loss[-1], atol=1e-9)


def test_far_from_the_cycle_it_says_less():
    """from x0 = .1 the excursions are large; the mean of x^2 is half of what the flow predicts."""
    run = oo.simulate(opts.gd(lr=0.1), valley(0.02, [0.1, 20.0]), 60_000)
    assert np.mean(run.theta[:, 0] ** 2) == pytest.approx(0.020, abs=5e-4)


def test_gradient_descent_is_the_published_flow_at_equal_substeps():
    opt = opts.gd(lr=0.2)
    problem = network(7).at(oo.simulate(opt, network(7), 34).final)
    flow, published = (oo.central_flow(opt, problem, 12, form=form) for form in ("step", "published"))
    assert 0 < np.flatnonzero(flow.oscillating)[0] < 10
    np.testing.assert_allclose(flow.theta, published.theta, atol=1e-9)
    np.testing.assert_allclose(flow.mean_loss, published.mean_loss, rtol=1e-8)
    np.testing.assert_allclose(flow.theta, published_gd(problem, 0.2, 12, 4), atol=1e-6)


@pytest.mark.slow
def test_two_hundred_steps_of_the_published_flow():
    """Within 1e-3 of an independent integration at equal substeps, one mode throughout."""
    problem, opt = network(7), opts.gd(lr=0.2)
    flow = oo.central_flow(opt, problem, 200)
    assert flow.oscillating.max() == 1
    np.testing.assert_allclose(flow.theta, published_gd(problem, 0.2, 200, 4), atol=1e-6)


@pytest.mark.slow
def test_substeps_converge():
    """Euler's method: at 16 substeps within .02 of Richardson's limit, and first order from 4 substeps on."""
    problem, opt = network(7), opts.gd(lr=0.2)
    paths = {s: oo.central_flow(opt, problem, 100, substeps=s).theta for s in (4, 8, 16)}
    limit = 2 * paths[16] - paths[8]
    far = {s: np.linalg.norm(path - limit, axis=1).max() for s, path in paths.items()}
    assert far[16] < 0.02
    assert 1.6 < far[4] / far[8] < 2.4


@pytest.mark.slow
def test_substeps_converge_when_a_second_mode_joins():
    """The limit is Richardson's of 8 and 16 substeps: 4 substeps are within .05 of it, measured .0011."""
    opt = opts.gd(lr=0.3)
    problem = network(4).at(oo.central_flow(opt, network(4), 50, record_every=50).final)
    flows = {s: oo.central_flow(opt, problem, 25, substeps=s) for s in (4, 8, 16)}
    limit = 2 * flows[16].theta - flows[8].theta
    assert flows[4].oscillating[[0, -1]].tolist() == [1, 2]
    assert np.linalg.norm(flows[4].theta - limit, axis=1).max() < 0.005
    assert max(flow.residual.max() for flow in flows.values()) < 1e-14


@pytest.mark.parametrize(
    ("lr", "eps", "before", "steps"),
    [(0.02, 1e-2, 36, 8), pytest.param(0.005, 1e-3, 0, 200, marks=pytest.mark.slow)],
)
def test_rmsprop_is_the_published_flow_at_equal_substeps(lr, eps, before, steps):
    opt = opts.rmsprop(lr, 0.95, eps=eps)
    problem = network(7).at(oo.simulate(opt, network(7), before).final)
    G = problem.grad(problem.theta0) ** 2 + 1e-3
    flow = oo.central_flow(opt, problem, steps, memory={"G": G}, form="published")
    theta, second = published_rmsprop(problem, lr, 0.95, eps, G, steps, 4)
    assert flow.oscillating.max() == 1
    np.testing.assert_allclose(flow.theta, theta, atol=1e-6)
    np.testing.assert_allclose(flow.state["G"], second, atol=1e-6)


def test_the_start_of_rmsprop_by_name_and_refused_without():
    problem, opt = network(7), opts.rmsprop(0.02, 0.95)
    G = problem.grad(problem.theta0) ** 2 + 1e-3
    for form in ("step", "published"):
        flow = oo.central_flow(opt, problem, 4, memory={"G": G}, form=form)
        np.testing.assert_array_equal(flow.state["G"][0], G)
        assert flow.theta.shape == flow.state["G"].shape == (5, 41)
    with pytest.raises(ValueError, match="memory must give G > 0"):
        oo.central_flow(opt, problem, 4, form="published")


def test_before_the_edge_it_is_the_averaged_step_alone():
    """Euler's method on y' = Phi(y) - y, in substeps."""
    problem, opt = oo.problems.rosenbrock(), opts.momentum(1e-4, 0.9)
    flow = oo.central_flow(opt, problem, 20, substeps=2)
    theta, v = problem.theta0, 0 * problem.theta0
    for _ in range(40):
        m = 0.9 * v + problem.grad(theta)
        theta, v = theta - 1e-4 * m / 2, v + (m - v) / 2
    assert not flow.oscillating.any()
    np.testing.assert_allclose(flow.final, theta, rtol=1e-12)
    np.testing.assert_array_equal(flow.mean_loss, flow.loss)


def test_times_names_and_the_finding():
    flow = oo.central_flow(opts.gd(lr=0.1), valley(0.02, [0.0, 19.98]), 20)
    np.testing.assert_allclose(flow.t, 0.1 * np.arange(21))
    assert len(flow) == 21
    assert flow.success
    assert "in up to 1 directions" in repr(flow)
    assert "21 records of theta (2,)" in repr(flow)
    assert "never at the edge" in repr(oo.central_flow(opts.gd(lr=0.01), valley(0.02, [0.0, 19.98]), 2))


BAD = {
    "opt must be an Optimizer": dict(opt="gd"),
    "opt must be a single optimizer": dict(opt=opts.gd(lr=np.array([0.1, 0.2]))),
    "problem must be a Problem": dict(problem="quadratic"),
    "steps must be at least 0": dict(steps=-1),
    "theta0 must have last axis 2": dict(theta0=[1.0]),
    r"theta0 must have shape \(2,\)": dict(theta0=np.ones((3, 2))),
    "memory must map names": dict(memory=[1.0]),
    "gd has no memory, got .m.": dict(memory={"m": 1.0}),
    "memory must be one of m, got .G.": dict(opt=opts.momentum(0.1), memory={"G": 1.0}),
    "memory 'G' must be at least 0, got -1": dict(opt=opts.rmsprop(0.1), memory={"G": [1.0, -1.0]}),
    "substeps must be at least 1": dict(substeps=0),
    "modes must be None or 1 to 20": dict(modes=21),
    "form must be one of published, step": dict(form="steps"),
    "opt must be gd or plain rmsprop": dict(opt=opts.adam(0.1), form="published"),
    "order must be 1 or 2": dict(order=3),
    "progress must be True, False or None": dict(progress=1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input(message):
    called = []
    problem = oo.Problem(lambda u: u @ u, lambda u: called.append(u) or 2 * u, theta0=[1.0, 1.0], batched=False)
    called.clear()
    arguments = {"opt": opts.gd(lr=0.1), "problem": problem, "steps": 3} | BAD[message]
    with pytest.raises((TypeError, ValueError), match=message):
        oo.central_flow(**arguments)
    assert not called


def failing(after, error):
    """The valley whose gradient raises, or is not finite, after some evaluations."""
    count, plain = [], valley(0.02, [0.1, 19.0])

    def grad(u):
        count.append(1)
        if len(count) > after and np.ndim(u) == 1:
            if isinstance(error, BaseException):
                raise error
            return np.full(2, error)
        return plain.grad(u)

    made = oo.Problem(plain.loss, grad, hvp=plain.hvp, theta0=plain.theta0, batched=True)
    count.clear()
    return made


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), Status.INTERRUPTED),
        (RuntimeError("no data"), Status.EVALUATION_FAILED),
        (np.nan, Status.NOT_FINITE),
    ],
    ids=["Ctrl-C", "raises", "NaN"],
)
def test_an_end_before_the_end_keeps_the_path(error, status):
    whole = oo.central_flow(opts.gd(lr=0.1), valley(0.02, [0.1, 19.0]), 30)
    flow = oo.central_flow(opts.gd(lr=0.1), failing(100, error), 30)
    assert flow.status is status
    assert 3 < len(flow) < 31
    assert not flow.success
    np.testing.assert_array_equal(flow.theta, whole.theta[: len(flow)])
    assert f"step {len(flow) - 1}" in flow.message


def test_what_cannot_be_started_is_named():
    with pytest.raises(RuntimeError, match="no data"):
        oo.central_flow(opts.gd(lr=0.1), failing(0, RuntimeError("no data")), 30)
    flow = oo.central_flow(opts.gd(lr=0.1), failing(0, np.nan), 30)
    assert flow.status is Status.NOT_FINITE
    np.testing.assert_array_equal(flow.theta, [[0.1, 19.0]])


def test_a_quadratic_loss_beyond_the_edge_has_no_central_flow():
    """On a quadratic loss beyond 2/lr no oscillation helps."""
    flow = oo.central_flow(opts.gd(lr=0.1), oo.problems.quadratic((1, 25), angle=0), 10)
    assert flow.status is Status.STEP_FAILED
    assert "oscillation in these modes" in flow.message
    assert len(flow) == 1


@pytest.mark.parametrize("width", [5, 100])
def test_a_catapult_is_brought_to_the_edge_at_once(width):
    """Of few parameters and of many, whose Hessian has four distinct eigenvalues; the iterates end far below."""
    flow = oo.central_flow(opts.gd(lr=1.5), oo.problems.catapult(width), 3)
    assert flow.status is Status.DONE
    assert flow.oscillating[0] == 1
    np.testing.assert_allclose(flow.sharpness[1:, 0], 2 / 1.5, rtol=1e-4)


@pytest.mark.parametrize("order", [1, 2])
def test_a_jump_from_zero_squares_is_named(order):
    """RMSprop's first step from G = 0 moves every coordinate by lr/sqrt(1 - rho); from G > 0 there is a flow."""
    problem, opt = network(7), opts.rmsprop(0.02, 0.95)
    flow = oo.central_flow(opt, problem, 2, order=order)
    assert flow.status is Status.STEP_FAILED
    assert "on the unit circle: -3.567, -2.288 (after step 0); the first step from G = 0 is a jump" in flow.message
    started = oo.central_flow(opt, problem, 2, order=order, memory={"G": problem.grad(problem.theta0) ** 2 + 1e-3})
    assert started.status is Status.DONE


def test_the_same_call_gives_the_same_bits():
    paths = [oo.central_flow(opts.adam(0.03, 0.8, 0.95), network(7), 6) for _ in range(2)]
    np.testing.assert_array_equal(paths[0].theta, paths[1].theta)
    np.testing.assert_array_equal(paths[0].mean_loss, paths[1].mean_loss)
