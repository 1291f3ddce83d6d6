"""Which engine runs a step: what was asked for, or what costs least, its compiler included."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from odeopt.compiler.costs import CALL, COMPILE, ENTRY, FLOAT, IMPORT, JIT, LOAD, WIDEST
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.readings import once, read_by
from odeopt.compiler.step_program import Program, program
from odeopt.compiler.trace_cache import fingerprint, steadily
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.derivatives import Automatic, Native
from odeopt.problems.members import Looped
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Engine
from odeopt.simulation.engines.floats import Floats
from odeopt.util.progress import announce

_programs: WeakKeyDictionary[Optimizer, dict[Any, Any]] = WeakKeyDictionary()
_spent: dict[int, float] = defaultdict(float)  # seconds that a kernel of a step would have saved so far, by its hash
_called: WeakKeyDictionary[Any, dict[Any, float]] = WeakKeyDictionary()  # the same, for gradients of JAX and formulas


def chosen(
    opt: Optimizer, problem: Problem, grad: Gradient, sizes: list[int], members: tuple[int, ...],
    steps: int, every: int, backend: str, progress: bool | None,
) -> tuple[Engine | None, str]:  # fmt: skip
    """The engine and its name, or None and why there is none."""
    try:
        native = _native(problem)
        if backend == "jax" or (backend == "auto" and native and _pays(opt, native, steps)):
            scan = _scan(opt, problem, sizes, members, every, progress)
            return scan, scan.name
        made = _program(opt, problem, sizes, members, backend)
        if members and backend == "floats":
            raise Untraceable("it has members")
        if not members and backend == "blocks":
            raise Untraceable("it has no members")
        engine = _engine(made, opt, grad, _single(problem.grad), members, steps, every, backend, progress)
        return engine, engine.name
    except Untraceable as reason:
        if backend != "auto":
            raise ValueError(
                f"backend must be 'auto' or 'numpy' for {opt.name} here: {reason}; got {backend!r}"
            ) from reason
        return None, f"numpy ({reason})"


def _engines() -> Any:
    from odeopt.simulation.engines import arrays  # late: a loop on floats needs none of it

    return arrays


def _engine(
    made: Program, opt: Optimizer, grad: Gradient, single: Any, members: tuple[int, ...], steps: int, every: int,
    backend: str, progress: bool | None,
) -> Engine:  # fmt: skip
    def plain() -> Engine:
        return _engines().Blocks(made, opt, members) if members else Floats(made, opt, grad, single)

    if backend in ("floats", "blocks") or made.calls:
        return plain()
    if backend == "auto":
        _spent[made.key] += steps * len(made.body) * (np.prod(members) * ENTRY if members else FLOAT)
        if "numba" not in sys.modules and _spent[made.key] < IMPORT + LOAD:
            return plain()
    if not _installed("numba"):
        if backend == "numba":
            raise ImportError("numba is needed here: install odeopt-toolkit[fast]")
        return plain()
    from odeopt.compiler.codegen import numba_cache as kernels

    kernel = _engines().Members(made, opt, members) if members else _engines().Path(made, opt, every > 1)
    if kernels.loaded(kernel.text):
        return kernel
    on_disk = kernels.on_disk(kernel.text)
    price = (0 if "numba" in sys.modules else IMPORT) + (LOAD if on_disk else 0.5 + COMPILE * len(made.body))
    if backend == "auto" and _spent[made.key] < price:
        return plain()
    if not on_disk:
        announce(f"{opt.name}: compiling its step, once", progress)
    return kernel


def _scan(
    opt: Optimizer, problem: Problem, sizes: list[int], members: tuple[int, ...], every: int, progress: bool | None
) -> Engine:
    """By JAX: a gradient that is a JAX function goes in as it is, any other as a formula."""
    if not _installed("jax"):
        raise ImportError("jax is needed here: install odeopt-toolkit[jax]")
    from odeopt.simulation.engines import jax_step

    y, native = tuple(np.zeros((*members, size)) for size in sizes), _native(problem)
    if native is None:
        scan = jax_step.scan_of_program(opt, _program(opt, problem, sizes, members, "jax"), y, every > 1)
    else:
        known = _programs.setdefault(opt, {})
        step = once(
            known, (native.f, *map(np.shape, y), read_by(opt.flow)), lambda: jax_step.array_step(opt, native, y)
        )
        scan = jax_step.scan_of_arrays(opt, step, native, y, every > 1)
    if not scan.ready:
        announce(f"{opt.name}: compiling its step, once", progress)
    return scan


def _pays(opt: Optimizer, native: Native, steps: int) -> bool:
    """Whether runs like this one would have saved what it costs to compile a step."""
    from odeopt.simulation.engines.jax_step import formulas

    spent, key = _called.setdefault(native.f, defaultdict(float)), formulas(opt)
    spent[key] += steps * CALL
    return spent[key] > JIT


def _native(problem: Problem) -> Native | None:
    """Its gradient as a JAX function, if it is one."""
    grad = problem.grad
    return grad.native if isinstance(grad, Automatic) and grad.source == "jax" else None


def _program(opt: Optimizer, problem: Problem, sizes: list[int], members: tuple[int, ...], backend: str) -> Program:
    """The program, traced once for an optimizer and all that its formulas, the gradient and the loss depend on."""
    if sizes[0] > WIDEST:
        raise Untraceable(f"it has more than {WIDEST} coordinates")
    grad, loss = _single(problem.grad), _single(problem.loss)
    known = _programs.setdefault(opt, {})
    try:
        read = lambda: (fingerprint(grad), _or_none(fingerprint, loss))
        key = *read(), tuple(sizes), read_by(opt.flow)
        make = lambda: program(opt, grad, loss if key[1] else None, sizes)
        return once(known, key, lambda: steadily(make, read))
    except Untraceable:
        if members or backend in ("numba", "jax"):
            raise
    made = once(known, (tuple(sizes), read_by(opt.flow)), lambda: program(opt, None, None, sizes))
    if made.count > 1 or made.carried:
        raise Untraceable(f"it calls a gradient that is no formula {made.count} times a step")
    return made


def _installed(name: str) -> bool:
    from importlib.util import find_spec  # late: a short run needs none of it

    return find_spec(name) is not None


def _or_none(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except Untraceable:
        return None


def _single(f: Any) -> Any:
    """The function of one vector."""
    return f.f if isinstance(f, Looped) else f
