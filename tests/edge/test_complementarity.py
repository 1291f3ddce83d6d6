"""X >= 0, S + B[X] >= 0, <X, S + B[X]> = 0: closed forms, random problems up to 20 modes, no solution."""

from __future__ import annotations

import numpy as np
import pytest

from odeopt.edge.complementarity import Unsolvable, complementary


def gram(k, n, seed):
    """B of k modes whose curvatures move in n directions: <c_ab, c_cd>."""
    C = np.random.default_rng(seed).normal(size=(k, k, n))
    C = C + np.swapaxes(C, 0, 1)
    return np.einsum("abn,cdn->abcd", C, C)


@pytest.mark.parametrize(("s", "x"), [(-2.0, 0.5), (3.0, 0.0), (0.0, 0.0)])
def test_one_mode(s, x):
    found = complementary(np.array([[s]]), np.full((1, 1, 1, 1), 4.0))
    np.testing.assert_allclose(found.X, [[x]], rtol=1e-12)


@pytest.mark.parametrize("k", [2, 3, 6, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", range(3))
def test_conditions(k, seed):
    S = np.random.default_rng(100 + seed).normal(size=(k, k))
    S, B = S + S.T, gram(k, k * k, seed)
    found = complementary(S, B)
    np.testing.assert_allclose(found.slack, S + np.einsum("abcd,cd->ab", B, found.X), atol=1e-12)
    assert np.linalg.eigvalsh(found.X)[0] >= -1e-14
    assert np.linalg.eigvalsh(found.slack)[0] >= -1e-10
    assert found.residual <= 1e-10
    assert np.linalg.eigvalsh(S)[0] < 0 < np.trace(found.X)


def test_agrees_with_its_quadratic_programme():
    """X minimises <X, B[X]>/2 + <S, X>, by projected gradients, slowly."""
    S, B = -np.diag([1.0, 0.3, -0.5]), gram(3, 9, 5)
    X, rate = np.zeros((3, 3)), 1 / np.linalg.eigvalsh(B.reshape(9, 9))[-1]
    for _ in range(20_000):
        z, U = np.linalg.eigh(X - rate * (S + np.einsum("abcd,cd->ab", B, X)))
        X = (U * np.maximum(z, 0)) @ U.T
    np.testing.assert_allclose(complementary(S, B).X, X, atol=1e-9)


def test_pairs_move_by_themselves():
    """A third mode that is a pair shares no covariance with the others."""
    allowed = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    found = complementary(-np.eye(3), gram(3, 9, 1), allowed)
    assert np.all(found.X[~allowed] == 0)
    assert found.residual <= 1e-12
    assert np.all(found.X[allowed] != 0)


@pytest.mark.parametrize("B", [np.full((1, 1, 1, 1), -1.0), np.zeros((1, 1, 1, 1))], ids=["grows", "does nothing"])
def test_an_oscillation_that_does_not_help_is_refused(B):
    with pytest.raises(Unsolvable, match="oscillation in these modes"):
        complementary(np.array([[-1.0]]), B)
