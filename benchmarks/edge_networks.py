"""Which model follows training at the edge of stability: networks x optimizers x seeds, into edge_networks.csv.

Every row is one model in one cell, from `odeopt.compare_at_edge`: its distance from the filtered iterates and its error
in the mean loss, over the steps since the perturbation.  Figures 26 and 27 draw what was recorded.  A cell is appended
when it is done, and a second run goes on with those that are missing: python benchmarks/edge_networks.py [names]
"""

from __future__ import annotations

import csv
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import odeopt as oo
from odeopt.edge.compared_paths import iterated
from odeopt.edge.comparison import filtered
from odeopt.edge.start import first_state
from odeopt.util.check import Array

FILE = Path(__file__).with_suffix(".csv")
SIZE, SEEDS = 1e-3, (0, 1, 2)
FIELDS = (
    "network", "loss_kind", "d", "optimizer", "lr", "seed", "steps", "perturbed", "modes", "way", "measured",
    "model", "distance", "last", "predicted", "loss_error", "seconds", "ending",
)  # fmt: skip
TEXTS = {"network", "loss_kind", "optimizer", "model", "ending"}
OPTIMIZERS: dict[str, Callable[[float], oo.Optimizer]] = {
    "gd": lambda lr: oo.optimizers.gd(lr),
    "momentum": lambda lr: oo.optimizers.momentum(lr, 0.5),
    "rmsprop": lambda lr: oo.optimizers.rmsprop(lr, 0.95),
    "adam": lambda lr: oo.optimizers.adam(lr, 0.8, 0.95),
}


@dataclass(frozen=True)
class Network:
    """Fully connected tanh layers on samples (x, y), y one-hot or numbers, with weights of deviation gain/sqrt(fan-in).

    A small gain lets the network sharpen before it comes to the edge.  `rates` are in the order of OPTIMIZERS.
    """

    data: Callable[[], tuple[Any, Any]]
    hidden: tuple[int, ...]
    kind: str
    gain: float
    steps: int
    rates: tuple[float, float, float, float]


def waves() -> tuple[Any, Any]:
    """24 points in three dimensions, y = sin(2 x_1) + x_2 x_3."""
    x = np.random.default_rng(7).normal(size=(24, 3))
    return x, np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:]


