"""y' = sum of parts: a flow is written once; its right-hand side, splittings and printed equations derive from it.

A part moves one variable: `push` (u' = F), `relax` (u' = rate (target - u)) or `project` (u <- P(u)).
The argument names of a formula say what it reads: t, grad, variables and parameters (see `odeopt.core.formula`).
Filters change the gradient, by decay or clipping for example, before the formulas read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from odeopt.core.field import Field
from odeopt.core.flow_type import Flow
from odeopt.core.formula import reads
from odeopt.core.parts import NOISES, Onset, Part, Project, Push, Relax, Speed, check_parts, project, push, relax
from odeopt.core.quantities import Quantity, check_quantities, conserved, decreasing
from odeopt.util import check
from odeopt.util.check import Number

__all__ = [
    "Field",
    "Flow",
    "Onset",
    "Part",
    "Project",
    "Push",
    "Quantity",
    "Relax",
    "Speed",
    "conserved",
    "decreasing",
    "flow",
    "project",
    "push",
    "relax",
]


def flow(
    variables: str,
    params: Mapping[str, Number] | None = None,
    *,
    clocks: str = "",
    onset: Onset | None = None,
    name: str = "flow",
    preconditioner: str = "",
    quantities: Mapping[str, Quantity] | None = None,
    lengths: Mapping[str, int] | None = None,
    ages: str = "",
    floors: str = "",
    **parts: Part | tuple[Part, ...],
) -> Flow:
    """A flow of the named variables (theta first) from named parts.  A tuple of parts acts as one part of a splitting.

    Formulas act on each coordinate or over the last axis (`ops.norm`), so ensemble members do not interact.
    Clocks hold one number per member, shape (..., 1).  Every other variable has the shape of theta, unless `lengths`
    gives it a last axis of another length (the matrices of Shampoo).  `preconditioner` names the variables that only
    scale the gradient, and `floors` the parameters that only keep them from 0 (Adam's eps); linear stability analysis
    freezes the former and sets the latter to 0.  `ages` names the parts that act, in this order, to give
    the memory an age at fixed theta, for `odeopt.starts`.  `quantities` lists the decreasing and conserved quantities
    of the flow, for `odeopt.energy`.

    >>> flow("theta v", {"damping": 0.5}, drift=push("theta", lambda v: v),
    ...      kick=push("v", lambda grad, theta: -grad(theta)), friction=relax("v", rate=lambda damping: damping))
    theta' = v
    v'     = -grad L(theta) - damping*v
    with damping = 0.5
    """
    texts = {"variables": variables, "clocks": clocks, "name": name, "preconditioner": preconditioner}
    for argument, text in {**texts, "ages": ages, "floors": floors}.items():
        check.label(argument, text)
    given = check.mapping("params", params, "names to numbers")
    slots, values = tuple(variables.split()), {n: check.finite(n, v) for n, v in given.items()}
    if not slots or slots[0] != "theta" or len(set(slots)) != len(slots):
        raise ValueError(f"variables must be distinct names with theta first, got {variables!r}")
    names = ["t", "grad", *slots, *values]
    taken = [*names, *NOISES]
    if twice := sorted({name for name in taken if taken.count(name) > 1}):
        raise ValueError(
            f"variables, params, t, grad, xi, noise and sign_noise must differ, got {', '.join(twice)} twice"
        )
    check.together(**values)
    groups = {key: part if isinstance(part, tuple) else (part,) for key, part in parts.items()}
    for key, group in groups.items():
        check_parts(key, group, slots, names)
    check.instance("onset", onset, Onset | None, "an Onset or None")
    for read in reads(onset.state) if onset else ():
        check.choice("argument of the onset", read, names)
    sizes = check.mapping("lengths", lengths, "names of variables to numbers")
    _check_names("clocks", clocks.split(), slots)
    _check_names("preconditioner", preconditioner.split(), slots[1:])
    _check_names("lengths", sizes, slots[1:])
    _check_names("floors", floors.split(), values)
    _check_names("ages", ages.split(), groups)
    for slot, length in sizes.items():
        check.count(f"length of {slot}", length, 1)
    known = check.mapping("quantities", quantities, "names to decreasing(...) or conserved(...)")
    check_quantities(known, names)
    made = Flow(
        slots,
        MappingProxyType(values),
        MappingProxyType(groups),
        tuple(clocks.split()),
        onset,
        name,
        preconditioner,
        quantities=MappingProxyType(known),
        lengths=MappingProxyType(sizes),
        ages=ages,
        floors=floors,
    )
    if "xi" in (found := made.noises()) and len(found) > 1:
        raise ValueError(f"the noise of {name} must read either xi or noise, the same one in all parts, got both")
    made.equations()  # raises for a misspelt name inside a formula
    return made


def _check_names(argument: str, found: Iterable[str], allowed: Collection[str]) -> None:
    """Raises ValueError if the argument names what the flow does not have."""
    for name in found:
        check.choice(f"name in {argument}", name, allowed)
