"""Calls of every kind, and a digest of all that each returns: `python repeats.py NAME ...` makes them in this order."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

import odeopt as oo
from odeopt import optimizers, problems

ADAM, HEAVY = optimizers.adam(1e-3), optimizers.heavy_ball(1e-3)  # each of them in several calls
FLOW, VALLEY, WELL = oo.flows.gradient_flow(), problems.rosenbrock(), problems.double_well()
LANGEVIN = oo.Optimizer(oo.flows.langevin(0.2), oo.schemes.euler_maruyama, 0.01)


def branching(x: Any) -> Any:
    """A gradient that no program can be made of."""
    return 2 * x if x[0] > 0.5 else 3 * x


BRANCHING = oo.Problem(lambda x: (x**2).sum(), branching, theta0=[1.0, 2.0])
WIDE = oo.Problem(lambda x: (x**2).sum(-1) / 2, lambda x: x + 0.0, theta0=np.linspace(-1, 1, 200_000), batched=True)


def starts(members: int) -> Any:
    return np.linspace(-1, 1, 2 * members).reshape(members, 2)


def in_place(d: int) -> Any:
    from odeopt.frameworks.numpy import in_place

    theta = np.linspace(-1, 1, d)
    made = in_place(ADAM, theta)
    for _ in range(3):
        made.step(np.sin(theta))
    return theta, made.memory, made.backend


def by_torch(d: int) -> Any:
    import torch

    from odeopt.frameworks.torch import to_torch

    p = torch.nn.Parameter(torch.linspace(-1, 1, d, dtype=torch.float64))
    made = to_torch(ADAM, [p])
    for _ in range(3):
        p.grad = torch.sin(p.detach())
        made.step()
    return p.detach().numpy()


def by_jax(steps: int, members: int = 0) -> Any:
    import jax

    from odeopt.frameworks.jax import problem as of_jax

    with jax.enable_x64(True):
        problem = of_jax(lambda x: ((x - 1) ** 4).sum() + (x[0] * x[1]) ** 2, np.array([0.3, -0.4]))
    theta0 = starts(members) if members else None
    return oo.simulate(optimizers.lion(1e-3), problem, steps, theta0, record_every=700)


PLAIN: dict[str, Callable[[], Any]] = {
    "short": lambda: oo.simulate(ADAM, VALLEY, 50),
    "floats": lambda: oo.simulate(ADAM, VALLEY, 2000),
    "floats, another problem": lambda: oo.simulate(ADAM, problems.rosenbrock(b=7.0), 2000),
    "floats, strided": lambda: oo.simulate(ADAM, VALLEY, 2000, record_every=70),
    "floats, carried": lambda: oo.simulate(HEAVY, VALLEY, 2000),
    "floats, guarded": lambda: oo.simulate(optimizers.lion(0.01), problems.quadratic((1, 2)).at([0.0, 1.0]), 500),
    "called": lambda: oo.simulate(ADAM, BRANCHING, 2000),
    "blocks": lambda: oo.simulate(optimizers.momentum(np.geomspace(1e-4, 1e-3, 50)), VALLEY, 2000, record_every=300),
    "blocks, many": lambda: oo.simulate(optimizers.adam(np.geomspace(1e-4, 1e-3, 100_000)), VALLEY, 31),
    "wide": lambda: oo.simulate(ADAM, WIDE, 3),
    "compare": lambda: oo.compare(ADAM, VALLEY, 400),
    "solve": lambda: oo.solve(FLOW, VALLEY, 5.0),
    "solve, stiff": lambda: oo.solve(FLOW, problems.rosenbrock(b=1e6), 5.0),
    "solve, members": lambda: oo.solve(FLOW, VALLEY, 1.0, starts(40)),
    "ensemble, short": lambda: oo.ensemble(LANGEVIN, WELL, 100, 20, rng=0),
    "ensemble": lambda: oo.ensemble(LANGEVIN, WELL, 5000, 50, rng=0, quantiles=(0.5,), final=True),
    "ensemble, sfc64": lambda: oo.ensemble(LANGEVIN, WELL, 20_000, 50, rng=0, generator="sfc64"),
    "in place": lambda: in_place(100_000),
}  # by Python and NumPy

COMPILED: dict[str, Callable[[], Any]] = {
    "a long path": lambda: oo.simulate(optimizers.gd(1e-4), VALLEY, 5_000_000, record_every=50_000),
    "a sweep": lambda: oo.simulate(optimizers.gd(np.geomspace(1e-4, 1e-3, 2000)), VALLEY, 80_000, record_every=80_000),
    "many solved": lambda: oo.solve(FLOW, VALLEY, np.linspace(0, 0.05, 3), starts(20_000)),
    "a long ensemble": lambda: oo.ensemble(LANGEVIN, WELL, 20_000, 3000, rng=0),
    "in place, long": lambda: in_place(1_000_001),
}  # by kernels

FRAMEWORKS: dict[str, tuple[str, Callable[[], Any]]] = {
    "torch": ("torch", lambda: by_torch(100_000)),
    "jax, called": ("jax", lambda: by_jax(1000)),
    "jax": ("jax", lambda: by_jax(20_000)),
    "jax, members": ("jax", lambda: by_jax(9000, members=30)),
}

CALLS = PLAIN | COMPILED | {name: call for name, (_, call) in FRAMEWORKS.items()}

FORCED: dict[str, Callable[[], Any]] = {
    f"{call} by {backend}": made
    for backend in ("floats", "numba")
    for call, made in {
        "adam": lambda backend=backend: oo.simulate(ADAM, VALLEY, 2000, backend=backend),
        "heavy ball": lambda backend=backend: oo.simulate(HEAVY, VALLEY, 2000, backend=backend),
        "solve": lambda backend=backend: oo.solve(FLOW, VALLEY, 5.0, backend=backend),
    }.items()
}  # what fills caches with the kernels and programs of the calls above


def digest(result: Any) -> str:
    """Of every number, count and message in a result."""
    found = hashlib.sha256()
    _read(result, found.update)
    return found.hexdigest()[:16]


def _read(value: Any, see: Callable[[bytes], Any]) -> None:
    if isinstance(value, np.ndarray):
        see(repr((value.shape, value.dtype)).encode() + value.tobytes())
    elif isinstance(value, Mapping):
        _read(tuple(value.items()), see)
    elif isinstance(value, tuple | list):
        for item in value:
            _read(item, see)
    elif isinstance(value, str | int | float | Enum):
        see(repr(value).encode())
    elif is_dataclass(value) and not isinstance(value, oo.Problem | oo.Optimizer | oo.Flow):
        for field in fields(value):
            _read(getattr(value, field.name), see)


def shown(result: Any) -> str:
    """By which means it came about."""
    return getattr(result, "backend", "")


if __name__ == "__main__":
    everything = CALLS | FORCED
    for name in sys.argv[1:]:
        made = everything[name]()
        print(name, digest(made), shown(made), sep="\t", flush=True)
