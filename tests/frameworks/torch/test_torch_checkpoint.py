"""The state of a torch optimizer, kept by parameter: read, saved, loaded and refused as torch's own."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
from support import training

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from test_to_torch import ALL, _double, flat, loss_of, network, train  # noqa: E402, F401

from odeopt.frameworks.torch import fused_step, to_torch  # noqa: E402
from odeopt.frameworks.torch.state import Layout  # noqa: E402

SEVERAL = training.SEVERAL_GRADIENTS


def by_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


WAYS = {
    "torch.save": by_file,
    "pickle": lambda state: pickle.loads(pickle.dumps(state)),
    "deepcopy": copy.deepcopy,
    "as it is": lambda state: state,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_resumed_bit_for_bit_in_low_precision(way, dtype):
    """Memory in single and clocks in double precision, which torch's own loading would cast to the parameters'."""
    model = network(dtype)
    optimizer = to_torch(opts.adam(0.01), model.parameters())
    train(model, optimizer, 5)
    again = network(dtype)
    again.load_state_dict(model.state_dict())
    continued = to_torch(opts.adam(0.01), again.parameters())
    continued.load_state_dict(WAYS[way](optimizer.state_dict()))
    for p, q in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(optimizer.state[p], continued.state[q], rtol=0, atol=0)
    train(model, optimizer, 5, first=5)
    train(again, continued, 5, first=5)
    for p, q in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)
        torch.testing.assert_close(optimizer.state[p], continued.state[q], rtol=0, atol=0)
    assert continued.ngev == optimizer.ngev == 10


@pytest.mark.parametrize("name", ALL)
def test_the_state_of_a_parameter_is_flat_tensors(name):
    """Of its shape, or one number: torch's checkpoints and sharding know nothing else."""
    model = network()
    optimizer = to_torch(ALL[name](), model.parameters())
    train(model, optimizer, 3, closure=name in SEVERAL)
    assert set(optimizer.state) == set(model.parameters())
    for p in model.parameters():
        assert optimizer.state[p]["step"].item() == 3
        for key, u in optimizer.state[p].items():
            assert u.shape in ((), p.shape) or name == "Shampoo" or name == "Adafactor", key


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("name", ["half-start Adam", "lookahead", "Muon", "Adafactor", "by hand", "AB3"])
def test_torchs_distributed_checkpoint(tmp_path, name):
    """Saved, and loaded into a new optimizer that has made no step, unless it needs a closure for one."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    def states(model, optimizer):
        return dict(zip(("model", "optimizer"), get_state_dict(model, optimizer), strict=True))

    opt, closure = ALL[name](), name in SEVERAL
    model, again = network(), network()
    optimizer, continued = (to_torch(opt, m.parameters()) for m in (model, again))
    train(model, optimizer, 5, closure=closure)
    if closure:
        train(again, continued, 5, first=9, closure=True)
    dcp.save(states(model, optimizer), checkpoint_id=tmp_path, no_dist=True)
    found = states(again, continued)
    dcp.load(found, checkpoint_id=tmp_path, no_dist=True)
    set_state_dict(again, continued, model_state_dict=found["model"], optim_state_dict=found["optimizer"])
    np.testing.assert_array_equal(flat(model), flat(again))
    train(model, optimizer, 5, first=5, closure=closure)
    train(again, continued, 5, first=5, closure=closure)
    np.testing.assert_array_equal(flat(model), flat(again))


def test_a_state_that_was_read_is_saved_and_loaded():
    """torch's `state` answers a question for a parameter without one by an empty state."""
    model = network()
    optimizer = to_torch(opts.adam(0.01), model.parameters())
    assert [optimizer.state[p] for p in model.parameters()] == [{}] * 4
    optimizer.load_state_dict(optimizer.state_dict())
    train(model, optimizer, 2)
    assert "m" in optimizer.state[model[0].bias]


def test_a_state_that_was_thrown_away_begins_anew():
    model, new = network(), network()
    optimizer = to_torch(opts.adam(0.01), model.parameters())
    train(model, optimizer, 3)
    optimizer.state.clear()
    new.load_state_dict(model.state_dict())
    train(model, optimizer, 3)
    train(new, to_torch(opts.adam(0.01), new.parameters()), 3)
    np.testing.assert_array_equal(flat(model), flat(new))


