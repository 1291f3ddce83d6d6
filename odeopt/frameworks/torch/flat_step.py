"""A step by torch's functions on all parameters in one vector, for any flow and scheme, on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.frameworks.parameter_blocks import Block, begin, bound
from odeopt.frameworks.torch.gradient import Evaluations, NotFinite
from odeopt.frameworks.torch.groups import Present, has_own_time
from odeopt.frameworks.torch.state import (
    STEP,
    History,
    Layout,
    is_number,
    number,
    past_named,
    past_of,
    precision,
    steps_of,
    vector,
)
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Step

ALONE = "an optimizer that treats each parameter separately needs the gradient at the parameters only"
ONE_DECAY = "weight_decay must be the same in all groups for {}: it reads the gradient elsewhere than at the parameters"


class Run(NamedTuple):
    """One step of `opt` on the vector of the parameters with indices `sees`; only those in `moves` take its result."""

    opt: Optimizer
    sees: tuple[int, ...]
    moves: tuple[int, ...]


class Now(NamedTuple):
    """The groups and the gradient of the present step."""

    present: Present
    evaluations: Evaluations

    def layout(self, run: Run) -> Layout:
        """The layout of a run's parameters in their vector."""
        parameters = tuple(self.present.parameters[j] for j in run.sees)
        return Layout(parameters, run.opt.flow.clocks, tuple(map(self.evaluations.may_move, run.sees)))


class FlatStep:
    """The steps of an optimizer on vectors.

    The whole vector takes one step for each weight decay in the groups and for each length of the scheme's memory,
    which is shorter for a parameter that was added later.  Each parameter keeps the result of its own step.
    """

    def __init__(self, nan: str) -> None:
        self._nan = nan
        self._steps: dict[Any, Step] = {}
        self._now: Now | None = None

    def ready(
        self, k: int, present: Present, held: Sequence[History], evaluations: Evaluations
    ) -> Callable[[], dict[int, History]]:
        """Prepares step k.  The returned function writes the parameters and returns the new memory of each that moved.

        held: the memory of each parameter before the step
        """
        runs = _runs(present, held)
        blocks = present.distinct()
        if len({block.members for block in blocks}) > 1:
            evaluations.refuse_elsewhere(ALONE)
        elif len(blocks) > 1:
            evaluations.refuse_elsewhere(ONE_DECAY.format(blocks[0].opt.scheme.name))
        self._now = now = Now(present, evaluations)
        self._steps = {run[:2]: self._steps.get(run[:2]) or self._bound(run) for run in runs}
        found = []
        try:
            with np.errstate(all="ignore"):
                if not evaluations.has_closure:
                    evaluations.begin()
                for run in runs:
                    if not (evaluations.count and evaluations.unused.issuperset(run.moves)):
                        found.append((run, *self._advanced(now, k, run, held)))
        finally:
            self._now = None
        after = {j: u for each in found for j, u in self._own(*each, held, evaluations.unused)}

        def move() -> dict[int, History]:
            for j, (piece, _) in after.items():
                present.parameters[j].copy_(piece)
            return {j: history for j, (_, history) in after.items()}

        return move

    def _advanced(self, now: Now, k: int, run: Run, held: Sequence[History]) -> tuple[tuple[Any, ...], Any, Layout]:
        """The next state of a run, the memory of its scheme, and the layout of its parameters."""
        opt, evaluations, layout = run.opt, now.evaluations, now.layout(run)
        flow, theta, mine = opt.flow, evaluations.theta(run.sees), [held[j] for j in run.sees]
        if not all(mine):
            start = begin(opt, self._grad_of(run), theta, clock=np.asarray)
            begun = layout.histories(dict(zip(flow.memory, start[1:], strict=True)))
            mine = [history or new for history, new in zip(mine, begun, strict=True)]
        steps = layout.number([steps_of(held[j]) for j in run.sees], torch.float64) if has_own_time(opt) else k
        y = (theta, *(layout.value(name, mine) for name in flow.memory))
        past = tuple(tuple(layout.value(name, mine) for name in row) for row in past_of(held[run.moves[0]]))
        new, _, memory = self._steps[run[:2]](steps * opt.h, y, past, opt.h)
        return new, memory, layout

    def _own(
        self, run: Run, new: tuple[Any, ...], memory: Any, layout: Layout, held: Sequence[History], unused: set[int]
    ) -> Iterator[tuple[int, tuple[Any, History]]]:
        """For each parameter that moves, its index, its new value and its new memory.

        The memory consists of views if all parameters of the vector move, and of copies otherwise: a view of a part
        would keep the whole vector alive.
        """
        moving = set(run.moves) - unused
        whole = len(moving) == len(run.sees)
        if not moving:
            return
        named = dict(zip(run.opt.flow.memory, new[1:], strict=True)) | past_named(memory, held[run.moves[0]])
        thetas, histories = layout.pieces(new[0].value), layout.histories(named)
        finite = self._nan == "ignore" or all(map(_finite, new))
        for i, j in enumerate(run.sees):
            if j in moving:
                if not (finite or all(map(torch.Tensor.all, map(torch.isfinite, (thetas[i], *histories[i].values()))))):
                    raise NotFinite("the state is not finite")
                count = number(steps_of(held[j]) + 1)
                kind, clocks = precision(layout.parameters[i]), run.opt.flow.clocks
                kept = {
                    name: u if is_number(name, clocks) else u.to(kind, copy=not whole)
                    for name, u in histories[i].items()
                }
                yield j, (thetas[i], {STEP: count, **kept})

    def _grad_of(self, run: Run) -> Callable[[Any], Any]:
        def grad(theta: Any) -> Any:
            assert self._now is not None
            return self._now.evaluations(run.sees, theta)

        return grad

    def _bound(self, run: Run) -> Step:
        def rate() -> Any:
            assert self._now is not None
            rates, kind = self._now.present.rates, self._now.evaluations.theta(run.sees).dtype
            return self._now.layout(run).number([rates[j] for j in run.sees], kind)

        return bound(run.opt, self._grad_of(run), rate)


def _runs(present: Present, held: Sequence[History]) -> list[Run]:
    """The runs of a step, those with the longest memory first: a parameter without memory may have no gradient."""
    found: dict[Any, tuple[Block, list[int]]] = {}
    for j, block in enumerate(present.blocks):
        found.setdefault((past_of(held[j]), id(block)), (block, []))[1].append(j)
    ordered = sorted(found.items(), key=lambda each: -len(each[0][0]))
    return [Run(block.opt, block.members, tuple(moves)) for _, (block, moves) in ordered]


def first_memory(opt: Optimizer, p: Any, name: str) -> Any:
    """The initial value of a variable of the flow for a parameter that has never had a gradient."""

    def grad(theta: Any) -> Any:
        return np.zeros_like(theta)

    y: Any = begin(opt, grad, Foreign(vector([p]), TORCH), clock=np.asarray)
    return y[opt.flow.variables.index(name)].value.view_as(p)


def _finite(u: Any) -> bool:
    """Whether a variable, a vector or a clock, is finite."""
    return bool(torch.isfinite(u.value).all() if isinstance(u, Foreign) else np.isfinite(u).all())
