"""What was written down of a training run: columns (n,), one row a step in order, NaN where nothing is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array

COLUMNS = {
    "step": "number of the step",
    "loss": "loss of the step's batch, before the update",
    "lr": "learning rate of the step",
    "grad_norm": "|g|, before clipping",
    "update_norm": "|theta_after - theta_before|",
    "weight_norm": "|theta|",
    "batch": "samples in the batch",
    "sharpness": "lambda_max of the Hessian, or of P^-1 H under a preconditioner P",
    "signal": "|G|^2, an unbiased estimate from two batch sizes",
    "noise": "tr Sigma of one sample, an unbiased estimate",
    "v_ratio": "|g|^2 over the sum of the bias-corrected v",
    "dead": "share of the gradient's coordinates that are 0",
}
OTHER_NAMES = {
    **dict.fromkeys(("iteration", "iter", "global_step", "t", "k"), "step"),
    **dict.fromkeys(("train_loss", "training_loss", "train/loss", "L"), "loss"),
    **dict.fromkeys(("learning_rate", "train/learning_rate", "eta"), "lr"),
    **dict.fromkeys(("grad", "gnorm", "gradient_norm", "train/grad_norm"), "grad_norm"),
    **dict.fromkeys(("update", "unorm"), "update_norm"),
    **dict.fromkeys(("theta", "param_norm", "wnorm"), "weight_norm"),
    "batch_size": "batch",
}
MOST = 10**7  # rows


@dataclass(frozen=True, eq=False)
class Records:
    """The columns of a log by the names of COLUMNS, sorted by step; of a step written twice the last row counts.

    header: {"name", "settings", "parameters", "samples"} of a monitor's file, empty for a plain log
    """

    columns: Mapping[str, Array] = field(repr=False)
    header: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["step"])

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def known(self, name: str) -> bool:
        """Whether the column has a finite number."""
        return name in self.columns and bool(np.isfinite(self.columns[name]).any())

    def __repr__(self) -> str:
        return f"Records of {len(self)} steps: {', '.join(self.columns)}"


def of_log(log: Mapping[Any, Any], columns: Mapping[str, str] | None = None) -> Records:
    """The records of a log {column: values (n,)}; columns = {"loss": "my name of it"} where names differ.

    Values that are no number count as NaN.  Without steps the rows are numbered from 0; rows without a step are left
    out.  ValueError if there is no loss, or if columns differ in length.

    >>> of_log({"step": [2, 1], "train_loss": [0.5, "nan"]})["loss"].tolist()
    [nan, 0.5]
    """
    found = {name: _numbers(name, values) for name, values in _named(log, columns)}
    if "loss" not in found:
        raise ValueError(f"source must have a column loss, or columns must name it; got {check.shown([*log])}")
    sizes = {name: len(values) for name, values in found.items()}
    if len({*sizes.values()}) > 1:
        raise ValueError(f"source must have columns of one length, got {sizes}")
    if not 0 < (n := sizes["loss"]) <= MOST:
        raise ValueError(f"source must have from 1 to {MOST} rows, got {n}")
    steps = found.setdefault("step", np.arange(n, dtype=float))
    order = np.flatnonzero(np.isfinite(steps))
    order = order[np.argsort(steps[order], kind="stable")]
    last = np.append(np.diff(steps[order]) > 0, True)[: len(order)]
    if not len(order):
        raise ValueError("source must have a step in some row, got none that is finite")
    return Records({name: values[order[last]] for name, values in found.items()})


def _named(log: Mapping[Any, Any], columns: Mapping[str, str] | None) -> Iterator[tuple[str, Any]]:
    """The columns that are known, by their names here."""
    given = {} if columns is None else check.mapping("columns", columns, "names to names")
    for name, theirs in given.items():
        check.choice("column", name, COLUMNS)
        if theirs not in log:
            raise ValueError(f"columns must name columns of source, got {theirs!r} for {name}; it has {[*log]}")
    ours = {theirs: name for name, theirs in given.items()}
    seen = set(ours.values())
    for theirs in log:
        if theirs in ours:
            yield ours[theirs], log[theirs]
            continue
        name = theirs if theirs in COLUMNS else OTHER_NAMES.get(theirs)
        if name is not None and name not in seen:
            seen.add(name)
            yield name, log[theirs]


def _numbers(name: str, values: Any) -> Array:
    """(n,), NaN for what is no number."""
    if isinstance(values, str | bytes) or np.ndim(values) != 1:
        raise ValueError(f"column {name} must have values (n,), got {check.shown(values)}")
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan
