"""Parameters that come, go and change places in the groups of a torch optimizer, against torch's own."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from test_to_torch import EQUAL, _double, make, torchs  # noqa: E402, F401
from test_torch_in_place import WHOLE, by_torch  # noqa: E402

from odeopt.frameworks.torch import fused_step, to_torch  # noqa: E402

SHAPES = {"adafactor": ((3, 2), (4,))}  # torch's factors the last two axes of more
EVENTS = ("append", "replace", "remove", "swap", "add group", "lr")
FEWER = {"asgd": EVENTS[:-1]}  # torch's lr acts a step late


def in_place(monkeypatch):
    monkeypatch.setattr(fused_step, "WORTH", 0)
    return to_torch


def in_vectors(monkeypatch):
    return by_torch


class Twins:
    """The same parameters twice, for two optimizers, and everything that is done to both."""

    def __init__(self, ours, theirs, seed, shapes=((3, 2), (4,), (), (2, 1, 2)), events=EVENTS):
        self.rng, self.made, self.shapes, self.events = np.random.default_rng(seed), 0, shapes, events
        self.backends = set()
        self.lists = [], []  # all parameters that there ever were
        first = [self.new(), self.new(), self.new()]
        self.optimizers = [
            create([{"params": [a, b], "lr": 0.02}, {"params": [c]}])
            for create, (a, b, c) in zip((ours, theirs), zip(*first, strict=True), strict=True)
        ]

    def new(self):
        value = torch.tensor(self.rng.standard_normal(self.shapes[self.made % len(self.shapes)]))
        pair = [torch.nn.Parameter(value.clone()) for _ in range(2)]
        self.made += 1
        for each, p in zip(self.lists, pair, strict=True):
            each.append(p)
        return pair

    def event(self):
        """One of the things that people do to groups."""
        kind = self.rng.choice([*self.events, *["nothing"] * 6])
        group, place = self.rng.integers(2), self.rng.integers(8)
        pair = self.new() if kind in ("append", "replace", "add group") else None
        for i, optimizer in enumerate(self.optimizers):
            groups = optimizer.param_groups
            params = groups[group]["params"]
            if kind == "append":
                params.append(pair[i])
            elif kind == "replace":
                params[place % len(params)] = pair[i]
            elif kind == "remove" and len(params) > 1:
                params.pop(place % len(params))
            elif kind == "swap":
                groups.reverse()
            elif kind == "add group":
                optimizer.add_param_group({"params": [pair[i]], "lr": 0.03, "name": f"group {place}"})
            elif kind == "lr":
                groups[group]["lr"] = 0.01 * (1 + place)

    def step(self):
        """Some parameters have no gradient."""
        self.event()
        for a, b in zip(*self.lists, strict=True):
            g = None if self.rng.random() < 0.3 else torch.tensor(self.rng.standard_normal(a.shape))
            a.grad, b.grad = g, None if g is None else g.clone()
        first = self.optimizers[0].param_groups[0]["params"][0], self.optimizers[1].param_groups[0]["params"][0]
        for p in first:
            p.grad = torch.ones_like(p)
        for optimizer in self.optimizers:
            optimizer.step()
        self.backends.add(self.optimizers[0].backend)

    def agree(self):
        for a, b in zip(*self.lists, strict=True):
            np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-11, atol=1e-12)


PACED = [name for name in EQUAL if name != "rprop"]  # whose lr is its first step size only


@pytest.mark.parametrize("how", [in_place, in_vectors])
@pytest.mark.parametrize("name", PACED)
def test_whatever_is_done_to_the_groups_the_steps_are_torchs(monkeypatch, name, how):
    """Appended, replaced, removed, swapped, added later, without a gradient for a while, at another lr."""
    opt, create = make(name), how(monkeypatch)
    more = {"shapes": SHAPES[name]} if name in SHAPES else {}
    more |= {"events": FEWER[name]} if name in FEWER else {}
    for seed in range(4):
        twins = Twins(lambda p: create(opt, p), lambda p: torchs(name, opt.settings, p), seed, **more)
        for _ in range(25):
            twins.step()
        twins.agree()
    if how is in_place and name not in WHOLE:
        assert "blocks" in twins.backends


DECAYED = {
    "adamw": (lambda: opts.adamw(0.01), "AdamW", {"weight_decay": 0.01}),
    "l2 of momentum": (
        lambda: opts.l2(opts.momentum(0.01, beta=0.9), 0.1),
        "SGD",
        {"momentum": 0.9, "weight_decay": 0.1},
    ),
    "l2 of adam": (lambda: opts.l2(opts.adam(0.01), 0.1), "Adam", {"weight_decay": 0.1}),
    "l2 of rmsprop": (lambda: opts.l2(opts.rmsprop(0.01, like="torch"), 0.1), "RMSprop", {"weight_decay": 0.1}),
    "decoupled nadam": (
        lambda: opts.decoupled(opts.nadam(0.01, like="torch"), 0.1),
        "NAdam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
}


@pytest.mark.parametrize("how", [in_place, in_vectors])
@pytest.mark.parametrize("name", DECAYED)
def test_groups_have_their_own_weight_decay(monkeypatch, name, how):
    """None on the biases, half of it on another, and one that is written between two steps."""
    make_opt, kind, settings = DECAYED[name]
    opt, create = make_opt(), how(monkeypatch)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    models, x = [copy.deepcopy(model) for _ in range(2)], torch.linspace(-1, 1, 12).reshape(4, 3)
    optimizers = []
    for twin, build in zip(
        models, (lambda p: create(opt, p), lambda p: getattr(torch.optim, kind)(p, lr=0.01, **settings)), strict=True
    ):
        weights, biases = ([p for key, p in twin.named_parameters() if key.endswith(end)] for end in ("weight", "bias"))
        groups = [{"params": weights[:1], "name": "first"}, {"params": biases, "weight_decay": 0.0}]
        optimizers.append(build([*groups, {"params": weights[1:], "weight_decay": 0.05, "lr": 0.02}]))
    for k in range(20):
        for twin, optimizer in zip(models, optimizers, strict=True):
            optimizer.param_groups[0]["weight_decay"] = 0.01 * k
            optimizer.zero_grad()
            twin(x).pow(2).sum().backward()
            optimizer.step()
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-11, atol=1e-13)
    assert optimizers[0].defaults["weight_decay"] == settings["weight_decay"]
    assert how is in_vectors or optimizers[0].backend == "blocks"


def test_clipping_sees_the_gradient_of_all_groups():
    """As torch's clip_grad_norm_ before AdamW without decay on the biases."""
    models = [torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)]
    models[1].load_state_dict(models[0].state_dict())
    groups = [[{"params": [m.weight]}, {"params": [m.bias], "weight_decay": 0.0}] for m in models]
    ours = to_torch(opts.clip_norm(opts.adamw(0.1, weight_decay=0.5), 0.7, eps=1e-6), groups[0])
    theirs = torch.optim.AdamW(groups[1], lr=0.1, weight_decay=0.5)
    for k in range(10):
        for model, optimizer in zip(models, (ours, theirs), strict=True):
            optimizer.zero_grad()
            model(torch.ones(1, 3) * (k + 1)).pow(2).sum().backward()
        torch.nn.utils.clip_grad_norm_(models[1].parameters(), 0.7)
        ours.step()
        theirs.step()
    np.testing.assert_allclose(models[0].weight.detach(), models[1].weight.detach(), rtol=1e-12)
    np.testing.assert_allclose(models[0].bias.detach(), models[1].bias.detach(), rtol=1e-12)


