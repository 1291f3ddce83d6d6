"""Checks of the arguments of a Problem, before any of its functions is called."""

from __future__ import annotations

from typing import Any

from odeopt.util import check
from odeopt.util.check import Array


def check_origin(samples: Any, parameters: Any) -> None:
    """Checks the types of samples, made by `finite_sum`, and parameters, made by `problem` of odeopt.frameworks."""
    from odeopt.problems.parameters import Parameters
    from odeopt.problems.samples import Samples

    if not isinstance(samples, Samples | None):
        raise TypeError(f"samples must be Samples or None, see problems.finite_sum, got {samples!r}")
    if not isinstance(parameters, Parameters | None):
        raise TypeError(f"parameters must be Parameters or None, see odeopt.frameworks, got {parameters!r}")


def fixed_point(name: str, value: Any) -> Array:
    """The argument `name` as a read-only array (..., d)."""
    array = check.point(name, value)
    array.flags.writeable = False
    return array


def check_rest(start: Array, end: Array | None, name: Any, batched: Any, loss: Any, **optional: Any) -> None:
    """Raises TypeError or ValueError for wrong functions, shapes and names, before any function is called."""
    if not callable(loss):
        raise TypeError(f"loss must be a function of theta, got {loss!r}")
    for argument, f in optional.items():
        if f is not None and not callable(f):
            raise TypeError(f"{argument} must be a function or None, got {f!r}")
    if end is not None and end.shape != start.shape[-1:]:
        raise ValueError(f"minimizer must have shape {start.shape[-1:]}, one vector like theta0, got {end.shape}")
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {name!r}")
    if batched is not None and not isinstance(batched, bool):
        raise TypeError(f"batched must be True, False or None (test it), got {batched!r}")
