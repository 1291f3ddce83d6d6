"""The limits of lr lambda of a library's optimizer, from its name and settings there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from odeopt.analysis.stability import stability_limit
from odeopt.diagnosis.named import Settings, optimizer_of
from odeopt.edge.transfer_function import transfer_function

KEPT = 256  # limits that are remembered
READ = ("lr", "momentum", "nesterov", "betas", "eps", "alpha", "weight_decay")


class Limits(NamedTuple):
    """Of lr lambda: the largest that is stable, and 2/Q(1), that of small batches; None under a preconditioner."""

    stable: float
    small_batch: float | None


def limits_of(name: str, settings: Settings) -> Limits | None:
    """The limits at these settings; None for an optimizer not known here.

    They depend on lr only through lr weight_decay, which is small beside 1, so lr is read to two digits.

    >>> found = limits_of("SGD", {"lr": 0.1, "momentum": 0.9})
    >>> round(found.stable, 9), round(found.small_batch, 9)
    (3.8, 0.2)
    """
    used = {key: settings[key] for key in READ if key in settings}
    used["lr"] = float(f"{used['lr']:.1e}") if used.get("weight_decay") else 1.0
    return _limits(name, tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in used.items()))


@lru_cache(maxsize=KEPT)
def _limits(name: str, settings: tuple[tuple[str, Any], ...]) -> Limits | None:
    opt = optimizer_of(name, dict(settings))
    if opt is None:
        return None
    plain = not opt.flow.preconditioner
    return Limits(float(stability_limit(opt)), 2 / float(transfer_function(opt, 1).real) if plain else None)
