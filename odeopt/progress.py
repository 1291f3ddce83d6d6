"""A progress bar for runs of more than a second, on a terminal or in Jupyter only."""

from __future__ import annotations

import sys
import warnings
from typing import Any

DELAY = 1.0  # seconds before a bar appears


def bar(total: float, label: str, progress: bool | None, unit: str = "step") -> Any:
    """A tqdm bar; progress=None shows it to people only, True always, False never."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter without ipywidgets gets the bar in text, and no warning
        from tqdm.auto import tqdm

    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    shown = seen if progress is None else progress
    return tqdm(
        total=total, desc=label, unit=unit, delay=DELAY if progress is None else 0, disable=not shown, leave=False
    )
