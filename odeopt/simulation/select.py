"""Chooses the engine that runs a step: the requested one, or the cheapest, including the cost of its compiler.

The choice depends only on the request and on the installed packages, so the same call gives the same digits whatever
ran before.  The cost of a compiler is therefore counted as if this were the first run, even if the compiler is already
loaded or the kernel is in the disk cache.  So no run waits for a compiler longer than it would have taken without one.
Many runs that are each too short for a kernel do not use one unless `backend="numba"` requests it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from odeopt.compiler.costs import CALL, CALLED, COMPILE, ENTRY, FLOAT, IMPORT, JIT, KERNEL, WIDEST
from odeopt.compiler.formula_keys import formula_key, remembered
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.program import Program
from odeopt.compiler.step_program import program
from odeopt.compiler.trace_cache import fingerprint, steadily
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.derivatives import Automatic, Native
from odeopt.problems.members import of_one
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Engine
from odeopt.simulation.engines.floats import Floats
from odeopt.simulation.request import Request

_programs: WeakKeyDictionary[Optimizer, dict[Any, Any]] = WeakKeyDictionary()


def chosen(request: Request, grad: Gradient) -> tuple[Engine | None, str]:
    """The engine and its name, or None and a name that gives the reason."""
    backend = request.backend
    try:
        native = _native(request.problem)
        if backend == "jax" or (backend == "auto" and native and request.steps * CALL > JIT):
            scan = _scan(request, native)
            return scan, scan.name
        made = _program(request)
        if request.members and backend == "floats":
            raise Untraceable("it has members")
        if not request.members and backend == "blocks":
            raise Untraceable("it has no members")
        engine = _engine(request, made, grad)
        return engine, engine.name
    except Untraceable as reason:
        if backend != "auto":
            raise ValueError(
                f"backend must be 'auto' or 'numpy' for {request.opt.name} here: {reason}; got {backend!r}"
            ) from reason
        return None, f"numpy ({reason})"


def kernel_pays(request: Request, made: Program) -> bool:
    """Whether a Numba kernel pays: the steps without it cost more than importing Numba and compiling the kernel.

    The alternative to a kernel is a loop on floats, or NumPy for an ensemble.
    """
    operations = len(made.body)
    without = CALLED + ENTRY * request.number if request.members else FLOAT
    return request.steps * operations * without > IMPORT + KERNEL + COMPILE * operations


def _engine(request: Request, made: Program, grad: Gradient) -> Engine:
    """The engine that repeats a program: a kernel if it was requested or pays, else NumPy or a loop on floats."""
    kernel = request.backend == "numba" or (
        request.backend == "auto" and not made.calls and _installed("numba") and kernel_pays(request, made)
    )
    if not kernel and not request.members:
        return Floats(request, made, grad)
    from odeopt.simulation.engines import arrays  # late: a short run needs none of them

    if not kernel:
        return arrays.Blocks(request, made)
    if not _installed("numba"):
        raise ImportError("numba is needed here: install odeopt-toolkit[fast]")
    return arrays.Members(request, made) if request.members else arrays.Path(request, made)


def _scan(request: Request, native: Native | None) -> Engine:
    """The JAX engine.  A gradient that is a JAX function is called directly; any other must be traced as a formula."""
    if not _installed("jax"):
        raise ImportError("jax is needed here: install odeopt-toolkit[jax]")
    from odeopt.simulation.engines import jax_step

    if native is None:
        return jax_step.scan_of_program(request, _program(request))
    known, key = _programs.setdefault(request.opt, {}), (native.f, request.members, request.sizes)
    make = lambda: jax_step.array_step(request.opt, native, request.like)
    return jax_step.scan_of_arrays(request, remembered(known, (*key, formula_key(request.opt.flow)), make), native)


def _native(problem: Problem) -> Native | None:
    """The problem's gradient as a JAX function, or None if it is not one."""
    grad = problem.grad
    return grad.native if isinstance(grad, Automatic) and grad.source == "jax" else None


def _program(request: Request) -> Program:
    """The step's program.

    It is traced once for each optimizer and all values that its formulas, the gradient and the loss depend on.
    """
    opt, problem, sizes = request.opt, request.problem, request.sizes
    if sizes[0] > WIDEST:
        raise Untraceable(f"it has more than {WIDEST} coordinates")
    grad, loss = of_one(problem.grad), of_one(problem.loss)
    known = _programs.setdefault(opt, {})
    try:
        read = lambda: (fingerprint(grad), _or_none(fingerprint, loss))
        key = *read(), sizes, formula_key(opt.flow)
        make = lambda: program(opt, grad, loss if key[1] else None, sizes)
        return remembered(known, key, lambda: steadily(make, read))
    except Untraceable:
        if request.members or request.backend in ("numba", "jax"):
            raise
    made = remembered(known, (sizes, formula_key(opt.flow)), lambda: program(opt, None, None, sizes))
    if made.count > 1 or made.carried:
        raise Untraceable(f"it calls a gradient that is not a formula {made.count} times a step")
    return made


def reading(request: Request) -> Any:
    """A value that changes if a known input of the gradient, the loss or the formulas changes."""
    functions = of_one(request.problem.grad), of_one(request.problem.loss)
    return *(_or_none(fingerprint, f) for f in functions), formula_key(request.opt.flow)


def _installed(name: str) -> bool:
    from importlib.util import find_spec  # late: a short run needs none of it

    return find_spec(name) is not None


def _or_none(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except Untraceable:
        return None
