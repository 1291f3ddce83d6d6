"""Results in pickles: the same tree and arrays as in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.results.encoding import Reader, Writer
from odeopt.util.check import Array


def reduced(result: Any) -> tuple[Any, ...]:
    """The function and the arguments by which pickle makes the result again."""
    writer = Writer(result)
    return restored, (writer.node(result, "result"), writer.arrays)


def restored(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """The result of this tree and these arrays."""
    return Reader(arrays).value(tree)
