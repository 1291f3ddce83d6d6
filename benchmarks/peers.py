"""Gradient descent, momentum and Adam as people run them elsewhere: NumPy by hand, optax in a scan, torch's own.

Each gives a run to time and its work in steps.  Every path starts at X0 on Rosenbrock's function, and is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

X0 = (-1.5, 2.0)
RATES = {"gd": 1e-4, "momentum": 1e-4, "adam": 1e-3}

Run = tuple[Callable[[], object], float]


def numpy_path(rule: str, steps: int) -> Run:
    """As one writes it down: arrays of two numbers."""

    def run() -> None:
        theta, m, v, path = np.array(X0), np.zeros(2), np.zeros(2), []
        for k in range(1, steps + 1):
            r = theta[1] - theta[0] ** 2
            g = np.array([-2 * (1 - theta[0]) - 400 * theta[0] * r, 200 * r])
            if rule == "gd":
                theta = theta - 1e-4 * g
            elif rule == "momentum":
                m = 0.9 * m + g
                theta = theta - 1e-4 * m
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                theta = theta - 1e-3 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
            path.append(theta)

    return run, steps


def numpy_sweep(lr: np.ndarray, beta: np.ndarray, steps: int) -> Run:
    """Momentum for each pair, without new arrays."""
    mul, add, sub = np.multiply, np.add, np.subtract

    def run() -> None:
        x, y, a, b = np.full_like(lr, X0[0]), np.full_like(lr, X0[1]), np.zeros_like(lr), np.zeros_like(lr)
        r, t, u = np.empty_like(lr), np.empty_like(lr), np.empty_like(lr)
        with np.errstate(all="ignore"):
            for _ in range(steps):
                mul(x, x, r), sub(y, r, r), mul(x, r, t), mul(t, -400.0, t), sub(1.0, x, u), mul(u, -2.0, u)
                add(t, u, t), mul(a, beta, a), add(a, t, a), mul(r, 200.0, r), mul(b, beta, b), add(b, r, b)
                mul(a, lr, t), sub(x, t, x), mul(b, lr, t), sub(y, t, y)

    return run, lr.size * steps


def optax_path(rule: str, steps: int) -> Run:
    """One compiled scan, all iterates."""
    import optax

    jax, step = _optax_step()
    kinds = {"gd": optax.sgd, "momentum": lambda lr: optax.sgd(lr, momentum=0.9), "adam": optax.adam}
    opt = kinds[rule](RATES[rule])
    scan = jax.jit(lambda x: jax.lax.scan(lambda c, _: step(opt, c), (x, opt.init(x)), length=steps)[1])
    x0 = jax.numpy.array(X0)
    return lambda: np.asarray(scan(x0)), steps


def optax_sweep(lr: np.ndarray, beta: np.ndarray, steps: int) -> Run:
    """The scan of one pair, mapped over all of them; its last state."""
    import optax

    jax, step = _optax_step()

    def one(lr: Any, beta: Any) -> Any:
        opt, x = optax.sgd(lr, momentum=beta), jax.numpy.array(X0)
        return jax.lax.scan(lambda c, _: (step(opt, c)[0], None), (x, opt.init(x)), length=steps)[0][0]

    scan, pairs = jax.jit(jax.vmap(one)), (jax.numpy.asarray(lr), jax.numpy.asarray(beta))
    return lambda: np.asarray(scan(*pairs)), lr.size * steps


def network() -> tuple[Callable[..., Any], dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A loss of JAX, its parameters and data: 226 numbers, 200 samples of 10 classes."""
    jax, rng = _jax(), np.random.default_rng(0)
    weights = {
        "W": rng.normal(size=(16, 8)) / 4,
        "b": np.zeros(8),
        "V": rng.normal(size=(8, 10)) / 3,
        "c": np.zeros(10),
    }

    def loss(p: Any, batch: Any) -> Any:
        x, y = batch
        z = jax.numpy.tanh(x @ p["W"] + p["b"]) @ p["V"] + p["c"]
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()

    return loss, weights, (rng.normal(size=(200, 16)), rng.integers(0, 10, 200))


def optax_network(steps: int) -> Run:
    """Adam in one compiled scan; the last parameters."""
    import optax

    jax, opt, (loss, weights, data) = _jax(), optax.adam(RATES["adam"]), network()

    def step(carry: Any, _: Any) -> Any:
        p, state = carry
        change, state = opt.update(jax.grad(loss)(p, data), state, p)
        return (optax.apply_updates(p, change), state), None

    scan = jax.jit(lambda p: jax.lax.scan(step, (p, opt.init(p)), length=steps)[0][0])
    start = jax.tree.map(jax.numpy.asarray, weights)
    return lambda: jax.tree.map(np.asarray, scan(start)), steps


def _jax() -> Any:
    """On the processor, in float64."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return jax


def _optax_step() -> Any:
    import optax

    jax = _jax()
    jnp = jax.numpy

    def step(opt: Any, carry: Any) -> Any:
        x, state = carry
        r = x[1] - x[0] ** 2
        change, state = opt.update(jnp.stack([-2 * (1 - x[0]) - 400 * x[0] * r, 200 * r]), state, x)
        x = optax.apply_updates(x, change)
        return (x, state), x

    return jax, step


def torch_path(rule: str, steps: int) -> Run:
    """Its fused optimizers, the gradient by hand in the parameter's own memory."""
    import torch

    torch.set_num_threads(1)
    p = torch.tensor(X0, dtype=torch.float64, requires_grad=True)
    p.grad = torch.zeros_like(p)
    sgd = lambda momentum: torch.optim.SGD([p], RATES[rule], momentum=momentum, fused=True)
    opt = torch.optim.Adam([p], RATES[rule], fused=True) if rule == "adam" else sgd(0.9 if rule == "momentum" else 0.0)
    theta, g = p.detach().numpy(), p.grad.numpy()

    def run() -> None:
        theta[:], path = X0, []
        for _ in range(steps):
            x, y = theta.tolist()
            r = y - x * x
            g[0], g[1] = -2 * (1 - x) - 400 * x * r, 200 * r
            opt.step()
            path.append(theta.copy())

    return run, steps
