"""save and load: a result as a tree of JSON with its arrays beside it, in one file of `odeopt.util.storage`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odeopt.results.encoding import Reader, Writer
from odeopt.results.kinds import RESULTS
from odeopt.util import check, storage

FORMAT = 1  # rises when a file of today could no longer be read
MISTAKES = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)  # of a reader, in a tree


def save(result: Any, path: str | Path) -> Path:
    """Writes a result to a file; returns its path, with the suffix .npz."""
    writer = Writer(result)
    facts = {"format": FORMAT, "result": writer.node(result, "result")}
    return storage.save(path, type(result).__name__, writer.arrays, facts)


def load(path: str | Path, of: type | None = None) -> Any:
    """The result that `result.save(path)` wrote, of its own type; of a given type in `Trajectory.load(path)`.

    Raises ValueError for a damaged file, for one that odeopt did not write, and for a result of another type.

    >>> import odeopt as oo, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = oo.simulate(oo.optimizers.gd(lr=0.1), oo.problems.quadratic(), 2).save(f"{folder}/run")
    ...     oo.load(path)
    Trajectory of gd: 3 records of theta (2,), t = 0 .. 0.2, loss 2.50603 .. 2.18938, 2 gradients, DONE: 2 steps
    """
    check.instance("of", of, type | None, "a type of results, e.g. odeopt.Trajectory, or None")
    kind, arrays, facts = storage.read(path)
    if kind not in RESULTS or of not in (None, RESULTS[kind]):
        raise ValueError(f"path must be a saved {of.__name__ if of else 'result'}, {path} is a saved {kind}")
    if facts.get("format") != FORMAT:
        raise ValueError(f"path must be of format {FORMAT}, {path} has {facts.get('format')!r}: load it by its odeopt")
    try:
        found = Reader(arrays).value(facts["result"])
        if type(found) is not RESULTS[kind]:
            raise TypeError(f"a {kind} was expected, got {found!r}")
    except MISTAKES as error:
        raise ValueError(
            f"path must be a file that odeopt saved, {path} does not hold a whole {kind}: {error}"
        ) from error
    return found
