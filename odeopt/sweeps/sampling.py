"""Cells drawn at random or by a low-discrepancy sequence, for the `grid` of a sweep."""

from __future__ import annotations

from typing import Any

from odeopt.optimizers.spacing import between, checked_range
from odeopt.sweeps.cells import MOST, Cell
from odeopt.util import check
from odeopt.util.check import Array, Seed


def random(cells: int, *, rng: Seed = 0, **ranges: tuple[float, float]) -> list[Cell]:
    """Independent cells: each name log-uniform in its range (low, high), a decay factor so that 1 - beta is.

    >>> from odeopt import sweeps
    >>> sorted(sweeps.random(2, lr=(1e-3, 1.0), beta=(0.5, 0.99))[0])
    ['beta', 'lr']
    """
    cells, ends = _cells(cells), _checked(ranges)
    return _placed(check.generator("rng", rng).random((cells, len(ends))), ends)


def sobol(cells: int, *, rng: Seed = 0, **ranges: tuple[float, float]) -> list[Cell]:
    """Cells of a scrambled Sobol sequence, spaced like those of `random`.          [Sobol 1967; Owen 1998]

    The sequence is balanced where `cells` is a power of 2.

    >>> import math
    >>> from odeopt import sweeps
    >>> shares = [-math.log10(cell["lr"]) / 4 for cell in sweeps.sobol(4, lr=(1e-4, 1.0))]
    >>> sorted(int(4 * share) for share in shares)  # one in each quarter
    [0, 1, 2, 3]
    """
    from scipy.stats import qmc

    cells, ends = _cells(cells), _checked(ranges)
    drawn = qmc.Sobol(len(ends), rng=check.generator("rng", rng)).random_base2(int(cells - 1).bit_length())
    return _placed(drawn[:cells], ends)


def _cells(cells: int) -> int:
    found = check.count("cells", cells, 1)
    if found > MOST:
        raise ValueError(f"cells must be at most {MOST}, got {found}")
    return found


def _checked(ranges: dict[str, Any]) -> dict[str, tuple[float, float]]:
    if not ranges:
        raise ValueError("ranges must name at least one hyperparameter, e.g. lr=(1e-4, 1.0), got none")
    return {name: checked_range(name, ends) for name, ends in ranges.items()}


def _placed(shares: Array, ends: dict[str, tuple[float, float]]) -> list[Cell]:
    """Cells at these shares (n, names) of their ranges."""
    return [
        {name: between(name, *ends[name], share) for name, share in zip(ends, row, strict=True)}
        for row in shares.tolist()
    ]
