"""Progress bars for runs of more than a second, at a terminal or in Jupyter only."""

from __future__ import annotations

import sys
import warnings
from typing import Any

DELAY = 1.0  # seconds before a bar appears


def seen() -> bool:
    """Whether the output goes to a terminal or to Jupyter."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def announce(text: str, progress: bool | None) -> None:
    """Prints one line about a wait, under the same conditions as a bar."""
    if _shown(progress):
        print(text, file=sys.stderr, flush=True)


def _shown(progress: bool | None) -> bool:
    return seen() if progress is None else progress


class Silent:
    """A bar that shows nothing."""

    def update(self, amount: float) -> None: ...

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *raised: object) -> None: ...


def bar(total: float, label: str, progress: bool | None, unit: str = "step") -> Any:
    """A tqdm bar; progress=True shows it, False does not, None only at a terminal or in Jupyter."""
    if not _shown(progress):
        return Silent()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter without ipywidgets gets the bar in text, and no warning
        from tqdm.auto import tqdm

    return tqdm(total=total, desc=label, unit=unit, delay=DELAY if progress is None else 0, leave=False)
