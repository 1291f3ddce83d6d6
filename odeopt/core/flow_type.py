"""The type of a flow, y' = sum of parts: what it knows of itself, and the flows that derive from it.

`odeopt.core.flow.flow` builds one from named parts and checks it.  A method that changes a flow returns a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.core import equations
from odeopt.core.formula import Formula, Placed, place, reads
from odeopt.core.parts import NOISES, Onset, Part, Push, Relax, Speed
from odeopt.core.quantities import Quantity
from odeopt.core.state import Grad, Rhs, State, column
from odeopt.core.terms import filtered, right_hand_side
from odeopt.util import check
from odeopt.util.check import Array, Number
from odeopt.util.immutable import Immutable

Diffusion = Callable[[Any, Any, State, Any], Any]  # (t, grad, y, xi) -> the coefficient of sqrt(dt) in an increment


@dataclass(frozen=True, eq=False)
class Flow(Immutable):
    """y' = sum of parts.  Build one with `flow(...)`; print it to read its equations."""

    variables: tuple[str, ...]
    params: Mapping[str, Number]
    parts: Mapping[str, tuple[Part, ...]]
    clocks: tuple[str, ...] = ()
    onset: Onset | None = None
    name: str = "flow"
    preconditioner: str = ""
    filters: tuple[Formula, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    ages: str = ""
    floors: str = ""

    @property
    def moving(self) -> tuple[str, ...]:
        """The names of the parts that move theta."""
        return tuple(key for key, group in self.parts.items() if any(p.slot == self.variables[0] for p in group))

    @property
    def mover(self) -> tuple[str, Push]:
        """The name and the force of the one part that moves theta; raises ValueError if there is no such push."""
        if len(self.moving) == 1:
            (name,), (part, *others) = self.moving, self.parts[self.moving[0]]
            if not others and isinstance(part, Push) and not part.rate:
                return name, part
        raise ValueError(f"flow must move theta by one push without decay, got {self.name}")

    @property
    def memory(self) -> tuple[str, ...]:
        """The variables besides theta."""
        return self.variables[1:]

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued parameters span; () if all are single numbers."""
        return np.broadcast_shapes(*[np.shape(value) for value in self.params.values()])

    def with_params(self, **changes: Number) -> Flow:
        """The same flow with other parameter values."""
        for name in changes:
            check.choice("name of a parameter", name, self.params)
        values = {name: check.finite(name, value) for name, value in changes.items()}
        return replace(self, params=MappingProxyType({**self.params, **values}))

    def altered(self, **changes: Any) -> Flow:
        """A changed copy, with no decreasing or conserved quantities, because the change may invalidate them."""
        return replace(self, quantities=MappingProxyType({}), **changes)

    def placed(self, formula: Formula) -> Placed:
        """A formula of this flow as a function of (t, grad, y) that reads the filtered gradient."""
        values = [column(v) for v in self.params.values()]
        raw, *filters = [place(f, self.variables, tuple(self.params), values) for f in (formula, *self.filters)]
        if not filters:
            return raw
        return lambda t, grad, y: raw(t, filtered(filters, t, grad, y), y)

    @property
    def noisy(self) -> tuple[str, ...]:
        """The names of the parts with noise; () for an ordinary differential equation."""
        return tuple(name for name, group in self.parts.items() if any(part.noise for part in group))

    @property
    def timed(self) -> str:
        """The first part or filter whose formula reads the time t, by name; "" if none does."""
        parts = {
            f"part {key!r}": [f for p in group for f in (*p.formulas(), p.noise) if f]
            for key, group in self.parts.items()
        }
        places = {**parts, "the filter of the gradient": self.filters}
        return next((where for where, formulas in places.items() if any("t" in reads(f) for f in formulas)), "")

    @property
    def source_of_noise(self) -> str:
        """The noise that the flow reads: "xi" (white), "noise" (the gradient's), "sign_noise" (its sign's too), ""."""
        found = self.noises()
        return next((name for name in reversed(NOISES) if name in found), "")

    def noises(self) -> set[str]:
        """All kinds of noise that the parts read."""
        return {name for part in self.terms() if part.noise for name in reads(part.noise)} & {*NOISES}

    def quiet(self) -> Flow:
        """The same flow without noise."""
        parts = {name: tuple(replace(part, noise=None) for part in group) for name, group in self.parts.items()}
        return self.altered(parts=MappingProxyType(parts))

    def diffusion(self, part: Part) -> Diffusion:
        """The noise term of a part as a function of (t, grad, y, xi)."""
        assert part.noise is not None
        values = [column(v) for v in self.params.values()]
        placed = place(part.noise, (*NOISES, *self.variables), tuple(self.params), values)
        return lambda t, grad, y, xi: placed(t, grad, (xi, partial(_root, grad, xi), partial(_of_sign, grad, xi), *y))

    def paced(self, name: str, speed: Speed | float) -> Flow:
        """The same flow with the part `name` run at the speed s(t): u' = s(t) F."""
        group = self.parts[check.choice("name", name, self.parts)]
        if not callable(speed):
            speed = check.scalar("speed", check.finite("speed", speed))
        parts = MappingProxyType({**self.parts, name: tuple(part.paced(speed) for part in group)})
        return self.altered(parts=parts)

    def theta_paced(self, speed: Speed | float) -> Flow:
        """The same flow with theta' = s(t) F."""
        paced = self
        for name in self.moving:
            paced = paced.paced(name, speed)
        return paced

    def driven(self, name: str, slot: str, speed: Speed) -> Flow:
        """The same flow with u' = rate (s(t) target - u) for the relaxation of `slot` in the part `name`."""
        group = self.parts[check.choice("name", name, self.parts)]
        check.function("speed", speed, "the time")
        inside = tuple(p.driven(speed) if isinstance(p, Relax) and p.slot == slot else p for p in group)
        return self.altered(parts=MappingProxyType({**self.parts, name: inside}))

    def filtered(self, filter: Formula, **params: Number) -> Flow:
        """The same flow with a changed gradient.

        Weight decay is `flow.filtered(lambda grad, theta, decay: grad(theta) + decay*theta, decay=0.1)`.  The new
        filter is applied first, ahead of existing filters.
        """
        check.distinct("params", (*params, *self.params, *self.variables))
        values = {**self.params, **{name: check.finite(name, value) for name, value in params.items()}}
        check.function("filter", filter, "grad, theta and what else it reads")
        if self.noisy:
            raise ValueError(f"filtered needs a flow without noise, {self.name} has noise in {', '.join(self.noisy)}")
        made = self.altered(params=MappingProxyType(values), filters=(filter, *self.filters))
        for read in reads(filter):
            check.choice("argument of the filter", read, ("t", "grad", *self.variables, *values))
        made.equations()
        return made

    def terms(self) -> list[Part]:
        """All parts, in the order in which they were written."""
        return [part for group in self.parts.values() for part in group]

    def rhs(self, grad: Grad) -> Rhs:
        """f(t, y), the sum of the parts without noise.  Every scheme except a splitting integrates it."""
        return right_hand_side(self, grad)

    def start(self, theta0: Array, **memory: Array) -> State:
        """The state with parameters theta0; memory is zero unless given by name."""
        for name in memory:
            check.choice("state variable", name, self.memory)
        *members, d = theta0.shape
        lengths = {name: 1 if name in self.clocks else self.lengths.get(name, d) for name in self.memory}
        given = {name: check.spread(name, value, (*members, lengths[name])) for name, value in memory.items()}
        return theta0, *(given[name] if name in given else np.zeros((*members, n)) for name, n in lengths.items())

    def equations(self) -> list[equations.Equation]:
        """The equations as symbols."""
        return equations.equations(self.variables, self.params, self.terms(), self.filters)

    def latex(self) -> str:
        """The equations as LaTeX, for Jupyter and papers."""
        return equations.latex(self.equations(), self.params)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def __str__(self) -> str:
        return equations.text(self.equations(), self.params)

    __repr__ = __str__


def a_flow(flow: Any) -> Flow:
    """The flow; TypeError for anything else."""
    return check.instance("flow", flow, Flow, "a Flow, e.g. odeopt.flows.gradient_flow() or opt.flow")


def _root(grad: Any, xi: Any, theta: Any) -> Any:
    """Sigma^(1/2)(theta) xi, from the noise of the problem."""
    return grad.noise(theta, xi)


def _of_sign(grad: Any, xi: Any, a: Any, b: Any) -> Any:
    """White noise with the variance of sign(a + b zeta)."""
    return grad.sign_noise(a, b, xi)
