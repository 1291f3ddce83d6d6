"""The cost of a step of central flows at the edge, beside the published discretisation written in JAX.

Published: four substeps of Euler's method a step on w' = -lr [g + grad <H, Sigma>/2].  The largest modes are found by
Lanczos' method from the last ones, or by a dense solver for few parameters; those with lr lambda > 1.95 enter the
complementarity problem, and D^3 L[v_a, v_b, .] is exact.  Products and derivatives are compiled.
[Cohen et al. 2024, arXiv 2410.24206]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rounds
from scipy.sparse.linalg import LinearOperator, eigsh

import odeopt as oo
from odeopt.edge.complementarity import complementary

SUBSTEPS, STEPS = 4, 20
ENTERS = 1.95  # lr lambda of the modes that may oscillate
DENSE, TRACKED = 300, 4  # parameters up to which all modes are computed; modes that are followed
RIGHT = 1e-5  # relative residuals of the modes, as those of `central_flow`


def jax() -> Any:
    """JAX in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def regression() -> tuple[Any, Any, Any, float, int]:
    """The loss of a tanh network with 41 parameters, data, the first parameters, a learning rate and steps before."""
    jnp, rng = jax().numpy, np.random.default_rng(7)
    X = rng.normal(size=(24, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]

    def loss(w: Any, data: Any) -> Any:
        X, y = data
        return jnp.mean((jnp.tanh(X @ w[:24].reshape(3, 8) + w[24:32]) @ w[32:40] + w[40] - y) ** 2)

    return loss, (X, y), rng.normal(size=41) * 0.7, 0.2, 45


def digits(hidden: int, lr: float, before: int) -> tuple[Any, Any, Any, float, int]:
    """The same of a network on 200 digits with the squared loss, 75 hidden + 10 parameters."""
    from sklearn.datasets import load_digits

    jnp, rng = jax().numpy, np.random.default_rng(0)
    X, label = load_digits(return_X_y=True)
    ends = np.cumsum([64 * hidden, hidden, 10 * hidden])

    def loss(w: Any, data: Any) -> Any:
        X, Y = data
        W, b, V, c = jnp.split(w, ends)
        outputs = jnp.tanh(X @ W.reshape(64, hidden) + b) @ V.reshape(hidden, 10) + c
        return jnp.mean(jnp.sum((outputs - Y) ** 2, axis=-1)) / 2

    sizes = np.repeat([1 / 8, 0.0, hidden**-0.5, 0.0], np.diff([0, *ends, ends[-1] + 10]))
    w = rng.normal(size=len(sizes)) * sizes
    return loss, (X[:200] / 16, np.eye(10)[label[:200]]), w, lr, before


def at_edge(network: Callable[[], tuple[Any, Any, Any, float, int]]) -> tuple[oo.Problem, Any, float]:
    """The network as a problem that starts where gradient descent has reached the edge, its loss of theta, and lr."""
    from odeopt.frameworks.jax import problem

    loss, data, w, lr, before = network()
    made = problem(loss, w, data)
    final = oo.simulate(oo.optimizers.gd(lr), made, before).final
    return made.at(final), lambda w: loss(w, data), lr


def published(network: Callable[[], Any]) -> tuple[Callable[[], object], int, str]:
    problem, loss, lr = at_edge(network)
    lib, jnp, d = jax(), jax().numpy, problem.dim
    grad = lib.grad(loss)

    def hvp(w: Any, v: Any) -> Any:
        return lib.jvp(grad, (w,), (v,))[1]

    def third(w: Any, a: Any, b: Any) -> Any:
        return lib.jvp(lambda at: hvp(at, a), (w,), (b,))[1]

    dense = lib.jit(lambda w: jnp.linalg.eigh(lib.hessian(loss)(w)))
    product = lib.jit(hvp)

    def modes(w: Any, V: Any) -> Any:
        """The largest lr lambda and their vectors (d, k), from those before."""
        if d <= DENSE:
            values, vectors = (np.asarray(u) for u in dense(w))
            return lr * values[::-1][:TRACKED], vectors[:, ::-1][:, :TRACKED]
        H = LinearOperator((d, d), lambda v: np.asarray(product(w, v.ravel())), dtype=float)
        values, vectors = eigsh(H, TRACKED, which="LA", v0=V.sum(axis=1), tol=RIGHT)
        return lr * values[::-1], vectors[:, ::-1]

    @lib.jit
    def pieces(w: Any, V: Any) -> Any:
        """g, and D^3 L[v_a, v_b, .] of all pairs."""
        return grad(w), lib.vmap(lambda a: lib.vmap(partial(third, w, a), 1)(V), 1)(V)

    first = np.random.default_rng(0).normal(size=(d, TRACKED))
    start = modes(problem.theta0, first)[1]

    def substep(w: Any, V: Any) -> tuple[Any, Any]:
        values, V = modes(w, V)
        k = int(np.sum(values > ENTERS))
        dt = lr / SUBSTEPS
        g, T = (np.asarray(u) for u in pieces(w, V[:, :k]))
        S = np.diag(2 - values[:k]) + lr * dt * (T @ g)
        X = complementary(S, lr * dt * np.einsum("abn,cdn->abcd", T, T) / 2).X
        return w - dt * (g + np.einsum("abn,ab->n", T, X) / 2), V

    def run() -> Any:
        w, V = problem.theta0, start
        for _ in range(SUBSTEPS * STEPS):
            w, V = substep(w, V)
        return w

    run()
    return run, STEPS, f"d={d}"


def ours(network: Callable[[], Any], form: str) -> tuple[Callable[[], object], int, str]:
    problem, _, lr = at_edge(network)
    run = lambda: oo.central_flow(oo.optimizers.gd(lr), problem, STEPS, form=form, record_every=STEPS)
    found = run()
    return run, STEPS, f"k={found.oscillating.max()}"


def job(network: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    return {
        "published, in JAX": partial(published, network),
        "odeopt, form='step'": partial(ours, network, "step"),
        "odeopt, form='published'": partial(ours, network, "published"),
    }


JOBS = {
    "regression, d = 41": job(regression),
    "digits, d = 2,035": job(partial(digits, 27, 0.15, 300)),
    "digits, d = 20,260": job(partial(digits, 270, 0.048, 200)),
}

if __name__ == "__main__":
    rounds.main(__file__, JOBS, rounds=5, least=0.0, unit=("ms/step", 1e3), bases=())
