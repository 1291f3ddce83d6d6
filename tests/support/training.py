"""A real model for the optimizers that go out: digits, 64-16-10, and what each framework needs of it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

import odeopt as oo
from odeopt import flow, ops, push, relax, schemes, starts
from odeopt import optimizers as opts

SIZES = (64, 16, 10)
HELD_OUT = 400


@cache
def _shuffled():
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return data.data[order] / 16, data.target[order].astype(np.int64)


def digits():
    """Images (n, 64) in [0, 1] and labels (n,), to train on."""
    return tuple(part[:-HELD_OUT] for part in _shuffled())


def held_out():
    """The others, for the accuracy."""
    return tuple(part[-HELD_OUT:] for part in _shuffled())


def batch(k, size=128):
    """The k-th batch, the same in each framework."""
    x, y = digits()
    rows = np.random.default_rng(k).integers(0, len(x), size)
    return x[rows], y[rows]


UNEVEN = (48, 48, 17)  # the micro-batches of a batch


def micro_batches(k):
    """The k-th batch in pieces of UNEVEN samples."""
    cuts = np.cumsum(UNEVEN)
    return list(zip(*[np.split(part, cuts[:-1]) for part in batch(k, cuts[-1])], strict=True))


@cache
def weights(seed=0):
    """Kernels (in, out) and biases, by layer."""
    rng = np.random.default_rng(seed)
    return [
        array
        for m, n in pairwise(SIZES)
        for array in (rng.standard_normal((m, n)) / np.sqrt(m), 0.1 * rng.standard_normal(n))
    ]


def momentum_by_hand(lr=0.01):
    """A flow in five lines, by a person: heavy ball by the leapfrog, kick first."""
    by_hand = flow(
        "theta v",
        {"damping": 1.0},
        kick=push("v", lambda grad, theta: -ops.tanh(grad(theta))),
        friction=relax("v", rate=lambda damping: damping),
        drift=push("theta", lambda v: v),
    )
    return oo.Optimizer(by_hand, schemes.Splitting("kick friction drift"), lr)


def strang_adam(lr=0.005):
    """Strang's splitting of Adam's flow, its memory of age h/2: the library's Adam, by a theorem."""
    adam = opts.adam(lr=lr)
    scheme = schemes.Splitting("memory drift memory", order=2)
    return oo.Optimizer(adam.flow, scheme, adam.h, start=starts.half_step())


def by_scheme(scheme, h):
    """Gradient flow by a scheme."""
    return oo.Optimizer(oo.flows.gradient_flow(), scheme, h)


MATRICES = ("Muon", "Shampoo", "Adafactor", "LAMB")  # they see each parameter alone
ONE_GRADIENT = {
    "half-start Adam": lambda: opts.half_start_adam(lr=0.01),
    "by hand": lambda: momentum_by_hand(0.5),
    "scheduled": lambda: opts.scheduled(opts.adam(lr=0.02), oo.schedules.step(every=20, factor=0.5)),
    "warm-up": lambda: opts.scheduled(opts.adam(0.02), oo.schedules.warm_up(5, oo.schedules.cosine(80, 0.1))),
    "decoupled": lambda: opts.decoupled(opts.momentum(lr=0.05), 1e-3),
    "clip_norm": lambda: opts.clip_norm(opts.momentum(lr=0.05), 1.0),
    "lookahead": lambda: opts.lookahead(opts.adam(lr=0.02), 0.5, 5),
    "LAMB": lambda: opts.lamb(lr=0.02),
    "Muon": lambda: opts.muon(lr=0.05),
    "Shampoo": lambda: opts.shampoo(lr=0.1),
    "Adafactor": lambda: opts.adafactor(lr=0.05),
}
SEVERAL_GRADIENTS = {
    "Strang Adam": lambda: strang_adam(0.01),
    "AB3": lambda: by_scheme(schemes.ab3, 0.2),
    "Heun": lambda: by_scheme(schemes.heun, 0.3),
    "midpoint": lambda: by_scheme(schemes.midpoint, 0.3),
    "RK4": lambda: by_scheme(schemes.rk4, 0.3),
    "RKC": lambda: by_scheme(schemes.rkc2(5), 1.0),
    "leapfrog": lambda: oo.Optimizer(
        oo.flows.heavy_ball(damping=1.0), schemes.Splitting("drift kick friction kick drift", order=2), 0.3
    ),
}
