"""odeopt optimizers that train a torch model, against torch's own."""

from __future__ import annotations

import copy
import io
import signal
import sys
from itertools import pairwise

import numpy as np
import pytest
from support import oracles, training

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from odeopt.frameworks.torch import to_torch  # noqa: E402


def network(dtype=torch.float64):
    """The MLP with the common weights."""
    layers = [torch.nn.Linear(m, n) for m, n in pairwise(training.SIZES)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]).to(dtype)
    with torch.no_grad():
        for p, value in zip(model.parameters(), training.weights(), strict=True):
            p.copy_(torch.tensor(value.T))
    return model


def loss_of(model, k):
    x, y = training.batch(k)
    x = torch.tensor(x, dtype=next(model.parameters()).dtype)
    return torch.nn.functional.cross_entropy(model(x), torch.tensor(y))


def train(model, optimizer, steps, first=0, closure=False):
    """The losses."""
    losses = []
    for k in range(first, first + steps):

        def evaluate(k=k):
            optimizer.zero_grad()
            loss = loss_of(model, k)
            loss.backward()
            return loss

        if closure:
            losses.append(optimizer.step(evaluate).item())
        else:
            losses.append(evaluate().item())
            optimizer.step()
    return losses


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy().copy()


def accuracy(model):
    x, y = training.held_out()
    with torch.no_grad():
        dtype = next(model.parameters()).dtype
        return float((model(torch.tensor(x, dtype=dtype)).argmax(-1).numpy() == y).mean())


ALL = training.ONE_GRADIENT | training.SEVERAL_GRADIENTS
NO_ROW = ("muon",)  # torch's computes in bfloat16
EQUAL = [name for name in oracles.TORCH if name not in NO_ROW]


def torchs(name, settings, params, **more):
    kind, arguments = oracles.TORCH[name](settings)
    return getattr(torch.optim, kind)(params, lr=settings["lr"], **arguments, **more)


def make(name, **settings):
    lr = {"adadelta": 1.0, "asgd": 0.1, "gd": 0.1, "momentum": 0.1, "nesterov": 0.1, "rprop": 0.01}.get(name, 0.01)
    return getattr(opts, name)(lr=lr, like="torch", **settings)


@pytest.fixture(autouse=True)
def _double():
    """torch's NAdam keeps a product in the default dtype; threads only disturb small matrices."""
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)


def assert_equal_runs(ours, theirs, our_model, their_model, steps=50):
    train(our_model, ours, steps)
    train(their_model, theirs, steps)
    travelled = np.abs(flat(their_model) - flat(network())).max()
    assert travelled > 1e-3
    np.testing.assert_allclose(flat(our_model), flat(their_model), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EQUAL)
def test_equal_to_torch_itself(name):
    opt, ours, theirs = make(name), network(), network()
    assert_equal_runs(to_torch(opt, ours.parameters()), torchs(name, opt.settings, theirs.parameters()), ours, theirs)


def matrices_alone():
    """The MLP without its biases: torch's Muon takes matrices only."""
    layers = [torch.nn.Linear(m, n, bias=False) for m, n in pairwise(training.SIZES)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]).to(torch.float64)
    with torch.no_grad():
        for p, value in zip(model.parameters(), training.weights()[::2], strict=True):
            p.copy_(torch.tensor(value.T))
    return model


def muon_off(**settings):
    """How far from torch's after 50 steps, of the way that it goes."""
    opt, ours, theirs = make("muon", **settings), matrices_alone(), matrices_alone()
    train(ours, to_torch(opt, ours.parameters()), 50)
    train(theirs, torchs("muon", opt.settings, theirs.parameters()), 50)
    way, off = (np.linalg.norm(flat(theirs) - flat(other)) for other in (matrices_alone(), ours))
    return off / way


def test_muon_is_torchs_but_for_its_bfloat16(monkeypatch):
    """1.3 % off; 6e-7 where its matrices stay in double, for it divides by max(norm, eps), not by norm + eps."""
    assert 0.005 < muon_off() < 0.02
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    assert 1e-7 < muon_off() < 1e-6
    assert muon_off(eps=0.0) < 1e-12


