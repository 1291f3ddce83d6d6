"""One pass over torch's parameters, their gradients and memory, in place: a CPU tensor's numbers are NumPy's, too.

It makes the steps of optimizers whose coordinates stand alone, on parameters of one precision, single or double; each
parameter with the piece of the memory that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.compiler.fused_update import Piece, Sweep
from odeopt.compiler.ir import Untraceable
from odeopt.frameworks.parameter_blocks import Block
from odeopt.frameworks.torch.gradient import Evaluations
from odeopt.util.check import Array

KINDS = (torch.float64, torch.float32)
WORTH = 2000  # numbers in a parameter, on average: torch's own loops over all in one vector cost as much for fewer


class TorchSweep:
    """The step of an optimizer on parameters, or the reason why there is none in one pass."""

    def __init__(self, blocks: Sequence[Block], parameters: Sequence[Any]) -> None:
        self._parameters, self._flow = parameters, blocks[0].opt.flow
        self._number = sum(p.numel() for p in parameters)
        self._sweep: Sweep | str
        try:
            _refuse(blocks, parameters)
            self._sweep = Sweep(blocks[0].opt, _foreign, _numbers)
        except Untraceable as reason:
            self._sweep = str(reason)

    def ready(
        self, k: int, held: Any, evaluations: Evaluations, rates: Sequence[float], nan: str
    ) -> tuple[Callable[[], list[Any]], str]:
        """What makes step k and returns what is held after it, with new clocks; and what runs.  Or raises Untraceable.

        Parameters and the vectors of the memory move where they are, those without a gradient stay.
        """
        if isinstance(self._sweep, str):
            raise Untraceable(self._sweep)
        if held is None:
            raise Untraceable("the first step makes the memory")
        evaluations.begin()
        memory, slopes = held
        named = dict(zip(self._flow.memory, memory, strict=True))
        vectors = [u for name, u in named.items() if name not in self._flow.clocks]
        pieces = [*self._pieces(vectors, rates)]
        moving = [p for p in self._parameters if p.grad is not None]
        if not _apart(moving, [p.grad for p in moving]):
            raise Untraceable("the tensors share memory")
        if any(len(named[name]) > 1 for name in self._flow.clocks):
            raise Untraceable("its clocks have moved at different rates")
        clocks = {name: named[name][0] for name in self._flow.clocks}
        sweep = self._sweep.ready(k, pieces, clocks, trusting=nan == "ignore")

        def move() -> list[Any]:
            after = named | {name: [c] for name, c in sweep().items()}
            torch.autograd.graph.increment_version(moving)
            return [(tuple(after.values()), slopes)]

        return move, self._sweep.means(self._number)

    def forget(self) -> None:
        """Parameters or memory were set by another."""
        if isinstance(self._sweep, Sweep):
            self._sweep.forget()

    def _pieces(self, vectors: Sequence[Any], rates: Sequence[float]) -> Iterator[Piece]:
        start = 0
        for p, rate in zip(self._parameters, rates, strict=True):
            if p.grad is not None:
                own = (u[start : start + p.numel()] for u in vectors)
                yield Piece(tuple(_shared(u, p) for u in (p, p.grad, *own)), rate)
            start += p.numel()


def _refuse(blocks: Sequence[Block], parameters: Sequence[Any]) -> None:
    if len(blocks) > 1:
        raise Untraceable("it sees each parameter as a matrix")
    if sum(p.numel() for p in parameters) < WORTH * len(parameters):
        raise Untraceable("the parameters are small")
    if {p.dtype for p in parameters} not in [{kind} for kind in KINDS]:
        raise Untraceable("the parameters are not all in single, or all in double precision")


def _foreign(u: Array) -> Any:
    """A copy as torch's formulas see it."""
    return Foreign(torch.tensor(u), TORCH)


def _numbers(u: Any) -> Array:
    return u.value.numpy() if isinstance(u, Foreign) else np.asarray(u)


def _apart(moving: Sequence[Any], read: Sequence[Any]) -> bool:
    """Whether no number of those that move is another's, too; all tensors are contiguous."""
    spans = sorted((u.data_ptr(), u.data_ptr() + u.nbytes, moves) for us, moves in ((moving, 1), (read, 0)) for u in us)
    moved = met = 0  # where the bytes of those that move, and of all, end so far
    for start, end, moves in spans:
        if start < (met if moves else moved):
            return False
        moved, met = max(moved, end * moves), max(met, end)
    return True


def _shared(u: Any, like: Any) -> Array:
    """The numbers of a tensor in an array, which are the same."""
    plain = u.layout == torch.strided and u.is_contiguous() and not u.is_neg() and u.dtype in KINDS
    if not plain or u.device.type != "cpu" or u.dtype != like.dtype:
        raise Untraceable("the tensors are not contiguous, on the CPU and all in single, or all in double precision")
    return u.detach().view(-1).numpy()
