"""The loss of real networks over learning rates, at several batch sizes, horizons and widths: transfer_experiments.csv.

A tuned setting is the best rate of its row of cells; figure 29 reads the table and puts the rates of `oo.transfer`
beside it.  Batches and horizons: 16-32-10 tanh on the digits, by `simulate`, three seeds (start and batches), a linear
decay over the run.  Widths: 64-n-n-10 ReLU on digits with new pixel noise in each batch, in torch, two seeds.

memory: what a cell keeps beside the rate.  "samples": averages over as many samples as at the base (betas to the power
kappa); "steps": the betas of the base; "muP" and "standard": the parametrisation of width.  Decay keeps its memory in
samples, lr weight_decay times kappa, and is weak, as a training loss knows no use of it.
Finished cells are not run again: python benchmarks/transfer_experiments.py
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import odeopt as oo
from odeopt.util.check import Array

FILE = Path(__file__).with_suffix(".csv")
COLUMNS = ("experiment", "optimizer", "size", "memory", "lr", "loss", "error", "noise_ratio")
DIGITS, COPIES, NOISE, SEEDS, HIDDEN = 1797, 8, 0.1, 3, 32
BASE, BATCHES, BUDGET = 32, (8, 16, 32, 64, 128, 256, 512), 2**15
HORIZONS, FIRST_BUDGET = (1, 2, 4, 8, 16), 2**11
DECAY = 2.0**-14  # lr weight_decay of AdamW and Lion at the base: too little to count in the training loss
RATES = {
    "adamw": 2.0 ** np.arange(-8, 0.5, 0.5),
    "lion": 2.0 ** np.arange(-11.5, -2.5, 0.5),
    "sgd": 2.0 ** np.arange(-7, 1.5, 0.5),
}
Cell = tuple[str, str, int, str]  # experiment, optimizer, size, memory


def optimizer(name: str, lr: Array, kappa: float, memory: str) -> oo.Optimizer:
    """One member for each rate."""
    power, decay = (kappa if memory == "samples" else 1.0), kappa * DECAY / lr
    if name == "sgd":
        return oo.optimizers.momentum(lr=lr, beta=0.9)
    if name == "lion":
        return oo.optimizers.lion(lr, 0.9 * 0.99 ** (power - 1), 0.99**power, decay)
    return oo.optimizers.adamw(lr, 0.9**power, 0.999**power, weight_decay=decay)


@cache
def network(seed: int) -> oo.Problem:
    """16-32-10 tanh, started by the seed, on copies of the digits with Gaussian noise on their pixels."""
    plain = oo.problems.tanh_network(hidden=HIDDEN, samples=DIGITS, rng=seed)
    assert plain.samples is not None
    x, one_hot = (np.tile(each, (COPIES, 1)) for each in plain.samples.data)
    x += NOISE * np.random.default_rng(0).normal(size=x.shape)
    samples = replace(plain.samples, data=(x, one_hot))
    return oo.Problem(samples.loss, samples.grad, theta0=plain.theta0, batched=True, samples=samples)


def trained(opt: oo.Optimizer, batch: int, steps: int, rates: int) -> oo.simulation.Trajectory:
    """A run (records, rates, seeds, d), in which a seed has the same start and the same batches at each rate."""
    noisy = oo.noise.minibatches(network(0), batch)
    drawn = oo.noise.batches(noisy, [batch] * steps, rng=batch, members=(SEEDS,))
    theta0 = np.stack([network(seed).theta0 for seed in range(SEEDS)])
    return oo.simulate(
        oo.optimizers.scheduled(opt, oo.schedules.linear(steps)),
        noisy,
        steps,
        np.broadcast_to(theta0, (rates, *theta0.shape)),
        noise=[np.broadcast_to(each, (rates, *each.shape)) for each in drawn],
        record_every=-(-steps // 4),
        progress=False,
    )


def swept(cell: Cell) -> list[tuple[Any, ...]]:
    """The rows of a cell of a batch or horizon."""
    experiment, name, size, memory = cell
    batch, budget = (size, BUDGET) if experiment == "batch" else (BASE, FIRST_BUDGET * size)
    kappa, steps, rates = batch / BASE, budget // batch, RATES[name]
    lr = rates[:, None] * np.ones(SEEDS)
    run = trained(optimizer(name, lr, kappa, memory), batch, steps, len(rates))
    loss = np.where(np.isfinite(run.loss[-1]), run.loss[-1], np.inf)
    noise = np.full(len(rates), np.nan)
    if batch == BASE:  # the ratio along the run, from its second quarter to its end
        best = loss.mean(axis=-1).argmin()
        ratios = oo.noise_ratio(oo.noise.minibatches(network(0), batch), run.theta[1:, best])
        noise[best] = np.exp(np.log(ratios).mean())
    error = loss.std(axis=-1, ddof=1) / np.sqrt(SEEDS)
    return [(*cell, *map("{:.6g}".format, row)) for row in zip(rates, loss.mean(axis=-1), error, noise, strict=True)]


# --- widths ---------------------------------------------------------------------------------------------------------

WIDTHS, NARROW, STEPS, WIDE_BATCH, PIXEL_NOISE, WIDE_SEEDS = (64, 128, 256, 512, 1024), 64, 200, 64, 0.5, 2
WIDE_RATES = 2.0 ** np.arange(-11.5, -4, 0.5)


def wide(cell: Cell) -> list[tuple[Any, ...]]:
    """The rows of a cell of a width."""
    width, memory, rates = cell[2], cell[3], WIDE_RATES
    losses = np.array([[wide_loss(width, memory == "muP", lr, seed) for seed in range(WIDE_SEEDS)] for lr in rates])
    error = losses.std(axis=-1, ddof=1) / np.sqrt(WIDE_SEEDS)
    return [(*cell, *map("{:.6g}".format, row), "nan") for row in zip(rates, losses.mean(axis=-1), error, strict=True)]


def wide_loss(width: int, mup: bool, lr: float, seed: int) -> float:
    """The loss after a run; with muP the hidden and output rates are lr NARROW/width, the output starts smaller."""
    import torch
    from sklearn.datasets import load_digits

    pixels, labels = (torch.as_tensor(u) for u in load_digits(return_X_y=True))
    pixels = (pixels / 16 - 0.5).float()
    generator = torch.Generator().manual_seed(seed)
    noisy = lambda x: x + PIXEL_NOISE * torch.randn(x.shape, generator=generator)
    test = noisy(pixels)
    ratio = NARROW / width if mup else 1.0
    shapes = [(64, width, 1.0, 1.0), (width, width, 1.0, ratio), (width, 10, ratio**0.5, ratio)]
    groups, layers = [], []
    for rows, columns, std, rate in shapes:
        W = (std * torch.randn(rows, columns, generator=generator) * (2 / rows) ** 0.5).requires_grad_()
        b = torch.zeros(columns, requires_grad=True)
        layers.append((W, b))
        groups += [{"params": [W], "lr": lr * rate}, {"params": [b], "lr": lr}]

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for W, b in layers[:-1]:
            x = torch.relu(x @ W + b)
        return torch.nn.functional.cross_entropy(x @ layers[-1][0] + layers[-1][1], y)

    opt = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda k: 1 - k / STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(labels), (WIDE_BATCH,), generator=generator)
        opt.zero_grad()
        loss(noisy(pixels[rows]), labels[rows]).backward()
        opt.step()
        schedule.step()
    with torch.no_grad():
        return float(loss(test, labels))


# --- the table ------------------------------------------------------------------------------------------------------


def cells() -> Iterator[Cell]:
    """All cells.  SGD has no memory that could be kept otherwise, and a horizon changes none."""
    for experiment, sizes in (("batch", BATCHES), ("horizon", HORIZONS)):
        for name in RATES:
            memories = ("steps", "samples") if experiment == "batch" and name != "sgd" else ("steps",)
            yield from ((experiment, name, size, memory) for size in sizes for memory in memories)
    yield from (("width", "adam", width, memory) for width in WIDTHS for memory in ("standard", "muP"))


def recorded() -> list[dict[str, str]]:
    if not FILE.exists():
        return []
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


def main(wanted: Callable[[Cell], bool] = lambda cell: True) -> None:
    for cell in filter(wanted, cells()):
        rows = recorded()
        if any((r["experiment"], r["optimizer"], int(r["size"]), r["memory"]) == cell for r in rows):
            continue
        new = wide(cell) if cell[0] == "width" else swept(cell)
        with FILE.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(new if rows else [COLUMNS, *new])
        best = min(new, key=lambda row: float(row[5]))
        print(*cell, f"best lr {best[4]}, loss {best[5]} +- {best[6]}", flush=True)


if __name__ == "__main__":
    main()
