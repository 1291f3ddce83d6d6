"""The monitor of torch: known answers on quadratics, and a run that it does not change."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from odeopt import optimizers as opts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from odeopt.frameworks.torch import Monitor, to_torch  # noqa: E402

nn = torch.nn
CURVES = torch.tensor([1.0, 3.0, 8.0, 2.0], dtype=torch.float64)


class Bowl(nn.Module):
    """theta.H theta/2 with H = diag(CURVES), shifted by the mean of a batch."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64))

    def forward(self, x):
        return (CURVES * (self.theta - x) ** 2).sum(-1) / 2


def bowl(model, x):
    return model(x).mean()


def trained(model, optimizer, loss, batches, monitor=None):
    for batch in batches:
        optimizer.zero_grad()
        value = loss(model, *batch)
        value.backward()
        optimizer.step() if monitor is None else monitor.step(value, batch)


class Net(nn.Module):
    """With all that a forward pass may change: running statistics, dropout, a frozen layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        )
        self.layers[4].requires_grad_(False)

    def forward(self, x):
        return self.layers(x)


def entropy(model, x, y):
    return nn.functional.cross_entropy(model(x), y)


def batches(n=6, size=12):
    draws = torch.Generator().manual_seed(5)
    return [(torch.randn(size, 5, generator=draws), torch.randint(0, 3, (size,), generator=draws)) for _ in range(n)]


MADE = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "to_torch": lambda p: to_torch(opts.adam(lr=0.01), p),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


@pytest.mark.parametrize("name", MADE)
def test_the_run_is_the_same_bit_for_bit(name, tmp_path):
    """Parameters, state, statistics, gradients, random numbers and modes."""
    kept = []
    for watched in (False, True):
        torch.manual_seed(0)
        model = Net()
        optimizer = MADE[name](model.parameters())
        monitor = Monitor(model, optimizer, entropy, every=2, path=tmp_path / "a", budget=1) if watched else None
        trained(model, optimizer, entropy, batches(), monitor)
        gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        state = copy.deepcopy(optimizer.state_dict()["state"])
        kept.append((model.state_dict(), state, gradients, torch.rand(3), torch.is_grad_enabled(), model.training))
        if monitor:
            monitor.close()
            assert monitor.gauge["step"] == 4
            assert np.isfinite(monitor.gauge["sharpness"]["value"])
    torch.testing.assert_close(kept[0], kept[1], rtol=0, atol=0)


def test_on_a_quadratic_all_is_exact():
    """zeta = zeta_2, the sharpness is 8, and momentum's limit 2 (1 + beta)/lr."""
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    monitor = Monitor(model, optimizer, bowl, every=1, budget=1)
    trained(model, optimizer, bowl, [(torch.zeros(4, 4, dtype=torch.float64),)] * 4, monitor)
    found, last = monitor.gauge, monitor.last
    assert found["sharpness"]["value"] == pytest.approx(8, rel=1e-6)
    assert found["sharpness"]["error"] < 1e-3
    assert found["sharpness"]["limit"] == pytest.approx(2 * 1.9 / 0.01)
    assert found["batch_sharpness"]["limit_small"] == pytest.approx(2 * 0.1 / 0.01)
    assert found["zeta"] == pytest.approx(found["zeta2"], rel=1e-9)
    assert found["noise_scale"]["value"] == pytest.approx(0, abs=1e-12)
    g = model.theta.grad
    assert last["grad"] == pytest.approx(float(g.norm()))
    steep = float(g @ (CURVES * g) / (g @ g))
    assert found["batch_sharpness"]["value"] == pytest.approx(steep)
    assert last["groups"][0]["update_rms"] == pytest.approx(last["update"] / 2)


def test_along_an_eigenvector_zeta_is_half_of_lr_lambda():
    model = Bowl()
    with torch.no_grad():
        model.theta.mul_(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    monitor = Monitor(model, optimizer, bowl, budget=1)
    trained(model, optimizer, bowl, [(torch.zeros(2, 4, dtype=torch.float64),)], monitor)
    assert monitor.gauge["zeta"] == pytest.approx(0.2 * 8 / 2)


def test_two_rates_count_in_the_sharpness():
    """W H with W = lr_j/lr_0: 8 in a group with a quarter of the rate is 2, and 3 is the largest."""
    model = nn.ParameterList([nn.Parameter(torch.ones(2).double()), nn.Parameter(torch.ones(2).double())])
    groups = [{"params": [model[0]], "lr": 0.1}, {"params": [model[1]], "lr": 0.025}]
    optimizer = torch.optim.SGD(groups)

    def loss(model, x):
        return ((CURVES * torch.cat(list(model)) ** 2).sum() / 2 + 0 * x).mean()

    monitor = Monitor(model, optimizer, loss, every=1, budget=1)
    trained(model, optimizer, loss, [(torch.zeros(2),)] * 3, monitor)
    assert monitor.gauge["sharpness"]["value"] == pytest.approx(3, rel=1e-6)
    assert monitor.gauge["sharpness"]["limit"] == pytest.approx(20)
    assert [group["lr"] for group in monitor.last["groups"]] == [0.1, 0.025]


def test_adam_divides_by_its_second_moment():
    """After k equal steps of beta = 0 P is |g| + eps, so W H = H/|g|."""
    model = Bowl()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6, betas=(0.0, 0.0), eps=0.0)
    monitor = Monitor(model, optimizer, bowl, every=1, budget=1)
    trained(model, optimizer, bowl, [(torch.zeros(2, 4, dtype=torch.float64),)] * 3, monitor)
    exact = float((CURVES / (CURVES * model.theta.detach()).abs()).max())
    assert monitor.gauge["sharpness"]["value"] == pytest.approx(exact, rel=1e-4)
    assert monitor.gauge["sharpness"]["limit"] == pytest.approx(2e6)


