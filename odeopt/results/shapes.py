"""The shapes of the arrays of a result, as its docstring gives them: axes of one name have one length.

"n *m d" is (n, any number of members, d); "..." stands for members that are not compared, "_" for a length that is not.
Mappings and tuples of arrays have the shape in each entry.  Arrays of size 0 were not asked for, and fit always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

SHAPES: Mapping[str, Mapping[str, str]] = {
    "Trajectory": {"t": "n ...", "theta": "n *m d", "loss": "n *m", "state": "n *m _"},
    "Following": {"checked": "c", "indicator": "c"},
    "Convergence": {"h": "k", "error": "k"},
    "WorkPrecision": {"gradients": "k", "error": "k"},
    "Energy": {"t": "n ...", "values": "n *m"},
    "Sharpness": {"t": "n", "value": "n", "threshold": "n"},
    "StabilityRegion": {"z": "r c", "radius": "r c"},
    "StabilityChart": {"z": "z", "beta": "b", "multipliers": "b z _", "limit": "b"},
    "BatchComparison": {"steps": "_", "samples": "_", "loss": "_", "error": "_"},
    "Ensemble": {
        **dict.fromkeys(("t", "loss_mean", "loss_variance", "alive"), "n"),
        **dict.fromkeys(("mean", "variance"), "n k"),
        "covariance": "n k k",
        "quantiles": "n q k",
        "probabilities": "q",
        "counts": "n k _",
        "edges": "_",
        "first_passage": "_",
        "paths": "n _ d",
        "final": "_ d",
    },
    "Moments": {"mean": "*n s", "covariance": "*n s s"},
    "GradientCheck": {"analytic": "*m d", "numeric": "*m d", "size": "d"},
    "CentralFlow": {
        **dict.fromkeys(("t", "loss", "mean_loss", "threshold", "residual"), "n"),
        **dict.fromkeys(("multipliers", "sharpness"), "n k"),
        "theta": "n d",
        "state": "n _",
    },
    "EdgeComparison": {
        **dict.fromkeys(("t", "loss", "sharpness", "oscillating"), "n"),
        **{"theta": "n d", "start": "d", "models": "_ d", "mean_loss": "_"},
    },
    "EdgeGauge": {"t": "n ...", "zeta": "n *m", "zeta_2": "n *m"},
    "BatchSharpness": {"t": "n", "value": "n", "error": "n"},
    "RodFlow": {
        **dict.fromkeys(("t", "loss", "mean_loss"), "n"),
        "theta": "n d",
        "state": "n _",
        "delta": "_ d",
    },
    "LossForecast": {
        "spread": "p p",
        **dict.fromkeys(("rates", "records", "losses", "residuals"), "_"),
    },
    "LossPrediction": dict.fromkeys(("at", "loss", "low", "high"), "r"),
    "Bench": {
        "gradients": "r",
        "tuning": "p o k s",
        "loss": "p o k s r",
        "ended": "p o k",
        "targets": "p",
    },
    "Sweep": {"values": "n s", "ended": "n s"},
    "Training": {"losses": "_", "tables": "_ _"},
    "Vectors": {"words": "w", "vectors": "w _"},
}


def check_shapes(result: Any) -> None:
    """ValueError for arrays that are none, or whose shapes do not agree."""
    known: dict[str, Any] = {}
    for field, pattern in SHAPES.get(type(result).__name__, {}).items():
        for name, value in _entries(field, getattr(result, field)):
            shape = np.shape(value)
            if not isinstance(value, np.ndarray | tuple):
                raise ValueError(f"{name} must be an array, got {value!r}")
            if np.size(value) and not _fits(pattern.split(), shape, known):
                lengths = ", ".join(f"{axis} = {length}" for axis, length in known.items())
                raise ValueError(f"{name} must have the shape ({pattern}) with {lengths}, got {shape}")


def _entries(field: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of a field with their names; names in a tuple are no arrays."""
    if isinstance(value, Mapping):
        yield from ((f"{field}[{key!r}]", inner) for key, inner in value.items())
    elif isinstance(value, tuple) and not all(isinstance(inner, str) for inner in value):
        yield from ((f"{field}[{i}]", inner) for i, inner in enumerate(value))
    else:
        yield field, value


def _fits(axes: list[str], shape: tuple[int, ...], known: dict[str, Any]) -> bool:
    """Whether a shape has these axes, with the lengths that are known; the others become known."""
    lengths = _lengths(axes, shape)
    if len(lengths) != len(axes):
        return False
    compared = [(axis, length) for axis, length in zip(axes, lengths, strict=True) if axis not in ("_", "...")]
    return all(known.setdefault(axis, length) == length for axis, length in compared)


def _lengths(axes: list[str], shape: tuple[int, ...]) -> list[Any]:
    """The length of each axis, and for members the tuple of theirs; too few or too many where they do not match."""
    at = next((i for i, axis in enumerate(axes) if axis[0] in "*."), None)
    if at is None or len(shape) < len(axes) - 1:
        return list(shape)
    end = len(shape) - (len(axes) - at - 1)
    return [*shape[:at], shape[at:end], *shape[end:]]