def test_strang_adam_with_its_half_start_is_torchs_adam():
    """On one batch: Strang's second half takes the gradient that Adam takes at the next step."""
    ours, theirs = network(), network()
    optimizer, adam = (
        to_torch(training.strang_adam(0.01), ours.parameters()),
        torch.optim.Adam(theirs.parameters(), 0.01),
    )
    for _ in range(50):
        train(ours, optimizer, 1, closure=True)
        train(theirs, adam, 1)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def test_groups_have_their_own_lr():
    ours, theirs = network(), network()
    groups = lambda model: [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[2].parameters()}]
    assert_equal_runs(
        to_torch(opts.adamw(lr=0.005, like="torch"), groups(ours)),
        torch.optim.AdamW(groups(theirs), lr=0.005),
        ours,
        theirs,
    )


SCHEDULERS = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 10, 0.5),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.02, total_steps=60, cycle_momentum=False),
    "from zero": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: min(1.0, k / 10)),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("name", ["adam", "adamw", "nesterov", "adafactor"])
def test_torchs_schedulers_take_effect(name, kind):
    opt, models = make(name), [network(), network()]
    pair = to_torch(opt, models[0].parameters()), torchs(name, opt.settings, models[1].parameters())
    for model, optimizer in zip(models, pair, strict=True):
        scheduler = SCHEDULERS[kind](optimizer)
        for k in range(40):
            train(model, optimizer, 1, first=k)
            scheduler.step()
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-12, atol=1e-12)


def test_a_scheduler_and_a_schedule_multiply():
    opt = opts.scheduled(opts.clip_norm(opts.adam(lr=0.02), 1.0), oo.schedules.step(every=5, factor=0.5))
    model, plain = network(), network()
    optimizer, once = (
        to_torch(opt, model.parameters()),
        to_torch(opts.clip_norm(opts.adam(0.02), 1.0), plain.parameters()),
    )
    for k in range(20):
        optimizer.param_groups[0]["lr"] = 0.02 * 0.9**k
        once.param_groups[0]["lr"] = 0.02 * 0.9**k * 0.5 ** (k // 5)
        train(model, optimizer, 1, first=k)
        train(plain, once, 1, first=k)
    np.testing.assert_allclose(flat(model), flat(plain), rtol=1e-12)


def test_an_optimizer_by_hand_has_its_step_for_lr():
    models = [network(), network()]
    pair = [to_torch(training.momentum_by_hand(0.05), m.parameters()) for m in models[:1]]
    pair.append(to_torch(training.momentum_by_hand(0.1), models[1].parameters()))
    pair[1].param_groups[0]["lr"] = 0.05
    for model, optimizer in zip(models, pair, strict=True):
        train(model, optimizer, 10)
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-12)


def problem_of(model, k):
    """The loss of one batch as an odeopt problem in the vector of all parameters."""

    def grad(theta):
        assert theta.ndim == 1
        torch.nn.utils.vector_to_parameters(torch.tensor(theta), model.parameters())
        return np.concatenate([g.reshape(-1) for g in torch.autograd.grad(loss_of(model, k), list(model.parameters()))])

    return oo.problems.Problem(lambda theta: 0.0 * theta[..., 0], grad, theta0=flat(network()))


