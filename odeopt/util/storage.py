"""Results on disk: .npz files without pickle, written atomically and verified by a checksum when read."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from odeopt.util import check, files
from odeopt.util.check import Array

FACTS = "facts.json"
DIGEST = hashlib.sha256().digest_size


def file_of(path: str | Path) -> Path:
    """The path of the file, with the suffix .npz."""
    target = check.path("path", path)
    return target if target.suffix == ".npz" else target.with_name(f"{target.name}.npz")


def save(path: str | Path, kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Path:
    """Writes arrays and facts (JSON) as an .npz followed by its SHA-256; returns the path, with the suffix .npz."""
    target = file_of(path)
    text = np.frombuffer(json.dumps({"kind": kind, **facts}).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    content: dict[str, Any] = {**arrays, FACTS: text}
    np.savez_compressed(buffer, allow_pickle=False, **content)
    data = buffer.getvalue()
    files.write(target, data + hashlib.sha256(data).digest())
    return target


def load(path: str | Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and facts of a file of this kind; ValueError if it is damaged or of another kind."""
    found, arrays, facts = read(path)
    if found != kind:
        raise ValueError(f"path must be a saved {kind}, {path} is a saved {found}")
    return arrays, facts


def read(path: str | Path) -> tuple[str, dict[str, Array], dict[str, Any]]:
    """The kind, the arrays and the facts of a file; ValueError if it is damaged or something else.

    A path that `save` took is right, and so is the path that it returned.
    """
    given, target = check.path("path", path), file_of(path)
    content = (target if target.exists() or not given.exists() else given).read_bytes()
    data, digest = content[:-DIGEST], content[-DIGEST:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"path must be a file that odeopt saved, {path} is damaged or something else")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop(FACTS).tobytes())
        return facts.pop("kind"), arrays, facts
    except (KeyError, AttributeError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"path must be a file that odeopt saved, {path} is something else: {error}") from error
