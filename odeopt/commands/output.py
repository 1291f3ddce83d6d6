"""The output of commands, printed and written to files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def show(given: argparse.Namespace, facts: Any, text: str) -> None:
    """Prints the facts as JSON if they were asked for so, else the text."""
    print(json.dumps(plain(facts), indent=2, allow_nan=False) if given.json else text)


def plain(facts: Any) -> Any:
    """Facts in the types of JSON: lists for arrays, None for numbers that are not finite."""
    if isinstance(facts, Mapping):
        return {key: plain(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple | np.ndarray):
        return [plain(value) for value in facts]
    if isinstance(facts, np.generic):
        return plain(facts.item())
    return None if isinstance(facts, float) and not np.isfinite(facts) else facts


def draw(out: Path | None, plot: Callable[[], Any]) -> None:
    """Writes the picture that plot() draws, if a file is given."""
    if out is not None:
        from odeopt.plots import style
        from odeopt.plots.saving import save

        with style.context():
            save(plot()[0].figure, out)
        print(f"wrote {out}", file=sys.stderr)
