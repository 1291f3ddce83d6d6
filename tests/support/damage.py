"""How a file can be damaged, or be something else than a file."""

from __future__ import annotations

import os

from odeopt.util.file_cache import DIGEST


def flipped(whole, bit):
    return whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]


DAMAGES = {
    "empty": lambda whole, other: b"",
    "one byte": lambda whole, other: whole[:1],
    "no data": lambda whole, other: whole[-DIGEST:],
    "no checksum": lambda whole, other: whole[:-DIGEST],
    "end missing": lambda whole, other: whole[:-1],
    "start missing": lambda whole, other: whole[1:],
    "zeros": lambda whole, other: bytes(len(whole)),
    "longer": lambda whole, other: whole + b"\0",
    "twice": lambda whole, other: whole * 2,
    "another's": lambda whole, other: other,
    "another's checksum": lambda whole, other: whole[:-DIGEST] + other[-DIGEST:],
}

KINDS = {
    "folder": lambda path, other: path.mkdir(),
    "link": lambda path, other: path.symlink_to(other),
    "link to nothing": lambda path, other: path.symlink_to(path.parent / "nothing"),
    "pipe": lambda path, other: os.mkfifo(path),
}
