"""A step in one pass over torch's parameters, gradients and memory, in place; NumPy shares the data of CPU tensors.

It serves optimizers that act on each coordinate separately, on parameters that are all in single or all in double
precision.  Each parameter has its own memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.compiler.elementwise_program import coordinates
from odeopt.compiler.fused_update import Piece, Sweep
from odeopt.compiler.ir import Untraceable
from odeopt.frameworks.torch.gradient import Evaluations
from odeopt.frameworks.torch.groups import Present, has_own_time
from odeopt.frameworks.torch.state import STEP, History, number, steps_of
from odeopt.optimizers.base import Optimizer
from odeopt.util.check import Array

KINDS = (torch.float64, torch.float32)
WORTH = 2000  # entries per parameter, on average: below this, torch's functions on one vector are as fast


class Share(NamedTuple):
    """The indices of parameters that move together: they have the same optimizer, clocks and step number."""

    opt: Optimizer
    clocks: tuple[float, ...]
    k: int
    members: tuple[int, ...]


class FusedStep:
    """The steps of an optimizer on parameters in place, one pass for each `Share`."""

    def __init__(self) -> None:
        self._sweeps: dict[Any, Sweep] = {}
        self._left: dict[Any, list[tuple[Any, int]]] = {}  # the memory as the last step left it

    def ready(
        self, k: int, present: Present, held: Sequence[History], evaluations: Evaluations, nan: str
    ) -> tuple[Callable[[], dict[int, History]], str]:
        """Prepares step k: returns a function that takes it, and the name of the code that runs.

        The function changes parameters and memory in place and returns the new clocks of each parameter that moved.
        Parameters without a gradient do not move.  Raises Untraceable if the step cannot be taken in one pass.
        """
        left, self._left = self._left, {}
        _refuse(present)
        for block in present.distinct():
            coordinates(block.opt)
        if not any(held):
            raise Untraceable("the first step creates the memory")
        evaluations.begin()
        moving = [j for j, p in enumerate(present.parameters) if p.grad is not None]
        if not all(held[j] for j in moving):
            raise Untraceable("the first step of a parameter creates its memory")
        flow, parameters = present.blocks[0].opt.flow, [present.parameters[j] for j in moving]
        memory = {j: [held[j][name] for name in flow.memory if name not in flow.clocks] for j in moving}
        if not _apart([*parameters, *chain(*memory.values())], [p.grad for p in parameters]):
            raise Untraceable("the tensors share memory")
        shares = [*_shares(k, moving, present, held)]
        self._sweeps = {
            share[::3]: self._sweeps.get(share[::3]) or Sweep(share.opt, _foreign, _numbers) for share in shares
        }
        moves = [self._ready(share, present, held, memory, nan, left.get(share[::3], [])) for share in shares]

        def move() -> dict[int, History]:
            found: dict[int, History] = {}
            for each in moves:
                found |= each()
            for p in parameters:
                torch.autograd.graph.increment_version(p)
            return found

        return move, self._sweeps[shares[0][::3]].means(sum(p.numel() for p in parameters))

    def _ready(
        self,
        share: Share,
        present: Present,
        held: Sequence[History],
        memory: dict[int, list[Any]],
        nan: str,
        left: Sequence[tuple[Any, int]],
    ) -> Callable[[], dict[int, History]]:
        sweep, flow = self._sweeps[share[::3]], share.opt.flow
        now = [(u, _version(u)) for j in share.members for u in memory[j]]
        if not _same(now, left):
            sweep.forget()
        pieces = []
        for j in share.members:
            p = present.parameters[j]
            pieces.append(Piece(tuple(_shared(u, p) for u in (p, p.grad, *memory[j])), present.rates[j]))
        clocks = dict(zip(flow.clocks, share.clocks, strict=True))
        run = sweep.ready(share.k, pieces, clocks, trusting=nan == "ignore")

        def move() -> dict[int, History]:
            after = run()
            self._left[share[::3]] = now
            return {
                j: {STEP: number(steps_of(held[j]) + 1), **{c: number(after[c]) for c in after}} for j in share.members
            }

        return move


def _shares(k: int, moving: Sequence[int], present: Present, held: Sequence[History]) -> Iterator[Share]:
    found: dict[Any, list[int]] = {}
    for j in moving:
        opt, mine = present.blocks[j].opt, held[j]
        clocks = tuple(mine[name].item() for name in opt.flow.clocks)
        found.setdefault((opt, clocks, steps_of(mine) if has_own_time(opt) else k), []).append(j)
    return (Share(opt, clocks, steps, tuple(members)) for (opt, clocks, steps), members in found.items())


def _version(u: Any) -> int:
    """The version of a tensor; it grows with each change in place that torch notices."""
    return 0 if u.is_inference() else u._version


def _same(now: Sequence[tuple[Any, int]], left: Sequence[tuple[Any, int]]) -> bool:
    """Whether the tensors are those that the last step left, unchanged as far as torch knows."""
    alike = len(now) == len(left) and all(u is v and i == j for (u, i), (v, j) in zip(now, left, strict=True))
    return alike and not any(u.is_inference() for u, _ in now)


def _refuse(present: Present) -> None:
    parameters = present.parameters
    if any(len(block.members) < len(parameters) for block in present.blocks):
        raise Untraceable("it treats each parameter as a matrix")
    if sum(p.numel() for p in parameters) < WORTH * len(parameters):
        raise Untraceable("the parameters are small")
    if {p.dtype for p in parameters} not in [{kind} for kind in KINDS]:
        raise Untraceable("the parameters are not all in single, or all in double precision")


def _foreign(u: Array) -> Any:
    """A copy of the array, wrapped for torch's formulas."""
    return Foreign(torch.tensor(u), TORCH)


def _numbers(u: Any) -> Array:
    return u.value.numpy() if isinstance(u, Foreign) else np.asarray(u)


def _apart(moving: Sequence[Any], read: Sequence[Any]) -> bool:
    """Whether the tensors that move overlap neither each other nor those only read; all tensors are contiguous."""
    spans = sorted((u.data_ptr(), u.data_ptr() + u.nbytes, moves) for us, moves in ((moving, 1), (read, 0)) for u in us)
    moved = met = 0  # the largest end address so far, of the tensors that move and of all tensors
    for start, end, moves in spans:
        if start < (met if moves else moved):
            return False
        moved, met = max(moved, end * moves), max(met, end)
    return True


def _shared(u: Any, like: Any) -> Array:
    """An array that shares the memory of the tensor; raises Untraceable if there is none."""
    plain = u.layout == torch.strided and u.is_contiguous() and not u.is_neg() and u.dtype in KINDS
    if not plain or u.device.type != "cpu" or u.dtype != like.dtype:
        raise Untraceable("the tensors are not contiguous, on the CPU and all in single, or all in double precision")
    return u.detach().view(-1).numpy()
