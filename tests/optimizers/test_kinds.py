"""What differs in kind does so at every step size; what differs in its scheme alone does not."""

from __future__ import annotations

import pytest
from support.zoo_kinds import FINER, PAIRS

EXPECTED = ["setting"] * 7 + ["scheme"] * 3 + ["flow"] * 6


@pytest.mark.parametrize(("pair", "expected"), [*zip(PAIRS, EXPECTED, strict=True)], ids=lambda value: str(value)[:60])
def test_pairs_differ_in_setting_scheme_or_flow(pair, expected):
    """In steps of h/16 schemes are at least three times nearer to each other, flows less than twice."""
    assert pair.differ_in() == expected
    if expected != "setting":
        ratio = pair.distance() / pair.distance(FINER)
        assert ratio > 3 if expected == "scheme" else ratio < 2
