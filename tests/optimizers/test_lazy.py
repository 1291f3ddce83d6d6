"""Lazy updates: torch's SparseAdam, dense runs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schedules, schemes
from odeopt.optimizers import _lazy as rows_module
from odeopt.optimizers._lazy import lazy

ROWS, WIDTH, STEPS = 30, 4, 40
PER_COORDINATE = {
    "gd": opts.gd(lr=0.1),
    "momentum": opts.momentum(lr=0.1, beta=0.9),
    "nesterov": opts.nesterov(lr=0.1, beta=0.9),
    "heavy_ball": opts.heavy_ball(lr=0.1, beta=0.9),
    "nesterov_k": opts.nesterov_k(lr=0.01),
    "rmsprop": opts.rmsprop(lr=0.01, momentum=0.5),
    "adagrad": opts.adagrad(lr=0.1, accumulator=0.1),
    "adadelta": opts.adadelta(lr=0.5),
    "adam": opts.adam(lr=0.01),
    "adamw": opts.adamw(lr=0.01, weight_decay=0.1),
    "amsgrad": opts.amsgrad(lr=0.01),
    "nadam": opts.nadam(lr=0.01),
    "radam": opts.radam(lr=0.01),
    "rprop": opts.rprop(),
    "lion": opts.lion(lr=0.01),
    "l2": opts.l2(opts.adam(lr=0.01), 0.1),
    "clip_value": opts.clip_value(opts.gd(lr=0.1), 0.5),
    "scheduled": opts.scheduled(opts.adam(lr=0.01), schedules.cosine(100)),
}
REFUSED = {
    "lamb": (opts.lamb(lr=0.01), "lamb"),
    "muon": (opts.muon(lr=0.01), "muon"),
    "muon of a shape": (opts.muon(lr=0.01, shape=(2, 2)), "muon with shape"),
    "shampoo": (opts.shampoo(lr=0.01, shape=(1, 3)), "shampoo"),
    "adafactor": (opts.adafactor(), "adafactor"),
    "normalized_gd": (opts.normalized_gd(lr=0.1), "normalized_gd"),
    "clip_norm": (opts.clip_norm(opts.gd(lr=0.1), 1e50), "clip_norm"),
    "lookahead": (opts.lookahead(opts.gd(lr=0.1)), "Lookahead"),
    "half_start_adam": (opts.half_start_adam(lr=0.1), "half_start_adam"),
    "heun": (oo.Optimizer(oo.flows.gradient_flow(), schemes.heun, 0.1, name="heun"), "heun"),
    "members": (opts.gd(lr=np.array([0.1, 0.2])), "single numbers"),
}


def batches(seed=0, most=12):
    """Rows, some of them twice, some batches empty, and gradients."""
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        rows = rng.integers(0, ROWS, size=rng.integers(0, most))
        yield rows, rng.normal(size=(len(rows), WIDTH))


def theta0():
    return np.random.default_rng(7).normal(size=(ROWS, WIDTH))


def dense(opt, start, gradients):
    """The optimizer's own step along given gradients, one member a row."""
    step = opt.scheme.bind(opt.flow, lambda theta: current)
    y, memory = opt.initial_state(lambda theta: np.zeros_like(theta), start), ()
    with np.errstate(all="ignore"):  # as in simulate
        for k, current in enumerate(gradients):  # noqa: B007
            y, _, memory = step(k * opt.h, y, memory, opt.h)
    return y


@pytest.mark.torch
def test_shared_clock_is_torch_sparse_adam():
    """Its eps is Keras', sqrt(G) + eps before the correction, unlike that of torch's own Adam."""
    torch = pytest.importorskip("torch")
    table = lazy(opts.adam(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-6, root="hat")).start(theta0())
    theta = torch.nn.Parameter(torch.tensor(theta0()))
    theirs = torch.optim.SparseAdam([theta], lr=0.02, betas=(0.8, 0.95), eps=1e-6)
    for rows, gradient in batches():
        theta.grad = torch.sparse_coo_tensor(rows[None], torch.tensor(gradient), theta.shape, check_invariants=False)
        theirs.step()
        table.step(rows, gradient)
    assert np.max(np.abs(table.theta - theta.detach().numpy())) < 1e-12


