"""Sharpness along runs: Lanczos against dense eigenvalues, P against the libraries' formulas, and where runs end up."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.analysis import preconditioner

VALLEY = oo.problems.valley(d=20)


def network(hidden, samples):
    pytest.importorskip("sklearn", reason="its digits are the data")
    return oo.problems.tanh_network(hidden, samples)


def dense(problem, theta, P=1.0):
    """The largest eigenvalue of P^(-1/2) H P^(-1/2), by numpy, from the columns of H."""
    H = np.array([problem.hvp(theta, e) for e in np.eye(problem.dim)])
    root = np.broadcast_to(P, problem.dim) ** -0.5
    return np.linalg.eigvalsh(root[:, None] * H * root)[-1]


LIBRARY = {  # P as the libraries compute it, from the memory of a run
    "adam": (opts.adam(0.01), lambda s, lr: s["c1"] * (np.sqrt(s["G"] / s["c2"]) + 1e-8)),
    "young adam": (opts.adam(0.01, beta1=0.99, beta2=0.9), lambda s, lr: s["c1"] * (np.sqrt(s["G"] / s["c2"]) + 1e-8)),
    "rmsprop": (opts.rmsprop(0.01, eps=0.1), lambda s, lr: np.sqrt(s["G"]) + 0.1),
    "adagrad": (opts.adagrad(0.1, eps=0.1), lambda s, lr: np.sqrt(s["G"]) / lr + 0.1),  # the flow's G is lr^2 G
    "momentum": (opts.momentum(0.01), lambda s, lr: np.ones(20)),
    "heavy_ball": (opts.heavy_ball(0.01), lambda s, lr: np.ones(20)),
    "nesterov": (opts.nesterov(0.01), lambda s, lr: np.ones(20)),
    "gd": (opts.gd(0.01), lambda s, lr: np.ones(20)),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_preconditioner_is_the_librarys(name):
    opt, P = LIBRARY[name]
    run = oo.simulate(opt, VALLEY, 30)
    for k in (1, 7, 30):
        memory = {key: values[k] for key, values in run.state.items()}
        np.testing.assert_allclose(preconditioner(opt, run, k), P(memory, opt.settings["lr"]), rtol=1e-12)


def test_preconditioner_of_a_momentum_over_rmsprop():
    """tau m' = g/(sqrt(G) + eps) - m: nothing is known of this flow but its parts, and P is sqrt(G) + eps."""
    flow = oo.flow(
        "theta G m",
        {"rate": 2.0, "eps": 0.1},
        preconditioner="G",
        floors="eps",
        memory=oo.relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda rate: rate),
        average=oo.relax(
            "m", target=lambda grad, theta, G, eps: grad(theta) / (oo.ops.sqrt(G) + eps), rate=lambda rate: 3 * rate
        ),
        drift=oo.push("theta", lambda m: -m),
    )
    opt = oo.Optimizer(flow, oo.schemes.Splitting("memory average drift"), 0.01)
    run = oo.simulate(opt, VALLEY, 5)
    np.testing.assert_allclose(preconditioner(opt, run, 5), np.sqrt(run.state["G"][5]) + 0.1, rtol=1e-12)


@pytest.mark.parametrize(
    "problem", [VALLEY, oo.problems.valley(d=200), oo.problems.valley(d=3), oo.problems.quadratic((3.0,), angle=0)]
)
@pytest.mark.parametrize("name", ["gd", "adam", "rmsprop"])
def test_lanczos_is_dense(problem, name):
    opt = LIBRARY[name][0]
    run = oo.simulate(opt, problem, 20)
    found = oo.sharpness(run, problem, opt, every=5)
    first = 1 if opt.flow.preconditioner else 0  # G = 0 there
    expected = [dense(problem, run.theta[k], preconditioner(opt, run, k)) for k in range(5 * first, 21, 5)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-10)
    np.testing.assert_array_equal(found.t, run.t[5 * first :: 5])


