"""The recursions of the libraries, as their documentation writes them: (theta, g, state, k) -> theta."""

from __future__ import annotations

import numpy as np


def sgd(lr, momentum=0.0, nesterov=False):
    def update(theta, g, s, k):
        s["b"] = momentum * s.get("b", 0.0) + g
        return theta - lr * (g + momentum * s["b"] if nesterov else s["b"])

    return update


def schedule_free_sgd(lr, weight):
    """Defazio et al. 2024, eq. 3 to 5."""

    def update(y, g, s, k):
        z, x = s.get("z", y), s.get("x", y)
        s["z"] = z - lr * g
        s["x"] = (1 - 1 / (k + 1)) * x + s["z"] / (k + 1)
        return (1 - weight) * s["z"] + weight * s["x"]

    return update


def qhm(lr, beta, weight):
    """Ma and Yarats 2019, alg. 1."""

    def update(theta, g, s, k):
        s["m"] = beta * s.get("m", 0.0) + (1 - beta) * g
        return theta - lr * ((1 - weight) * g + weight * s["m"])

    return update


def rmsprop(lr, alpha, eps):
    def update(theta, g, s, k):
        s["v"] = alpha * s.get("v", 0.0) + (1 - alpha) * g**2
        return theta - lr * g / (np.sqrt(s["v"]) + eps)

    return update


def adagrad(lr, eps, initial):
    def update(theta, g, s, k):
        s["sum"] = s.get("sum", initial) + g**2
        return theta - lr * g / (np.sqrt(s["sum"]) + eps)

    return update


def adam(lr, b1, b2, eps):
    def update(theta, g, s, k):
        s["m"] = b1 * s.get("m", 0.0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0.0) + (1 - b2) * g**2
        return theta - lr * (s["m"] / (1 - b1 ** (k + 1))) / (np.sqrt(s["v"] / (1 - b2 ** (k + 1))) + eps)

    return update


def half_start_adam(lr, b1, b2, eps):
    """Adam with sqrt(beta_i) in its first step and n - 1/2 in its bias correction."""

    def update(theta, g, s, k):
        d1, d2 = (b1, b2) if k else (b1**0.5, b2**0.5)
        s["m"] = d1 * s.get("m", 0.0) + (1 - d1) * g
        s["v"] = d2 * s.get("v", 0.0) + (1 - d2) * g**2
        return theta - lr * (s["m"] / (1 - b1 ** (k + 0.5))) / (np.sqrt(s["v"] / (1 - b2 ** (k + 0.5))) + eps)

    return update


def asgd(lr, lambd, alpha, t0):
    """Bottou 2012, sec. 5.1 and 5.2."""

    def update(theta, g, s, k):
        eta = lr / (1 + lambd * lr * k) ** alpha
        return (1 - lambd * eta) * theta - eta * g

    return update


def shampoo(lr, eps, shape):
    """Gupta, Koren and Singer 2018, alg. 1."""
    from scipy.linalg import inv, sqrtm

    def update(theta, g, s, k):
        G = g.reshape(shape)
        s["L"] = s.get("L", eps * np.eye(shape[0])) + G @ G.T
        s["R"] = s.get("R", eps * np.eye(shape[1])) + G.T @ G
        return theta - lr * (inv(sqrtm(sqrtm(s["L"]))) @ G @ inv(sqrtm(sqrtm(s["R"])))).ravel()

    return update


def rprop(lr, shrink, grow, least, most):
    """Riedmiller and Braun 1993, coordinate by coordinate."""

    def update(theta, g, s, k):
        size, old = s.get("size", np.full_like(theta, lr)), s.get("old", np.zeros_like(theta))
        new, used = theta.copy(), g.copy()
        for i in range(theta.size):
            if old[i] * g[i] > 0:
                size[i] = min(grow * size[i], most)
            elif old[i] * g[i] < 0:
                size[i], used[i] = max(shrink * size[i], least), 0.0
            new[i] -= size[i] * np.sign(used[i])
        s["size"], s["old"] = size, used
        return new

    return update


def nesterov_k(lr):
    """Su, Boyd and Candes 2016, eq. 1."""

    def update(y, g, s, k):
        x = y - lr * g
        old, s["x"] = s.get("x", x + lr * g), x  # x_0 = y_0
        return x + k / (k + 3) * (x - old) if k else x

    return update