@pytest.mark.parametrize("name", [name for name in ALL if name not in training.MATRICES])
def test_the_same_steps_as_simulate(name):
    """On one batch, the iterates that odeopt's own loop makes on NumPy's arrays."""
    opt, model = ALL[name](), network()
    optimizer = to_torch(opt, model.parameters())
    for _ in range(12):

        def evaluate():
            optimizer.zero_grad()
            loss = loss_of(model, 0)
            loss.backward()
            return loss

        optimizer.step(evaluate)
    run = oo.simulate(opt, problem_of(network(), 0), steps=12).check()
    np.testing.assert_allclose(flat(model), run.theta[-1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_it_trains(name):
    opt, model = ALL[name](), network()
    optimizer = to_torch(opt, model.parameters())
    losses = train(model, optimizer, 80, closure=name in training.SEVERAL_GRADIENTS)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_the_accuracy_of_torchs_own():
    """On data that it has not seen: half-start and Strang Adam as good as Adam, within 1.25 %, five of 400."""
    networks = [network(torch.float32) for _ in range(3)]
    train(networks[0], torch.optim.Adam(networks[0].parameters(), lr=0.01), 300)
    train(networks[1], to_torch(opts.half_start_adam(lr=0.01), networks[1].parameters()), 300)
    train(networks[2], to_torch(training.strang_adam(lr=0.01), networks[2].parameters()), 300, closure=True)
    theirs, *ours = map(accuracy, networks)
    print(theirs, ours)
    assert theirs > 0.95
    assert ours == pytest.approx([theirs, theirs], abs=0.0126)


@pytest.mark.parametrize(
    ("name", "count"), [("Strang Adam", 2), ("Heun", 2), ("midpoint", 2), ("RK4", 4), ("RKC", 5), ("leapfrog", 1)]
)
def test_the_closure_is_called_as_often_as_the_scheme_asks(name, count):
    model, calls = network(), []
    optimizer = to_torch(training.SEVERAL_GRADIENTS[name](), model.parameters())

    def evaluate():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = loss_of(model, 0)
        loss.backward()
        return loss

    optimizer.step(evaluate)
    assert calls == [True] * count
    assert optimizer.ngev == count
    again = to_torch(training.SEVERAL_GRADIENTS[name](), network().parameters())
    again.load_state_dict(optimizer.state_dict())
    assert again.ngev == count


@pytest.mark.parametrize("form", ["two updates", "mean of two points"])
def test_heun_is_the_article_in_both_of_its_forms(form):
    """By hand: theta~ = theta - lr g, then theta - lr (g + g~)/2, or (theta + theta~ - lr g~)/2.  [kexue.fm 5879]"""
    ours, theirs, lr = network(), network(), 0.3
    train(ours, to_torch(training.by_scheme(oo.schemes.heun, lr), ours.parameters()), 20, closure=True)
    for k in range(20):
        theta = [p.detach().clone() for p in theirs.parameters()]
        g = torch.autograd.grad(loss_of(theirs, k), list(theirs.parameters()))
        torch._foreach_sub_([p.data for p in theirs.parameters()], [lr * slope for slope in g])
        after = torch.autograd.grad(loss_of(theirs, k), list(theirs.parameters()))
        for p, start, first, second in zip(theirs.parameters(), theta, g, after, strict=True):
            mean = (start + p.data - lr * second) / 2
            p.data = start - lr / 2 * (first + second) if form == "two updates" else mean
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-14)


def test_heun_is_lookahead_with_each_batch_twice():
    ours, theirs = network(), network()
    train(ours, to_torch(training.by_scheme(oo.schemes.heun, 0.3), ours.parameters()), 20, closure=True)
    optimizer = to_torch(opts.lookahead(opts.gd(lr=0.3), alpha=0.5, every=2), theirs.parameters())
    for k in range(20):
        for _ in range(2):
            train(theirs, optimizer, 1, first=k)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-14)
    assert optimizer.ngev == 40


def test_dropout_has_one_mask_in_a_step():
    """And each step another: torch's random numbers are the same in every evaluation, and go on after it."""
    first = network()
    model = torch.nn.Sequential(first[0], first[1], torch.nn.Dropout(0.5), first[2])
    optimizer, masks = to_torch(training.by_scheme(oo.schemes.rk4, 0.3), model.parameters()), []
    model[2].register_forward_hook(lambda module, inputs, output: masks.append((output != 0).numpy()))
    torch.manual_seed(0)
    train(model, optimizer, 3, closure=True)
    assert len(masks) == optimizer.ngev == 12
    for k in range(3):
        assert all(np.array_equal(mask, masks[4 * k]) for mask in masks[4 * k : 4 * k + 4])
        assert not np.array_equal(masks[4 * k], masks[4 * k - 1])
    torch.manual_seed(0)
    for _ in range(3):
        torch.nn.functional.dropout(torch.ones(128, 16), 0.5)
    after = torch.rand(1)
    torch.manual_seed(0)
    train(model, optimizer, 3, closure=True)
    assert torch.equal(torch.rand(1), after)  # as after one evaluation a step


