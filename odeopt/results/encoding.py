"""Values as trees of JSON, whose arrays stand beside them by name: {"array": "flow.theta"}.

A value that is no plain JSON is {"is": its type, ...}, with its parts or fields; `kinds.KINDS` lists the types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from odeopt.results.interpolants import stacked
from odeopt.results.kinds import KINDS
from odeopt.results.shapes import check_shapes
from odeopt.results.stand_ins import StandIn, field_in_words, optimizers_in, stand_in
from odeopt.solvers.recording import Interpolant
from odeopt.util.check import Array

Node = Any  # None, bool, int, float, str, or a dict of nodes
PLAIN = (bool, int, float, str, type(None))


class Writer:
    """Writes values as nodes and collects their arrays; the same object is written once."""

    def __init__(self, result: Any) -> None:
        self.arrays: dict[str, Array] = {}
        self.optimizers = optimizers_in(result)
        self._known: dict[int, tuple[Any, Node]] = {}

    def node(self, value: Any, place: str) -> Node:
        """The node of a value that stands at this place, such as "flow.theta"."""
        if type(value) in PLAIN:
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, self._written(value, place)
        return self._known[id(value)][1]

    def _written(self, value: Any, place: str) -> Node:
        if isinstance(value, np.ndarray):
            self.arrays[place] = value
            return {"array": place}
        if isinstance(value, np.generic):
            return self.node(value.item(), place)
        if isinstance(value, list | tuple):
            nodes = [self.node(inner, f"{place}.{i}") for i, inner in enumerate(value)]
            return {"is": "list" if isinstance(value, list) else "tuple", "of": nodes}
        if isinstance(value, Mapping):
            pairs = [[key, self.node(inner, f"{place}.{key}")] for key, inner in value.items()]
            return {"is": "mapping", "of": pairs}
        if isinstance(value, Interpolant):
            return self.node(stacked(value), place)
        if (other := stand_in(value, self.optimizers)) is not value:
            return self.node(other, place)
        if type(value).__name__ not in KINDS:
            return self.node(field_in_words(value), place)
        parts = {each.name: self.node(getattr(value, each.name), f"{place}.{each.name}") for each in fields(value)}
        return {"is": type(value).__name__, **parts}


class Reader:
    """Reads values from nodes; equal nodes become the same object."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays
        self._known: dict[str, Any] = {}

    def value(self, node: Node) -> Any:
        """The value of a node; KeyError, TypeError or ValueError if it is none."""
        if not isinstance(node, dict):
            return node
        if "array" in node:
            return self.arrays[node["array"]]
        if node["is"] in ("list", "tuple"):
            values = [self.value(inner) for inner in node["of"]]
            return values if node["is"] == "list" else tuple(values)
        if node["is"] == "mapping":
            return {key: self.value(inner) for key, inner in node["of"]}
        text = json.dumps(node)
        if text not in self._known:
            made = KINDS[node["is"]](**{key: self.value(inner) for key, inner in node.items() if key != "is"})
            check_shapes(made)
            self._known[text] = made.restored() if isinstance(made, StandIn) else made
        return self._known[text]
