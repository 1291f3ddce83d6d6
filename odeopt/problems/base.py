"""A problem: the loss to minimise, its start, its derivatives and everything else known about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.problems.arguments import check_origin, check_rest, fixed_point
from odeopt.problems.derivatives import Automatic, Derived, gradient_of, hvp_of
from odeopt.problems.differences import typical
from odeopt.problems.gradient_noise import GradientNoise
from odeopt.problems.members import Function, Looped, of_one, over_members, probe_points
from odeopt.problems.oracle import Gradient
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.immutable import Immutable

if TYPE_CHECKING:  # imported late at run time: most problems do not need them, and imports cost more than a short run
    from odeopt.problems.gradient_check import GradientCheck
    from odeopt.problems.parameters import Parameters
    from odeopt.problems.samples import Samples


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Problem(Immutable):
    """minimise L(theta) from theta0:   loss(theta) -> (...),  grad(theta) -> (..., d),  hvp(theta, p) -> (..., d).

    theta has shape (..., d); the leading axes are members of an ensemble.  Functions of one vector are accepted: with
    `batched=None` each function is tested once, here, and looped over members if necessary.  A missing gradient or
    Hessian-vector product is computed numerically; printing the problem shows how.

    >>> mild = Problem(lambda x: (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2, theta0=[-1.5, 2.0], name="mild")
    >>> mild
    Problem mild: d = 2, gradient by complex step, looped over members
    >>> mild.grad(mild.theta0)
    array([-12.5,  -2.5])
    """

    loss: Function
    grad: Callable[[Any], Array]
    theta0: Array
    hvp: Callable[[Any, Any], Array]
    minimizer: Array | None
    name: str
    batched: bool | None
    flow_solution: Function | None
    noise: GradientNoise | None
    samples: Samples | None
    parameters: Parameters | None

    def __init__(
        self,
        loss: Function,
        grad: Function | None = None,
        *,
        theta0: ArrayLike,
        hvp: Function | None = None,
        minimizer: Any = None,
        name: str = "",
        batched: bool | None = None,
        flow_solution: Function | None = None,
        noise: GradientNoise | None = None,
        samples: Samples | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        """Checks and stores the functions.

        batched:       whether the functions are correct on stacks (..., d); None tests it
        flow_solution: flow_solution(t, theta0), the gradient flow in closed form, (n, ..., d)
        noise:         the noise of the gradient, see `odeopt.noise`; `grad` itself is exact
        samples:       the samples over which L is a mean; `problems.finite_sum` makes them from your data
        parameters:    the named arrays that theta consists of

        With batched=True and theta0 (..., d) the functions may contain numbers of shape (...), one for each member.
        """
        if not isinstance(noise, GradientNoise | None):
            raise TypeError(f"noise must be made by odeopt.noise or None, got {noise!r}")
        if samples is not None or parameters is not None:
            check_origin(samples, parameters)
        start = fixed_point("theta0", theta0)
        end = None if minimizer is None else fixed_point("minimizer", minimizer)
        check_rest(start, end, name, batched, loss, grad=grad, hvp=hvp, flow_solution=flow_solution)
        near = probe_points(start.reshape(-1, start.shape[-1])[0])
        loss, grad, hvp = _brought(loss), _brought(grad), _brought(hvp)
        if batched and start.ndim > 1 and np.ndim(loss(near[0].copy())):  # each member has its own numbers
            near = start[None]
            if grad is None:
                raise ValueError("grad must be given if each member has its own numbers in the loss, got None")

        loss = over_members("loss", loss, 0, batched, near)
        grad = over_members("grad", grad, 1, batched, near) if grad else gradient_of(loss, near, typical(start))
        hvp = over_members("hvp", hvp, 1, batched, near, near[::-1]) if hvp else hvp_of(grad, near, typical(start))
        vars(self).update(loss=loss, grad=grad, theta0=start, hvp=hvp, minimizer=end)
        vars(self).update(name=name, batched=batched, flow_solution=flow_solution, noise=noise)
        vars(self).update(samples=samples, parameters=parameters)

    def to_parameters(self, theta: Any) -> dict[str, Array]:
        """theta (..., d) as the named arrays (..., *shape) that it consists of."""
        return self._parameters().named(point_of(self, "theta", theta))

    def load(self, theta: Any) -> Any:
        """Writes theta (d,) into the module or model that the problem came from, in its own precision, and returns it.

        For a problem from JAX nothing is written; new params are returned.
        """
        made = self._parameters()
        vector = point_of(self, "theta", theta)
        if vector.ndim != 1:
            raise ValueError(f"theta must have shape ({self.dim},), one vector, got {vector.shape}")
        return made.put(made.named(vector))

    def _parameters(self) -> Parameters:
        if self.parameters is None:
            raise ValueError(f"the problem must come from torch, JAX or Keras to have named parameters, got {self!r}")
        return self.parameters

    @property
    def dim(self) -> int:
        """d, the number of parameters."""
        return self.theta0.shape[-1]

    @property
    def gradient_source(self) -> str:
        """The origin of the gradient: by hand, automatic differentiation, complex step or central differences."""
        return _source(self.grad)

    @property
    def hvp_source(self) -> str:
        """The origin of H p: by hand, automatic differentiation, complex step or central differences of grad."""
        return _source(self.hvp)

    def oracle(self) -> Gradient:
        """The gradient in the form that schemes call, with its count at 0."""
        return Gradient(self.grad, self.hvp, self.noise)

    def at(self, theta0: ArrayLike) -> Problem:
        """The same problem with another start, or with many: theta0 of shape (d,) or (..., d).

        >>> Problem(lambda x: x @ x, theta0=[1.0, 2.0]).at([[1, 0], [0, 1], [1, 1]]).theta0.shape
        (3, 2)
        """
        moved = dataclasses.replace(self, theta0=point_of(self, "theta0", theta0))
        moved.remember(self.origin)
        return moved

    def __reduce__(self) -> Any:
        """What pickle writes: the call that made the problem and its start, or else its functions."""
        return super().__reduce__() if self.origin is None else (_again, (self.origin, self.theta0))

    def check_gradient(self, theta: ArrayLike | None = None) -> GradientCheck:
        """Compares the gradient by hand with the best numerical one, at theta (default: theta0).

        >>> Problem(lambda x: (x**4).sum(-1), lambda x: 4 * x**2, theta0=[1.0, 3.0]).check_gradient()
        worst coordinate 1: gradient 36, numerical 108 (complex step), relative error 6.7e-01
        """
        from odeopt.problems.gradient_check import GradientCheck

        if isinstance(self.grad, Derived):
            raise ValueError(f"grad must be written by hand to be checked, got {self.gradient_source} of the loss")
        theta = self.theta0 if theta is None else point_of(self, "theta", theta)
        usual = typical(np.concatenate([u.reshape(-1, self.dim) for u in (theta, self.theta0)]))
        numeric = gradient_of(self.loss, probe_points(theta.reshape(-1, self.dim)[0]), usual)
        return GradientCheck(np.asarray(self.grad(theta)), numeric(theta), usual, numeric.source)

    def __repr__(self) -> str:
        source = self.gradient_source if self.gradient_source == "by hand" else f"by {self.gradient_source}"
        if isinstance(_brought(self.hvp), Automatic) and self.hvp_source != self.gradient_source:
            source = f"{source}, H p by {self.hvp_source}"
        given = {"loss": self.loss, "grad": self.grad, "hvp": self.hvp}
        looped = [name for name, f in given.items() if isinstance(f, Looped)]
        which = "" if all(isinstance(f, Looped | Derived) for f in given.values()) else ", ".join(looped) + " "
        members = f"{which}looped over members" if looped else "batched"
        title = f"Problem {self.name}" if self.name else "Problem"
        noise = f", {self.noise.name}" if self.noise else ""
        return f"{title}: d = {self.dim}, gradient {source}, {members}{noise}"


def point_of(problem: Problem, name: str, theta: Any) -> Array:
    """The argument `name` as a new array (d,) or (..., d) of parameters of the problem."""
    point = check.point(name, theta)
    if point.shape[-1] != problem.dim:
        raise ValueError(f"{name} must have last axis {problem.dim} like the problem, got shape {point.shape}")
    return point


def a_problem(problem: Any) -> Problem:
    """The problem; TypeError for anything else."""
    return check.instance("problem", problem, Problem, "a Problem, e.g. odeopt.problems.quadratic()")


def _again(call: Any, theta0: Array) -> Problem:
    return call.again().at(theta0)


def _source(f: Any) -> str:
    """The origin of a derivative, as `gradient_source` returns it."""
    made = of_one(f)
    return made.source if isinstance(made, Derived | Automatic) else "by hand"


def _brought(f: Any) -> Any:
    """The function that the user gave, or None.

    dataclasses.replace passes looped and derived functions to __init__, which makes them again.
    """
    if isinstance(f, Derived):
        return None
    return of_one(f)
