"""The interpolants of SciPy's solvers as arrays: those of one class and one shape are stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.core.state import State
from odeopt.core.time_map import Clock
from odeopt.results.stand_ins import StandIn
from odeopt.solvers.recording import Interpolant
from odeopt.util.check import Array


@dataclass(frozen=True)
class Group:
    """The pieces number `where` (n,), whose attributes have the stacked values (n, ...)."""

    kind: str
    where: NDArray[np.int64]
    values: Mapping[str, Array]


@dataclass(frozen=True)
class Stacked(StandIn):
    """An interpolant by its pieces."""

    groups: tuple[Group, ...]
    clock: Clock
    like: State

    def restored(self) -> Interpolant:
        pieces = {int(i): piece for group in self.groups for i, piece in zip(group.where, _pieces(group), strict=True)}
        return Interpolant([pieces[i] for i in range(len(pieces))], self.clock, self.like)


def stacked(interpolant: Interpolant) -> Stacked:
    """The interpolant as arrays."""
    found: dict[Any, list[int]] = {}
    for i, piece in enumerate(interpolant.pieces):
        shapes = tuple((name, np.shape(value)) for name, value in vars(piece).items())
        found.setdefault((type(piece).__name__, shapes), []).append(i)
    groups = []
    for (kind, shapes), where in found.items():
        every = [vars(interpolant.pieces[i]) for i in where]
        values = {name: np.array([each[name] for each in every]) for name, _ in shapes}
        groups.append(Group(kind, np.array(where), values))
    return Stacked(tuple(groups), interpolant.clock, interpolant.like)


def _pieces(group: Group) -> list[Any]:
    """The pieces of a group, of SciPy's own classes."""
    kind, pieces = _classes()[group.kind], []
    for i in range(len(group.where)):
        piece: Any = object.__new__(kind)
        vars(piece).update({name: values[i] for name, values in group.values.items()})
        pieces.append(piece)
    return pieces


def _classes() -> dict[str, type]:
    """The classes of interpolants: SciPy's, and the one of `solvers.guarded`."""
    from scipy.integrate._ivp import bdf, lsoda, radau, rk

    from odeopt.solvers.guarded import Unknown

    of_scipy = (rk.RkDenseOutput, rk.Dop853DenseOutput, bdf.BdfDenseOutput, radau.RadauDenseOutput)
    return {kind.__name__: kind for kind in (*of_scipy, lsoda.LsodaDenseOutput, Unknown)}
