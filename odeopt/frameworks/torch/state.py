"""The memory of each parameter in torch's format: tensors of the parameter's shape, and one number per clock.

A step joins these pieces into vectors and cuts its results into pieces again.  Everything is a tensor, so that
torch.load(weights_only=True) and torch.distributed.checkpoint can read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, count, takewhile
from typing import Any

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH

STEP = "step"  # the number of steps that a parameter has taken, as in torch
PIECE, NUMBER = "past_{}_{}", "number_{}_{}"  # a scheme's memory: entry j of its i-th state

History = Mapping[str, Any]  # the memory of one parameter, empty before its first step
Past = tuple[tuple[str, ...], ...]  # the names in a scheme's memory, state by state


def steps_of(history: History) -> int:
    """The number of steps that the parameter has taken."""
    return int(history[STEP]) if history else 0


def number(value: float) -> Any:
    """A number as a tensor, the form in which it is stored."""
    return torch.tensor(value, dtype=torch.float64)


def own_names(history: History) -> set[str]:
    """The names in the history without those of the scheme's memory."""
    return set(history) - {name for row in past_of(history) for name in row}


def renew(history: dict[str, Any], new: History) -> None:
    """Updates a history with the new values, and removes the names that the scheme's memory no longer has."""
    for name in {name for row in past_of(history) for name in row} - new.keys():
        del history[name]
    history.update(new)


def is_number(name: str, clocks: Collection[str]) -> bool:
    """Whether the entry `name` of a history is a single number rather than a tensor in the parameter's shape."""
    return name == STEP or name in clocks or name.startswith(NUMBER.partition("_")[0] + "_")


def copied(history: History, clocks: Collection[str] = (), device: Any = None) -> dict[str, Any]:
    """A copy of the history, moved to the device if one is given; single numbers stay on the CPU."""
    return {
        name: u.to("cpu" if is_number(name, clocks) else device or u.device, copy=True) for name, u in history.items()
    }


def past_of(history: History) -> Past:
    """The names of the scheme's memory in a parameter's history."""
    return tuple(takewhile(bool, (tuple(_row(history, i)) for i in count())))


def _row(history: History, i: int) -> Iterator[str]:
    for j in count():
        names = [name for name in (PIECE.format(i, j), NUMBER.format(i, j)) if name in history]
        if not names:
            return
        yield names[0]


def past_named(memory: Sequence[Sequence[Any]], before: History) -> dict[str, Any]:
    """A scheme's memory by name; an entry that was one number per parameter before the step remains one."""
    return {
        _name(i, j, isinstance(u, Foreign) and NUMBER.format(i, j) not in before): u
        for i, state in enumerate(memory)
        for j, u in enumerate(state)
    }


def _name(i: int, j: int, vector: bool) -> str:
    return (PIECE if vector else NUMBER).format(i, j)


@dataclass(frozen=True)
class Layout:
    """The layout of parameters, one after the other, in one vector.

    active: whether each parameter may have a gradient in this step; the values of the others do not matter
    """

    parameters: tuple[Any, ...]
    clocks: tuple[str, ...]
    active: tuple[bool, ...]

    @cached_property
    def sizes(self) -> list[int]:
        return [p.numel() for p in self.parameters]

    def value(self, name: str, histories: Sequence[History]) -> Any:
        """The value of `name` in a step: one number if all parameters share it, else a vector."""
        if is_number(name, self.clocks):
            known = [h[name].item() if name in h else None for h in histories]
            number = self.number(known, torch.float64)
            return number if isinstance(number, Foreign) else np.array([number])
        pieces = [
            h[name] if name in h else torch.zeros_like(p) for h, p in zip(histories, self.parameters, strict=True)
        ]
        return Foreign(joined(pieces).to(self.parameters[0].device), TORCH)

    def number(self, values: Sequence[float | None], kind: torch.dtype) -> Any:
        """One number if all active parameters that have a value share it, else a vector of the values."""
        known = [v for v, active in zip(values, self.active, strict=True) if active and v is not None]
        first, *others = known or [v for v in values if v is not None]
        if all(v == first or (v != v and first != first) for v in others):
            return first
        each = [v if active and v is not None else first for v, active in zip(values, self.active, strict=True)]
        device = self.parameters[0].device
        spread = torch.tensor(each, dtype=kind, device=device)
        return Foreign(spread.repeat_interleave(torch.tensor(self.sizes, device=device)), TORCH)

    def histories(self, named: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The inverse of `value`: for each parameter its pieces, which are views of the vectors, and its numbers."""
        split = {
            name: self._numbers(u) if is_number(name, self.clocks) else self.pieces(u.value)
            for name, u in named.items()
        }
        return [{name: each[i] for name, each in split.items()} for i in range(len(self.parameters))]

    def pieces(self, vector: Any) -> list[Any]:
        """The pieces of a vector in the parameters' shapes.

        A vector of another length belongs to the only parameter and is returned whole.
        """
        if len(vector) != sum(self.sizes):
            return [vector]
        return [u.view_as(p) for u, p in zip(vector.split(self.sizes), self.parameters, strict=True)]

    def _numbers(self, u: Any) -> list[Any]:
        flat = torch.as_tensor(u.value if isinstance(u, Foreign) else u, dtype=torch.float64, device="cpu").reshape(-1)
        starts = [0 for _ in self.sizes] if len(flat) == 1 else [0, *accumulate(self.sizes[:-1])]
        return [flat[i].clone() for i in starts]


def joined(pieces: Sequence[Any]) -> Any:
    """All entries in one vector, without a copy if they are already contiguous in memory."""
    first, total = pieces[0], sum(u.numel() for u in pieces)
    starts = accumulate((u.nbytes for u in pieces), initial=first.data_ptr())
    end = first.untyped_storage().data_ptr() + first.untyped_storage().nbytes()
    together = precision(first) == first.dtype and first.data_ptr() + total * first.element_size() <= end
    if together and all(
        u.data_ptr() == start and u.dtype == first.dtype and u.is_contiguous()
        for u, start in zip(pieces, starts, strict=False)
    ):
        return first.detach().as_strided((total,), (1,))
    return vector(pieces)


def precision(tensor: Any) -> torch.dtype:
    """The dtype of the tensor, but at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def vector(tensors: Sequence[Any]) -> Any:
    """All entries in a new vector, in the highest precision among them and at least single precision."""
    joined = torch.cat([u.reshape(-1) for u in tensors]).detach()
    return joined.to(precision(joined))
