"""muP of torch modules: kinds of parameters by shape, and their groups."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import odeopt as oo  # noqa: E402
from odeopt.frameworks.torch import parameter_groups, parameter_kinds, to_torch  # noqa: E402

pytestmark = pytest.mark.torch
ADAMW = oo.optimizers.adamw(lr=0.01, weight_decay=0.1)


class Attention(torch.nn.Module):
    """Everything that grows in another way: a table, norms, attention, a convolution, a head."""

    def __init__(self, width):
        super().__init__()
        self.tokens = torch.nn.Embedding(11, width)
        self.patch = torch.nn.Conv1d(3, width, 2)
        self.norm = torch.nn.LayerNorm(width)
        self.mix = torch.nn.MultiheadAttention(width, 2)
        self.head = torch.nn.Linear(width, 5)
        self.temperature = torch.nn.Parameter(torch.ones(3, 3))


def test_kinds_by_shape():
    kinds = parameter_kinds(Attention(32), Attention(8))
    assert {name: kind for name, kind in kinds.items() if "bias" not in name and "norm" not in name} == {
        "tokens.weight": "embedding",
        "patch.weight": "embedding",
        "mix.in_proj_weight": "hidden",
        "mix.out_proj.weight": "hidden",
        "head.weight": "output",
        "temperature": "vector",
    }
    assert {kind for name, kind in kinds.items() if "bias" in name or "norm" in name} == {"vector"}


def test_groups_hold_each_parameter_once_and_train():
    module = Attention(32)
    found = oo.transfer(ADAMW, width=(8, 32))
    groups = parameter_groups(module, Attention(8), found)
    assert sum(len(group["params"]) for group in groups) == len(list(module.parameters()))
    rates = {group["name"]: (group["lr"], group["weight_decay"]) for group in groups}
    assert rates == {
        "hidden": pytest.approx((0.0025, 0.4)),
        "vector": pytest.approx((0.01, 0.1)),
        "embedding": pytest.approx((0.01, 0.1)),
        "output": pytest.approx((0.0025, 0.4)),
    }
    theirs = {name: p.detach().clone() for name, p in module.named_parameters()}
    for make in (lambda: to_torch(found.optimizers["vector"], groups), lambda: torch.optim.AdamW(groups)):
        optimizer = make()
        for p in module.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        moved = {name: (p - theirs[name]).abs().mean().item() for name, p in module.named_parameters()}
        assert moved["head.bias"] > 3 * moved["head.weight"] > 0
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.copy_(theirs[name])


def test_the_first_update_of_the_outputs_does_not_grow_with_the_width():
    """muP's property: one step of Adam changes the outputs by as much at any width; standard rates do not."""

    def change(width, groups):
        torch.manual_seed(0)
        net = lambda n: torch.nn.Sequential(
            torch.nn.Linear(8, n, bias=False),
            torch.nn.Linear(n, n, bias=False),
            torch.nn.Linear(n, 1, bias=False),
        ).double()
        module, x = net(width), torch.linspace(-1, 1, 32, dtype=torch.float64).reshape(4, 8)
        with torch.no_grad():
            module[2].weight.mul_((16 / width) ** 0.5)
        found = oo.transfer(oo.optimizers.adam(lr=1e-4), width=(16, width))
        own = parameter_groups(module, net(8), found) if groups else module.parameters()
        optimizer = torch.optim.Adam(own, lr=1e-4)
        before = module(x)
        before.sum().backward()
        optimizer.step()
        return float((module(x) - before).abs().mean().detach())

    widths = (64, 256, 1024)
    slopes = [np.polyfit(np.log(widths), np.log([change(n, groups) for n in widths]), 1)[0] for groups in (True, False)]
    assert abs(slopes[0]) < 0.2  # 0 in the limit of large widths
    assert slopes[1] > 0.8  # hidden and output matrices move the outputs in proportion to the width


BAD = [
    (
        lambda: parameter_kinds(Attention(8), torch.nn.Linear(2, 2)),
        ValueError,
        "narrow must have the parameters of",
    ),
    (lambda: parameter_kinds("net", Attention(8)), TypeError, "module must be a torch.nn.Module, got 'net'"),
    (lambda: parameter_groups(Attention(8), Attention(4), ADAMW), TypeError, "found must be what odeopt.transfer"),
    (
        lambda: parameter_groups(Attention(8), Attention(4), oo.transfer(ADAMW, batch=2)),
        ValueError,
        "found must have a group hidden, which module has, got all",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
