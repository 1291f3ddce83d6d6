"""Descriptions of optimizers in words."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from odeopt.optimizers.recipe import BY_HAND
from odeopt.schemes.splitting import Splitting


@dataclass(frozen=True, eq=False)
class Description:
    """The description of one optimizer, for printing."""

    optimizer: str
    flow: str
    scheme: str
    word: str
    time_unit: str
    map: str
    order: str
    valid: str
    source: str

    @classmethod
    def of(cls, opt: Any) -> Description:
        """The description of an optimizer; the order is unknown if it was built by hand."""
        recipe = opt.recipe
        facts = recipe.facts if recipe else BY_HAND
        return cls(
            opt.name,
            f"{opt.flow.name}\n{opt.flow}",
            repr(opt.scheme),
            opt.scheme.word if isinstance(opt.scheme, Splitting) else "-",
            facts.time_unit,
            facts.map,
            facts.order_in_words(),
            facts.valid,
            facts.source,
        )

    def __str__(self) -> str:
        rows = [(f.name.replace("_", " "), getattr(self, f.name)) for f in fields(self)]
        return "\n".join(f"{name:<10} {value}".replace("\n", "\n" + 11 * " ") for name, value in rows)

    __repr__ = __str__
