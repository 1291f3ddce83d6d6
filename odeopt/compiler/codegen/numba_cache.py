"""Kernels that Numba compiles, kept on disk under a hash of their whole source.

The numbers of the gradient and the formulas of the step stand in it, so that none is ever taken for another.  Numba's
own index beside it knows versions and processor.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from odeopt.util import files

JIT = '@njit(error_model="numpy", fastmath={"contract"}, nogil=True, cache=CACHE)'  # of what the text begins with
HEADER = f"""
from math import exp, expm1, floor, inf, log, log1p, nan, sqrt, tanh, sin, cos
from numba import njit
from numpy import absolute, empty, int64, maximum, minimum, power, sign

{JIT}
"""


def cache_folder() -> Path:
    """$ODEOPT_CACHE, or odeopt in the user's cache."""
    own = os.environ.get("ODEOPT_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "odeopt"


def loaded(text: str) -> bool:
    """Whether this process has compiled or read the kernel."""
    return _name(text) in sys.modules


def on_disk(text: str) -> bool:
    """Whether the kernel needs no compiler any more."""
    return any((cache_folder() / "__pycache__").glob(f"{_name(text)}.*.nbc"))


@lru_cache(maxsize=64)
def compiled(text: str) -> Callable[..., int]:
    """The kernel of this source, compiled at its first call, or read from the disk."""
    name, path = _name(text), cache_folder() / f"{_name(text)}.py"
    try:
        if not path.exists() or path.read_text() != _whole(text, True):
            files.write(path, _whole(text, True).encode())
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)  # Numba's cache looks for it there
        spec.loader.exec_module(module)
        return module.loop
    except OSError:  # no place to keep it
        room: dict[str, Any] = {}
        exec(compile(_whole(text, False), f"<{name}>", "exec"), room)
        return room["loop"]


def _whole(text: str, cache: bool) -> str:
    return (HEADER + text).replace("CACHE", str(cache)).lstrip() + "\n"


@lru_cache(maxsize=256)
def _name(text: str) -> str:
    return "odeopt_kernel_" + hashlib.sha256(_whole(text, True).encode()).hexdigest()[:32]
