"""A monitor's file: what a killed run loses, what a resumed one finds, and numbers that JSON lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odeopt.diagnosis.noise_scale import noise_scale
from odeopt.diagnosis.ritz import ritz
from odeopt.diagnosis.writer import Writer, last_step


def test_lines_are_readable_without_odeopt(tmp_path):
    writer = Writer(tmp_path / "new" / "run.jsonl")
    writer.write("step", step=3, loss=float("inf"), groups=[{"lr": 0.1, "grad": np.nan, "name": "a"}])
    text = (tmp_path / "new" / "run.jsonl").read_text()  # before it is closed
    assert json.loads(text) == {
        "kind": "step",
        "step": 3,
        "loss": "inf",
        "groups": [{"lr": 0.1, "grad": "nan", "name": "a"}],
    }
    writer.close()
    writer.write("step", step=4)
    assert last_step(tmp_path / "new" / "run.jsonl") == 3


def test_a_torn_line_is_the_only_loss(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"kind": "step", "step": 7}\n{"kind": "step", "st')
    assert last_step(path) == 7
    writer = Writer(path)
    writer.write("step", step=8)
    writer.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["step"] == 8
    assert last_step(tmp_path / "none") is None


def test_the_ritz_value_is_the_eigenvalue_of_the_whole_space():
    rng = np.random.default_rng(0)
    A, W, X = rng.standard_normal((6, 6)), rng.uniform(0.5, 2, 6), rng.standard_normal((6, 6))
    H = A + A.T
    found = ritz(X / W @ X.T, X @ H @ X.T, X @ H * W @ H @ X.T)
    root = np.sqrt(W)
    assert found.value == pytest.approx(np.linalg.eigvalsh(root[:, None] * H * root)[-1], rel=1e-10)
    assert found.error < 1e-5  # the root of the rounding of its square, |H|^2 1e-16
    part = X[:3]
    some = ritz(part / W @ part.T, part @ H @ part.T, part @ H * W @ H @ part.T)
    apart = np.abs(np.linalg.eigvalsh(root[:, None] * H * root) - some.value)
    assert apart.min() <= some.error


def test_a_direction_that_is_zero_or_repeated_adds_nothing():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    H = np.diag([3.0, 9.0])
    found = ritz(X @ X.T, X @ H @ X.T, X @ H @ H @ X.T)
    assert (found.value, found.error) == pytest.approx((3.0, 0.0), abs=1e-6)
    assert ritz(0 * X @ X.T, 0 * X @ X.T, 0 * X @ X.T) is None
    assert ritz(np.nan * X @ X.T, X @ X.T, X @ X.T) is None


def test_the_pieces_of_the_noise_scale_have_no_bias():
    """g_i = G + xi_i with E|xi_i|^2 = tr Sigma/b.  Means over 4000 draws, within 4 standard errors."""
    rng, k, size = np.random.default_rng(1), 4, 8
    G, spread = np.array([1.0, -0.5, 0.2]), np.array([2.0, 1.0, 3.0])
    drawn = G + rng.standard_normal((4000, k, 3)) * spread / np.sqrt(size)
    found = [noise_scale(g @ g.T, size) for g in drawn]
    for values, exact in (([f.signal for f in found], G @ G), ([f.noise for f in found], spread @ spread)):
        assert abs(np.mean(values) - exact) < 4 * np.std(values) / np.sqrt(len(values))


def test_the_noise_scale_of_signal_alone_is_0():
    parts = np.ones((4, 2))
    found = noise_scale(parts @ parts.T, 5)
    assert (found.value, found.error, found.signal, found.noise) == (0.0, 0.0, 2.0, 0.0)


@pytest.mark.parametrize("inner", [np.ones((1, 1)), np.ones((2, 3)), np.ones(4), np.full((2, 2), np.nan)])
def test_bad_inner_products_are_refused(inner):
    with pytest.raises(ValueError, match="inner must"):
        noise_scale(inner, 3)
