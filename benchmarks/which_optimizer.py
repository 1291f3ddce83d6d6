"""Seven optimizers, each tuned with the same effort on the project's networks, into which_optimizer.npz.

About three minutes of one core.  The figure and ZOO.md read what was recorded: the last losses of every trial, as a
result of `oo.bench` that `oo.load` reads.  Run it with: python benchmarks/which_optimizer.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import odeopt as oo

BUDGET, STEPS, BATCH, SEEDS = 20, 300, 16, 8
RATE, SIGN_RATE, MEMORY, SQUARES = (1e-3, 10.0), (1e-4, 1.0), (0.5, 0.99), (0.9, 0.999)
FILE = Path(__file__).with_suffix(".npz")


def spaces() -> dict[str, oo.SearchSpace]:
    """Four decades of the rate, and the memory where there is one."""
    opt, space = oo.optimizers, oo.search_space
    return {
        "gd": space(opt.gd, lr=RATE),
        "momentum": space(opt.momentum, lr=RATE, beta=MEMORY),
        "nesterov": space(opt.nesterov, lr=RATE, beta=MEMORY),
        "rmsprop": space(opt.rmsprop, lr=SIGN_RATE, rho=SQUARES),
        "adam": space(opt.adam, lr=SIGN_RATE, beta1=MEMORY),
        "lion": space(opt.lion, lr=SIGN_RATE, beta1=MEMORY),
        "signsgd": space(opt.signsgd, lr=SIGN_RATE),
    }


def problems() -> dict[str, oo.Problem]:
    """A convex problem and two networks, in batches."""
    exact = {
        "logistic regression": oo.problems.logistic_regression("breast_cancer"),
        "8 tanh units": oo.problems.tanh_network(hidden=8),
        "32 tanh units": oo.problems.tanh_network(hidden=32),
    }
    return {name: oo.noise.minibatches(problem, BATCH) for name, problem in exact.items()}


def main() -> None:
    found = oo.bench(spaces(), problems(), BUDGET, steps=STEPS, seeds=SEEDS, rng=0)
    print(found)
    replace(found, gradients=found.gradients[-1:], loss=found.loss[..., -1:]).save(FILE)


if __name__ == "__main__":
    main()
