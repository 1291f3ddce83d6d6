"""Equality with the libraries' recursions on recorded gradients, and with torch itself where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from support import recursions, tables

import odeopt as oo
from odeopt import optimizers as opts

N, D = 1000, 5


def recorded(seed):
    """Gradients as they come in practice: scales that differ by coordinate and change in time."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-2, 2, D) * np.exp(np.cumsum(0.05 * rng.standard_normal((N, 1)), axis=0))
    return scale * (rng.standard_normal((N, D)) + 0.3)


def replay(opt, gradients, theta0):
    """The iterates of an optimizer that is fed recorded gradients, one per step."""
    feed = {"k": 0}
    step = opt.scheme.bind(opt.flow, lambda theta: gradients[feed["k"]])
    y = opt.start(opt.flow, lambda theta: gradients[0], theta0, opt.h)
    path, memory = [theta0], ()
    for k in range(N):
        feed["k"] = k
        y, _, memory = step(k * opt.h, y, memory, opt.h)
        path.append(y[0])
    return np.array(path)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_equal_to_the_librarys_recursion(name, seed):
    gradients, theta0 = recorded(seed), np.random.default_rng(100 + seed).standard_normal(D)
    for opt, update in tables.OPTIMIZERS[name].recursions:
        theta, state, path = theta0, {}, [theta0]
        for k, g in enumerate(gradients):
            theta = update(theta, g, state, k)
            path.append(theta)
        ours = replay(opt, gradients, theta0)
        # relative to the distance travelled: theta may pass through zero
        travelled = np.cumsum(np.abs(np.diff(path, axis=0, prepend=0 * theta0[None])), axis=0)
        assert np.max(np.abs(ours - path) / travelled) < 1e-12, opt


@pytest.mark.parametrize("seed", [0, 1])
def test_leapfrog_is_the_momentum_method(seed):
    """SEEDS I.3 in closed loop: the article's leapfrog equals torch's recursion to 1e-14."""
    lr, beta = 0.01, 0.9
    problem = oo.problems.quadratic().at(np.random.default_rng(seed).standard_normal(2))
    ours = oo.simulate(opts.heavy_ball(lr, beta, map="midpoint"), problem, 300).theta
    update, theta, state = recursions.sgd(lr, beta), problem.theta0, {}
    for k in range(300):
        theta = update(theta, problem.grad(theta), state, k)
        np.testing.assert_allclose(ours[k + 1], theta, rtol=0, atol=1e-14 * np.abs(problem.theta0).max())


def test_strang_splitting_is_adam():
    """MATHS 0.1: the library's Adam is A(h/2) B(h) A(h/2) with the memory started at age h/2, to 4e-15."""
    adam, problem = opts.adam(lr=0.01), oo.problems.quadratic()
    scheme = oo.schemes.Splitting("memory drift memory", order=2)
    strang = oo.Optimizer(adam.flow, scheme, adam.h, start=oo.starts.half_step())
    library = oo.simulate(adam, problem, 300).theta
    np.testing.assert_allclose(oo.simulate(strang, problem, 300).theta, library, rtol=0, atol=1e-14)


def _torch_cases():
    return {
        "gd": (opts.gd(0.01), "SGD", dict(lr=0.01)),
        "momentum": (opts.momentum(0.01, 0.9), "SGD", dict(lr=0.01, momentum=0.9)),
        "heavy_ball": (opts.heavy_ball(0.01, 0.9, map="midpoint"), "SGD", dict(lr=0.01, momentum=0.9)),
        "nesterov": (opts.nesterov(0.01, 0.9), "SGD", dict(lr=0.01, momentum=0.9, nesterov=True)),
        "rmsprop": (opts.rmsprop(0.01), "RMSprop", dict(lr=0.01)),
        "adagrad": (opts.adagrad(0.01), "Adagrad", dict(lr=0.01)),
        "adam": (opts.adam(1e-3), "Adam", dict(lr=1e-3)),
    }


@pytest.mark.torch
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", _torch_cases())
def test_equal_to_torch(name, seed):
    torch = pytest.importorskip("torch")
    opt, kind, settings = _torch_cases()[name]
    gradients, theta0 = recorded(seed), np.random.default_rng(100 + seed).standard_normal(D)
    parameter = torch.nn.Parameter(torch.tensor(theta0))
    library, path = getattr(torch.optim, kind)([parameter], **settings), [theta0]
    for g in gradients:
        parameter.grad = torch.tensor(g)
        library.step()
        path.append(parameter.detach().numpy().copy())
    travelled = np.cumsum(np.abs(np.diff(path, axis=0, prepend=0 * theta0[None])), axis=0)
    assert np.max(np.abs(replay(opt, gradients, theta0) - path) / travelled) < 1e-12
