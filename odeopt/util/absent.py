"""The description of an object that could not be saved, in its place in a loaded result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odeopt.util.immutable import Immutable


@dataclass(frozen=True, eq=False, repr=False)
class Absent(Immutable):
    """What was known of an optimizer, a flow or a problem that holds functions of its owner.

    kind:  "optimizer", "flow", ...
    facts: attributes that were saved, such as `name`; all others raise AttributeError
    text:  its printed form
    """

    kind: str
    facts: Mapping[str, Any]
    text: str

    def __getattr__(self, name: str) -> Any:
        facts = vars(self).get("facts", {})  # none yet, while it is being copied or unpickled
        if name in facts:
            return facts[name]
        raise AttributeError(f"{name} is not known: {self!r}" if facts else name)

    def __repr__(self) -> str:
        return f"the {self.kind} {self.facts['name']!r}, of which only its description was saved:\n{self.text}"
