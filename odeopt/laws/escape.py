"""Mean times to leave a minimum: exact in one dimension, and by the formulas of Eyring and Kramers.

d theta = -grad L dt + sqrt(2 T) dW (Ito): temperature T, stationary density exp(-L/T)/Z; with sigma dW, T = sigma^2/2.

For a path from a minimum over a saddle, `kramers_time` is the leading term, for T -> 0, of the mean time to the next
minimum.  The mean time to the saddle itself is half of it, because half of the paths turn back there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.laws.arguments import problem_of, temperature_of
from odeopt.problems.base import Problem, a_problem
from odeopt.util import check
from odeopt.util.check import Array

NODES = 16  # Gauss-Legendre nodes in each panel
PANELS = tuple(2**k for k in range(5, 14))  # numbers of panels, tried until two results agree
AGREE = 1e-12
FAR = 50.0  # the far end is cut off where the density has fallen by exp(-50)


def mean_first_passage(
    problem: Problem, temperature: float, start: float, target: float, wall: float | None = None
) -> float:
    """E[tau] = 1/T int_start^target e^(L(y)/T) int_-inf^y e^(-L(z)/T) dz dy: from start to target, in one dimension.

    Beyond `start`, away from the target, there is a reflecting `wall`, or L must grow without bound.  The relative
    error is about 1e-12.
    [Gardiner, Handbook of stochastic methods, on first-passage times]

    >>> from odeopt import problems
    >>> round(mean_first_passage(problems.double_well(), 0.05, start=-1, target=1), 3)
    729.671
    """
    problem_of(problem, 1)
    T = temperature_of(temperature)
    a, b = (check.scalar(name, check.finite(name, x)) for name, x in (("start", start), ("target", target)))
    if a == b:
        raise ValueError(f"target must differ from start, got {target!r} for both")
    sign = np.sign(b - a)

    def exponent(x: Array) -> Array:
        return np.asarray(problem.loss(sign * x[..., None])) / T

    far = (
        _far_end(exponent, sign * a, abs(b - a))
        if wall is None
        else sign * check.scalar("wall", check.finite("wall", wall))
    )
    if not far <= sign * a:
        raise ValueError(f"wall must lie on the side of start = {start!r} away from target = {target!r}, got {wall!r}")
    return _converged(exponent, np.array([far, sign * a, sign * b])) / T


def kramers_time(
    problem: Problem, temperature: float, minimum: Any, saddle: Any, damping: float | None = None
) -> float:
    """2 pi/r sqrt(abs(det H(saddle))/det H(minimum)) exp((L(saddle) - L(minimum))/T): to the next minimum.

    r is the rate at which the flow leaves the saddle along H's negative eigenvalue -k: r = k for
    d theta = -grad L dt + sqrt(2 T) dW [Eyring 1935, Kramers 1940];  with a `damping` a, r^2 + a r = k, for
    theta' = v, dv = (-grad L - a v) dt + sqrt(2 a T) dW [Kramers 1940, moderate to high damping; in any dimension
    Langer 1969].  The relative error is O(T).  With a damping below about sqrt(k) T/barrier the true time is
    longer, because energy, not position, diffuses.  With several saddles the rates, 1/time, add.

    `minimum` and `saddle` may be approximate; Newton's method refines them.  The mean time to the saddle is half of
    this time.

    >>> from odeopt import problems
    >>> round(kramers_time(problems.double_well(), 0.05, minimum=-1, saddle=0), 3)
    659.382
    """
    T = temperature_of(temperature)
    a_problem(problem)
    a = 0.0 if damping is None else check.scalar("damping", check.positive("damping", damping))
    low, valley = _critical_point(problem, "minimum", minimum, 0)
    top, crossing = _critical_point(problem, "saddle", saddle, 1)
    barrier = float(problem.loss(top) - problem.loss(low))
    if not barrier > 0:
        raise ValueError(f"saddle must lie above the minimum, got a barrier of {barrier:g} from {low} to {top}")
    k = -crossing[0]
    rate = k if damping is None else 2 * k / (a + np.sqrt(a**2 + 4 * k))
    curvature = (np.log(np.abs(crossing)).sum() - np.log(valley).sum()) / 2
    with np.errstate(over="ignore"):
        return float(2 * np.pi / rate * np.exp(curvature + barrier / T))


def _far_end(exponent: Callable[[Array], Array], start: float, unit: float) -> float:
    """The end of the integral: L is FAR T above its value at the start in the whole farther half of the interval."""
    level = exponent(np.array(start)) + FAR
    for distance in unit * 2.0 ** np.arange(60):
        with np.errstate(over="ignore"):
            if np.all(exponent(start - distance * np.linspace(1, 2, 65)) > level):
                return float(start - 2 * distance)
    raise ValueError("loss must grow without bound on the far side of start, or a wall must be given")


def _converged(exponent: Callable[[Array], Array], ends: Array) -> float:
    """The double integral with an increasing number of panels, until two values agree."""
    last = np.nan
    for n in PANELS:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = _double_integral(exponent, ends, n)
        if abs(value - last) <= AGREE * value < np.inf:
            return value
        last = value
    raise ValueError(
        f"temperature must be higher, or loss smoother, between wall, start and target = {ends.tolist()}: "
        f"the integral did not converge, its last value is {last:g}"
    )


def _double_integral(exponent: Callable[[Array], Array], ends: Array, n: int) -> float:
    """int_b^c e^E(y) int_a^y e^-E(z) dz dy for ends (a, b, c), n panels each, by the log of the inner integral."""
    edges = np.concatenate((np.linspace(ends[0], ends[1], n + 1), np.linspace(ends[1], ends[2], n + 1)[1:]))
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    E = exponent(edges[:-1, None] + half * (1 + x))
    lowest = E.min(axis=1)
    inner = np.log(half[:, 0]) + np.log(np.exp(lowest[:, None] - E) @ w) - lowest
    before = np.logaddexp.accumulate(np.concatenate(([-np.inf], inner[:-1])))
    within = half * np.einsum("jl,kjl->kj", _partial(x, w), np.exp(E[:, :, None] - E[:, None, :]))
    outer = half * (np.exp(E + before[:, None]) + within) * w
    return float(outer[n:].sum())


def _partial(x: Array, w: Array) -> Array:
    """S[j, l], the integral of the l-th Lagrange polynomial of the nodes x from -1 to x_j."""
    P = np.polynomial.legendre.legvander(x, len(x))
    primitives = np.column_stack((x + 1, P[:, 2:] - P[:, :-2]))
    return primitives @ (P[:, :-1].T * w / 2)


def _critical_point(problem: Problem, name: str, guess: Any, negative: int) -> tuple[Array, Array]:
    """The zero of grad L near the guess, by Newton's method, and the eigenvalues of H there.

    ValueError unless `negative` of the eigenvalues are negative.
    """
    theta = np.atleast_1d(check.numbers_of(name, guess))
    if theta.shape != (problem.dim,) or not np.isfinite(theta).all():
        raise ValueError(f"{name} must be one finite theta of shape ({problem.dim},), got {guess!r}")
    for _ in range(50):
        H = _hessian(problem, theta)
        if not (np.isfinite(H).all() and np.linalg.cond(H) < 1e12):
            break
        step = np.linalg.solve(H, problem.grad(theta))
        theta = theta - step
        if np.abs(step).max() <= 1e-9 * (1 + np.abs(theta).max()):
            values: Any = np.linalg.eigvalsh(_hessian(problem, theta))
            if np.count_nonzero(values < 0) != negative:
                raise ValueError(f"{name} must have {negative} negative eigenvalues of H, got {values} at {theta}")
            return theta, values
    raise ValueError(f"{name} must be near a zero of the gradient where H is regular, got {guess!r}, then {theta}")


def _hessian(problem: Problem, theta: Array) -> Array:
    return np.array([problem.hvp(theta, e) for e in np.eye(problem.dim)])
