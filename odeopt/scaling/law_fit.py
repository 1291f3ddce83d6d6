"""A law of the loss under a schedule, fitted to recorded losses by least squares in logarithms of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from odeopt.scaling.schedule_law import ScheduleLaw, Sums
from odeopt.util.check import Array
from odeopt.util.status import Status

ALPHAS = 0.3, 0.6, 1.0  # of the starts
LEAST, MOST = 1e-4, 10.0  # exponents
FAR = 60.0  # how far the logarithms of the other parameters may be from their starts
STARTS = 4  # from which the law is fitted
MERGED = 200  # steps of a curve, in the fits from the starts
EVALUATIONS = 500
LINEAR = [0, 1, 3]  # L0, A and B, in which the law is linear: they have the unit of the loss
RESOLVED = 1e-12  # of the largest singular value


@dataclass(frozen=True, eq=False)
class LawFit:
    """The parameters p (p,), the residuals of each curve, and W (p, p), where W W^T is the covariance of log p.

    spread:   W
    noise:    standard deviation of the residuals
    freedom:  degrees of freedom, less than records - p if neighbouring residuals agree
    at_limit: the exponents that ended at a limit of their range: these curves do not resolve them
    """

    p: Array
    residuals: tuple[Array, ...]
    spread: Array
    noise: float
    freedom: float
    at_limit: tuple[str, ...]
    status: Status


def fitted(law: ScheduleLaw, curves: Sequence[Sums], losses: Sequence[Array], largest: float) -> LawFit:
    """The parameters for which the law is nearest to the losses, from several starts; `largest` is the largest rate.

    The starts are the best of a grid of alpha and the parameters of g, with the L0, A and B that fit best.  Each is
    followed on curves with merged steps, and the best of them on the curves themselves.  All of this happens in units
    of the median loss, as the tolerances of the fit are absolute.
    """
    unit = float(np.median(np.concatenate(losses)))
    losses = [each / unit for each in losses]
    merged = [curve.merged(MERGED) for curve in curves]
    begun = [_least(law, p, merged, losses) for p in _starts(law, merged, np.concatenate(losses), largest)]
    found = _least(law, np.exp(min(begun, key=lambda each: each.cost).x), curves, losses)
    p, ends = np.exp(found.x), np.cumsum([len(each) for each in losses])[:-1]
    residuals = tuple(-each for each in np.split(found.fun, ends))
    spread, noise, freedom = _uncertainty(found.jac, residuals)
    at_limit = tuple(law.parameters[i] for i in _exponents(law) if not 2 * LEAST < p[i] < 0.99 * MOST)
    status = Status.DONE if found.status > 0 else Status.TOO_MANY_EVALUATIONS
    p[LINEAR] *= unit
    return LawFit(p, tuple(unit * each for each in residuals), spread, unit * noise, freedom, at_limit, status)


def _exponents(law: ScheduleLaw) -> list[int]:
    return [i for i, name in enumerate(law.parameters) if name in ("alpha", *law.exponents)]


def _starts(law: ScheduleLaw, curves: Sequence[Sums], losses: Array, largest: float) -> list[Array]:
    """The best of the grid, best first.  B has the sign that the law gives it by its weights, and is positive."""
    from scipy.optimize import nnls

    rated = []
    for alpha, shape in product(ALPHAS, law.starts(largest)):
        p = np.array([1.0, 1.0, alpha, 1.0, *shape])
        columns = [np.stack([0 * u.total + 1, u.total**-alpha, law.responses(p, u)[:, 0]], axis=-1) for u in curves]
        matrix = np.concatenate(columns)
        size = np.abs(matrix).max(axis=0)
        size[size == 0] = 1.0
        linear, misfit = nnls(matrix / size, losses)
        p[LINEAR] = np.maximum(linear, 1e-3 * losses.max()) / size
        rated.append((misfit, p))
    return [p for _, p in sorted(rated, key=lambda each: float(each[0]))[:STARTS]]


def _least(law: ScheduleLaw, start: Array, curves: Sequence[Sums], losses: Sequence[Array]) -> Any:
    """SciPy's result, whose fun is law - losses."""
    from scipy.optimize import least_squares

    def both(logarithms: Array) -> tuple[Array, Array]:
        values, slopes = zip(*[law.values_and_slopes(np.exp(logarithms), curve) for curve in curves], strict=True)
        return np.concatenate(values) - np.concatenate(losses), np.concatenate(slopes)

    x = np.log(start)
    low, high = x - FAR, x + FAR
    low[_exponents(law)], high[_exponents(law)] = np.log(LEAST), np.log(MOST)
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