def test_memory_that_its_owner_makes_larger_is_looked_at_again(monkeypatch):
    """The pass in place knows bounds on what it left; a number near the largest must not become infinite unseen."""
    monkeypatch.setattr(fused_step, "WORTH", 0)
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = to_torch(opts.momentum(lr=1.0, beta=0.9), [p])
    for _ in range(3):
        p.grad = torch.ones(3)
        optimizer.step()
    assert optimizer.backend == "blocks"
    optimizer.state[p]["m"].fill_(torch.finfo(torch.float64).max)
    p.data.fill_(-torch.finfo(torch.float64).max)
    with pytest.raises(FloatingPointError, match="the state is not finite in step 4"):
        optimizer.step()


def test_layers_that_are_frozen_and_thawed():
    """As torch's Adam: from the start, after some steps, and with the average of parameters that never moved."""
    models = network(), network()
    ours = to_torch(opts.ema(opts.adam(0.01), 0.9), models[0].parameters())
    theirs = torch.optim.Adam(models[1].parameters(), lr=0.01)
    plan = [(0, False), (4, True), (8, False), (12, True)]
    for k in range(16):
        for model, optimizer in zip(models, (ours, theirs), strict=True):
            for first, on in plan:
                if k == first:
                    model[0].requires_grad_(on)
            train(model, optimizer, 1, first=k)
        if k == 2:
            averages = ours.memory("average")
            assert torch.equal(averages[0], models[0][0].weight)
            assert not torch.equal(averages[2], models[0][2].weight)
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-12, atol=1e-14)
    assert ours.state[models[0][0].weight]["step"] == theirs.state[models[1][0].weight]["step"] == 8


@pytest.mark.parametrize("kind", ["a head that the loss never reaches", "a frozen layer"])
@pytest.mark.parametrize("name", ["Strang Adam", "AB3", "Heun", "leapfrog", "lookahead"])
def test_a_parameter_without_gradients_changes_nothing(name, kind):
    """Neither the steps of the others nor the number of gradients."""
    opt, closure, counts, frozen = ALL[name](), name in SEVERAL, [], kind == "a frozen layer"
    models = network(), network()
    for model, more in zip(models, ([], [torch.nn.Parameter(torch.ones(3), not frozen)]), strict=True):
        optimizer = to_torch(opt, [*model.parameters(), *more])
        train(model, optimizer, 6, closure=closure)
        counts.append(optimizer.ngev)
    np.testing.assert_array_equal(flat(models[0]), flat(models[1]))
    assert counts[0] == counts[1]
    assert torch.equal(more[0], torch.ones(3))


@pytest.mark.parametrize("name", ["lookahead", "AB3", "scheduled", "half-start Adam"])
def test_a_parameter_that_comes_later_begins_as_if_it_were_alone(name):
    """On a gradient of its own: its start, its clocks, and what its scheme remembers."""
    opt = ALL[name]() if name != "scheduled" else opts.scheduled(opts.adam(0.02), oo.schedules.constant(0.5))
    first, late, alone = (torch.nn.Parameter(torch.ones(3)) for _ in range(3))
    optimizer, single = to_torch(opt, [first]), to_torch(opt, [alone])

    def closure(optimizer, *params):
        def evaluate():
            for p in params:
                p.grad = 2 * p.detach()
            return sum((p**2).sum() for p in params)

        return optimizer.step(evaluate)

    for k in range(12):
        if k == 4:
            optimizer.add_param_group({"params": [late]})
        closure(optimizer, first, *([late] if k >= 4 else []))
        if k >= 4:
            closure(single, alone)
    np.testing.assert_allclose(late.detach(), alone.detach(), rtol=1e-13)
    assert (late < 1).all()


def test_a_removed_parameter_is_not_saved():
    a, b = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = to_torch(opts.adam(0.1), [{"params": [a]}, {"params": [b]}])
    a.grad = b.grad = torch.ones(2)
    optimizer.step()
    group = optimizer.param_groups.pop(0)
    assert list(optimizer.state_dict()["state"]) == [0]
    optimizer.param_groups.insert(0, group)
    optimizer.step()
    assert optimizer.state[a]["step"] == 2


