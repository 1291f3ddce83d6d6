"""A part moves one variable of a flow: u' = F - rate u, u' = rate (target - u), or u <- P(u).

The argument names of a formula say what it reads: t, grad, variables and parameters (see `odeopt.core.formula`).
A part may carry Ito noise, u' = F + noise.  The noise formula is linear in exactly one of three arguments: `xi`, white
noise of theta's shape; `noise`, the map theta -> Sigma^(1/2)(theta) xi given by the noise zeta of the gradient; or
`sign_noise`, the map (a, b) -> white noise with the variance of sign(a + b zeta) and with its covariance with zeta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from odeopt.core.formula import Formula, formula, mapped, reads
from odeopt.util import check


@dataclass(frozen=True, eq=False)
class Push:
    """u' = force(...) - rate u, for the variable u named `slot`; without a rate u' = force(...)."""

    slot: str
    force: Formula
    rate: Formula | None = None
    noise: Formula | None = None

    def formulas(self) -> tuple[Formula, ...]:
        return (self.force, self.rate) if self.rate else (self.force,)

    def paced(self, speed: Speed | float) -> Push:
        """s(t) (force - rate u + noise)."""
        faster = partial(_times, speed)
        return Push(self.slot, faster(self.force), self.rate and faster(self.rate), self.noise and faster(self.noise))


@dataclass(frozen=True, eq=False)
class Relax:
    """u' = rate (target - u): exponential relaxation towards a target set by the other variables.

    `limit` is the value of u' at t = 0 if the rate is infinite there, as for the friction 3/t.
    """

    slot: str
    target: Formula
    rate: Formula
    limit: Formula | None = None
    noise: Formula | None = None

    def formulas(self) -> tuple[Formula, ...]:
        return (self.target, self.rate)

    def paced(self, speed: Speed | float) -> Relax:
        """s(t) (rate (target - u) + noise)."""
        return replace(self, rate=_times(speed, self.rate), noise=self.noise and _times(speed, self.noise))

    def driven(self, speed: Speed) -> Relax:
        """rate (s(t) target - u) + s(t) noise: the speed scales the input but not the decay."""
        return replace(self, target=_times(speed, self.target), noise=self.noise and _times(speed, self.noise))


@dataclass(frozen=True, eq=False)
class Project:
    """u <- map(...), applied once per step; a projection adds nothing to the right-hand side."""

    slot: str
    map: Formula
    noise: None = None

    def formulas(self) -> tuple[Formula, ...]:
        return (self.map,)

    def paced(self, speed: Speed | float) -> Project:
        """The same projection: it takes no time, so no speed applies."""
        return self


Part = Push | Relax | Project
NOISES = ("xi", "noise", "sign_noise")  # what a noise formula may read, in the order in which it is passed


Speed = Callable[[Any], Any]  # t -> a factor


def _times(speed: Speed | float, formula: Formula) -> Formula:
    if callable(speed):
        return mapped(lambda t, value: speed(t) * value, formula, "t")
    return mapped(lambda value: speed * value, formula)


def push(
    slot: str, force: Formula | float = 0.0, rate: Formula | float | None = None, *, noise: Formula | None = None
) -> Push:
    """u' = force - rate u + noise: `push("theta", lambda v: v)`.  A splitting solves force and decay together.

    noise=lambda xi, temperature: ops.sqrt(2 * temperature) * xi  is thermal noise,
    noise=lambda noise, theta, lr: ops.sqrt(lr) * noise(theta)    is the noise of SGD.

    >>> import odeopt as oo
    >>> oo.flow("theta", {"a": 2.0}, force=push("theta", lambda grad, theta, a: -a * grad(theta)))
    theta' = -a*grad L(theta)
    with a = 2
    """
    check.label("slot", slot)
    return Push(slot, formula("force", force), None if rate is None else formula("rate", rate), _noise(noise))


def relax(
    slot: str,
    *,
    rate: Formula | float,
    target: Formula | float = 0.0,
    limit: Formula | None = None,
    noise: Formula | None = None,
) -> Relax:
    """u' = rate (target - u) + noise: `relax("v", rate=lambda damping: damping)` is friction; rates may be numbers.

    >>> import odeopt as oo
    >>> average = relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau)
    >>> oo.flow("theta m", {"tau": 0.5}, memory=average, drift=push("theta", lambda m: -m))
    theta' = -m
    m'     = (grad L(theta) - m)/tau
    with tau = 0.5
    """
    check.label("slot", slot)
    limit = None if limit is None else check.function("limit", limit, "what the slope at t = 0 reads")
    return Relax(slot, formula("target", target), formula("rate", rate), limit, _noise(noise))


def _noise(noise: Formula | None) -> Formula | None:
    """The noise formula after checking that it reads `xi` or `noise`."""
    if noise is None:
        return None
    if not callable(noise):
        raise TypeError(f"noise must be a formula like lambda xi: 0.1 * xi, got {noise!r}")
    if len({*NOISES} & {*reads(noise)}) != 1:
        raise ValueError(
            f"noise must be a formula of xi or noise or sign_noise, got one that reads {', '.join(reads(noise))}"
        )
    return noise


def project(slot: str, map: Formula) -> Project:
    """u <- map: `project("M", lambda M, G: ops.maximum(M, G))`.

    A projection adds nothing to the right-hand side; a splitting applies it where the word says.

    >>> import odeopt as oo
    >>> descent = push("theta", lambda grad, theta: -grad(theta))
    >>> positive = oo.flow("theta", descent=descent, bound=project("theta", lambda theta: oo.ops.maximum(theta, 0.0)))
    >>> opt = oo.Optimizer(positive, oo.schemes.Splitting("descent bound"), h=0.5)
    >>> oo.simulate(opt, oo.problems.quadratic((1.0, 5.0), angle=0).at([1.0, 1.0]), steps=2).theta.tolist()
    [[1.0, 1.0], [0.5, 0.0], [0.25, 0.0]]
    """
    return Project(check.label("slot", slot), formula("map", map))


@dataclass(frozen=True, eq=False)
class Onset:
    """The solution just after a singular start: `state(t, grad, theta, parameters...)` to leading order in t.

    The solution is smooth in t^(1/power), and `solve` integrates in that variable from this state.  A scheme that
    reads the right-hand side cannot start at the singularity.
    """

    state: Formula
    power: int = 1

    def __post_init__(self) -> None:
        check.function("state", self.state, "t, grad, theta and the parameters")
        check.count("power", self.power, 1)


def slope(part: Push | Relax, u: Any, *values: Any) -> Any:
    """The derivative that a part adds: F, F - rate u, or rate (target - u)."""
    if isinstance(part, Push):
        return values[0] - values[1] * u if part.rate else values[0]
    target, rate = values
    return rate * (target - u)


def check_parts(key: str, group: tuple[Part, ...], slots: tuple[str, ...], names: list[str]) -> None:
    """Raises unless every part moves a known variable and its formulas read known names."""
    for part in group:
        if not isinstance(part, Push | Relax | Project):
            raise TypeError(f"part {key!r} must be push(...), relax(...) or project(...), got {part!r}")
        check.choice(f"slot of part {key!r}", part.slot, slots)
        limits = (part.limit,) if isinstance(part, Relax) and part.limit else ()
        for placed in (*part.formulas(), *limits):
            for read in reads(placed):
                check.choice(f"argument of part {key!r}", read, names)
        for read in reads(part.noise) if part.noise else ():
            check.choice(f"argument of the noise of part {key!r}", read, (*names, *NOISES))