def test_the_noise_scale_is_that_of_a_finite_sum():
    """Mean pieces of 100 batches, within 3 standard errors of |G|^2 and tr Sigma; drawn with replacement."""
    draws = torch.Generator().manual_seed(0)
    points = torch.randn(50, 4, generator=draws, dtype=torch.float64)
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    monitor = Monitor(model, optimizer, bowl, every=1, budget=1)
    rows = [torch.randint(0, 50, (16,), generator=draws) for _ in range(100)]
    signal, noise = [], []
    for some in rows:
        trained(model, optimizer, bowl, [(points[some],)], monitor)
        signal.append(monitor.gauge["noise_scale"]["signal"])
        noise.append(monitor.gauge["noise_scale"]["noise"])
    each = (CURVES * (model.theta.detach() - points)).numpy()
    exact = float(np.sum(each.mean(0) ** 2)), float(np.sum(each.var(0)))
    for values, truth in zip((signal, noise), exact, strict=True):
        assert abs(np.mean(values) - truth) < 3 * np.std(values) / 10


def test_the_file_goes_on_after_a_resumption(tmp_path):
    path = tmp_path / "run.jsonl"
    for _ in range(2):
        model = Bowl()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with Monitor(model, optimizer, bowl, every=2, path=path, samples=100, budget=1) as monitor:
            trained(model, optimizer, bowl, [(torch.zeros(4, 4).double(),)] * 3, monitor)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [0, 1, 2, 3, 4, 5]
    assert [line["step"] for line in lines if line["kind"] == "gauge"] == [0, 2, 4]
    head = lines[0]
    assert (head["kind"], head["format"], head["version"]) == ("header", "odeopt-monitor", 1)
    assert (head["batch"], head["samples"], head["groups"][0]["parameters"]) == (4, 100, 4)
    assert head["optimizer"]["settings"]["lr"] == 0.01
    assert lines[-1]["own_seconds"] <= lines[-1]["seconds"]


def test_clipping_skipped_steps_and_schedules_are_written_down():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    monitor = Monitor(model, optimizer)
    x = torch.zeros(3, 4).double()
    bowl(model, x).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    monitor.step(1.0, 3, norm=norm)
    assert monitor.last["grad"] == pytest.approx(1.0, rel=1e-5)
    assert monitor.last["clipped"] == pytest.approx(1 / float(norm), rel=1e-5)
    scheduler.step()
    monitor.step(1.0, take=lambda: None)
    assert monitor.last["skipped"]
    assert monitor.last["update"] is None
    assert monitor.last["groups"][0]["lr"] == 0.05


def test_a_scaler_is_undone():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    monitor = Monitor(model, optimizer)
    loss = bowl(model, torch.zeros(3, 4).double())
    scaler.scale(loss).backward()
    exact = float((CURVES * model.theta.detach()).norm())
    monitor.step(loss, 3, scaler=scaler)
    scaler.update()
    assert monitor.last["grad"] == pytest.approx(exact)
    assert monitor.last["loss_scale"] == 8.0
    (optimizer.zero_grad(), scaler.scale(bowl(model, torch.zeros(3, 4).double()) * torch.inf).backward())
    monitor.step(torch.inf, 3, scaler=scaler)
    assert monitor.last["skipped"]


def test_closures_and_half_precision():
    model = nn.Linear(3, 2).bfloat16()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    x = torch.ones(8, 3).bfloat16()

    def squares(model, x):
        return (model(x) ** 2).mean()

    def closure():
        optimizer.zero_grad()
        loss = squares(model, x)
        loss.backward()
        return loss

    monitor = Monitor(model, optimizer, squares, every=1, budget=1)
    monitor.step(1.0, x, take=lambda: optimizer.step(closure))
    assert monitor.last["grad"] is None
    assert monitor.last["update"] > 0
    assert np.isfinite(monitor.gauge["sharpness"]["value"])


def test_layers_that_the_gauge_must_not_trip_over():
    """Attention and GRU on the CPU, and an embedding."""

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.cell = nn.Embedding(7, 8), nn.GRU(8, 8, batch_first=True)
            self.look, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            h = self.cell(self.table(x))[0]
            return self.out(self.look(h, h, h, need_weights=False)[0][:, -1])

    torch.manual_seed(0)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters())
    monitor = Monitor(model, optimizer, entropy, every=1, budget=1)
    trained(model, optimizer, entropy, [(torch.randint(0, 7, (6, 4)), torch.randint(0, 3, (6,)))] * 2, monitor)
    assert np.isfinite(monitor.gauge["sharpness"]["value"])


def test_a_budget_leaves_gauges_out():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = Monitor(model, optimizer, bowl, every=1, budget=1e-9)
    trained(model, optimizer, bowl, [(torch.zeros(4, 4).double(),)] * 3, monitor)
    assert monitor.gauge["step"] == 0
    assert "it took" in repr(monitor)


def test_bad_arguments_are_refused_before_the_step():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = Monitor(model, optimizer, bowl)
    start = model.theta.detach().clone()
    for batch in ("text", [], (torch.ones(2), torch.ones(3)), torch.tensor(1.0), (1, 2)):
        with pytest.raises((TypeError, ValueError), match="batch must"):
            monitor.step(1.0, batch)
    assert torch.equal(model.theta, start)
    with pytest.raises(ValueError, match="optimizer must have parameters of model"):
        Monitor(nn.Linear(2, 2), optimizer)