def test_sharpness_of_the_loss_alone():
    run = oo.simulate(opts.adam(0.01), VALLEY, 10)
    found = oo.sharpness(run, VALLEY)
    np.testing.assert_allclose(found.value, [dense(VALLEY, theta) for theta in run.theta], rtol=1e-11)
    assert np.isnan(found.threshold).all()


def test_the_largest_not_the_most_negative():
    saddle = oo.problems.quadratic((-50.0, *np.linspace(1, 3, 15)))
    run = oo.simulate(opts.gd(1e-3), saddle, 1)
    np.testing.assert_allclose(oo.sharpness(run, saddle).value, 3, rtol=1e-12)


def test_an_eigenvalue_that_overtakes_is_seen():
    """H = diag(1 + theta_1^2, 2, 0.9, ...): the largest changes its axis where theta_1 = 1; starts are eigenvectors."""
    rest = np.array([2.0, *np.linspace(0.5, 0.9, 198)])
    problem = oo.Problem(
        lambda x: x[..., 0] ** 2 / 2 + x[..., 0] ** 4 / 12 + np.sum(rest * x[..., 1:] ** 2, axis=-1) / 2,
        lambda x: np.concatenate([x[..., :1] + x[..., :1] ** 3 / 3, rest * x[..., 1:]], axis=-1),
        theta0=np.array([2.0, *np.zeros(199)]),
    )
    run = oo.simulate(opts.gd(0.1), problem, 60)
    np.testing.assert_allclose(oo.sharpness(run, problem).value, np.maximum(2, 1 + run.theta[:, 0] ** 2), rtol=1e-9)


def test_the_same_run_has_the_same_sharpness_to_the_last_bit():
    """Also from an exact eigenvector, where Lanczos breaks down and ARPACK goes on from a vector of its own."""
    problem = oo.problems.quadratic(np.linspace(1, 2, 300), angle=0)
    run = oo.simulate(opts.gd(0.1), problem, 5)
    first, second = (oo.sharpness(run, problem).value for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, 2, rtol=1e-10)


def test_thresholds():
    """2/lr, 2 (1 + beta)/lr, 38/lr for Adam."""
    for opt, threshold in ((opts.gd(0.01), 200), (opts.momentum(0.01, 0.9), 380), (opts.adam(0.01), 3800)):
        found = oo.sharpness(oo.simulate(opt, VALLEY, 2), VALLEY, opt)
        assert found.threshold == pytest.approx(threshold, rel=1e-10)
        np.testing.assert_allclose(found.ratio, found.value / found.threshold)


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_the_threshold_decides_where_a_quadratic_runs_to(factor):
    """An adaptive optimizer whose preconditioner hardly moves in 200 steps: it grows only beyond the threshold."""
    lr, H = 0.1, 5.0
    root = H * lr / (38 * factor)  # sqrt(G), such that lr H/sqrt(G) = 38 factor
    problem = oo.problems.quadratic((H,), angle=0).at([1e-30 * root])
    opt = opts.adam(lr, beta2=1 - 1e-12, eps=0.0)
    full = {"G": np.full(1, root**2), "c1": np.ones(1), "c2": np.ones(1)}
    opt = oo.Optimizer(
        opt.flow, opt.scheme, opt.h, lambda flow, *rest: flow.start(rest[1], **full), settings=opt.settings
    )
    run = oo.simulate(opt, problem, 200)
    found = oo.sharpness(run, problem, opt)
    np.testing.assert_allclose(found.ratio, factor, rtol=1e-6)
    late, early = np.abs(run.theta[150:]).max(), np.abs(run.theta[50:100]).max()
    assert (late > early) == (factor > 1)


def test_gradient_descent_on_a_network_reaches_two_over_lr():
    """Cohen et al. 2021: progressive sharpening, then a sharpness that hovers about 2/lr."""
    problem, opt = network(4, 500), opts.gd(0.5)
    found = oo.sharpness(oo.simulate(opt, problem, 3000), problem, opt, every=100)
    assert found.threshold == pytest.approx(4)
    assert found.ratio[0] < 0.5
    assert np.all(np.diff(found.ratio[:18]) > 0)
    assert np.median(found.ratio[18:]) == pytest.approx(1, abs=0.06)
    assert found.ratio.max() < 1.2


