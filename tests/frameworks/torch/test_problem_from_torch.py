"""Losses of torch modules as problems."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support import digits

import odeopt as oo

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
from odeopt.frameworks.torch import problem as problem_of  # noqa: E402

F, nn = torch.nn.functional, torch.nn
X, Y = digits.digits()
RNG = np.random.default_rng(0)
LINE = (np.arange(6.0)[:, None], 2 * np.arange(6.0)[:, None] + 1)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small matrices on a busy machine are 40 times slower on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def network():
    return nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 10))


def theirs(**changes):
    return problem_of(network(), F.cross_entropy, (X, Y), **changes)


def order():
    """torch has W^T: (W^T, b, V^T, c) from (W, b, V, c)."""
    W, b, V, c = np.split(np.arange(226), [128, 136, 216])
    return np.concatenate([W.reshape(16, 8).T.ravel(), b, V.reshape(8, 10).T.ravel(), c])


def test_it_is_our_network():
    digits.agrees(theirs(), order())


def test_an_optimizer_beside_its_flow():
    digits.runs(theirs().at(digits.OURS.theta0[order()]))


def test_minibatches_are_those_of_a_training_loop():
    """Recorded batches, torch's own Adam on the module in float64."""
    problem = oo.noise.minibatches(theirs(), 32)
    batches = [RNG.permutation(200)[:32] for _ in range(20)]
    run = oo.simulate(oo.optimizers.adam(lr=0.01), problem, 20, noise=batches)
    module = problem.load(problem.theta0).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for batch in batches:
        optimizer.zero_grad()
        F.cross_entropy(module(torch.tensor(X[batch])), torch.tensor(Y[batch])).backward()
        optimizer.step()
    last = np.concatenate([p.detach().numpy().ravel() for p in module.parameters()])
    start = problem.theta0.astype(np.float32).astype(float)
    np.testing.assert_array_equal(start, problem.theta0)
    np.testing.assert_allclose(run.theta[-1], last, rtol=0, atol=1e-12)


MODULES = {
    "convolution": (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 2), nn.Softplus(), nn.Flatten(),
                              nn.Linear(18, 10)),
        True,
    ),
    "normalised": (lambda: nn.Sequential(nn.Linear(16, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 10)), True),
    "batch norm": (lambda: nn.Sequential(nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Linear(5, 10)).eval(), True),
    "dropout": (lambda: nn.Sequential(nn.Linear(16, 5), nn.Tanh(), nn.Dropout(), nn.Linear(5, 10)).eval(), True),
    "recurrent": (lambda: Recurrent(), False),
}  # fmt: skip


class Recurrent(nn.Module):
    """Which vmap does not know."""

    def __init__(self):
        super().__init__()
        self.cells, self.out = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 10)

    def forward(self, x):
        return self.out(self.cells(x.reshape(-1, 4, 4))[0][:, -1])


@pytest.mark.parametrize("name", MODULES)
def test_derivatives(name):
    """Against differences; members against single vectors; batches against the mean over single samples."""
    make, stacked = MODULES[name]
    problem = problem_of(make(), F.cross_entropy, (X[:12], Y[:12]))
    assert problem.batched is stacked
    assert problem.gradient_source == problem.hvp_source == "torch"
    assert digits.error_of_gradient(problem) < 3e-9
    theta = problem.theta0 + 0.1 * RNG.standard_normal((3, problem.dim))
    p, h = np.full(problem.dim, problem.dim**-0.5), 1e-5
    central = (problem.grad(theta + h * p) - problem.grad(theta - h * p)) / (2 * h)
    np.testing.assert_allclose(problem.hvp(theta, p), central, rtol=0, atol=1e-7)
    np.testing.assert_allclose(problem.grad(theta)[1], problem.grad(theta[1]), rtol=0, atol=1e-13)
    grads = problem.samples.grads(theta[0])
    w = RNG.standard_normal(12)
    np.testing.assert_allclose(problem.samples.combined_grad(theta[0], w), w @ grads / 12, rtol=0, atol=1e-13)
    np.testing.assert_allclose(problem.samples.batch_grad(theta[0], [1, 5]), grads[[1, 5]].mean(0), rtol=0, atol=1e-13)


