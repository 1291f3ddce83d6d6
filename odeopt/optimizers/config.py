"""The inverse of `Optimizer.get_config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt import optimizers
from odeopt.optimizers import schedules
from odeopt.optimizers.base import Optimizer
from odeopt.util import check


def from_config(config: Mapping[str, Any]) -> Optimizer:
    """The optimizer make(**settings) described by a configuration {"make": name, settings...}.

    >>> from odeopt.optimizers import adam
    >>> from_config(adam(lr=0.1).get_config()).settings == adam(lr=0.1).settings
    True
    """
    if not isinstance(config, Mapping) or "make" not in config:
        raise TypeError(f"config must be what get_config returns, got {config!r}")
    names = [name for name in optimizers.__all__ if name not in ("Optimizer", "from_config")]
    make = getattr(optimizers, check.choice("make", config["make"], names))
    return make(**{key: _setting(value) for key, value in config.items() if key != "make"})


def _setting(value: Any) -> Any:
    if isinstance(value, list):
        return np.array(value)
    if isinstance(value, Mapping) and "make" in value:
        return from_config(value)
    if isinstance(value, Mapping):
        return schedules.of_config(value)
    return value