def shipped(name: str, samples: int, classes: int = 0) -> tuple[Any, Any]:
    """The first samples, in a random order, of one of scikit-learn's data sets; inputs of mean 0 and variance 1."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(x))[:samples]
    x, y = x[chosen], y[chosen]
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-3 * np.abs(x).max())
    return x, np.eye(classes)[y] if classes else ((y - y.mean()) / y.std())[:, None]


NETWORKS: dict[str, Network] = {
    "waves 8": Network(waves, (8,), "square", 1.0, 120, (0.25, 0.375, 0.012, 0.04)),
    "waves 6-6": Network(waves, (6, 6), "square", 1.0, 120, (0.1, 0.15, 0.004, 0.014)),
    "diabetes 8": Network(lambda: shipped("diabetes", 100), (8,), "square", 1.0, 120, (0.36, 0.54, 0.005, 0.04)),
    "iris 6-6": Network(lambda: shipped("iris", 150, 3), (6, 6), "entropy", 1.0, 60, (0.75, 1.1, 0.008, 0.04)),
    "wine 6-6": Network(lambda: shipped("wine", 178, 3), (6, 6), "square", 0.5, 60, (0.5, 0.75, 0.006, 0.05)),
    "cancer 6": Network(lambda: shipped("breast_cancer", 150, 2), (6,), "square", 0.4, 60, (0.42, 0.63, 0.003, 0.014)),
    "digits 10": Network(lambda: shipped("digits", 100, 10), (10,), "square", 0.3, 60, (0.4, 0.6, 0.0025, 0.014)),
    "digits 10-10": Network(lambda: shipped("digits", 100, 10), (10, 10), "entropy", 0.6, 60, (1.0, 1.5, 0.004, 0.03)),
}


@cache
def problem_of(name: str) -> oo.Problem:
    """The network as a problem: the gradient by backpropagation, H p by its complex step."""
    network = NETWORKS[name]
    x, y = network.data()
    widths, squared = [x.shape[1], *network.hidden, y.shape[1]], network.kind == "square"
    shapes = [shape for m, n in itertools.pairwise(widths) for shape in ((m, n), (1, n))]
    ends = np.cumsum([m * n for m, n in shapes])

    def outputs(theta: Array) -> tuple[list[Array], list[Array], Array]:
        """The weights (W, b, ...), the activations of each layer and the outputs z (..., samples, classes)."""
        parts = np.split(theta, ends[:-1], axis=-1)
        weights = [u.reshape(*theta.shape[:-1], *shape) for u, shape in zip(parts, shapes, strict=True)]
        seen = [x]
        for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            seen.append(np.tanh(seen[-1] @ W + b))
        return weights, seen, seen[-1] @ weights[-2] + weights[-1]

    def loss(theta: Array) -> Array:
        z = outputs(theta)[2]
        return np.mean(np.sum((z - y) ** 2 if squared else -y * _log_softmax(z), axis=-1), axis=-1)

    def grad(theta: Array) -> Array:
        weights, seen, z = outputs(theta)
        dz = (2 * (z - y) if squared else np.exp(_log_softmax(z)) - y) / len(x)
        found: list[Array] = []
        for W, a in zip(weights[-2::-2], seen[::-1], strict=True):
            found = [np.swapaxes(a, -1, -2) @ dz, np.sum(dz, axis=-2, keepdims=True), *found]
            dz = dz @ np.swapaxes(W, -1, -2) * (1 - a * a)
        return np.concatenate([u.reshape(*theta.shape[:-1], -1) for u in found], axis=-1)

    rng = np.random.default_rng(0)
    layers = [rng.normal(size=m * n) * (network.gain * m**-0.5 if m > 1 else 0.0) for m, n in shapes]
    return oo.Problem(loss, grad, theta0=np.concatenate(layers), name=name, batched=True)


def _log_softmax(z: Array) -> Array:
    z = z - np.max(z.real, axis=-1, keepdims=True)  # real, so that z may be complex
    return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))


Row = dict[str, Any]


def cell(name: str, optimizer: str) -> Iterator[Row]:
    """The rows of one network and one optimizer.  The models know nothing of the perturbation, and are made once."""
    began, problem, network = time.process_time(), problem_of(name), NETWORKS[name]
    lr = network.rates[list(OPTIMIZERS).index(optimizer)]
    opt = OPTIMIZERS[optimizer](lr)
    # RMSprop starts from G = g^2, as its published flow divides by sqrt(G)
    memory = {"G": problem.grad(problem.theta0) ** 2} if optimizer == "rmsprop" else None
    seen = oo.compare_at_edge(opt, problem, network.steps, memory=memory, size=SIZE, seed=SEEDS[0], progress=False)
    seconds = time.process_time() - began
    for seed in SEEDS:
        for row in rows(seen if seed == SEEDS[0] else perturbed_again(seen, opt, problem, memory, seed)):
            yield {
                "network": name, "loss_kind": network.kind, "d": problem.dim, "optimizer": optimizer, "lr": lr,
                "modes": seen.oscillating.max(initial=0), "seconds": f"{seconds:.3g}", **row,
            }  # fmt: skip


def perturbed_again(seen: Any, opt: oo.Optimizer, problem: oo.Problem, memory: Any, seed: int) -> Any:
    """The same models beside iterates that were perturbed by another seed."""
    theta = problem.theta0
    kick = SIZE * np.sqrt(np.mean(theta**2)) * np.random.default_rng(seed).standard_normal(theta.shape)
    run = iterated(
        opt, problem, first_state(opt, problem.oracle(), theta, memory), len(seen.t) + 1, seen.perturbed, kick
    )
    return replace(seen, theta=filtered(run.theta), loss=filtered(run.mean_loss), seed=seed)


def rows(seen: Any) -> Iterator[Row]:
    """A row for each model, of the steps since the perturbation."""
    # the filter at the step before still reads an iterate from before
    first = min(max(seen.perturbed, 0) + 1, len(seen.theta) - 1)
    way = np.linalg.norm(seen.theta[-1] - seen.theta[first])
    for model, path in seen.models.items():
        n = len(path)
        since = seen.distance[model][first:]
        known = {
            "way": way,
            "measured": np.mean(seen.loss[first:n]) if n > first else np.nan,
            "distance": np.median(since) if len(since) else np.nan,
            "last": since[-1] if len(since) else np.nan,
            "predicted": np.mean(seen.mean_loss[model][first:]) if n > first else np.nan,
            "loss_error": seen.loss_error[model],
        }
        yield {
            "seed": seen.seed, "steps": len(seen.t) + 1, "perturbed": seen.perturbed, "model": model,
            **{key: f"{value:.5g}" for key, value in known.items()}, "ending": seen.endings[model].split(":")[0],
        }  # fmt: skip


def recorded() -> list[Row]:
    """The rows of the table, with numbers as floats; for figures too."""
    if not FILE.exists():
        return []
    with FILE.open(newline="") as file:
        return [{key: u if key in TEXTS else float(u) for key, u in row.items()} for row in csv.DictReader(file)]


def main(names: list[str]) -> None:
    """The cells of these networks and optimizers, or of all; another process may record others meanwhile."""
    for optimizer in [name for name in names if name in OPTIMIZERS] or OPTIMIZERS:
        for name in [name for name in names if name in NETWORKS] or NETWORKS:
            if any((row["network"], row["optimizer"]) == (name, optimizer) for row in recorded()):
                continue
            found = list(cell(name, optimizer))
            new = not FILE.exists()
            with FILE.open("a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerows(found)
            print(name, optimizer, found[0]["perturbed"], found[0]["modes"], f"{found[0]['seconds']} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
