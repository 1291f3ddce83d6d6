"""Atomic writing of files: a reader sees the old file or the whole new one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

EVERYONE, OWNER = 0o666, 0o600  # the mode of a new file, of which the user's umask takes away; and of a private one


def write(path: Path, data: bytes) -> None:
    """Writes a file of the user: with the mode that it has, or the umask gives, and through a symbolic link."""
    target = Path(os.path.realpath(path))
    _replace(target, data, EVERYONE, stat.S_IMODE(target.stat().st_mode) if target.is_file() else None)


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only this user can read, in the place of a symbolic link too."""
    _replace(path, data, OWNER, OWNER)


def _replace(path: Path, data: bytes, new: int, mode: int | None) -> None:
    """Writes a temporary file beside the path, opened with the mode `new`, and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, new)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(part, mode)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
