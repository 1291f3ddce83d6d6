"""Which notebooks were made here: python notebooks/made.py removes those, and no others.

A notebook that `build.py` makes has a mark in its metadata, the digest of its cells.  One of your own has no mark, and
one that was edited has another digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MARK = "odeopt"  # the key in the metadata


def digest(notebook: Mapping[str, Any]) -> str:
    """SHA-256 of the kinds and the text of the cells, without their outputs."""
    cells = [[cell["cell_type"], "".join(cell["source"])] for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def is_made(path: Path) -> bool:
    """Whether `build.py` made this file and nobody has changed its cells since."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return bool(notebook["metadata"][MARK] == digest(notebook))
    except (ValueError, KeyError, TypeError):  # no notebook, or one without the mark
        return False


def clean(folder: Path = HERE) -> None:
    """Removes the notebooks that were made here and says which others there are."""
    for path in sorted(folder.glob("*.ipynb")):
        if path.is_file() and is_made(path):
            path.unlink()
        else:
            print(f"kept {path}: `make notebooks` did not make it, or it was edited since", file=sys.stderr)


if __name__ == "__main__":
    clean()
