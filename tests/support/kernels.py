"""Expectations without Monte Carlo: on the circle, where the functions of theta are trigonometric polynomials.

One step of an optimizer is a matrix P, E phi(theta_1) = P phi, its noise replaced by Gauss and Hermite's quadrature; a
stochastic differential equation is its generator A, E phi(theta(t)) = e^(tA) phi.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import expm

import odeopt as oo

N = 41  # odd: no Nyquist frequency
GRID = 2 * np.pi * np.arange(N) / N
_F = np.fft.fft(np.eye(N), axis=0)
D = np.real(np.linalg.solve(_F, (1j * np.fft.fftfreq(N, 1 / N))[:, None] * _F))
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(14)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def loss(theta: Any) -> Any:
    return (0.5 * np.cos(theta) + 0.1 * np.sin(2 * theta)).sum(-1)


def sigma(theta: Any) -> Any:
    return 1.0 + 0.4 * np.sin(theta)


PROBLEM = oo.Problem(
    loss,
    lambda x: -0.5 * np.sin(x) + 0.2 * np.cos(2 * x),
    hvp=lambda x, p: (-0.5 * np.cos(x) - 0.4 * np.sin(2 * x)) * p,
    theta0=[1.0],
    batched=True,
)


def rows_of(scheme: Any, flow: oo.Flow) -> tuple[np.ndarray, np.ndarray]:
    """The quadrature of a step's normals, (rows, points, 1), and weights; a pair of halves by their sum and sign."""
    if (scheme.normals(flow) if flow.noisy else 1) == 1:
        return NODES[None, :, None], WEIGHTS
    total, sign = (x.ravel() for x in np.meshgrid(NODES, [1.0, -1.0]))
    return np.stack([total + sign, total - sign])[..., None] / np.sqrt(2), np.tile(WEIGHTS, 2) / 2


def one_step(opt: oo.Optimizer, problem: oo.Problem) -> tuple[np.ndarray, np.ndarray]:
    """P (N, N), and the mean increment of theta (N,)."""
    rows, weights = rows_of(opt.scheme, opt.flow)
    theta0 = np.broadcast_to(GRID[:, None, None], (N, weights.size, 1))
    noise = np.broadcast_to(rows[:, None], (len(rows), *theta0.shape))
    moved = oo.simulate(opt, problem, 1, theta0, noise=noise).check().final[..., 0]
    u = (moved[..., None] - GRID) / 2
    near = np.abs(np.sin(u)) < 1e-12
    weight = np.where(near, 1.0, np.sin(N * u) / np.where(near, 1.0, N * np.sin(u)))  # Dirichlet's kernel
    return np.einsum("q,iqj->ij", weights, weight), (moved - theta0[..., 0]) @ weights


def of_steps(opt: oo.Optimizer, problem: oo.Problem, steps: int) -> np.ndarray:
    """E[theta - theta0] and E[L], (2, N), after so many steps from each point of the grid."""
    P, mean = one_step(opt, problem)
    moved, value = np.zeros(N), loss(GRID[:, None])
    for _ in range(steps):
        moved, value = mean + P @ moved, P @ value
    return np.stack([moved, value])


def of_flow(flow: oo.Flow, problem: oo.Problem, T: float) -> np.ndarray:
    """The same of the differential equation itself, by Kolmogorov's backward equation."""
    grad, y = problem.oracle(), (GRID[:, None],)
    drift = flow.rhs(grad)(0.0, y)[0][:, 0]
    A = drift[:, None] * D
    for part in flow.terms():
        if part.noise:
            A = A + flow.diffusion(part)(0.0, grad, y, np.ones((N, 1))) ** 2 / 2 * (D @ D)
    rates = np.zeros((N + 1, N + 1))
    rates[:N, :N], rates[:N, N] = A, drift  # d/dt E[theta - theta0] = A E[theta - theta0] + drift
    propagator = expm(T * rates)
    return np.stack([propagator[:N, N], propagator[:N, :N] @ loss(GRID[:, None])])


def slope(h: Any, error: Any) -> float:
    """The order, by a fit on log h."""
    return float(np.polyfit(np.log(h), np.log(error), 1)[0])
