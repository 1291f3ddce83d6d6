"""The search for the modes of a step, by products with D = DPhi - I or its transpose alone.

A small state has its whole matrix instead.  A step with known parts is a symmetric problem in theta alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.edge.spectrum.critical import critical
from odeopt.edge.spectrum.krylov import Invariant, NotFound, invariant, paired
from odeopt.edge.spectrum.modes import Matrices, Modes, kept_modes, near, plain_rows
from odeopt.edge.step.hessian import Product
from odeopt.edge.step.linearised import Linearised, Parts

DENSE, DENSER = 60, 300  # numbers of a state up to which the whole matrix is taken, with and without known parts
EXACT, ROUGH = 1e-5, 1e-2  # relative residuals of the modes near the circle, and of the largest one if it is not near
FIRST_BALANCE = 5  # products by which the units of a step are found first
FIRST = 4  # growths of the first space by all rows
SPARE = 2  # modes that are followed beside those near the circle, so that none comes unseen


@dataclass(frozen=True, eq=False)
class Found:
    """The modes of a step, those of largest |mu - 1| first, and where the next search starts.

    right, left: rows (p, n) that are nearly invariant;  size (n,): the units in which the step is balanced
    """

    modes: Modes
    right: Matrices | None = None
    left: Matrices | None = None
    size: Matrices | None = None


def modes_of(step: Linearised, before: Found | None, least: int, rng: np.random.Generator) -> Found:
    """All modes near the circle, and others up to `least` in all; raises NotFound."""
    if step.size <= DENSE or (step.size <= DENSER and step.parts is None):
        return Found(_dense(step, least))
    if step.parts is not None:
        return _critical(step, step.parts, before, least, rng)
    size = balanced(step, before.size if before else None, rng)
    right_rows, left_rows = (None, None) if before is None else (before.right, before.left)
    product: Product = lambda p: step.product(p * size) / size
    transposed: Product = lambda q: step.transposed(q / size) * size
    number = 1 + least + SPARE if right_rows is None else len(right_rows)
    while True:
        right = _search(product, _scaled(right_rows, 1 / size), number, step, least, rng)
        left = _search(transposed, _scaled(left_rows, size), number, step, least, rng)
        keep = np.isfinite(_needed(right.gain, least, step.turn))
        partner = paired(right.gain, left.gain)
        apart = np.abs(right.gain - left.gain[partner])[keep].max(initial=0.0)
        many = int(np.count_nonzero(keep)) + SPARE
        if many <= number and apart <= ROUGH:
            V, W = plain_rows(1 + right.gain, right.vectors), plain_rows(1 + left.gain, left.vectors)[partner]
            modes = kept_modes(1 + right.gain, (V * size).T, W / size, least, step.turn)
            return Found(modes, right.rows[: many + 1] * size, left.rows[: many + 1] / size, size)
        if number >= step.size // 3:
            raise NotFound(f"left and right modes of the step are {apart:.1e} apart")
        number = max(many, number + 1)


def balanced(step: Linearised, size: Matrices | None, rng: np.random.Generator) -> Matrices:
    """Units (n,) in which rows and columns of D have nearly equal norms, by a few products.  [Chen and Demmel 2000]

    Adam's G is the square of a gradient, and theta moves by its inverse root: in their own units D is far from normal.
    """
    rounds = FIRST_BALANCE if size is None else 1
    size = np.ones(step.size) if size is None else size
    for _ in range(rounds):
        z = rng.choice([-1.0, 1.0], size=(1, step.size))
        row, column = np.abs(step.product(z * size) / size)[0], np.abs(step.transposed(z / size) * size)[0]
        known = (row > 0) & (column > 0) & np.isfinite(row) & np.isfinite(column)
        size = size * np.where(known, np.where(known, row, 1.0) / np.where(known, column, 1.0), 1.0) ** 0.5
    return size


def _critical(step: Linearised, parts: Parts, before: Found | None, least: int, rng: np.random.Generator) -> Found:
    """The modes of a step with known parts, at or near -1: exact at -1, right to second order in 1 + mu beside it."""
    d, rows = parts.G.shape[-1], None if before is None else before.right
    number = 1 + least + SPARE if rows is None else len(rows)
    while True:
        found = critical(parts, step.size, _start(rows, number, d, rng), least, FIRST if rows is None else 0)
        many = len(found.kappa) + SPARE
        if many <= number or number >= d // 2:
            break
        number = many + 1
    W = np.linalg.solve(found.W @ found.V, found.W) if len(found.kappa) else found.W
    gain, s = np.linalg.eig(W @ step.product(found.V.T).T)
    mu = 1 + gain
    V, W = (found.V @ s).T, np.linalg.solve(s, W)
    return Found(kept_modes(mu, plain_rows(mu, V).T, plain_rows(mu, W), least, step.turn), found.rows[: many + 1])


def _scaled(rows: Matrices | None, size: Matrices) -> Matrices | None:
    return None if rows is None else rows * size


def _needed(gain: Matrices, least: int, turn: float) -> Matrices:
    """The residuals that are allowed, of gains in the order of falling modulus."""
    return np.where(near(1 + gain, turn), EXACT, np.where(np.arange(len(gain)) < least, ROUGH, np.inf))


def _search(
    product: Product, before: Matrices | None, size: int, step: Linearised, least: int, rng: np.random.Generator
) -> Invariant:
    start, whole = _start(before, size, step.size, rng), FIRST if before is None else 0
    return invariant(product, start, lambda gain: _needed(gain, least, step.turn), whole)


def _start(before: Matrices | None, size: int, n: int, rng: np.random.Generator) -> Matrices:
    """Rows (size, n): the last ones, completed by random rows, of which there is at least one."""
    known = np.zeros((0, n)) if before is None else before[: size - 1]
    fresh = rng.standard_normal((size - len(known), n)) / n**0.5
    return np.concatenate([known, fresh])


def _dense(step: Linearised, least: int) -> Modes:
    """The modes of a small step from its whole matrix."""
    from scipy.linalg import eig

    D = step.product(np.eye(step.size)).T
    if not np.isfinite(D).all():
        raise NotFound("the derivative of the step is not finite")
    gain, left, right = eig(D, left=True, right=True)
    order = np.argsort(-np.abs(gain))
    mu = 1 + gain[order]
    return kept_modes(
        mu, plain_rows(mu, right.T[order]).T, plain_rows(mu.conj(), left.T[order]).conj(), least, step.turn
    )
