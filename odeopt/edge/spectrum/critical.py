"""The modes of multipliers at -1 of a step D = F + G H Q whose coordinates meet in the Hessian only.

At the gain g = mu - 1 the equation D v = g v says v = (g - F)^-1 G h with h = H q and q = Q v, so that q = e H q with
one number e = Q (g - F)^-1 G for each coordinate: a problem in theta alone, whatever the memory.  At g = -2 the
eigenvalues kappa of e H say how near each mode is: 1 is mu = -1.  For gradient descent kappa = lr lambda/2.  The left
vectors have the same q:  w = (g - F)^-T Q h.  e is positive but where a young second moment outweighs the gradient's
own effect; u = |e|^(-1/2) q makes the problem symmetric up to these signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.edge.spectrum.krylov import invariant
from odeopt.edge.step.hessian import Product
from odeopt.edge.step.linearised import Parts
from odeopt.util.check import Array

GAIN = -2.0
REAL = 1e-9  # relative imaginary part of a kappa that counts as real
CLOSE = 0.95  # kappa from which a mode must be right; mu < -.95 has kappa > .975 or more
EXACT, ROUGH = 1e-5, 3e-2  # relative residuals of the modes that are close, and of the largest one if it is not


@dataclass(frozen=True, eq=False)
class Critical:
    """kappa (k,), falling, right vectors V (n, k) and left vectors W (k, n), and rows from which to search next."""

    kappa: Array
    V: Array
    W: Array
    rows: Array


def critical(parts: Parts, n: int, rows: Array, least: int, whole: int) -> Critical:
    """The modes with kappa above CLOSE, and others up to `least`; rows (p, d) are nearly |e|^(-1/2) q of p modes.

    whole: see `invariant`
    """
    resolvent = _resolvent(parts.F)
    forward = np.einsum("ijd,jd->id", resolvent, parts.G)  # (g - F)^-1 G
    backward = np.einsum("jid,jd->id", resolvent, parts.Q)  # (g - F)^-T Q
    e = np.sum(parts.Q * forward, axis=0)
    e = np.where(np.isfinite(e), e, 0.0)
    root, sign = np.sqrt(np.abs(e)), np.sign(e)
    problem: Product = lambda u: sign * root * parts.hessian(root * u)
    found = invariant(problem, rows, lambda kappa: _needed(kappa, least), whole)
    kappa = np.where(np.abs(found.gain.imag) > REAL * np.abs(found.gain), 0.0, found.gain.real)
    keep = np.flatnonzero((kappa > CLOSE) | ((np.arange(len(kappa)) < least) & (kappa > 0)))
    images, moving = found.images[keep].real, root > 0
    h = np.divide(images, sign * root, out=np.zeros_like(images), where=moving)
    if len(keep) and not moving.all():
        h = parts.hessian(root * found.vectors[keep].real)
    V, W = np.zeros((n, len(keep))), np.zeros((len(keep), n))
    for i, where in enumerate(parts.where):
        V[where], W[:, where] = (forward[i] * h).T, backward[i] * h
    return Critical(kappa[keep], V, W, found.rows)


def _resolvent(F: Array) -> Array:
    """(g - F)^-1 (m, m, d) for each coordinate, 0 where there is none."""
    m = len(F)
    A: Any = GAIN * np.eye(m) - np.moveaxis(np.where(np.isfinite(F), F, 0.0), -1, 0)
    singular = np.abs(np.linalg.det(A)) == 0
    A[singular] = np.eye(m)
    found = np.linalg.inv(A)
    found[singular] = 0.0
    return np.moveaxis(found, 0, -1)


def _needed(kappa: Array, least: int) -> Array:
    """The residuals that are allowed, of kappas in the order of falling modulus."""
    return np.where(kappa.real > CLOSE, EXACT, np.where(np.arange(len(kappa)) < least, ROUGH, np.inf))
