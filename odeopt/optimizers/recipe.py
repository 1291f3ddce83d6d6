"""How a named optimizer was made, for describing it, rebuilding it, and changing its step at a fixed flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.symbols import short
from odeopt.optimizers.bibliography import Source
from odeopt.optimizers.schedules import Schedule

RANGE = 1e8  # rescale looks for a step from 1/RANGE to RANGE times the present one


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts about an optimizer besides its flow and scheme.

    order:  the order with which the iterates follow the flow from its matched start, for steps small against all its
            time constants; None if there is no flow, NaN if unknown
    """

    order: float | None
    time_unit: str
    map: str
    valid: str
    sources: tuple[Source, ...]

    @property
    def source(self) -> str:
        """The sources as text."""
        return "; ".join(map(str, self.sources)) or "your own"

    def order_in_words(self) -> str:
        """The order as text, or the reason why there is none."""
        if self.order is None:
            return "none: it follows no flow"
        return "not known" if np.isnan(self.order) else f"{self.order:g}"


BY_HAND = Facts(float("nan"), "h", "given by hand", "not known", ())


@dataclass(frozen=True, eq=False)
class Recipe:
    """make(**settings) is the optimizer; at(h) gives the settings that depend on its step along the same flow.

    at is None for an optimizer that follows no flow.
    """

    make: Callable[..., Any]
    settings: Mapping[str, Any]
    at: Callable[[Any], Mapping[str, Any]] | None
    facts: Facts

    def title(self) -> str:
        """make(...) without defaults and without settings that the equations show."""
        defaults = {name: p.default for name, p in inspect.signature(self.make).parameters.items()}
        shown = {k: v for k, v in self.settings.items() if not _plain(k, v, defaults[k])}
        return f"{self.make.__name__}({', '.join(f'{key}={_short(value)}' for key, value in shown.items())})"

    def changed(self, h: Any) -> Mapping[str, Any]:
        """The settings that depend on the step, at step h."""
        if self.at is None:
            name = self.make.__name__
            raise ValueError(f"{name} follows no flow, so its step cannot change along one: call {name}(lr=...) anew")
        return self.at(h)

    def made(self, h: Any) -> Any:
        """The optimizer with step h along the same flow."""
        return self.make(**{**self.settings, **self.changed(h)})

    def rescaled(self, lr: float, h: float) -> Any:
        """The optimizer with this learning rate along the same flow; the search starts at the present step h."""
        from scipy.optimize import brentq

        if "opt" in self.settings:
            inner = self.settings["opt"].rescale(lr)
            return self.make(**{**self.settings, **self.changed(inner.h), "opt": inner})

        def excess(log_ratio: float) -> float:
            return float(np.log(self.changed(h * np.exp(log_ratio))["lr"] / lr))

        reach = np.log(RANGE)
        if excess(-reach) * excess(reach) > 0:
            raise ValueError(f"lr must be a learning rate that some step of this flow has, got {lr!r}")
        return self.made(h * float(np.exp(brentq(excess, -reach, reach, xtol=1e-15, rtol=1e-15))))


def _plain(key: str, value: Any, default: Any) -> bool:
    """Whether a setting can be omitted from the title."""
    if key in ("root", "centred"):
        return True
    if isinstance(value, str | bool | None):
        return bool(value == default)
    return key in ("dampening", "momentum", "accumulator", "psi", "delta", "eps_norm") and not np.any(value)


def _short(value: Any) -> str:
    """A setting in one line; an optimizer by its title."""
    if isinstance(value, tuple):
        return str(value)
    if isinstance(value, Schedule | np.ndarray | float | int | str | None):
        return short(value)
    return value.recipe.title() if value.recipe else value.name


def configuration(make: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"make": name, settings...} of plain numbers, text and lists."""
    return {"make": make.__name__, **{key: plain(value) for key, value in settings.items()}}


def plain(value: Any) -> Any:
    """A setting as a JSON value."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float | str | None) else value.get_config()
