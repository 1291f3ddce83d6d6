"""A step by torch's functions on all parameters in one vector: of any flow and scheme, on any device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from odeopt.arrays.protocol import Foreign
from odeopt.arrays.torch import TORCH
from odeopt.frameworks.parameter_blocks import Block, begin, bound
from odeopt.frameworks.torch.gradient import Evaluations, NotFinite
from odeopt.frameworks.torch.state import kept, restored

Rates = Callable[[], Sequence[float]]  # the learning rate of each parameter over the optimizer's own, at present


class Vectors:
    """The steps of the blocks of an optimizer."""

    def __init__(self, blocks: Sequence[Block], parameters: Sequence[Any], rates: Rates, nan: str) -> None:
        self._blocks, self._parameters, self._rates, self._nan = blocks, parameters, rates, nan
        self._evaluations: Evaluations | None = None
        self._steps = [bound(b.opt, self._gradient_of(i), self._rate_of(b)) for i, b in enumerate(blocks)]

    def ready(self, k: int, states: Sequence[Any], evaluations: Evaluations) -> Callable[[], list[Any]]:
        """What writes the parameters of step k, and returns the memory of each block after it.

        states: their memory before it, None before the first
        """
        self._evaluations = evaluations
        try:
            with np.errstate(all="ignore"):
                after = [self._advanced(i, k, held, evaluations) for i, held in enumerate(states)]
        finally:
            self._evaluations = None

        def move() -> list[Any]:
            evaluations.write([y[0] for y, _ in after])
            return [kept((y[1:], slopes)) for y, slopes in after]

        return move

    def _advanced(self, i: int, k: int, held: Any, evaluations: Evaluations) -> Any:
        """The next state of a block and its scheme's memory."""
        opt, theta = self._blocks[i].opt, evaluations.theta[i]
        memory: Any = ()
        if held is None:
            y: Any = begin(opt, self._gradient_of(i), theta, clock=np.asarray)
        else:
            rest, memory = restored(held, theta)
            y = (theta, *rest)
        new, _, memory = self._steps[i](k * opt.h, y, memory, opt.h)
        if self._nan != "ignore" and not all(map(_finite, new)):
            raise NotFinite("the state is not finite")
        return evaluations.without_the_unused(i, new, y), memory

    def _gradient_of(self, i: int) -> Callable[[Any], Any]:
        def grad(theta: Any) -> Any:
            assert self._evaluations is not None
            return self._evaluations(i, theta)

        return grad

    def _rate_of(self, block: Block) -> Callable[[], Any]:
        """One number, or one for each coordinate where groups differ."""

        def rate() -> Any:
            rates = self._rates()
            mine = [rates[j] for j in block.members]
            if len(set(mine)) == 1:
                return mine[0]
            each = zip(block.members, mine, strict=True)
            return Foreign(torch.cat([torch.full_like(self._parameters[j], r).reshape(-1) for j, r in each]), TORCH)

        return rate


def _finite(u: Any) -> bool:
    """Whether a variable is, a vector or a clock."""
    return bool(torch.isfinite(u.value).all() if isinstance(u, Foreign) else np.isfinite(u).all())