@pytest.mark.parametrize("name", training.SEVERAL_GRADIENTS)
def test_a_missing_closure_is_named(name):
    model = network()
    optimizer = to_torch(training.SEVERAL_GRADIENTS[name](), model.parameters())
    loss_of(model, 0).backward()
    with pytest.raises(ValueError, match=r"closure must be given: .* by step\(closure\)"):
        optimizer.step()
    np.testing.assert_array_equal(flat(model), flat(network()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ALL)
def test_saved_loaded_and_continued_bit_for_bit(name, dtype):
    opt, closure = ALL[name](), name in training.SEVERAL_GRADIENTS
    model = network(dtype)
    optimizer = to_torch(opt, model.parameters())
    train(model, optimizer, 7, closure=closure)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    train(model, optimizer, 7, first=7, closure=closure)
    file.seek(0)
    saved, again = torch.load(file, weights_only=True), network(dtype)
    again.load_state_dict(saved["model"])
    continued = to_torch(opt, again.parameters())
    continued.load_state_dict(saved["optimizer"])
    train(again, continued, 7, first=7, closure=closure)
    np.testing.assert_array_equal(flat(model), flat(again))


@pytest.mark.parametrize("name", ["half-start Adam", "lookahead", "Muon", "Heun", "AB3"])
def test_a_copy_goes_on_alone(name):
    """With the copied model, as torch's own optimizers do; a scheduler's additions to the groups come along."""
    opt, closure = ALL[name](), name in training.SEVERAL_GRADIENTS
    model = network()
    optimizer = to_torch(opt, model.parameters())
    SCHEDULERS["one cycle"](optimizer)
    train(model, optimizer, 7, closure=closure)
    again, continued = copy.deepcopy((model, optimizer))
    train(model, optimizer, 7, first=7, closure=closure)
    assert set(continued.state) <= set(again.parameters())
    assert np.abs(flat(again) - flat(model)).max() > 1e-4
    train(again, continued, 7, first=7, closure=closure)
    np.testing.assert_array_equal(flat(again), flat(model))
    assert (continued.ngev, continued.backend) == (optimizer.ngev, optimizer.backend)


def test_single_precision_follows_double():
    ours, truth = network(torch.float32), network()
    train(ours, to_torch(opts.adam(0.01), ours.parameters()), 30)
    train(truth, to_torch(opts.adam(0.01), truth.parameters()), 30)
    assert ours[0].weight.dtype == torch.float32
    np.testing.assert_allclose(flat(ours), flat(truth), atol=1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_constants_have_the_precision_of_the_parameters(kind):
    """Rprop chooses between two numbers: torch would take them in its default precision, here the other one."""
    torch.set_default_dtype(torch.float64 if kind is torch.float32 else torch.float32)
    ours, theirs = network(kind), network(kind)
    optimizer = to_torch(make("rprop"), ours.parameters())
    train(ours, optimizer, 20)
    train(theirs, torch.optim.Rprop(theirs.parameters(), lr=0.01), 20)
    assert {u.dtype for p in ours.parameters() for key, u in optimizer.state[p].items() if key != "step"} == {kind}
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-5 if kind is torch.float32 else 1e-13)


def test_mixed_precision_is_computed_in_the_highest():
    params = [torch.nn.Parameter(torch.ones(2, dtype=d)) for d in (torch.float64, torch.float32, torch.bfloat16)]
    optimizer = to_torch(opts.adam(0.1), params)
    for p in params:
        p.grad = p.detach().clone()
    optimizer.step()
    assert [p.dtype for p in params] == [torch.float64, torch.float32, torch.bfloat16]
    for p in params:
        assert p.detach().double().numpy() == pytest.approx(0.9, abs=4e-3)


def test_a_parameter_without_a_gradient_stays_with_its_memory():
    """As in torch, which skips it."""
    opt = opts.adamw(0.1, weight_decay=0.1)
    both = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))]
    optimizer = to_torch(opt, both)
    for k in range(4):
        both[0].grad = torch.ones(2)
        both[1].grad = torch.ones(3) if k == 0 else None
        optimizer.step()
        if k == 0:
            first = both[1].detach().clone(), optimizer.state_dict()["state"][1]
    assert torch.equal(both[1], first[0])
    torch.testing.assert_close(optimizer.state_dict()["state"][1], first[1], rtol=0, atol=0)
    assert both[0].detach().max() < 0.7


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["half-start Adam", "lookahead", "Heun"])
def test_a_gradient_that_is_not_finite(name, value):
    """Stops or skips as asked, and touches neither parameters nor state."""
    opt = ALL[name]()
    for nan in ("raise", "skip"):
        model, clean = network(), network()
        optimizer, other = to_torch(opt, model.parameters(), nan=nan), to_torch(opt, clean.parameters())
        train(model, optimizer, 3, closure=True)
        train(clean, other, 3, closure=True)
        calls = []

        def poisoned(model=model, calls=calls):
            loss = loss_of(model, 0)
            model.zero_grad()
            loss.backward()
            calls.append(0)
            if name != "Heun" or len(calls) == 2:
                model[2].bias.grad[3] = value
            return loss.detach()

        if nan == "raise":
            with pytest.raises(
                FloatingPointError, match=r"parameter 3 of shape \(10,\) is not finite in step 4; param"
            ):
                optimizer.step(poisoned)
        else:
            optimizer.step(poisoned)
            assert optimizer.skipped == 1
            assert optimizer.ngev == (8 if name == "Heun" else 4)  # the cost of the skipped step, too
        np.testing.assert_array_equal(flat(model), flat(clean))
        train(model, optimizer, 3, first=3, closure=True)
        train(clean, other, 3, first=3, closure=True)
        np.testing.assert_array_equal(flat(model), flat(clean))


