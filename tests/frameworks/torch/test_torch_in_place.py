"""Steps of torch's parameters in one pass, in place: torch's own numbers, and nothing moves where one is not finite."""

from __future__ import annotations

import copy
import signal

import numpy as np
import pytest
from support import training

from odeopt import optimizers as opts
from odeopt.compiler import fused_update

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from test_to_torch import EQUAL, SCHEDULERS, _double, flat, loss_of, make, network, torchs, train  # noqa: E402, F401

from odeopt.compiler.ir import Untraceable  # noqa: E402
from odeopt.frameworks.torch import fused_step, to_torch  # noqa: E402
from odeopt.frameworks.torch.optimizer import FlowOptimizer  # noqa: E402

WHOLE = ("adafactor", "lion", "adamax")  # whose coordinates do not stand alone, or might divide by 0
ADAM = opts.adam(0.01)


@pytest.fixture(autouse=True)
def _small_parameters_too(monkeypatch):
    monkeypatch.setattr(fused_step, "WORTH", 0)


def by_blocks(monkeypatch):
    monkeypatch.setattr(fused_update, "find_spec", lambda name: None)


def by_numba(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(fused_update, "LONG", 0)


class ByTorch(FlowOptimizer):
    """The same optimizer, which takes all parameters as one vector."""

    def _prepare(self):
        super()._prepare()
        self._fused = self

    def ready(self, *arguments):
        raise Untraceable("asked for")


def by_torch(opt, params, nan="raise"):
    return ByTorch(opt, params, nan)


def memory(optimizer):
    """All vectors and clocks, one after the other."""
    held = optimizer.state_dict()["state"]
    return np.concatenate([np.ravel(u) for each in held.values() for u in each.values()])


@pytest.mark.parametrize("means", [by_blocks, pytest.param(by_numba, marks=[pytest.mark.numba, pytest.mark.slow])])
@pytest.mark.parametrize("name", EQUAL)
def test_equal_to_torch_itself(monkeypatch, name, means):
    means(monkeypatch)
    opt, ours, theirs = make(name), network(), network()
    optimizer = to_torch(opt, ours.parameters())
    train(ours, optimizer, 50)
    train(theirs, torchs(name, opt.settings, theirs.parameters()), 50)
    assert np.abs(flat(theirs) - flat(network())).max() > 1e-3
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)
    assert optimizer.backend.split()[0] == ("torch" if name in WHOLE else means.__name__.removeprefix("by_"))


@pytest.mark.parametrize("means", [by_blocks, pytest.param(by_numba, marks=[pytest.mark.numba, pytest.mark.slow])])
@pytest.mark.parametrize("name", ["adam", "momentum", "adadelta", "radam"])
def test_in_single_precision(monkeypatch, name, means):
    """No farther from the steps in double than the steps of torch's functions are, twice at most."""
    means(monkeypatch)
    models = [network(torch.float32), network(torch.float32), network()]
    pair = [to_torch(make(name), models[0].parameters()), by_torch(make(name), models[1].parameters())]
    for model, optimizer in zip(models, [*pair, by_torch(make(name), models[2].parameters())], strict=True):
        train(model, optimizer, 20)
    mine, theirs = (np.abs(flat(model) - flat(models[2])).max() for model in models[:2])
    assert mine < 2 * theirs < 1e-3
    assert {p.dtype for p in models[0].parameters()} == {torch.float32}
    assert pair[0].state_dict()["state"][0][make(name).flow.memory[0]].dtype == torch.float32
    assert pair[0].backend == means.__name__.removeprefix("by_")


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_schedulers_and_groups(kind):
    models = [network(), network()]
    groups = [[{"params": m[0].parameters(), "lr": 0.02}, {"params": m[2].parameters()}] for m in models]
    pair = to_torch(opts.adamw(0.005, like="torch"), groups[0]), torch.optim.AdamW(groups[1], lr=0.005)
    for model, optimizer in zip(models, pair, strict=True):
        scheduler = {**SCHEDULERS, "one cycle": SCHEDULERS["from zero"]}[kind](optimizer)
        for k in range(30):
            train(model, optimizer, 1, first=k)
            scheduler.step()
    assert pair[0].backend == "blocks"
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-12, atol=1e-12)


def test_a_state_of_one_way_continues_on_the_other():
    ways = {"one pass": to_torch, "vectors": by_torch}
    for first, second in (("one pass", "vectors"), ("vectors", "one pass")):
        model, again, plain = network(), network(), network()
        optimizer = ways[first](ADAM, model.parameters())
        train(model, optimizer, 7)
        again.load_state_dict(model.state_dict())
        other = ways[second](ADAM, again.parameters())
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        train(again, other, 7, first=7)
        train(plain, by_torch(ADAM, plain.parameters()), 14)
        np.testing.assert_allclose(flat(again), flat(plain), rtol=1e-12, atol=1e-14)


