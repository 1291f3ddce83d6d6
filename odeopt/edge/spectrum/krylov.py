"""The eigenvalues of largest modulus of a large matrix, from its products and approximate eigenvectors.

A space of rows grows by the residuals of those Ritz pairs that are not right yet, and is reduced to the Ritz vectors of
largest modulus where it becomes too large; that costs no product.  From rows that are nearly right a search costs few
products more than there are rows.  [Davidson 1975; Saad 2011, Numerical methods for large eigenvalue problems, ch. 8]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from odeopt.schemes.base import StepFailure
from odeopt.util.check import Array

LARGEST = 4  # of a space, in numbers of the pairs that are followed
GROWTHS = 240  # of a space
DEPENDENT = 1e-10  # relative size of a row that adds nothing to a basis


class NotFound(StepFailure):
    """The modes of a step were not found."""


@dataclass(frozen=True, eq=False)
class Invariant:
    """Ritz values `gain` (m,) of largest modulus, their vectors (m, n) and products (m, n), and real rows (p, n).

    rows: they span the vectors
    """

    gain: Array
    vectors: Array
    images: Array
    rows: Array


def invariant(
    product: Callable[[Array], Array], start: Array, needed: Callable[[Array], Array], whole: int = 0
) -> Invariant:
    """Ritz pairs of a matrix, given as rows -> rows, until they are as right as needed; raises NotFound.

    start:  rows (p, n), nearly an invariant space; p pairs are followed
    needed: the largest |A v - gain v|/|gain| of each, v a unit vector, from the values in order of falling modulus
    whole:  how often the space first grows by the products of all rows, so that no pair stays unseen
    """
    p, n = start.shape
    Q = fresh = _orthonormal(start, np.zeros((0, n)))
    A = np.zeros((0, n))
    for growth in range(GROWTHS):
        image = product(fresh)
        if not np.isfinite(image).all():
            raise NotFound("the derivative of the step is not finite")
        A = np.concatenate([A, image])
        gain, s = _ritz(Q, A, p)
        vectors, images = s.T @ Q, s.T @ A
        residual = images - gain[:, None] * vectors
        error = np.linalg.norm(residual, axis=1) / np.maximum(np.abs(gain), np.finfo(float).tiny)
        wrong = error > needed(gain)
        if len(Q) == n or (growth >= whole and not wrong.any()):
            return Invariant(gain, vectors, images, spanning(gain, vectors))
        if len(Q) + len(fresh) > LARGEST * p:
            kept = _orthonormal(spanning(gain, s.T), np.zeros((0, len(Q))))
            Q, A = kept @ Q, kept @ A
        fresh = _orthonormal(image if growth < whole else spanning(gain[wrong], residual[wrong]), Q)
        if not len(fresh):
            break
        Q = np.concatenate([Q, fresh])
    if not wrong.any():  # the space is invariant: a matrix with few distinct eigenvalues
        return Invariant(gain, vectors, images, spanning(gain, vectors))
    raise NotFound(f"the modes of the step were not found, residuals {np.sort(error)}")


def _ritz(Q: Array, A: Array, p: int) -> tuple[Array, Array]:
    """About p Ritz values of largest modulus, whole pairs of them, and their vectors (len(Q), m) in the basis Q."""
    gain, s = np.linalg.eig(Q @ A.T)
    order = np.argsort(-np.abs(gain), kind="stable")
    order = order[: p + (p < len(order) and bool(np.isclose(gain[order[p - 1]], gain[order[p]].conj())))]
    return gain[order], s[:, order]


def spanning(gain: Array, vectors: Array) -> Array:
    """Real rows that span vectors (m, n) of these values: both parts of one of each pair."""
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
