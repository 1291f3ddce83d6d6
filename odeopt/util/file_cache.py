"""A cache in a folder that only this user can write.  Each file has a checksum, and damaged files are never read.

No method raises an OSError: without a usable folder the cache is empty and stays empty.
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
    """Data by name in `folder`, at most `limit` bytes in all; the least recently used files are removed first.

    Several processes may share a folder, as files are written and replaced atomically.
    """

    folder: Path
    limit: int

    def read(self, name: str) -> bytes | None:
        """The data written under this name, or None if there is none or its checksum is wrong."""
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
        with suppress(OSError):  # the folder may be mounted read-only
            os.utime(path)
        return data

    def holds(self, prefix: str) -> bool:
        """Whether there is a file whose name begins with this prefix."""
        return any(path.name.startswith(prefix) for path, _ in self._by_age())

    def write(self, name: str, data: bytes) -> None:
        """Stores the data if the folder is usable, and removes the least recently used files beyond the limit."""
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_own(self.folder.lstat(), stat.S_IFDIR):
                files.write_private(self.folder / name, data + _digest(name, data))
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
        """The files, the least recently used first."""
        found = []
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(FileNotFoundError):  # another process may have removed it
                    found.append((path, path.lstat()))
        regular = [(path, status) for path, status in found if stat.S_ISREG(status.st_mode)]
        return sorted(regular, key=lambda entry: (entry[1].st_mtime_ns, entry[0].name))


def _is_own(status: os.stat_result, kind: int) -> bool:
    """Whether this is a file or folder of this kind that only this user may write; Windows protects it by its place."""
    if stat.S_IFMT(status.st_mode) != kind:
        return False
    return sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _digest(name: str, data: bytes) -> bytes:
    """The checksum of name and data, so that a renamed file is refused."""
    return hashlib.sha256(name.encode() + b"\0" + data).digest()