def test_a_pre_hook_of_the_user_is_obeyed():
    """torch's way to load the state of a model whose parameters have other names or places."""
    a, b = (torch.nn.Parameter(torch.ones(n)) for n in (2, 3))
    first, second = to_torch(opts.momentum(0.1), [a, b]), to_torch(opts.momentum(0.1), [b, a])
    a.grad, b.grad = torch.ones(2), torch.ones(3)
    first.step()

    def reversed_order(_, found):
        return {**found, "state": {1 - key: held for key, held in found["state"].items()}}

    with pytest.raises(ValueError, match=r"state must be of parameter '0' with shape \(3,\), got m of shape \(2,\)"):
        second.load_state_dict(first.state_dict())
    assert not second.state
    second.register_load_state_dict_pre_hook(reversed_order)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.state[a]["m"], first.state[a]["m"])


def test_the_state_of_parameters_with_other_names_is_refused():
    params = {key: torch.nn.Parameter(torch.ones(2)) for key in ("first", "second")}
    optimizer = to_torch(opts.momentum(0.1), params.items())
    for p in params.values():
        p.grad = torch.ones(2)
    optimizer.step()
    other = to_torch(opts.momentum(0.1), reversed(params.items()))
    with pytest.raises(ValueError, match="state must be of parameter 'second', got the state of 'first'"):
        other.load_state_dict(optimizer.state_dict())
    other.state[params["first"]] = {}
    optimizer.load_state_dict(optimizer.state_dict())


def test_empty_parameters_are_left_alone_as_in_torch():
    p, empty = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(0))
    optimizer = to_torch(opts.adam(0.1), [p, empty])
    p.grad, empty.grad = torch.ones(2), torch.ones(0)
    optimizer.step()
    assert (p < 1).all()
    optimizer.load_state_dict(optimizer.state_dict())


def test_lr_may_be_a_tensor():
    models = network(), network()
    for model, lr in zip(models, (0.02, torch.tensor(0.02)), strict=True):
        optimizer = to_torch(opts.adam(0.01), [{"params": list(model.parameters()), "lr": lr}])
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        for k in range(4):
            train(model, optimizer, 1, first=k)
            scheduler.step()
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-12)


def test_a_grad_scaler_skips_and_unscales():
    """As around torch's own SGD: the first scales overflow, the steps are skipped and the scale halved."""
    models = network(torch.float32), network(torch.float32)
    pair = (
        to_torch(opts.momentum(0.1), models[0].parameters()),
        torch.optim.SGD(models[1].parameters(), 0.1, momentum=0.9),
    )
    scales = []
    for model, optimizer in zip(models, pair, strict=True):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**125)
        for k in range(12):
            optimizer.zero_grad()
            scaler.scale(100 * loss_of(model, k)).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        scales.append(scaler.get_scale())
    assert scales[0] == scales[1] < 2.0**125
    assert np.abs(flat(models[0]) - flat(network(torch.float32))).max() > 1e-3
    np.testing.assert_allclose(flat(models[0]), flat(models[1]), rtol=1e-5, atol=1e-6)


def test_numbers_of_parameters_that_do_not_move_are_not_asked():
    """One clock for all that move is one number, and no vector in double precision."""
    params = tuple(torch.nn.Parameter(torch.ones(n)) for n in (2, 1, 3))
    layouts = [Layout(params, ("c1",), active) for active in ((True, True, False), (True, False, True))]
    one, several = (layout.number([0.5, 0.5, 0.1], torch.float64) for layout in layouts)
    assert one == 0.5
    assert several.value.tolist() == [0.5, 0.5, 0.5, 0.1, 0.1, 0.1]


def test_what_a_scheme_remembers_has_one_name_when_rates_become_equal():
    """The slope of a clock is a number for each parameter, or a vector while groups differ in lr."""
    adam = opts.adam(0.01)
    by_hand = oo.Optimizer(adam.flow, oo.schemes.ab2, 0.01, start=oo.starts.settled)
    params = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = to_torch(by_hand, [{"params": params[:1], "lr": 0.02}, {"params": params[1:]}])

    def closure():
        for p in params:
            p.grad = 2 * p.detach()

    for k in range(6):
        optimizer.param_groups[0]["lr"] = 0.02 if k < 3 else 0.01
        optimizer.step(closure)
        names = [name for name in optimizer.state[params[0]] if name.startswith(("past", "number"))]
        assert len({name.partition("_")[2] for name in names}) == len(names) == 5
        optimizer.load_state_dict(optimizer.state_dict())
    assert all((p < 0.97).all() for p in params)
