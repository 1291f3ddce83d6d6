"""Soft batches in torch: some micro-batches, then one update, against the big batch."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support import training

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from test_to_torch import flat, network  # noqa: E402

from odeopt.frameworks.torch import soft_batch, to_torch  # noqa: E402

MICRO = len(training.UNEVEN)
DECAYED = {
    "l2": lambda: opts.l2(opts.momentum(lr=0.05), 1e-2),
    "all at once": lambda: opts.clip_norm(
        opts.scheduled(opts.decoupled(opts.adam(0.02), 0.1), oo.schedules.step(every=2, factor=0.5)), 0.5
    ),
}
EVERY = training.ONE_GRADIENT | DECAYED


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def loss_of(model, x, y):
    x = torch.tensor(x, dtype=next(model.parameters()).dtype)
    return torch.nn.functional.cross_entropy(model(x), torch.tensor(y))


def big(model, optimizer, k, first=0):
    """The update by the first micro-batches of batch k together, or by all."""
    pieces = training.micro_batches(k)[: first or MICRO]
    loss_of(model, *map(np.concatenate, zip(*pieces, strict=True))).backward()
    optimizer.step()
    optimizer.zero_grad()


def small(model, soft, k, weights=training.UNEVEN, after=0, first=MICRO):
    """The micro-batches after .. first of batch k; whether the last made an update."""
    for (x, y), weight in list(zip(training.micro_batches(k), weights, strict=True))[after:first]:
        loss_of(model, x, y).backward()
        updated = soft.step(weight)
    return updated


def close(ours, theirs):
    assert np.abs(flat(theirs) - flat(network())).max() > 1e-3
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_exactly_the_big_batch(name):
    """Six updates, and one from what is left: for every optimizer and all that counts updates."""
    ours, theirs = network(), network()
    soft, optimizer = (
        soft_batch(to_torch(EVERY[name](), ours.parameters()), MICRO),
        to_torch(EVERY[name](), theirs.parameters()),
    )
    for k in range(6):
        assert small(ours, soft, k)
        big(theirs, optimizer, k)
    assert not small(ours, soft, 6, first=2)
    assert soft.waiting == 2
    assert soft.flush()
    assert not soft.flush()
    big(theirs, optimizer, 6, first=2)
    close(ours, theirs)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_around_torchs_own_with_its_clipping_decay_and_scheduler(kind):
    ours, theirs = network(), network()
    more = {"momentum": 0.9} if kind == "SGD" else {}
    pair = [
        getattr(torch.optim, kind)(model.parameters(), lr=0.02, weight_decay=0.01, **more) for model in (ours, theirs)
    ]
    schedulers = [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) for optimizer in pair]
    for model, optimizer in zip((ours, theirs), pair, strict=True):
        optimizer.register_step_pre_hook(lambda *_, model=model: clip(model) and None)
    soft = soft_batch(pair[0], MICRO)
    for k in range(6):
        if small(ours, soft, k):
            schedulers[0].step()
        big(theirs, pair[1], k)
        schedulers[1].step()
    close(ours, theirs)


def clip(model):
    return torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)


@pytest.mark.parametrize("name", training.SEVERAL_GRADIENTS)
def test_a_scheme_of_several_gradients_takes_them_from_a_closure_over_the_micro_batches(name):
    opt, models = training.SEVERAL_GRADIENTS[name](), (network(), network())
    ours, theirs = (to_torch(opt, model.parameters()) for model in models)
    for k in range(4):

        def soft(k=k):
            ours.zero_grad()
            for x, y in training.micro_batches(k):
                (loss_of(models[0], x, y) * len(x) / sum(training.UNEVEN)).backward()

        def whole(k=k):
            theirs.zero_grad()
            loss_of(models[1], *map(np.concatenate, zip(*training.micro_batches(k), strict=True))).backward()

        ours.step(soft)
        theirs.step(whole)
    close(*models)


def test_without_weights_the_smaller_batch_counts_too_much():
    ours, theirs = network(), network()
    soft = soft_batch(to_torch(opts.adam(0.02), ours.parameters()), MICRO)
    optimizer = to_torch(opts.adam(0.02), theirs.parameters())
    for k in range(6):
        small(ours, soft, k, weights=(1, 1, 1))
        big(theirs, optimizer, k)
    off = np.linalg.norm(flat(ours) - flat(theirs)) / np.linalg.norm(flat(theirs) - flat(network()))
    assert 0.1 < off < 0.4  # measured .21


@pytest.mark.parametrize("waiting", [0, 2])
def test_saved_loaded_and_continued_bit_for_bit(waiting):
    """Also in the middle of a window."""
    opt, model = opts.half_start_adam(0.01), network()
    soft = soft_batch(to_torch(opt, model.parameters()), MICRO)
    small(model, soft, 0)
    if waiting:
        small(model, soft, 1, first=waiting)
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "soft": soft.state_dict()}, file)
    file.seek(0)
    saved, again = torch.load(file, weights_only=True), network()
    again.load_state_dict(saved["model"])
    continued = soft_batch(to_torch(opt, again.parameters()), MICRO)
    continued.load_state_dict(saved["soft"])
    assert continued.waiting == waiting
    for net, batch in ((model, soft), (again, continued)):
        assert small(net, batch, 1, after=waiting)
        small(net, batch, 2)
    np.testing.assert_array_equal(flat(model), flat(again))
    with pytest.raises(ValueError, match=r"parameters of shapes \[\(2,\)\], got \[\(16, 64\)"):
        soft_batch(torch.optim.SGD([torch.ones(2)], 0.1), 2).load_state_dict(saved["soft"])


def test_a_parameter_that_no_micro_batch_reaches_stays():
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    soft = soft_batch(to_torch(opts.adamw(0.1, weight_decay=0.5), [used, unused]), 2)
    for _ in range(2):
        (used**2).sum().backward()
        soft.step(1)
    assert torch.equal(unused, torch.ones(2))
    assert used.detach().max() < 0.9


@pytest.mark.parametrize("nan", ["raise", "skip"])
def test_a_gradient_that_is_not_finite_spoils_its_own_window_alone(nan):
    p = torch.nn.Parameter(torch.ones(2))
    soft = soft_batch(to_torch(opts.adam(0.1), [p], nan=nan), 2)
    p.grad = torch.tensor([np.nan, 1.0])
    soft.step(1)
    p.grad = torch.ones(2)
    if nan == "raise":
        with pytest.raises(FloatingPointError, match="not finite in step 1"):
            soft.step(1)
    else:
        soft.step(1)
    assert torch.equal(p, torch.ones(2))
    for _ in range(2):
        p.grad = torch.ones(2)
        soft.step(1)
    np.testing.assert_allclose(p.detach(), 0.9, rtol=1e-6)


def test_bfloat16_is_added_up_in_single_precision():
    """1 + 255 times 1/256 is 1.996; in bfloat16 it would stay 1."""
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    soft = soft_batch(torch.optim.SGD([p], lr=1.0), 256)
    for k in range(256):
        p.grad = torch.tensor([256.0 if k == 0 else 1.0], dtype=torch.bfloat16)
        soft.step(1)
    assert p.item() == pytest.approx(-511 / 256, rel=2**-8)


CLASS_WEIGHTS = torch.linspace(0.5, 2.0, 10, dtype=torch.float64)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("weighed", [False, True])
def test_a_micro_batch_weighs_what_counts(weighed, silent):
    """Labels that cross_entropy ignores, and its class weights; also a micro-batch whose labels are all ignored."""
    entropy = torch.nn.CrossEntropyLoss(CLASS_WEIGHTS if weighed else None)
    ours, theirs, rng = network(), network(), np.random.default_rng(0)
    window = [
        (torch.tensor(x), torch.tensor(np.where(rng.random(len(y)) < 0.5, -100, y)))
        for x, y in training.micro_batches(0)
    ]
    if silent:
        window[1][1][:] = -100
    soft = soft_batch(torch.optim.SGD(ours.parameters(), lr=0.5), MICRO)
    for x, y in window:
        entropy(ours(x), y).backward()
        counted = y[y != -100]
        soft.step(CLASS_WEIGHTS[counted].sum() if weighed else len(counted))
    entropy(theirs(torch.cat([x for x, _ in window])), torch.cat([y for _, y in window])).backward()
    torch.optim.SGD(theirs.parameters(), lr=0.5).step()
    close(ours, theirs)


def test_a_window_in_which_nothing_counts_makes_no_update():
    p = torch.nn.Parameter(torch.ones(2))
    soft = soft_batch(torch.optim.Adam([p], lr=0.1), 2)
    for updated in (soft.step(0), soft.step(0), soft.flush()):
        assert not updated
    assert soft.waiting == 0
    assert torch.equal(p, torch.ones(2))


def test_with_a_scaler_of_gradients_and_clipping():
    """The scale falls at the overflow of the first window, which moves nothing; then all is that of the big batch."""
    ours, theirs = network(), network()
    pair = [torch.optim.Adam(model.parameters(), lr=0.02) for model in (ours, theirs)]
    scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    soft = soft_batch(pair[0], MICRO)
    for k, factor in ((0, 1e300), (0, 1.0), (1, 1.0), (2, 1.0)):
        for x, y in training.micro_batches(k):
            scaler.scale(factor * loss_of(ours, x, y)).backward()
            if soft.take(len(x)):
                scaler.unscale_(pair[0])
                clip(ours)
                scaler.step(pair[0])
                scaler.update()
                pair[0].zero_grad()
    assert scaler.get_scale() == pytest.approx(5e29)
    for k in (0, 1, 2):
        loss_of(theirs, *map(np.concatenate, zip(*training.micro_batches(k), strict=True))).backward()
        clip(theirs)
        pair[1].step()
        pair[1].zero_grad()
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-6, atol=1e-8)


def test_parameters_may_come_and_go():
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([a], lr=1.0)
    soft = soft_batch(optimizer, 2)
    for late in (False, True):
        if late:
            optimizer.add_param_group({"params": [b]})
            optimizer.param_groups.reverse()
        a.grad, b.grad = torch.ones(1), torch.full((1,), 4.0) if late else None
        soft.step(1)
    assert (a.item(), b.item()) == (-1.0, -2.0)


REFUSED = {
    "a model": (
        lambda: soft_batch(network(), 2),
        TypeError,
        r"optimizer must be a torch.optim.Optimizer, got Sequential",
    ),
    "none": (
        lambda: soft_batch(torch.optim.SGD([torch.ones(2)], 0.1), 0),
        ValueError,
        "micro must be at least 1, got 0",
    ),
    "a negative weight": (lambda: one_step(-1), ValueError, "weight must be non-negative and finite, got -1"),
    "several weights": (lambda: one_step([1, 2]), ValueError, "weight must be a single number"),
    "several gradients": (
        lambda: one_step(1, training.SEVERAL_GRADIENTS["Heun"]()),
        ValueError,
        r"closure must be given: this scheme needs the gradient elsewhere",
    ),
    "no gradient": (lambda: one_step(1, grad=None), ValueError, "no parameter has a gradient"),
    "sparse": (
        lambda: one_step(1, grad=torch.ones(2).to_sparse()),
        TypeError,
        r"gradients must be dense, that of parameter 0 of shape \(2,\) is torch.sparse_coo",
    ),
}


ONES = torch.ones(2)


def one_step(weight, opt=None, grad=ONES):
    p = torch.nn.Parameter(torch.ones(2))
    p.grad = grad
    soft_batch(to_torch(opt or opts.adam(), [p]), 1).step(weight)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()
