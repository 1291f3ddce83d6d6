"""A flow on a problem as fun(t, y) and y0, for solvers that you call yourself: solve_ivp, diffrax, your own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Field
from odeopt.core.state import pack, unpack
from odeopt.problems import Problem
from odeopt.solvers.initial_value import Functions, InitialValue, in_time
from odeopt.solvers.starting import checked_start
from odeopt.util import check
from odeopt.util.check import Array


@dataclass(frozen=True, eq=False, repr=False)
class IVP:
    """y' = fun(t, y) from y(t0) = y0, flat vectors (N,) as `scipy.integrate.solve_ivp` takes them.

    fun:   the right-hand side as the flow is written, evaluated by NumPy
    t0:    the initial time; shortly after 0 for a flow that is singular at t = 0 (RMSprop, Adagrad)
    y0:    the state at t0, member after member, each with theta first
    jac:   d fun / dy, (N, N), for one member whose formulas can be traced; else None
    names: the names of the numbers in y
    """

    fun: Callable[[float, Array], Array]
    t0: float
    y0: Array
    jac: Callable[[float, Array], Array] | None
    names: tuple[str, ...]
    equation: InitialValue = field(repr=False)

    def unpack(self, y: Any) -> dict[str, Array]:
        """The variables by name: (..., d) for one state (N,), (k, ..., d) for the `y` (N, k) of solve_ivp."""
        rows = check.numbers_of("y", y)
        if rows.ndim not in (1, 2) or len(rows) != len(self.y0):
            raise ValueError(f"y must have shape ({len(self.y0)},) or ({len(self.y0)}, k), got {rows.shape}")
        return dict(zip(self.equation.flow.variables, unpack(rows.T, self.equation.y), strict=True))

    def vector_field(self, t: Any, y: Any, args: Any = None) -> Any:
        """fun on JAX arrays, for `diffrax.ODETerm(ivp.vector_field)`; JAX can compile and differentiate it."""
        return self._field(t, y)

    @cached_property
    def _field(self) -> Callable[[Any, Any], Any]:
        from odeopt.solvers.jax_rhs import on_jax

        return on_jax(self.equation)

    def __repr__(self) -> str:
        flow, problem = self.equation.flow, self.equation.problem
        state = ", ".join(self.names if len(self.names) <= SHOWN else (*self.names[: SHOWN - 1], "...", self.names[-1]))
        return "\n".join(
            [
                f"y' = fun(t, y) from t = {self.t0:g}: {flow.name} on {problem.name or 'a problem'}",
                *(f"  {line}" for line in str(flow).splitlines()),
                f"y  = ({state})",
                f"y0 = {np.array2string(self.y0, threshold=SHOWN, precision=6)}",
            ]
        )


SHOWN = 12  # how many numbers of a state are printed


def ivp(
    flow: Field,
    problem: Problem,
    theta0: ArrayLike | None = None,
    *,
    t0: float = 0.0,
    memory: Mapping[str, Any] | None = None,
) -> IVP:
    """The initial value problem that `solve` solves, for a solver that you call yourself.

    theta0: shape (d,) or (..., d), the problem's by default
    t0:     the initial time
    memory: values of the other variables at t0, by name; at rest by default

    `odeopt.solvers` has SciPy's methods with guards (`GuardedDOP853`, `GuardedLSODA`, ...); with them solve_ivp always
    returns.

    >>> import odeopt as oo
    >>> from scipy.integrate import solve_ivp
    >>> from odeopt.solvers import GuardedDOP853
    >>> ball = oo.ivp(oo.flows.heavy_ball(damping=1.0), oo.problems.rosenbrock(b=5), [-1.0, 0.5])
    >>> ball
    y' = fun(t, y) from t = 0: heavy ball on rosenbrock
      theta' = v
      v'     = -grad L(theta) - damping*v
      with damping = 1
    y  = (theta[0], theta[1], v[0], v[1])
    y0 = [-1.   0.5  0.   0. ]
    >>> path = solve_ivp(ball.fun, (ball.t0, 2.0), ball.y0, GuardedDOP853, rtol=1e-9, atol=1e-12)
    >>> ball.unpack(path.y)["theta"][-1].round(4).tolist()
    [0.2193, 0.3425]
    """
    start = check.scalar("t0", check.finite("t0", t0))
    y = checked_start("ivp", flow, problem, np.asarray(start), theta0, memory)
    equation = in_time(flow, problem, start, y)
    labels = [_labels(name, u.shape) for name, u in zip(flow.variables, equation.y, strict=True)]
    names = tuple(np.concatenate(labels, axis=-1).ravel().tolist())
    return IVP(_undisturbed(equation.slope()), equation.begin, pack(equation.y), _jacobian(equation), names, equation)


def _labels(name: str, shape: tuple[int, ...]) -> Any:
    """name[0], name[1], ..., or with members name[3, 0], the first number of member 3."""
    found = np.empty(shape, dtype=object)
    for where in np.ndindex(shape):
        found[where] = f"{name}[{', '.join(map(str, where))}]"
    return found


def _undisturbed(f: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
    """f without NumPy's warnings, as solvers try points at which a flow overflows."""

    def fun(t: float, y: Array) -> Array:
        with np.errstate(all="ignore"):
            return f(t, np.asarray(y, dtype=float))

    return fun


def _jacobian(equation: InitialValue) -> Callable[[float, Array], Array] | None:
    from odeopt.solvers.compiled import functions_of

    functions: Functions
    with np.errstate(all="ignore"):
        functions, _ = functions_of(equation, "auto", False)
    jacobian = functions.jacobian
    if jacobian is None or equation.members:
        return None
    return lambda t, y: np.array(jacobian(t, np.asarray(y, dtype=float)))