def test_adam_on_a_network_reaches_38_over_lr():
    """Cohen et al. 2022: the preconditioned sharpness rises to 38/lr and hovers there, on its lower side."""
    problem, opt = network(4, 500), opts.adam(0.003)
    found = oo.sharpness(oo.simulate(opt, problem, 3600), problem, opt, every=100)
    assert found.threshold == pytest.approx(38 / 0.003)
    assert found.ratio[0] < 0.2
    assert np.all(np.diff(found.ratio[:20]) > 0)
    assert found.ratio[20:].min() > 0.75
    assert 0.85 < np.median(found.ratio[20:]) < 1
    assert 1 < found.ratio.max() < 1.15


def test_on_a_small_data_set_the_edge_is_never_reached():
    """200 samples are fitted, and the Hessian of the cross-entropy falls with its loss."""
    problem, opt = network(8, 200), opts.gd(0.2)
    found = oo.sharpness(oo.simulate(opt, problem, 2000), problem, opt, every=200)
    assert found.ratio.max() < 0.25
    assert found.value[-1] < found.value.max()


def test_repr_is_a_sentence():
    opt = opts.gd(0.01)
    problem = oo.problems.quadratic((1, 20))
    assert repr(oo.sharpness(oo.simulate(opt, problem, 2), problem, opt)) == (
        "Sharpness along gd: 3 values, 20 .. 20, last 20; threshold 200"
    )


def test_a_hessian_that_is_not_finite_is_nan():
    problem = oo.Problem(
        lambda x: np.sum(x**2, axis=-1),
        lambda x: 2 * x,
        hvp=lambda x, p: 2 * p / (np.abs(x) < 1),
        theta0=np.full(15, 0.5),
    )
    run = oo.simulate(opts.gd(2.0), problem, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = oo.sharpness(run, problem)
    assert found.value[0] == pytest.approx(2)
    assert np.isnan(found.value[1])


def test_bad_arguments():
    opt, problem = opts.gd(0.01), oo.problems.quadratic()
    run = oo.simulate(opt, problem, 5)
    with pytest.raises(TypeError, match="run must be a Trajectory"):
        oo.sharpness(run.theta, problem)
    with pytest.raises(TypeError, match="problem must be a Problem"):
        oo.sharpness(run, problem.loss)
    with pytest.raises(TypeError, match="opt must be the Optimizer of the run or None, got 'gd'"):
        oo.sharpness(run, problem, "gd")
    with pytest.raises(ValueError, match=r"run must have one member, theta of shape \(n, 2\), got \(6, 3, 2\)"):
        oo.sharpness(oo.simulate(opt, problem, 5, np.ones((3, 2))), problem)
    with pytest.raises(ValueError, match=r"run must have one member, theta of shape \(n, 3\)"):
        oo.sharpness(run, oo.problems.valley(d=3))
    with pytest.raises(ValueError, match=r"opt must be the optimizer of the run, with memory \(\), got \('m', 'G'"):
        oo.sharpness(run, problem, opts.adam())
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        oo.sharpness(run, problem, every=0)
    with pytest.raises(ValueError, match="every must be at most 5, got 6"):
        oo.sharpness(oo.simulate(opts.adam(), problem, 5), problem, opts.adam(), every=6)


def test_the_threshold_follows_a_schedule():
    """2/(lr s(k)) at every record."""
    schedule, problem = oo.schedules.cosine(20), oo.problems.quadratic((1, 20))
    opt = oo.optimizers.scheduled(oo.optimizers.gd(lr=0.04), schedule)
    found = oo.sharpness(oo.simulate(opt, problem, 15), problem, opt, every=5)
    np.testing.assert_allclose(found.threshold, 2 / (0.04 * schedule(np.array([0, 5, 10, 15]))), rtol=1e-9)
    assert "threshold 50 .. 341.4" in repr(found)
