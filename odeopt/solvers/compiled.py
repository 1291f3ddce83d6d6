"""How `solve` evaluates a right-hand side: by NumPy, by generated code, or in a kernel that holds the whole method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.costs import IMPORT
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.rhs_program import Traced, traced_field
from odeopt.compiler.verify import OTHER, agree, agreed_at
from odeopt.core.state import pack, unpack
from odeopt.solvers.compiled_rhs import on_floats, stacked
from odeopt.solvers.counted_rhs import exhausted
from odeopt.solvers.ending import Ended, Reason
from odeopt.solvers.initial_value import Function, Functions, InitialValue
from odeopt.solvers.kernels import adaptive_rk, dop853, rodas5p
from odeopt.solvers.scipy_solvers import Task
from odeopt.solvers.verified_rhs import Fallback, VerifiedRhs
from odeopt.util.check import Array
from odeopt.util.progress import announce
from odeopt.util.threads import in_parts

MOMENT = 1e-3  # distance from the start to the second point at which a program is compared with the flow
SECONDS, NUMBERS = 2.5e-3, 35  # time of a run by NumPy and SciPy, and the size of a state that doubles it
COMPILE, ENTRY = 1.2, 0.3  # seconds to compile a kernel, and more for each number of a state
LOOK = 20_000_000  # evaluations of DOP853 between two updates of the bar: a fifth of a second
EVALUATION = 10  # operations in one evaluation, at least
KERNELS = {"DOP853": dop853.source, "Rodas5P": rodas5p.source}
WIDEST = 10  # numbers in a member's state that a kernel keeps in registers


def functions_of(equation: InitialValue, backend: str, progress: bool | None) -> tuple[Functions, Array]:
    """The right-hand side with its Jacobian and kernel, where there are any, and the slopes at the start."""
    start = pack(equation.y)
    if backend == "numpy":
        return _plain(equation, "backend is 'numpy'")
    try:
        made = traced_field(equation.flow, equation.problem, equation.clock, equation.sizes, equation.members)
    except Untraceable as reason:
        return _refused(equation, reason, backend)
    fallback = Fallback(equation)
    f, jacobian = stacked(made, equation.number, fallback) if equation.members else on_floats(made, fallback)
    if made.program.guards:
        f = VerifiedRhs(f, fallback, _uncounted(equation).slope(), sum(equation.sizes))
    slopes, values = np.asarray(f(equation.begin, start)), tuple(np.asarray(value).tobytes() for value in made.values)
    point = (equation.begin, start.tobytes(), *values)
    if not agreed_at(made.program, point, lambda: _agrees(equation, made)):
        return _refused(equation, f"{OTHER} the flow itself", backend)
    means = "columns" if equation.members else "floats"
    kernel, part = partial(_kernel, equation, made, backend, progress), partial(_part, equation, made, fallback)
    refused = lambda: f.refused if isinstance(f, VerifiedRhs) else ""
    found = Functions(f, jacobian, made.program.gradients, means, kernel, part if equation.members else None, refused)
    return found, slopes


def _uncounted(equation: InitialValue) -> InitialValue:
    """The same equation with evaluations that are not counted."""
    return replace(equation, grad=equation.problem.oracle())


def _agrees(equation: InitialValue, made: Traced) -> bool:
    """Whether a program agrees with the flow at the start and near it."""
    plain, like, start = _uncounted(equation).slope(), equation.y, pack(equation.y)
    f = (stacked(made, equation.number, plain) if equation.members else on_floats(made, plain))[0]
    outwards = np.where(start < 0, -1.0, 1.0)  # positive numbers stay positive
    later = start + MOMENT * (1 + np.abs(start)) * outwards * (1.5 + np.sin(np.arange(start.size)))
    same = lambda s, y: agree(unpack(np.asarray(f(s, y)), like), unpack(np.asarray(plain(s, y)), like))
    with np.errstate(all="ignore"):
        try:
            return same(equation.begin, start) and same(equation.begin + MOMENT, later)
        except Exception:  # a user's function may raise anything at a point that the run may never reach
            return False


def _part(equation: InitialValue, made: Traced, fallback: Fallback, members: Array) -> Functions:
    """f and its Jacobian for these members.  The flow itself needs all members: the others stay at their start."""
    shape = equation.number, len(made.program.state)

    def of_these(plain: Function, s: float, vector: Array) -> Array:
        everyone = pack(equation.y).reshape(shape)
        everyone[members] = vector.reshape(-1, shape[1])
        return np.reshape(plain(s, everyone.ravel()), shape)[members].ravel()

    few = Traced(made.program, tuple(u if np.ndim(u) == 0 else u[members] for u in made.values))
    f, jacobian = stacked(few, len(members), partial(of_these, fallback))
    if made.program.guards:
        f = VerifiedRhs(f, fallback, partial(of_these, _uncounted(equation).slope()), shape[1])
    return Functions(f, jacobian, made.program.gradients, "columns")


def _plain(equation: InitialValue, reason: str) -> tuple[Functions, Array]:
    """The flow itself by NumPy, without a kernel for this reason."""
    f = equation.slope()
    return Functions(f, kernel=lambda *_: (None, reason)), f(equation.begin, pack(equation.y))


def _refused(equation: InitialValue, reason: Any, backend: str) -> tuple[Functions, Array]:
    """The flow itself by NumPy, where `backend` allows it; ValueError with the reason where it does not."""
    functions, first = _plain(equation, str(reason))  # an error of its first gradient says more than the reason
    if backend != "auto":
        raise ValueError(f"backend must be 'auto' or 'numpy' for {equation.flow.name} here: {reason}; got {backend!r}")
    return replace(functions, means=f"numpy ({reason})"), first


def _kernel(
    equation: InitialValue, made: Traced, backend: str, progress: bool | None, method: str, named: bool
) -> tuple[Kernel | None, str]:
    """The kernel of this method if it was asked for or pays; otherwise None and the reason."""
    program, n = made.program, len(made.program.state)
    if backend not in ("auto", "numba"):
        return None, f"backend is {backend!r}"
    if method not in KERNELS:
        return None, f"{method} has none"
    if n > WIDEST:
        return None, f"a member has {n} numbers, more than {WIDEST}"
    if program.guards:
        return None, "its formulas branch on their values"
    if find_spec("numba") is None:
        if backend == "numba":
            raise ImportError("numba is needed here: install odeopt-toolkit[fast]")
        return None, "it needs numba: install odeopt-toolkit[fast]"
    text = KERNELS[method](program)
    if text is None:
        return None, "its Jacobian is too long to be written out"
    if backend == "auto" and not named and not kernel_pays(equation.number, n):
        return None, "it does not pay"
    return Kernel(text, made, progress), ""


def kernel_pays(members: int, n: int) -> bool:
    """Whether a run by NumPy and SciPy takes longer than the start of Numba and the compilation of a kernel.

    The estimate always includes the compilation, also where a kernel is cached: the choice is the same in every
    process.
    """
    return SECONDS * (1 + members * n / NUMBERS) > IMPORT + COMPILE + ENTRY * n


@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled method for all members; each member has its own steps."""

    text: str
    made: Traced
    progress: bool | None

    def __call__(self, task: Task, rtol: float, atol: Array) -> None:
        """Runs the method from the last record to the end; raises Ended if it stops before."""
        records, rhs, method = task.records, task.rhs, task.attempt.method
        first, s = records.last, records.equation.s[1:]
        if not kernels.is_ready(self.text):
            announce(f"{records.equation.flow.name}: compiling its right-hand side (once)", self.progress)
        M, n = records.equation.number, len(self.made.program.state)
        Y, rows = first.y.reshape(M, n).copy(), np.empty((len(s), M, n))
        S, H = np.full(M, first.s), np.zeros(M)
        at = np.full(M, np.searchsorted(s, first.s, side="right"))
        rows[: at[0]] = Y  # for targets before first.s the state is still the start
        count, flag = np.zeros(M, dtype=np.int64), np.zeros(M, dtype=np.int64)
        constants = np.empty((len(self.made.values), M))
        for row, value in zip(constants, self.made.values, strict=True):
            row[:] = value
        each = M if method == "DOP853" else M * n  # an evaluation of Rodas5P also solves n equations
        loop, chunk, far = kernels.compiled(self.text), max(1000, LOOK // each), first.s
        part = lambda a, b: loop(
            a, b, chunk, rhs.budget, s, rows, Y, S, H, at, count, flag, constants, rtol, atol.reshape(M, n)
        )
        try:
            while not flag.all():
                in_parts(part, M, 8, M * min(chunk, 1000) * EVALUATION)
                near, far = far, S.sum() / M
                task.shown.update(far - near)
        finally:
            rhs.count, rhs.mean, done = int(count.max()), count.sum() / M, int(at.min())
            rhs.jacobians = rhs.count // rodas5p.STAGES if method == "Rodas5P" else 0
            records.fill(s[:done], rows[:done].reshape(done, M * n))
            if M == 1:
                records.last = records.last._replace(s=float(S[0]), y=Y[0])
        if (flag < 0).any():
            raise _ended(flag, rhs.budget)


def _ended(flag: Any, budget: int) -> Ended:
    """Why the run ended: the first member without evaluations left, else the first that failed."""
    lacking = flag == adaptive_rk.TOO_MANY
    m = int(np.argmax(lacking if lacking.any() else flag < 0))
    who = f"member {m}: " if flag.size > 1 else ""
    return (
        exhausted(budget, who)
        if flag[m] == adaptive_rk.TOO_MANY
        else Ended(Reason.STEP_FAILED, f"{who}{Reason.STEP_FAILED}")
    )