def test_the_module_is_changed_by_load_alone():
    module = network()
    before = copy.deepcopy(module.state_dict())
    problem = problem_of(module, F.cross_entropy, (X, Y))
    theta = oo.simulate(oo.optimizers.adam(lr=0.01), problem, 5).theta[-1]
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
        assert value.dtype == torch.float32
    assert module.training
    named = problem.to_parameters(theta)
    assert [(key, array.shape) for key, array in named.items()] == [
        ("0.weight", (8, 16)), ("0.bias", (8,)), ("2.weight", (10, 8)), ("2.bias", (10,)),
    ]  # fmt: skip
    assert problem.to_parameters(np.stack([theta, theta]))["0.weight"].shape == (2, 8, 16)
    assert problem.load(theta) is module
    for key, value in module.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), named[key].astype(np.float32))
    assert problem.at(theta).parameters is problem.parameters


def test_constants_and_tied_parameters():
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    module[1].weight = module[0].weight
    module[2].requires_grad_(False)
    problem = problem_of(module, F.mse_loss, LINE)
    assert list(problem.to_parameters(problem.theta0)) == ["0.weight", "0.bias", "1.bias"]
    assert digits.error_of_gradient(problem) < 3e-9
    loaded = problem.load([2.0, 0.0, 0.0])
    assert loaded[1].weight.item() == 2.0


def test_a_sum_has_no_minibatches():
    problem = problem_of(nn.Linear(1, 1), nn.MSELoss(reduction="sum"), LINE)
    with pytest.raises(ValueError, match="problem must have samples"):
        oo.noise.minibatches(problem, 2)


def test_weights_of_the_loss_are_in_float64_too():
    """With class weights torch divides by their sum over the batch: no mean over samples."""
    loss = nn.CrossEntropyLoss(weight=torch.arange(1.0, 11.0))
    problem = problem_of(network(), loss, (X, Y))
    assert digits.error_of_gradient(problem) < 3e-9
    assert problem.samples is None
    assert loss.weight.dtype == torch.float32


def test_a_gradient_that_is_not_finite_ends_the_run():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x * self.w.sqrt()

    problem = problem_of(Root(), lambda out: out.mean(), (np.ones((4, 1)),))
    run = oo.simulate(oo.optimizers.gd(lr=1.5), problem, 20)
    assert run.status.name == "NOT_FINITE"
    assert np.isfinite(run.theta).all()


def _refused(module=None, loss=F.mse_loss, data=LINE):
    return lambda: problem_of(module or nn.Linear(1, 1), loss, data)


REFUSED = {
    "no module": (_refused("net"), TypeError, "module must be a torch.nn.Module, got 'net'"),
    "no loss": (_refused(loss="mse"), TypeError, "loss must be a function of"),
    "a loss per sample": (
        _refused(loss=nn.MSELoss(reduction="none")), ValueError, r"loss must return one number, got shape \(6, 1\)",
    ),
    "a loss that is no tensor": (_refused(loss=lambda out, y: 1.0), TypeError, "loss must return one number.*got 1.0"),
    "float32": (_refused(loss=lambda out, y: out.float().sum()), TypeError, "loss must be float64.*got torch.float32"),
    "constants only": (
        _refused(nn.Linear(1, 1).requires_grad_(False)), ValueError, "must have parameters that require a gradient",
    ),
    "dropout": (
        _refused(nn.Sequential(nn.Linear(1, 9), nn.Dropout(), nn.Linear(9, 1))),
        ValueError, "module must be in eval mode if dropout.*call module.eval",
    ),
    "batch normalisation": (
        _refused(nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))), ValueError, "module must be in eval mode",
    ),
    "complex": (
        _refused(nn.Linear(1, 1, dtype=torch.complex64)), ValueError, "parameters must be real, got 'weight'",
    ),
    "no tuple": (_refused(data=[1.0]), TypeError, "data must be a tuple of arrays"),
    "other lengths": (_refused(data=(np.ones((3, 1)), np.ones(2))), ValueError, "data must be arrays .* of one length"),
    "NaN": (_refused(data=(np.full((3, 1), np.nan), np.ones(3))), ValueError, r"data\[0\] must be finite, got nan"),
    "words": (_refused(data=(np.array(["a"]),)), TypeError, r"data\[0\] must be an array of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        make()


def test_what_load_refuses():
    problem = problem_of(nn.Linear(1, 1), F.mse_loss, LINE)
    with pytest.raises(ValueError, match="theta must be finite"):
        problem.load([np.nan, 0.0])
    with pytest.raises(ValueError, match=r"theta must have shape \(2,\), one vector, got \(1, 2\)"):
        problem.load([[1.0, 0.0]])
    with pytest.raises(ValueError, match="theta must have last axis 2"):
        problem.to_parameters([1.0, 0.0, 0.0])
