"""What the file says of an optimizer, and of one step of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from odeopt.diagnosis.writer import FORMAT, VERSION
from odeopt.frameworks.torch.monitor.vectors import NUMBERS, Step, sizes_of
from odeopt.frameworks.torch.monitor.weights import settings_of

KEPT = ("lr", "betas", "momentum", "alpha", "weight_decay")  # settings of a group that each step has


def header(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The format, the optimizer and its groups."""
    settings = [settings_of(group) for group in optimizer.param_groups]
    groups = [
        {"name": str(group.get("name", i)), "parameters": n, "settings": own}
        for i, (group, n, own) in enumerate(zip(optimizer.param_groups, sizes_of(optimizer), settings, strict=True))
    ]
    library = type(optimizer).__module__.split(".")[0]
    described = {"name": type(optimizer).__name__, "library": library, "settings": settings[0]}
    return {
        "format": FORMAT,
        "version": VERSION,
        "framework": "torch",
        "optimizer": described,
        "groups": groups,
    }


def of_step(
    optimizer: torch.optim.Optimizer, seen: Step | None, norm: Any, scaler: torch.amp.GradScaler | None
) -> dict[str, Any]:
    """The numbers of the groups and of all together; `seen` is None where the step was not taken."""
    found = [dict.fromkeys(NUMBERS) for _ in optimizer.param_groups] if seen is None else seen.numbers()
    groups = [
        {**numbers, **{key: value for key, value in settings_of(group).items() if key in KEPT}}
        for numbers, group in zip(found, optimizer.param_groups, strict=True)
    ]
    total = {key: _root(groups, key) for key in ("grad", "update", "theta")}
    after = total["grad"]
    return {
        "groups": groups,
        **total,
        "inner": None if seen is None or seen.g is None else sum(group["inner"] for group in groups),
        "clipped": None if norm is None or after is None else _share(after, float(norm)),
        "skipped": seen is None,
        "loss_scale": None if scaler is None else scaler.get_scale(),
    }


def _root(groups: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The norm of all groups together."""
    values = [group[key] for group in groups]
    return None if any(value is None for value in values) else float(sum(value**2 for value in values) ** 0.5)


def _share(after: float, before: float) -> float:
    return min(1.0, after / before) if before > 0 else 1.0
