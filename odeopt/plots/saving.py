"""Pictures as files; the same figure always gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from odeopt.plots import style
from odeopt.util import check, files

METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def kind(path: Path) -> str:
    """png, svg or pdf, from the suffix of the path."""
    return check.choice("ending of the picture's name", path.suffix.removeprefix(".").lower(), METADATA)


def picture(figure: Any, kind: str) -> bytes:
    """A figure as bytes that contain no date and no version of a program."""
    buffer = io.BytesIO()
    with style.context():
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    return buffer.getvalue()


def save(figure: Any, path: str | Path) -> Path:
    """Writes a figure to a .png, .svg or .pdf file, atomically; returns the path."""
    path = Path(path)
    files.write(path, picture(figure, kind(path)))
    return path
