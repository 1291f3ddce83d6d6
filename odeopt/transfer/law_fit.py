"""The multi-power law fitted to recorded losses, by least squares in the logarithms of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from odeopt.transfer.multi_power_law import Annealing, terms, values_and_slopes
from odeopt.util.check import Array
from odeopt.util.status import Status

EXPONENTS = (0.3, 0.6, 1.0), (0.3, 0.6, 1.0), (0.2, 0.5, 0.8)  # alpha, beta, gamma of the starts
PER_STEP = 0.01, 0.1, 1.0  # C eta^(1 - gamma) of the starts at the largest rate eta: how much x grows in one step
LEAST, MOST = 1e-4, 10.0  # exponents
FAR = 60.0  # how far the logarithms of the other parameters may be from their starts
STARTS = 4  # from which the law is fitted
CHANGES = 200  # of the rate, in a curve with merged changes
EVALUATIONS = 200
RESOLVED = 1e-12  # of the largest singular value


@dataclass(frozen=True, eq=False)
class LawFit:
    """The parameters p (7,), the residuals of each curve, and W (7, 7), where W W^T is the covariance of log p.

    spread:  W
    noise:   standard deviation of the residuals
    freedom: degrees of freedom, less than records - 7 if neighbouring residuals agree
    """

    p: Array
    residuals: tuple[Array, ...]
    spread: Array
    noise: float
    freedom: float
    status: Status


def fitted(curves: Sequence[Annealing], losses: Sequence[Array], largest: float) -> LawFit:
    """The law that is nearest to the losses, found from several starts; `largest` is the largest rate.

    The starts are the best of a grid of alpha, C, beta and gamma, with the L0, A and B that fit best.  Each is followed
    on curves with merged changes of the rate, and the best of them on the curves themselves.
    """
    merged = [curve.merged(CHANGES) for curve in curves]
    begun = [_least(start, merged, losses) for start in _starts(merged, np.concatenate(losses), largest)]
    found = _least(np.exp(min(begun, key=lambda each: each.cost).x), curves, losses)
    ends = np.cumsum([len(each) for each in losses])[:-1]
    residuals = tuple(-each for each in np.split(found.fun, ends))
    status = Status.DONE if found.status > 0 else Status.TOO_MANY_EVALUATIONS
    return LawFit(np.exp(found.x), residuals, *_uncertainty(found.jac, residuals), status)


def _starts(curves: Sequence[Annealing], losses: Array, largest: float) -> list[Array]:
    """The best of the grid, best first."""
    from scipy.optimize import nnls

    rated = []
    for (alpha, beta, gamma), c in product(product(*EXPONENTS), PER_STEP):
        p = np.array([1.0, 1.0, alpha, 1.0, c * largest ** (gamma - 1), beta, gamma])
        columns = [np.stack([0 * u.total + 1, u.total**-alpha, -terms(p, u)[:, 0]], axis=-1) for u in curves]
        matrix = np.concatenate(columns)
        size = np.abs(matrix).max(axis=0)
        size[size == 0] = 1.0
        linear, misfit = nnls(matrix / size, losses)
        p[[0, 1, 3]] = np.maximum(linear, 1e-3 * losses.max()) / size
        rated.append((misfit, p))
    return [p for _, p in sorted(rated, key=lambda each: float(each[0]))[:STARTS]]


def _least(start: Array, curves: Sequence[Annealing], losses: Sequence[Array]) -> Any:
    """SciPy's result, whose fun is law - losses."""
    from scipy.optimize import least_squares

    def both(logarithms: Array) -> tuple[Array, Array]:
        values, slopes = zip(*[values_and_slopes(np.exp(logarithms), curve) for curve in curves], strict=True)
        return np.concatenate(values) - np.concatenate(losses), np.concatenate(slopes)

    x = np.log(start)
    low, high = x - FAR, x + FAR
    low[[2, 5, 6]], high[[2, 5, 6]] = np.log(LEAST), np.log(MOST)
    return least_squares(
        lambda u: both(u)[0],
        x,
        jac=lambda u: both(u)[1],
        bounds=(low, high),
        x_scale="jac",
        max_nfev=EVALUATIONS,
        **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-12),
    )


def _uncertainty(slopes: Array, residuals: Sequence[Array]) -> tuple[Array, float, float]:
    """(W, noise, degrees of freedom), for residuals that follow AR(1).

    n residuals with the correlation rho of neighbours count as n (1 - rho)/(1 + rho).  Where the records do not resolve
    a combination of parameters, its variance is very large.
    """
    n, squares = len(slopes), sum(float(r @ r) for r in residuals)
    rho = sum(float(r[1:] @ r[:-1]) for r in residuals) / squares if squares else 0.0
    counted = n * (1 - min(max(rho, 0.0), 0.99)) / (1 + min(max(rho, 0.0), 0.99))
    noise = (squares / max(n - slopes.shape[1], 1)) ** 0.5
    size = np.linalg.norm(slopes, axis=0)
    size[size == 0] = 1.0
    _, s, axes = np.linalg.svd(slopes / size, full_matrices=False)
    root = axes.T / np.maximum(s, RESOLVED * s[0]) / size[:, None]
    return noise * (n / counted) ** 0.5 * root, noise, max(counted - slopes.shape[1], 1.0)
