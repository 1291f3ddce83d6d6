"""Half-start Adam and Strang Adam beside Adam on the digits, 64-16-10: loss and test accuracy at equal gradients.

Strang's splitting "memory drift memory" takes two gradients of a batch in a step, so it makes half the steps, or steps
of 2h along the same flow; from the half start it is Adam itself on one batch.  Means over seeds (network, split and
batches are the same for all optimizers of a seed), and of the paired differences from Adam, with standard errors:
python benchmarks/adams_on_digits.py [seeds]
"""

import sys
from itertools import islice

import numpy as np
import torch
from sklearn.datasets import load_digits
from tqdm import tqdm

import odeopt as oo
from odeopt.frameworks.torch import to_torch

HIDDEN, BATCH, TEST = 16, 128, 500
RATES, MARKS = (0.003, 0.01, 0.03), (150, 600)  # gradients after which it is measured


def strang_adam(lr):
    adam = oo.optimizers.adam(lr=lr)
    strang = oo.schemes.Splitting("memory drift memory", order=2)
    return oo.Optimizer(adam.flow, strang, adam.h, start=oo.starts.half_step())


OPTIMIZERS = {
    "Adam": (lambda p, lr: torch.optim.Adam(p, lr=lr), 1),
    "half-start Adam": (lambda p, lr: to_torch(oo.optimizers.half_start_adam(lr=lr), p), 1),
    "Strang Adam": (lambda p, lr: to_torch(strang_adam(lr), p), 2),
    "Strang Adam, 2h": (lambda p, lr: to_torch(strang_adam(lr).with_step(2 * lr), p), 2),
}


def data(seed):
    """Training and test images and labels."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = torch.tensor(pixels[order] / 16, dtype=torch.float32), torch.tensor(labels[order])
    return (x[TEST:], y[TEST:]), (x[:TEST], y[:TEST])


def batches(seed, n):
    """Indices, epoch after epoch."""
    rng = np.random.default_rng((seed, 1))
    while True:
        yield from np.array_split(rng.permutation(n), n // BATCH)


def curve(name, lr, seed):
    """[training loss, test accuracy in %] at each mark."""
    make, cost = OPTIMIZERS[name]
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 10))
    (x, y), (x_test, y_test) = data(seed)
    optimizer, found = make(model.parameters(), lr), []
    for k, rows in enumerate(islice(batches(seed, len(y)), MARKS[-1] // cost), 1):

        def closure(rows=rows):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            return loss

        optimizer.step(closure)
        if k * cost in MARKS:
            with torch.no_grad():
                loss = torch.nn.functional.cross_entropy(model(x), y).item()
                found.append([loss, 100 * (model(x_test).argmax(-1) == y_test).double().mean().item()])
    return found


def spread(values):
    return f"{values.mean(0):9.4f} +- {values.std(0, ddof=1) / np.sqrt(len(values)):.4f}"


def main(seeds):
    torch.set_num_threads(1)
    runs = [(name, lr, seed) for lr in RATES for name in OPTIMIZERS for seed in range(seeds)]
    found = {run: curve(*run) for run in tqdm(runs)}
    print(f"{seeds} seeds; differences are paired: optimizer minus Adam")
    heads = ("loss", "difference", "accuracy %", "difference")
    print(f"{'lr':>6} {'gradients':>9} {'optimizer':<16}", *[f"{head:>19}" for head in heads])
    for lr in RATES:
        for i, mark in enumerate(MARKS):
            adam = np.array([found["Adam", lr, seed][i] for seed in range(seeds)])
            for name in OPTIMIZERS:
                ours = np.array([found[name, lr, seed][i] for seed in range(seeds)])
                cells = [spread(column) for pair in zip(ours.T, (ours - adam).T, strict=True) for column in pair]
                print(f"{lr:6g} {mark:9d} {name:<16} {' '.join(cells)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
