"""Threefry against Random123's known answers; its normals against fdlibm's accuracy and the normal law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from odeopt.ensembles.random.box_muller import cosine, logarithm, normal_pair, sine
from odeopt.ensembles.random.normals import Addressed, Stream
from odeopt.ensembles.random.threefry import threefry

# counter, key, words: kat_vectors of Random123, "threefry2x64 13"
KNOWN = [
    ("0" * 16, "0" * 16, "0" * 16, "0" * 16, "f167b032c3b480bd", "e91f9fee4b7a6fb5"),
    ("f" * 16, "f" * 16, "f" * 16, "f" * 16, "ccdec5c917a874b1", "4df53abca26ceb01"),
    ("243f6a8885a308d3", "13198a2e03707344", "a4093822299f31d0", "082efa98ec4e6c89", "c3aac71561042993",
     "3fe7ae8801aff316"),
]  # fmt: skip
KEY = np.array([3, 5], np.uint64)
LAST = np.float64(1.0) - 2.0**-53


@pytest.mark.parametrize("row", KNOWN, ids=["zeros", "ones", "pi"])
def test_known_answers(row):
    *address, x, y = (np.array([int(word, 16)], np.uint64) for word in row)
    assert threefry(*address) == (x, y)


def in_last_places(values, exact):
    return np.max(np.abs(values - exact) / np.spacing(np.abs(exact)))


@pytest.mark.parametrize(("ours", "exact", "at"), [
    (logarithm, math.log, np.r_[np.random.default_rng(0).random(20_000), np.logspace(-53, -1, 300, base=2), LAST,
                                np.sqrt(0.5) + np.arange(-20, 20) * 2.0**-53, 1 - np.arange(1, 40) * 2.0**-53]),
    (sine, math.sin, np.r_[np.linspace(-np.pi / 4, np.pi / 4, 20_001), 1e-8, 1e-300]),
    (cosine, math.cos, np.linspace(-np.pi / 4, np.pi / 4, 20_001)),
], ids=["log", "sin", "cos"])  # fmt: skip
def test_polynomials_are_right_to_one_unit_in_the_last_place(ours, exact, at):
    expected = np.array([exact(x) for x in at])
    at, expected = at[expected != 0], expected[expected != 0]
    assert in_last_places(ours(at), expected) <= 1


def test_pairs_are_box_and_muller():
    """Radius and angle from the bits, the angle up to the reflections that fill the circle."""
    words = np.random.default_rng(1).integers(0, 2**64, (2, 5000), dtype=np.uint64)
    a, b = normal_pair(*words)
    u = (words[0] >> np.uint64(12)) * 2.0**-52 + 2.0**-53
    np.testing.assert_allclose(a**2 + b**2, -2 * np.log(u), rtol=1e-14)
    phi = np.pi / 2 * ((words[1] >> np.uint64(12)) * 2.0**-52 - 0.5)
    smaller = np.minimum(np.abs(a), np.abs(b)) / np.hypot(a, b)
    np.testing.assert_allclose(smaller, np.abs(np.sin(phi)), rtol=1e-13, atol=1e-16)
    assert {(bool(p), bool(q), bool(r)) for p, q, r in zip(a > 0, b > 0, abs(a) > abs(b), strict=True)} == {
        (p, q, r) for p in (True, False) for q in (True, False) for r in (True, False)
    }  # all eighths of the circle


def test_extreme_words_are_finite():
    ends = np.array([0, 2**64 - 1, 2**63, 1], np.uint64)
    z = np.array(normal_pair(*(words.ravel() for words in np.meshgrid(ends, ends))))
    assert np.isfinite(z).all()
    assert 8 < np.abs(z).max() < 8.6


def test_normals_have_the_moments_and_the_law():
    """400,000 of them, at 4.5 standard errors."""
    z = np.stack([Addressed(KEY, range(1000), 1, 1).of(k)[0, 0, :, 0] for k in range(400)])
    n = z.size
    for power, moment in enumerate((0, 1, 0, 3, 0, 15), start=1):
        error = math.sqrt((math.prod(range(2 * power - 1, 0, -2)) - moment**2) / n)
        assert np.mean(z**power) == pytest.approx(moment, abs=4.5 * error)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    assert stats.kstest((z**2).ravel()[::7], "chi2", args=(1,)).pvalue > 1e-4


@pytest.mark.parametrize("lag", [(0, 1), (1, 0), (2, 0), (1, 1)], ids=["members", "pair", "steps", "both"])
def test_neighbours_are_independent(lag):
    z = np.stack([Addressed(KEY, range(1000), 1, 1).of(k)[0, 0, :, 0] for k in range(400)])
    first, second = z[: 400 - lag[0], : 1000 - lag[1]], z[lag[0] :, lag[1] :]
    for f in (lambda x: x, lambda x: x**2, np.abs):
        a, b = (f(x) - f(x).mean() for x in (first, second))
        assert abs(np.mean(a * b)) < 4.5 * a.std() * b.std() / math.sqrt(a.size)


def test_an_address_has_its_normals_whoever_asks():
    """Neither the number of members, nor where a block begins, nor the order of steps matters; keys do."""
    all_of_them = Addressed(KEY, range(40), 1, 3)
    expected = [all_of_them.of(k)[0].copy() for k in range(6)]
    some = Addressed(KEY, range(15, 30), 1, 3)
    for k in (5, 0, 3, 2, 2, 1):
        np.testing.assert_array_equal(some.of(k)[0], expected[k][:, 15:30])
    for k, n in ((0, 6), (1, 1), (2, 3), (5, 1), (1, 4)):
        np.testing.assert_array_equal(some.of(k, n), np.array(expected)[k : k + n, :, 15:30])
    values = np.array(expected)
    assert len(np.unique(values)) == values.size
    assert not np.isin(Addressed(KEY[::-1], range(40), 1, 3).of(0), values).any()


def test_streams_repeat_from_their_mark():
    stream, again = (Stream(np.random.SeedSequence(1), range(5), 1, 2) for _ in range(2))
    expected = again.of(0, 6)
    for k in (0, 1):
        np.testing.assert_array_equal(stream.of(k)[0], expected[k])
    stream.mark()
    for k in (2, 3, 4, 3, 4, 5, 2):
        np.testing.assert_array_equal(stream.of(k)[0], expected[k])
