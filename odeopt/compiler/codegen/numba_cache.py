"""Kernels that Numba compiles, and the machine code kept on disk for the next process.

A kernel is kept under a hash of all that decides its machine code: its source, in which the numbers of the gradient
and the formulas of the step stand; the types of its arguments; the versions of Python, Numba and LLVM; the processor;
and Numba's settings.  Numba's own cache would unpickle whatever lies in its folder, and two processes can mix up its
index, so that kernels are kept by `FileCache` instead: what it does not vouch for is compiled anew.
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

JIT = '@njit(error_model="numpy", fastmath={"contract"}, nogil=True)'  # of what the text begins with
HEADER = f"""from math import exp, expm1, floor, inf, log, log1p, nan, sqrt, tanh, sin, cos
from numba import njit
from numpy import absolute, empty, int64, maximum, minimum, power, sign

{JIT}
"""
LIMIT = 64_000_000  # bytes on disk: several hundred kernels


def cache() -> FileCache:
    """In $ODEOPT_CACHE, or in odeopt in the user's cache."""
    own = os.environ.get("ODEOPT_CACHE")
    folder = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "odeopt"
    return FileCache(folder / "kernels", LIMIT)


def is_ready(text: str) -> bool:
    """Whether the kernel needs no compiler: this process has it, or it is on the disk."""
    return _name(text) in sys.modules or cache().holds(_prefix(text))


@lru_cache(maxsize=64)
def compiled(text: str) -> Callable[..., int]:
    """The kernel of this source, which is compiled or read from the disk at its first call."""
    module = sys.modules[_name(text)] = ModuleType(_name(text))  # where kernels from the disk look for it
    exec(compile(HEADER + text, f"<{_name(text)}>", "exec"), vars(module))
    module.loop._cache = Kept(_prefix(text))
    return module.loop


class Kept:
    """The cache of one kernel, as Numba's dispatcher calls it (`numba.core.caching._Cache`)."""

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
        except Exception:  # whatever it raises on what another build of the same versions wrote
            return None

    def save_overload(self, signature: Any, made: Any) -> None:
        """Keeps a kernel, unless addresses of this process stand in it."""
        if not made.library.has_dynamic_globals:
            cache().write(self._file(signature), pickle.dumps(made._reduce()))

    def _file(self, signature: Any) -> str:
        return f"{self._prefix}-{_hash(str(signature))[:16]}"


def _prefix(text: str) -> str:
    """How the files of a kernel's machine code begin, on this machine."""
    return _hash(repr((HEADER + text, _environment())))[:32]


@lru_cache(maxsize=1)
def _environment() -> tuple[Any, ...]:
    """All that machine code depends on besides the source."""
    import llvmlite
    import numba
    from llvmlite import binding

    processor = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(), platform.machine()
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    svml = numba.config.USING_SVML  # type: ignore[attr-defined]  # Intel's functions on vectors, if installed
    return sys.version, numba.__version__, llvmlite.__version__, processor, svml, settings


@lru_cache(maxsize=256)
def _name(text: str) -> str:
    return "odeopt_kernel_" + _hash(HEADER + text)[:32]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