def parameter(number=2, **more):
    return torch.nn.Parameter(torch.ones(number, **more))


def two_groups(opt, **first):
    """An optimizer of two parameters whose groups differ, with gradients."""
    params = parameter(), parameter()
    for p in params:
        p.grad = torch.ones(2)
    return to_torch(opt, [{"params": params[:1], **first}, {"params": params[1:]}])


REFUSED = {
    "no decay to change": (
        lambda: two_groups(opts.adam(), weight_decay=0.1),
        "weight_decay of a group must be 0 for adam, which has none: use optimizers.adamw, l2 or decoupled",
    ),
    "a negative decay": (lambda: two_groups(opts.adamw(), weight_decay=-1.0), "weight_decay must be non-negative"),
    "a norm of decayed gradients": (
        lambda: two_groups(opts.l2(opts.clip_norm(opts.gd(), 1.0), 0.1), weight_decay=0.0),
        "weight_decay must be the same in all groups: gd takes a norm of the decayed gradient",
    ),
    "gradients elsewhere": (
        lambda: two_groups(
            opts.l2(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1), 0.1), weight_decay=0.0
        ).step(lambda: 0.0),
        "weight_decay must be the same in all groups for Heun: it reads the gradient elsewhere",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_group_that_is_refused_is_not_added():
    optimizer = to_torch(opts.adam(), [parameter()])
    for wrong in ({"lr": -1.0}, {"weight_decay": 0.1}, {"betas": (0.9, 0.9)}):
        with pytest.raises(ValueError, match="must be"):
            optimizer.add_param_group({"params": [parameter()], **wrong})
    with pytest.raises(TypeError, match="params must be real and floating"):
        optimizer.add_param_group({"params": [torch.ones(2, dtype=torch.complex64)]})
    assert len(optimizer.param_groups) == 1


def test_a_parameter_that_stands_twice_is_refused():
    optimizer = to_torch(opts.adam(), [parameter()])
    params = optimizer.param_groups[0]["params"]
    params.append(params[0])
    params[0].grad = torch.ones(2)
    with pytest.raises(ValueError, match="params must hold each parameter once"):
        optimizer.step()


def test_an_optimizer_without_decay_takes_none():
    """As models written for several optimizers say it for their biases."""
    pair = [two_groups(opts.adam(0.1), **more) for more in ({}, {"weight_decay": 0.0})]
    for optimizer in pair:
        optimizer.step()
    torch.testing.assert_close(*[list(each.state.values()) for each in pair], rtol=0, atol=0)
