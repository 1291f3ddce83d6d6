"""A small neural network with derivatives by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odeopt.problems.base import Problem
from odeopt.problems.data import sklearn_datasets
from odeopt.problems.samples import Samples
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_memory

CLASSES = 10
PIXELS = 16


def tanh_network(hidden: int = 8, samples: int = 200, rng: Seed = 0) -> Problem:
    """L = mean_i [log sum_k exp z_ik - z_{i,y_i}],  z = tanh(x W + b) V + c.             [Bishop 2006, eq. 5.24]

    The first `samples` of scikit-learn's 1797 handwritten digits, their 8 x 8 pixels averaged to 4 x 4 and scaled
    to [0, 1].  theta = (W, b, V, c) in one vector, d = 27 hidden + 10; theta0 has weights of variance 1/fan-in,
    drawn by `rng` (seed, Generator or None), and zero biases.

    >>> tanh_network(hidden=8)
    Problem tanh network: d = 226, gradient by hand, batched
    """
    hidden = check.count("hidden", hidden, minimum=1)
    within_memory("hidden", hidden, 10 * NUMBER * hidden * (PIXELS + CLASSES))
    samples = check.count("samples", samples, minimum=1)
    generator = check.generator("rng", rng)
    x, one_hot = _digits(samples)
    split = _splitter(hidden)

    def forward(theta: Array, x: Array) -> tuple[Array, Array, Array]:
        W, b, V, c = split(theta)
        a = np.tanh(x @ W + b)
        z = a @ V + c
        return V, a, z

    def loss(theta: Array, x: Array, one_hot: Array) -> Array:
        _, _, z = forward(theta, x)
        return np.mean(_log_sum_exp(z) - np.sum(one_hot * z, axis=-1), axis=-1)

    def grad(theta: Array, w: Array, x: Array, one_hot: Array) -> Array:
        V, a, z = forward(theta, x)
        dz = w[..., None] * (_softmax(z) - one_hot) / x.shape[-2]
        du = (dz @ _T(V)) * (1 - a**2)
        return _join(_T(x) @ du, du, _T(a) @ dz, dz)

    def hvp(theta: Array, p: Array) -> Array:
        """The derivative of every line of `grad` along p.                               [Pearlmutter 1994]"""
        theta, p = np.broadcast_arrays(theta, p)
        (V, a, z), (pW, pb, pV, pc) = forward(theta, x), split(p)
        s = _softmax(z)
        dz = (s - one_hot) / samples
        da = dz @ _T(V)
        Ra = (1 - a**2) * (x @ pW + pb)
        Rz = Ra @ V + a @ pV + pc
        Rdz = s * (Rz - np.sum(s * Rz, axis=-1, keepdims=True)) / samples
        Rdu = (Rdz @ _T(V) + dz @ _T(pV)) * (1 - a**2) - 2 * da * a * Ra
        return _join(_T(x) @ Rdu, Rdu, _T(Ra) @ dz + _T(a) @ Rdz, Rdz)

    W = generator.normal(size=(PIXELS, hidden)) / np.sqrt(PIXELS)
    V = generator.normal(size=(hidden, CLASSES)) / np.sqrt(hidden)
    theta0 = np.concatenate([W.ravel(), np.zeros(hidden), V.ravel(), np.zeros(CLASSES)])
    made = Samples((x, one_hot), loss, grad)
    return Problem(made.loss, made.grad, hvp=hvp, theta0=theta0, name="tanh network", batched=True, samples=made)


def _digits(samples: int) -> tuple[Array, Array]:
    """Inputs (samples, 16) and one-hot labels (samples, 10)."""
    pixels, label = sklearn_datasets().load_digits(return_X_y=True)
    if samples > len(pixels):
        raise ValueError(f"samples must be at most {len(pixels)}, the number of digits, got {samples}")
    pooled = pixels[:samples].reshape(samples, 4, 2, 4, 2).mean(axis=(2, 4))
    return pooled.reshape(samples, PIXELS) / 16, np.eye(CLASSES)[label[:samples]]


def _splitter(hidden: int) -> Callable[[Array], list[Array]]:
    """theta (..., d) -> W (..., 16, hidden), b (..., 1, hidden), V (..., hidden, 10), c (..., 1, 10)."""
    shapes = [(PIXELS, hidden), (1, hidden), (hidden, CLASSES), (1, CLASSES)]
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    return lambda theta: [
        part.reshape(theta.shape[:-1] + shape)
        for part, shape in zip(np.split(theta, ends, axis=-1), shapes, strict=True)
    ]


def _join(W: Array, u: Array, V: Array, z: Array) -> Array:
    """The gradient (..., d) from those in W, V, u and z; the gradients in b and c are sums of those in u and z."""
    parts = (W, np.sum(u, axis=-2, keepdims=True), V, np.sum(z, axis=-2, keepdims=True))
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


def _T(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


def _log_sum_exp(z: Array) -> Array:
    top = np.max(np.real(z), axis=-1, keepdims=True)  # real, so that z may be complex
    return top[..., 0] + np.log(np.sum(np.exp(z - top), axis=-1))


def _softmax(z: Array) -> Array:
    e = np.exp(z - np.max(np.real(z), axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
