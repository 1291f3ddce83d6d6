"""The eigenvalues of largest modulus of a large matrix, from its products and approximate eigenvectors.

A block Krylov space of the rows, reduced to the Ritz vectors of largest modulus where it grows too large.
[Saad 2011, Numerical methods for large eigenvalue problems, ch. 6 and 7]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from odeopt.schemes.base import StepFailure
from odeopt.util.check import Array

DEPTH = 4  # blocks of a space before it is reduced
RESTARTS = 60
DEPENDENT = 1e-10  # relative size of a row that adds nothing to a basis


class NotFound(StepFailure):
    """The modes of a step were not found."""


@dataclass(frozen=True, eq=False)
class Invariant:
    """Ritz values `gain` (m,) of largest modulus, their vectors (m, n), and real rows that span them."""

    gain: Array
    vectors: Array
    rows: Array


def invariant(product: Callable[[Array], Array], start: Array, needed: Callable[[Array], Array]) -> Invariant:
    """Ritz pairs of a matrix, given as rows -> rows, until they are as right as needed; raises NotFound.

    start:  rows (p, n), nearly an invariant space; p pairs are followed
    needed: the largest |A v - gain v|/|gain| of each, v a unit vector, from the values in order of falling modulus
    """
    p, n = start.shape
    Q = _orthonormal(start, np.zeros((0, n)))
    for _ in range(RESTARTS):
        A, fresh = np.zeros((0, n)), Q
        for depth in range(DEPTH):
            image = product(fresh)
            if not np.isfinite(image).all():
                raise NotFound("the derivative of the step is not finite")
            A = np.concatenate([A, image])
            found = _ritz(Q, A, p)
            gain, vectors, error = found
            if np.all(error <= needed(gain)) or len(Q) == n:
                return Invariant(gain, vectors, _spanning(gain, vectors))
            if depth < DEPTH - 1:
                fresh = _orthonormal(image, Q)
                if not len(fresh):
                    break
                Q = np.concatenate([Q, fresh])
        Q = _orthonormal(_spanning(gain, vectors), np.zeros((0, n)))
    raise NotFound(f"the modes of the step were not found, residuals {np.sort(error)}")


def _ritz(Q: Array, A: Array, p: int) -> tuple[Array, Array, Array]:
    """About p Ritz values of largest modulus, whole pairs of them, their vectors as rows, and their relative errors."""
    gain, s = np.linalg.eig(Q @ A.T)
    order = np.argsort(-np.abs(gain), kind="stable")
    order = order[: p + (p < len(order) and bool(np.isclose(gain[order[p - 1]], gain[order[p]].conj())))]
    gain, s = gain[order], s[:, order]
    error = np.linalg.norm(s.T @ A - gain[:, None] * (s.T @ Q), axis=1)
    return gain, s.T @ Q, error / np.maximum(np.abs(gain), np.finfo(float).tiny)


def _spanning(gain: Array, vectors: Array) -> Array:
    """Real rows that span the vectors: both parts of one of each pair."""
    upper = gain.imag >= 0
    rows = [
        part
        for g, v in zip(gain[upper], vectors[upper], strict=True)
        for part in ((v.real, v.imag) if g.imag else (v.real,))
    ]
    return np.array(rows)


def _orthonormal(rows: Array, beside: Array) -> Array:
    """An orthonormal basis of the rows, orthogonal to the orthonormal rows `beside`, without dependent ones."""
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(size > 0, size, 1.0)
    for _ in range(2):  # twice is enough [Giraud, Langou and Rozloznik 2005]
        rows = rows - (rows @ beside.T) @ beside
    _, length, basis = np.linalg.svd(rows, full_matrices=False)
    found = basis[length > DEPENDENT]
    found = found - (found @ beside.T) @ beside
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def paired(one: Array, other: Array) -> Array:
    """For each value in `one` the index of the nearest in `other`, each taken at most once while there are enough."""
    apart = np.abs(one[:, None] - other[None, :])
    taken = np.zeros(len(other), bool)
    found = np.zeros(len(one), dtype=int)
    for i in range(len(one)):
        found[i] = int(np.argmin(np.where(taken, np.inf, apart[i]))) if not taken.all() else int(np.argmin(apart[i]))
        taken[found[i]] = True
    return found
