"""Kernels compiled by Numba, with their machine code on disk for the next process.

A kernel's file is named by a hash of everything that determines its machine code: its source, with the numbers of the
gradient; the types of its arguments; the versions of Python, Numba and LLVM; the processor; and Numba's settings.
Numba's own cache unpickles any file in its folder, and concurrent processes can corrupt its index.  `FileCache` checks
each file instead, and a file that fails the check is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from odeopt.util.file_cache import FileCache

JIT = '@njit(error_model="numpy", fastmath={"contract"}, nogil=True)'  # of the function that follows
HEADER = f"""from math import exp, expm1, floor, inf, log, log1p, nan, sqrt, tanh, sin, cos
from numba import njit
from numpy import absolute, empty, int64, maximum, minimum, power, sign

{JIT}
"""
LIMIT = 64_000_000  # bytes on disk: several hundred kernels


def cache() -> FileCache:
    """The folder $ODEOPT_CACHE/kernels, or odeopt/kernels in the user's cache."""
    own = os.environ.get("ODEOPT_CACHE")
    folder = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "odeopt"
    return FileCache(folder / "kernels", LIMIT)


def is_ready(text: str) -> bool:
    """Whether the kernel is compiled already, in this process or on disk."""
    return _name(text) in sys.modules or cache().holds(_prefix(text))


@lru_cache(maxsize=64)
def compiled(text: str) -> Callable[..., int]:
    """The kernel of this source; its first call compiles it or reads it from the disk."""
    module = sys.modules[_name(text)] = ModuleType(_name(text))  # kernels from the disk look for it there
    exec(compile(HEADER + text, f"<{_name(text)}>", "exec"), vars(module))
    module.loop._cache = Kept(_prefix(text))
    return module.loop


class Kept:
    """The cache of one kernel, with the interface that Numba's dispatcher calls (`numba.core.caching._Cache`)."""

    cache_path = None

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled kernel for these types of arguments, or None."""
        target.refresh()
        data = cache().read(self._file(signature))
        if data is None:
            return None
        from numba.core.compiler import CompileResult

        try:
            return CompileResult._rebuild(target, *pickle.loads(data))
        except Exception:  # another build of the same versions may have written it
            return None

    def save_overload(self, signature: Any, made: Any) -> None:
        """Writes a kernel to the disk, unless it contains addresses of this process."""
        if not made.library.has_dynamic_globals:
            cache().write(self._file(signature), pickle.dumps(made._reduce()))

    def _file(self, signature: Any) -> str:
        return f"{self._prefix}-{_hash(str(signature))[:16]}"


def _prefix(text: str) -> str:
    """The first part of the file names of a kernel on this machine."""
    return _hash(repr((HEADER + text, _environment())))[:32]


@lru_cache(maxsize=1)
def _environment() -> tuple[Any, ...]:
    """Everything except the source that determines machine code."""
    import llvmlite
    import numba
    from llvmlite import binding

    processor = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(), platform.machine()
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    svml = vars(numba.config)["USING_SVML"]  # whether Intel's functions on vectors are installed
    return sys.version, numba.__version__, llvmlite.__version__, processor, svml, settings


@lru_cache(maxsize=256)
def _name(text: str) -> str:
    return "odeopt_kernel_" + _hash(HEADER + text)[:32]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
