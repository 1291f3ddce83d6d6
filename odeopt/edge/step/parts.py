"""The parts F, G and Q of a recorded step whose coordinates meet in the Hessian only."""

from __future__ import annotations

import numpy as np

from odeopt.arrays.tape import Derivative
from odeopt.core.state import State
from odeopt.edge.step.hessian import Call
from odeopt.edge.step.linearised import Parts

AGREE = 1e-9  # relative: how far a recorded step may be from the step itself, and its parts from the whole


def parts_of(made: Derivative, calls: list[Call], state: State) -> Parts | None:
    """The parts of a recorded step with these calls of its gradient; None if its coordinates meet elsewhere."""
    d, ends = state[0].size, np.cumsum([u.size for u in state])
    long = [i for i, u in enumerate(state) if u.size == d]
    if len(calls) != 1 or d == 1:
        return None
    point, value, hessian = calls[0]
    looked = Derivative(made.tape, made.inputs, (*made.outputs, point))
    still = {value.index: np.zeros(d)}
    none = tuple(np.zeros(u.size) for u in state)
    moved = [looked.push(tuple(np.ones(d) if j == i else z for j, z in enumerate(none)), still) for i in long]
    by_slope = looked.push(none, {value.index: np.ones(d)})
    F = np.array([[rows[i] for rows in moved] for i in long])
    parts = Parts(
        F,
        np.array([by_slope[i] for i in long]),
        np.array([rows[-1] for rows in moved]),
        hessian,
        tuple(slice(int(ends[i]) - d, int(ends[i])) for i in long),
    )
    r = np.random.default_rng(0).standard_normal((len(long) + 1, d))
    generic = looked.push(tuple(r[long.index(i)] if i in long else z for i, z in enumerate(none)), {value.index: r[-1]})
    alone = dict(zip(long, np.sum(F * r[:-1], axis=1) + parts.G * r[-1], strict=True))
    apart = [np.abs(u - alone.get(i, 0.0)).max() - AGREE * np.abs(u).max() for i, u in enumerate(generic[:-1])]
    clocks = [np.abs(u).max() for i, u in enumerate(generic[:-1]) if i not in long]
    return parts if max([*apart, *clocks]) <= 0 else None