def test_saved_loaded_and_continued_bit_for_bit():
    model, again = network(), network()
    optimizer = to_torch(ADAM, model.parameters())
    train(model, optimizer, 7)
    again.load_state_dict(model.state_dict())
    continued = to_torch(ADAM, again.parameters())
    third, taken = network(), optimizer.state_dict()
    other = to_torch(ADAM, third.parameters())
    for each in (other, continued):
        each.load_state_dict(taken)  # the same tensors: each optimizer needs its own
    train(third, other, 3)
    train(model, optimizer, 7, first=7)
    train(again, continued, 7, first=7)
    np.testing.assert_array_equal(flat(model), flat(again))
    np.testing.assert_array_equal(memory(optimizer), memory(continued))


def test_a_state_that_was_taken_stays_as_it_was():
    """And so does the memory by name."""
    model = network()
    optimizer = to_torch(ADAM, model.parameters())
    train(model, optimizer, 3)
    taken, moments = optimizer.state_dict()["state"], optimizer.memory("m")
    before = copy.deepcopy(taken), copy.deepcopy(moments)
    train(model, optimizer, 3)
    assert optimizer.backend == "blocks"
    torch.testing.assert_close(taken, before[0], rtol=0, atol=0)
    torch.testing.assert_close(moments, before[1], rtol=0, atol=0)
    assert not torch.equal(moments[0], optimizer.memory("m")[0])


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("nan", ["raise", "skip"])
def test_a_gradient_that_is_not_finite_moves_nothing(nan, value):
    model, clean = network(), network()
    optimizer, other = to_torch(ADAM, model.parameters(), nan=nan), to_torch(ADAM, clean.parameters())
    train(model, optimizer, 3)
    train(clean, other, 3)
    loss_of(model, 3).backward()
    model[2].bias.grad[3] = value
    if nan == "raise":
        with pytest.raises(FloatingPointError, match=r"parameter 3 of shape \(10,\) is not finite in step 4"):
            optimizer.step()
    else:
        optimizer.step()
        assert (optimizer.skipped, optimizer.ngev) == (1, 4)
    np.testing.assert_array_equal(flat(model), flat(clean))
    np.testing.assert_array_equal(memory(optimizer), memory(other))
    train(model, optimizer, 3, first=3)
    train(clean, other, 3, first=3)
    np.testing.assert_allclose(flat(model), flat(clean), rtol=1e-12)


def test_a_step_that_would_overflow_moves_nothing():
    p = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    optimizer = to_torch(opts.momentum(lr=1.0), [p])
    p.grad = torch.tensor([1.0, 1e60])
    optimizer.step()
    optimizer.step()
    assert optimizer.backend == "blocks"
    before = p.detach().clone(), memory(optimizer)
    optimizer.param_groups[0]["lr"] = 1e300
    with pytest.raises(FloatingPointError, match="the state is not finite in step 3"):
        optimizer.step()
    assert torch.equal(p, before[0])
    np.testing.assert_array_equal(memory(optimizer), before[1])
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    assert optimizer.backend == "blocks"


def test_a_gradient_that_nobody_looks_at():
    """As by torch's own Adam."""
    models = [network(), network()]
    pair = to_torch(ADAM, models[0].parameters(), nan="ignore"), torch.optim.Adam(models[1].parameters(), 0.01)
    for model, optimizer in zip(models, pair, strict=True):
        for k in range(3):
            optimizer.zero_grad()
            loss_of(model, 0).backward()
            if k in (0, 2):
                model[2].bias.grad[3 + k] = np.nan
                model[0].bias.grad[0] = np.inf
            optimizer.step()
    assert pair[0].backend == "blocks"
    assert np.isnan(flat(models[0])).sum() > 2
    np.testing.assert_array_equal(np.isnan(flat(models[0])), np.isnan(flat(models[1])))


def test_a_parameter_without_a_gradient_stays_with_its_memory():
    both, plain = ([torch.nn.Parameter(torch.ones(n)) for n in (2, 3)] for _ in range(2))
    pair = to_torch(opts.adamw(0.1), both), by_torch(opts.adamw(0.1), plain)
    for params, optimizer in zip((both, plain), pair, strict=True):
        for k in range(6):
            params[0].grad = torch.ones(2)
            params[1].grad = torch.ones(3) if k % 3 == 0 else None
            optimizer.step()
    assert pair[0].backend == "blocks"
    np.testing.assert_allclose(torch.cat(both).detach(), torch.cat(plain).detach(), rtol=1e-13)
    np.testing.assert_allclose(memory(pair[0]), memory(pair[1]), rtol=1e-13)


@pytest.mark.parametrize("name", ["leapfrog", "Heun", "half-start Adam"])
def test_gradients_are_counted_as_before(name):
    """What reads the gradient elsewhere has no evaluation more for it."""
    opt, counts = (training.SEVERAL_GRADIENTS | training.ONE_GRADIENT)[name](), []
    for make_it in (to_torch, by_torch):
        model = network()
        optimizer = make_it(opt, model.parameters())
        train(model, optimizer, 4, closure=True)
        counts.append(optimizer.ngev)
    assert counts[0] == counts[1]


