"""Real torch optimizers, followed by the ODE that is found from their steps alone."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from odeopt.frameworks.torch import from_torch, to_torch  # noqa: E402

START = [1.0, -1.0]
PROBLEM = oo.problems.quadratic((1, 20)).at(START)
A = PROBLEM.hvp(np.zeros((2, 2)), np.eye(2))
CASES = {
    "SGD": dict(lr=0.01),
    "momentum": dict(lr=0.001, momentum=0.9),
    "nesterov": dict(lr=0.001, momentum=0.9, nesterov=True),
    "Adam": dict(lr=0.01),
    "AdamW": dict(lr=0.01),
}


def make(name):
    """An optimizer of two parameters of one number each, on theta A theta/2."""
    parameters = [torch.nn.Parameter(torch.tensor([x], dtype=torch.float64)) for x in START]
    kind = name if name in ("Adam", "AdamW") else "SGD"
    optimizer = getattr(torch.optim, kind)(parameters, **CASES[name])
    matrix = torch.tensor(A)

    def loss():
        theta = torch.cat(parameters)
        return theta @ matrix @ theta / 2

    return optimizer, parameters, loss


def path_of(optimizer, parameters, loss, steps):
    path = []
    for _ in range(steps + 1):
        path.append([float(p.detach()[0]) for p in parameters])
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return np.array(path)


@pytest.mark.parametrize("name", CASES)
def test_the_map_is_the_optimizer(name):
    optimizer, parameters, loss = make(name)
    wrapped = from_torch(optimizer, loss)
    ours = wrapped.iterates(START, 50)
    assert [float(p.detach()[0]) for p in parameters] == START  # put back
    np.testing.assert_allclose(ours, path_of(optimizer, parameters, loss, 50), rtol=1e-10)


@pytest.mark.parametrize("name", [n if n == "Adam" else pytest.param(n, marks=pytest.mark.long) for n in CASES])
def test_the_modified_flow_follows_it(name):
    errors = {}
    for order in (2, 6):
        optimizer, parameters, loss = make(name)
        wrapped = from_torch(optimizer, loss)
        flow = oo.modified_flow(wrapped, order=order)
        times = wrapped.h * np.arange(301)
        truth = oo.solve(flow, PROBLEM, times, rtol=1e-11, atol=1e-13).check()
        errors[order] = np.abs(truth.theta - path_of(optimizer, parameters, loss, 300)).max()
    assert errors[6] < 0.01 * errors[2]
    if name == "Adam":  # 2.1e-8: torch's clock is the step count, and the truncated series depends on coordinates
        assert errors[6] < 3e-8


def test_torchs_adam_is_followed_to_1e_8():
    """300 steps of torch's own Adam, by the modified flow of ours, whose clock is the bias correction itself."""
    path = path_of(*make("Adam"), 300)
    flow = oo.modified_flow(oo.optimizers.adam(lr=0.01), order=6)
    truth = oo.solve(flow, PROBLEM, 0.01 * np.arange(301), rtol=1e-12, atol=1e-14).check()
    assert np.abs(truth.theta - path).max() < 1e-8


@pytest.fixture
def _double():
    """NAdam keeps its product of momenta in the default dtype."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("steps_before", [0, 3])
@pytest.mark.parametrize("name", ["SGD", "NAdam", "RAdam", "RMSprop", "Adadelta", "Adamax", "ASGD", "Rprop"])
def test_memory_begins_as_torch_makes_it(name, steps_before):
    """NAdam's product of momenta begins at 1, Rprop's steps at lr; SGD's buffer is made only after its first step."""
    parameters = [torch.nn.Parameter(torch.tensor([1.0, -1.0])), torch.nn.Parameter(torch.tensor([[0.5]]))]
    settings = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.5, "centered": True}}.get(name, {})
    optimizer = getattr(torch.optim, name)(parameters, lr=0.01, **settings)
    loss = lambda: (parameters[0] ** 2).sum() + (parameters[1] * parameters[0]).sum() ** 2
    flat = lambda: np.concatenate([p.detach().numpy().ravel() for p in parameters])

    def train():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        return flat()

    for _ in range(steps_before):
        train()
    ours = from_torch(optimizer, loss).iterates(flat(), 20)
    np.testing.assert_allclose(ours, [flat(), *[train() for _ in range(20)]], rtol=0, atol=1e-15)


def test_parameters_with_different_states_are_refused():
    parameters = [torch.nn.Parameter(torch.ones(s, dtype=torch.float64)) for s in ((2, 2), (2,))]
    optimizer = torch.optim.Adafactor(parameters)
    with pytest.raises(ValueError, match="all parameters must have the same state variables, got .*col_var.*variance"):
        from_torch(optimizer, lambda: sum((p**2).sum() for p in parameters))


def test_what_is_refused():
    with pytest.raises(TypeError, match="optimizer must be a torch.optim.Optimizer, got 'Adam'"):
        from_torch("Adam", lambda: None)
    single = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match=r"parameters must be float64, got torch.float32"):
        from_torch(torch.optim.SGD([single], lr=0.1), lambda: single.sum())
    p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="dampening must be 0"):
        from_torch(torch.optim.SGD([p], lr=0.1, momentum=0.9, dampening=0.5), lambda: p.sum())
    with pytest.raises(TypeError, match="optimizer must be torch's own, got one made from momentum"):
        from_torch(to_torch(oo.optimizers.momentum(0.1), [p]), lambda: p.sum())


def test_a_library_optimizer_goes_where_ours_go():
    """torch's Adam in `simulate`, `compare` and `check_optimizer`: our Adam's iterates, and its own modified flow."""
    p = torch.nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))
    curvature = torch.tensor([1.0, 5.0], dtype=torch.float64)
    theirs = from_torch(torch.optim.NAdam([p], lr=0.01), lambda: (curvature * p**2).sum() / 2)
    bowl = oo.problems.quadratic((1, 5), angle=0).at([1.0, -1.0])
    run = oo.simulate(theirs, bowl, 40).check()
    np.testing.assert_array_equal(run.theta, theirs.iterates(bowl.theta0, 40))
    sgd = from_torch(torch.optim.SGD([p], lr=0.02), lambda: (curvature * p**2).sum() / 2)
    found = oo.compare(sgd, bowl, 30)
    assert found.success
    np.testing.assert_allclose(found.iterates.theta, oo.simulate(oo.optimizers.gd(0.02), bowl, 30).theta, rtol=1e-12)
    assert found.max_error < oo.compare(oo.optimizers.gd(0.02), bowl, 30).max_error / 10
