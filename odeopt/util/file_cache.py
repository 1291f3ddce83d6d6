"""A folder of files that only this user can write, each with a checksum; what is damaged or doubtful is never read.

Every method does what it can and raises nothing: without a folder that it may use, the cache is empty and stays so.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from odeopt.util import files

DIGEST = hashlib.sha256().digest_size  # bytes at the end of each file


@dataclass(frozen=True)
class FileCache:
    """Data by name in `folder`, of at most `limit` bytes in all; what has not been read for longest goes first.

    Several processes may use one folder: a file appears and is replaced as a whole.
    """

    folder: Path
    limit: int

    def read(self, name: str) -> bytes | None:
        """The data written under this name, or None where there is none or its checksum does not fit."""
        path = self.folder / name
        try:
            if not (_is_own(self.folder.lstat(), stat.S_IFDIR) and _is_own(path.lstat(), stat.S_IFREG)):
                return None
            whole = path.read_bytes()
        except OSError:
            return None
        data, digest = whole[:-DIGEST], whole[-DIGEST:]
        if digest != _digest(name, data):
            return None
        with suppress(OSError):  # as in a folder that is mounted read-only
            os.utime(path)
        return data

    def holds(self, prefix: str) -> bool:
        """Whether there is a file whose name begins so."""
        return any(path.name.startswith(prefix) for path, _ in self._by_age())

    def write(self, name: str, data: bytes) -> None:
        """Keeps the data, where there is a place, and removes the oldest files beyond the limit."""
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_own(self.folder.lstat(), stat.S_IFDIR):
                files.write(self.folder / name, data + _digest(name, data), mode=0o600)
                self._trim()

    def _trim(self) -> None:
        found = self._by_age()
        excess = sum(status.st_size for _, status in found) - self.limit
        for path, status in found:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)  # another process may have removed it
            excess -= status.st_size

    def _by_age(self) -> list[tuple[Path, os.stat_result]]:
        """The files, with the one that has not been read or written for longest first."""
        found = []
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(FileNotFoundError):  # another process may have removed it
                    found.append((path, path.lstat()))
        regular = [(path, status) for path, status in found if stat.S_ISREG(status.st_mode)]
        return sorted(regular, key=lambda entry: (entry[1].st_mtime_ns, entry[0].name))


def _is_own(status: os.stat_result, kind: int) -> bool:
    """Whether it is of this kind, and nobody but this user may write to it: on Windows, a matter of where it lies."""
    if stat.S_IFMT(status.st_mode) != kind:
        return False
    return sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _digest(name: str, data: bytes) -> bytes:
    """The name is part of it, so that a file does not pass for another."""
    return hashlib.sha256(name.encode() + b"\0" + data).digest()