def test_autograd_knows_that_parameters_have_moved():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = to_torch(ADAM, [p])
    for _ in range(2):
        p.grad = torch.ones(2)
        loss = (p**2).sum()
        optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_memory_in_the_shapes_of_the_parameters():
    model = network()
    optimizer = to_torch(opts.ema(ADAM, decay=0.9), model.parameters())
    train(model, optimizer, 3)
    assert optimizer.backend == "blocks"
    averages = optimizer.memory("average")
    assert [a.shape for a in averages] == [p.shape for p in model.parameters()]
    assert 0 < max((a - p).abs().max().item() for a, p in zip(averages, model.parameters(), strict=True)) < 0.1


CASES = {
    "another layout": (lambda: [torch.nn.Parameter(torch.ones(3, 2).T)], "the tensors are not contiguous"),
    "mixed": (
        lambda: [torch.nn.Parameter(torch.ones(2, dtype=d)) for d in (torch.float32, torch.float64)],
        "not all in single, or all in double",
    ),
    "half": (lambda: [torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))], "not all in single, or all in double"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_by_torch_as_before_says_why(case):
    params, reason = CASES[case][0](), CASES[case][1]
    optimizer = to_torch(ADAM, params)
    for _ in range(2):
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.step()
    assert reason in optimizer.backend
    assert all((p < 0.99).all() for p in params)


@pytest.mark.parametrize("which", ["the parameter", "its gradient"])
def test_numbers_that_stand_in_memory_with_the_other_sign(which):
    """torch's negative bit, as of the imaginary part of a conjugate."""
    minus = lambda u: torch._neg_view(u) if which == "the parameter" else u
    p = torch.nn.Parameter(minus(torch.ones(3)))
    start = p.detach().clone()
    optimizer = to_torch(opts.gd(0.5), [p])
    for _ in range(2):
        p.grad = torch.ones(3) if which == "the parameter" else torch._neg_view(-torch.ones(3))
        optimizer.step()
    assert torch.equal(p.detach(), start - 1.0)


SHARED = {
    "a gradient with another parameter": lambda u: ([u[:3], u[3:6]], [u[3:6], u[6:]]),
    "a gradient with its own parameter": lambda u: ([u[:3], u[3:6]], [u[:3], u[6:]]),
    "a part of a gradient": lambda u: ([u[:3], u[4:7]], [u[2:5], u[6:]]),
    "two parameters": lambda u: ([u[:3], u[2:5]], [u[5:8], u[6:]]),
}


@pytest.mark.parametrize("case", SHARED)
def test_tensors_that_share_memory_do_not_race(case):
    """The numbers are those of the step in one vector, which reads all before it writes."""
    both = []
    for make_it in (to_torch, by_torch):
        u = torch.linspace(-1.0, 2.0, 9)
        parameters, gradients = SHARED[case](u)
        params = [torch.nn.Parameter(p) for p in parameters]
        optimizer = make_it(ADAM, params)
        for _ in range(3):
            for p, g in zip(params, gradients, strict=True):
                p.grad = g
            optimizer.step()
        both.append(u)
        assert make_it is by_torch or optimizer.backend == "torch (the tensors share memory)"
    assert torch.equal(*both)


def test_gradients_may_share_memory_with_each_other():
    params, g = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)], torch.ones(4)
    optimizer = to_torch(ADAM, params)
    for _ in range(2):
        params[0].grad, params[1].grad = g[:3], g[1:]
        optimizer.step()
    assert optimizer.backend == "blocks"


@pytest.mark.parametrize("make_it", [to_torch, by_torch])
def test_a_step_that_is_interrupted_has_happened_wholly(monkeypatch, make_it):
    """Ctrl-C comes when some parameters have moved."""
    models = [network(), network()]
    cut, other = (make_it(ADAM, model.parameters()) for model in models)
    for model, optimizer in zip(models, (cut, other), strict=True):
        train(model, optimizer, 3)
        loss_of(model, 3).backward()
    module, name = (fused_update.Sweep, "_by_numpy") if make_it is to_torch else (torch.Tensor, "copy_")
    move, moved = getattr(module, name), []

    def interrupted(*arguments):
        found = move(*arguments)
        moved.append(0)
        if len(moved) == 1:
            signal.raise_signal(signal.SIGINT)
        return found

    by_blocks(monkeypatch)
    other.step()
    monkeypatch.setattr(module, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        cut.step()
    assert len(moved) == 4  # parameters
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))
    np.testing.assert_array_equal(memory(cut), memory(other))
    assert cut.ngev == other.ngev == 4


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_parameters_that_were_cast_after_the_first_steps(kind):
    model = network(torch.float32)
    optimizer = to_torch(opts.adam(1.0), model.parameters())
    train(model, optimizer, 2)
    model.to(kind)
    before = model[0].weight.detach().clone()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    half = ("torch (the parameters are not all",) * 2
    for expected in half if kind is torch.bfloat16 else ("torch (the tensors are not", "blocks"):
        optimizer.step()
        assert optimizer.backend.startswith(expected)
    assert (model[0].weight < before).all()


def test_small_parameters_go_by_torch(monkeypatch):
    monkeypatch.undo()
    model = network()
    optimizer = to_torch(ADAM, model.parameters())
    train(model, optimizer, 2)
    assert optimizer.backend == "torch (the parameters are small)"