def test_divergence_does_not_poison():
    p = torch.nn.Parameter(torch.tensor([1e300]))
    optimizer = to_torch(opts.gd(lr=1e10), [p])
    p.grad = torch.tensor([1e300])
    with pytest.raises(FloatingPointError, match="the state is not finite in step 1"):
        optimizer.step()
    assert p.item() == 1e300


def test_a_scheduler_that_is_not_finite_moves_nothing():
    p = parameter()
    optimizer = to_torch(opts.momentum(0.1), [p], nan="skip")
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1.0 if k < 2 else np.nan)
    path = []
    for _ in range(4):
        p.grad = torch.ones(2)
        optimizer.step()
        scheduler.step()
        path.append(p.detach().clone())
    assert not torch.equal(path[0], path[1])
    assert torch.equal(path[1], path[3])
    assert optimizer.skipped == 2


def parameter(**more):
    return torch.nn.Parameter(torch.ones(2, **more))


REFUSED = {
    "a name": (lambda: to_torch("adam", [parameter()]), TypeError, "opt must be an Optimizer.*'adam'"),
    "no parameters": (lambda: to_torch(opts.adam(), []), ValueError, "params must not be empty"),
    "complex": (lambda: to_torch(opts.adam(), [parameter(dtype=torch.complex64)]), TypeError, "real.*got .*complex64"),
    "integers": (lambda: to_torch(opts.adam(), [torch.ones(2, dtype=torch.int64)]), TypeError, "floating, got .*int64"),
    "nan": (
        lambda: to_torch(opts.adam(), [parameter()], nan="stop"),
        ValueError,
        "nan must be one of ignore, raise, skip",
    ),
    "an ensemble": (lambda: to_torch(opts.adam(np.ones(3)), [parameter()]), ValueError, r"members of shape \(3,\)"),
    "implicit": (
        lambda: to_torch(training.by_scheme(oo.schemes.trapezoid, 0.1), [parameter()]),
        ValueError,
        "explicit scheme: trapezoid solves",
    ),
    "implicit inside": (
        lambda: to_torch(opts.lookahead(training.by_scheme(oo.schemes.bdf2, 0.1)), [parameter()]),
        ValueError,
        "explicit scheme: BDF2 solves",
    ),
    "a singular start": (
        lambda: to_torch(oo.Optimizer(oo.flows.rmsprop(tau=0.1), oo.schemes.heun, 0.1), [parameter()]),
        ValueError,
        "start must not be at rest for Heun",
    ),
    "matrices by hand": (
        lambda: to_torch(oo.Optimizer(oo.flows.shampoo((1, 2)), oo.schemes.euler, 0.1), [parameter()]),
        ValueError,
        "cannot use .* on a model",
    ),
    "clipped Muon": (
        lambda: to_torch(opts.clip_norm(opts.muon(), 1.0), [parameter()]),
        ValueError,
        "clip the gradients",
    ),
    "other keys": (
        lambda: to_torch(opts.adam(), [{"params": [parameter()], "betas": (0.5, 0.9)}]),
        ValueError,
        "key of a parameter group must be one of .*lr.*got 'betas'",
    ),
    "negative lr": (
        lambda: to_torch(opts.adam(), [{"params": [parameter()], "lr": -1}]),
        ValueError,
        "lr must be non-neg",
    ),
    "no lr": (
        lambda: to_torch(opts.adam(), [{"params": [parameter()], "lr": np.nan}]),
        ValueError,
        "lr must be non-negative and finite, got nan",
    ),
    "lr in words": (
        lambda: to_torch(opts.adam(), [{"params": [parameter()], "lr": "fast"}]),
        TypeError,
        "lr must be numbers .* got 'fast'",
    ),
    "no gradient": (
        lambda: to_torch(opts.adam(), [parameter()]).step(),
        ValueError,
        "no parameter has a gradient: call",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()


def test_sparse_gradients_are_refused_by_name():
    table = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = to_torch(opts.adam(), table.parameters())
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match=r"dense, that of parameter 0 of shape \(5, 2\) is torch.sparse_coo"):
        optimizer.step()


def test_rprop_has_no_learning_rate_to_schedule():
    p = parameter()
    optimizer = to_torch(opts.rprop(lr=0.01), [p])
    optimizer.param_groups[0]["lr"], p.grad = 0.02, torch.ones(2)
    with pytest.raises(ValueError, match="lr must stay 0.01 for rprop"):
        optimizer.step()


def test_a_state_of_another_optimizer_is_refused():
    p = parameter()
    heavy = to_torch(opts.momentum(0.1), [p])
    p.grad = torch.ones(2)
    heavy.step()
    with pytest.raises(ValueError, match=r"state must hold G, c1, c2, m, step, got m, step for parameter '0'"):
        to_torch(opts.adam(), [p]).load_state_dict(heavy.state_dict())


@pytest.mark.parametrize("at", [1, 6], ids=["on the way there", "on the way back"])
def test_an_interruption_while_parameters_are_elsewhere_brings_them_back(monkeypatch, at):
    """Ctrl-C comes when the first of four has been written for Heun's second gradient, or the second put back."""
    model = network()
    optimizer = to_torch(training.by_scheme(oo.schemes.heun, 0.3), model.parameters())
    train(model, optimizer, 2, closure=True)
    before, copy_, written = flat(model), torch.Tensor.copy_, []

    def interrupted(*arguments):
        found = copy_(*arguments)
        written.append(0)
        if len(written) == at:
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(torch.Tensor, "copy_", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(model, optimizer, 1, closure=True)
    np.testing.assert_array_equal(flat(model), before)
    assert optimizer.ngev == 4


def test_a_state_of_torchs_own_optimizer_is_refused():
    """Before anything of it is taken."""
    model = network()
    optimizer, other = to_torch(opts.adam(0.01), model.parameters()), torch.optim.Adam(model.parameters())
    train(model, optimizer, 2)
    train(model, other, 1)
    with pytest.raises(ValueError, match="state must hold G, c1, c2, m, step, got exp_avg, .* for parameter '0'"):
        optimizer.load_state_dict(other.state_dict())
    train(model, optimizer, 1)
    assert optimizer.ngev == 3


def test_a_parameter_that_has_another_shape_now_is_named():
    """Its memory would be another's."""
    params = [torch.nn.Parameter(torch.ones(n)) for n in (3, 2)]
    optimizer = to_torch(opts.adam(0.1), params)
    for size in (3, 4):
        params[0].data = torch.ones(size)
        for p in params:
            p.grad = torch.ones_like(p)
        if size == 3:
            optimizer.step()
    with pytest.raises(ValueError, match=r"params must keep their shapes, one has \(4,\), got m of shape \(3,\)"):
        optimizer.step()
    assert (params[0] == 1).all()


def test_an_interruption_at_any_line_leaves_no_parameter_elsewhere():
    """Ctrl-C at each line in turn of what puts the parameters where Heun's scheme reads the gradient, and back."""

    def interrupted(at):
        p = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        optimizer = to_torch(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1), [p])
        passed = iter(range(10**6))

        def closure():
            p.grad = p.detach().clone()
            return (p.detach() ** 2).sum()

        def watch(frame, event, argument):
            if frame.f_code.co_name not in ("_elsewhere", "write", "_evaluate", "closure"):
                return None
            if event == "line" and next(passed) == at:
                signal.raise_signal(signal.SIGINT)
            return watch

        sys.settrace(watch)
        try:
            optimizer.step(closure)
            came = False
        except KeyboardInterrupt:
            came = True
        finally:
            sys.settrace(None)
        assert torch.is_grad_enabled()
        done = optimizer.state_dict()["state"]
        moved = 1.0 if not done else 1 - 0.1 + 0.1**2 / 2
        np.testing.assert_allclose(p.detach().numpy(), moved, rtol=1e-12)
        return came

    found = [interrupted(at) for at in range(60)]
    assert sum(found) > 20