@pytest.mark.parametrize("clock", ["shared", "own"])
@pytest.mark.parametrize("name", PER_COORDINATE)
def test_all_rows_always_is_the_dense_step(name, clock):
    opt = PER_COORDINATE[name]
    rng = np.random.default_rng(1)
    gradients = list(rng.normal(size=(STEPS, ROWS, WIDTH)))
    table = lazy(opt, clock).start(theta0())
    for gradient in gradients:
        table.step(np.arange(ROWS), gradient)
    for u, v in zip(table.state, dense(opt, theta0(), gradients), strict=True):
        np.testing.assert_allclose(np.broadcast_to(u, v.shape), v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PER_COORDINATE)
def test_own_clock_each_row_is_a_dense_run_of_its_own_steps(name):
    opt = PER_COORDINATE[name]
    table, gradients = lazy(opt, "own").start(theta0()), [[] for _ in range(ROWS)]
    for rows, gradient in batches():
        table.step(rows, gradient)
        for row in set(rows.tolist()):
            gradients[row].append(gradient[rows == row].sum(axis=0))
    assert len({len(g) for g in gradients}) > 3
    for row in range(ROWS):
        y = dense(opt, theta0()[row], gradients[row])
        np.testing.assert_allclose(table.theta[row], y[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("clock", ["shared", "own"])
@pytest.mark.parametrize("name", PER_COORDINATE)
def test_rows_without_gradient_keep_theta_and_memory(name, clock):
    opt = PER_COORDINATE[name]
    table = lazy(opt, clock).start(theta0())
    for rows, gradient in batches():
        before = [u.copy() for u in table.state]
        table.step(rows, gradient)
        rest = np.setdiff1d(np.arange(ROWS), rows)
        for u, v in zip(table.state, before, strict=True):
            if len(u) == ROWS:
                np.testing.assert_array_equal(u[rest], v[rest])


def test_a_rare_row_under_the_shared_clock_takes_a_longer_first_step():
    """lr (1 - beta1)/sqrt(1 - beta2) after many steps of others; lr by its own clock."""
    moved = {}
    for clock in ("shared", "own"):
        table = lazy(opts.adam(lr=0.01, beta1=0.5, beta2=0.96), clock).start(np.zeros((2, 1)))
        for _ in range(400):
            table.step_distinct(np.array([0]), np.ones((1, 1)))
        table.step([1], [[1.0]])
        moved[clock] = -table.theta[1, 0]
    assert moved["own"] == pytest.approx(0.01, rel=1e-6)
    assert moved["shared"] == pytest.approx(0.01 * 0.5 / 0.04**0.5, rel=1e-6)


def test_many_rows_in_slabs_are_one_step(monkeypatch):
    ends = []
    for slab in (rows_module.SLAB, 8):
        monkeypatch.setattr(rows_module, "SLAB", slab)
        table = lazy(opts.adam(lr=0.01)).start(theta0())
        for rows, gradient in batches():
            table.step(rows, gradient)
        ends.append(table.state)
    for u, v in zip(*ends, strict=True):
        np.testing.assert_array_equal(u, v)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    opt, named = REFUSED[name]
    with pytest.raises(ValueError, match=named):
        lazy(opt)


@pytest.mark.parametrize(
    ("rows", "gradient", "error", "match"),
    [
        ([0.5], [[1.0, 1.0]], TypeError, "rows must be integers"),
        ([[0]], [[1.0, 1.0]], TypeError, "rows must be integers"),
        ([3], [[1.0, 1.0]], ValueError, r"rows must be in 0 .. 2, got 3"),
        ([-1], [[1.0, 1.0]], ValueError, r"rows must be in 0 .. 2, got -1"),
        ([0], [[1.0]], ValueError, r"gradient must have shape \(1, 2\), got \(1, 1\)"),
        ([0], [[np.nan, 1.0]], ValueError, "gradient must be finite"),
    ],
)
def test_bad_steps_move_nothing(rows, gradient, error, match):
    table = lazy(opts.gd(lr=0.1)).start(np.ones((3, 2)))
    with pytest.raises(error, match=match):
        table.step(rows, gradient)
    assert np.all(table.theta == 1)
    assert table.count == 0


def test_bad_arguments():
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        lazy("adam")
    with pytest.raises(ValueError, match="clock must be one of own, shared"):
        lazy(opts.gd(lr=0.1), "mine")
    with pytest.raises(ValueError, match=r"theta0 must have shape \(rows, width\)"):
        lazy(opts.gd(lr=0.1)).start(np.zeros(3))
