"""A run as an array with named axes, which xarray writes as netCDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.util.check import Array
from odeopt.util.tables import dataset


def labelled(t: Array, theta: Array, loss: Array, state: Mapping[str, Array], facts: Mapping[str, Any]) -> Any:
    """An xarray Dataset of a path theta (n+1, ..., d), its loss (n+1, ...) and its memory {name: (n+1, ..., k)}.

    The first axis is t (n+1,), or `record` where t (n+1, ...) differs between members, along the last of their axes.
    """
    members = ["member"] if loss.ndim == 2 else [f"member {i}" for i in range(loss.ndim - 1)]
    records = "t" if t.ndim == 1 else "record"
    dims = (records, *members)
    data: dict[str, Any] = {"theta": ((*dims, "coordinate"), theta), "loss": (dims, loss)}
    for name, value in state.items():
        if value.shape[-1] == theta.shape[-1]:
            data[name] = (*dims, "coordinate"), value
        elif value.shape[-1] == 1:  # a clock
            data[name] = dims, value[..., 0]
        else:
            data[name] = (*dims, f"entry of {name}"), value
    return dataset(data, {"t": ((records, *members[len(members) + 1 - t.ndim :]), t)}, facts)
