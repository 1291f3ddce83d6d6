"""Reads torch's parameter groups at each step: the parameters, their learning rates and their weight decays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch

from odeopt.core.formula import reads
from odeopt.frameworks.parameter_blocks import Block, blocks
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import is_paced
from odeopt.optimizers.weight_decay import normalizes_after_l2, weight_decay, with_weight_decay
from odeopt.util import check

Group = Mapping[str, Any]
Places = tuple[int, ...]
KEYS = ("params", "lr", "weight_decay", "name", "initial_lr", "param_names")


class Present(NamedTuple):
    """The parameters of all groups; for each, its lr divided by the optimizer's own, and the block that it belongs to.

    There are several blocks if weight decays differ, or if each parameter is treated as a matrix.
    """

    parameters: tuple[Any, ...]
    rates: tuple[float, ...]
    blocks: tuple[Block, ...]

    def distinct(self) -> list[Block]:
        """The blocks, each once."""
        return [*{id(block): block for block in self.blocks}.values()]


class Groups:
    """Reads parameter groups.  Blocks are rebuilt only if shapes or weight decays have changed."""

    def __init__(self, opt: Optimizer) -> None:
        own = weight_decay(opt)
        self.opt, self._decay = opt, own or 0.0
        self.defaults = {"lr": opt.lr, **({} if own is None else {"weight_decay": own})}
        self._known: Any = None
        self._shapes: Any = None
        self._made: dict[float, list[Block]] = {}

    def read(self, groups: Sequence[Group]) -> Present:
        """The present state of the groups.  The parameters are checked again only if they have changed."""
        members = [(p, group) for group in groups for p in group["params"] if p.numel()]
        parameters = tuple(p for p, _ in members)
        known = [(id(p), p.dtype, p.device) for p in parameters]
        if known != self._known:
            self.check(parameters)
            self._known = known
        rates = tuple(float(group["lr"]) / float(self.opt.lr) for _, group in members)
        if not is_paced(self.opt) and any(rate != 1 for rate in rates):
            raise ValueError(f"lr must stay {self.opt.lr} for {self.opt.name}: it only sets the first step size")
        decays = [float(group.get("weight_decay", self._decay)) for _, group in members]
        shapes = tuple(tuple(p.shape) for p in parameters)
        used = [*dict.fromkeys(decays)]
        if len(used) > 1 and normalizes_after_l2(self.opt):
            raise ValueError(
                f"weight_decay must be the same in all groups: {self.opt.name} takes a norm of the decayed gradient"
            )
        if shapes != self._shapes:
            self._shapes, self._made = shapes, {}
        self._made = {decay: self._made.get(decay) or self._blocks(decay, shapes) for decay in used}
        return Present(parameters, rates, tuple(self._made[decay][j] for j, decay in enumerate(decays)))

    def _blocks(self, decay: float, shapes: tuple[Places, ...]) -> list[Block]:
        """The block of each parameter under this weight decay."""
        opt = self.opt if decay == self._decay else with_weight_decay(self.opt, decay)
        found = {j: block for block in blocks(opt, shapes, _matrix) for j in block.members}
        return [found[j] for j in range(len(shapes))]

    @staticmethod
    def check(parameters: Sequence[Any]) -> None:
        """Raises TypeError or ValueError unless the parameters are real, distinct and on one device."""
        for p in parameters:
            if not p.is_floating_point():
                raise TypeError(f"params must be real and floating, got one of {p.dtype} and shape {tuple(p.shape)}")
        if len({id(p) for p in parameters}) < len(parameters):
            raise ValueError("params must hold each parameter once, got one twice")
        if len(devices := {str(p.device) for p in parameters}) > 1:
            raise ValueError(f"params must be on one device, got {', '.join(sorted(devices))}")

    def check_added(self, groups: Sequence[Group]) -> None:
        """Checks the options of the last group, and that it is compatible with the others."""
        lr, decay = (groups[-1].get(name, 0.0) for name in ("lr", "weight_decay"))
        check.nonnegative("lr", lr.item() if isinstance(lr, torch.Tensor) else lr)
        check.scalar("weight_decay", check.nonnegative("weight_decay", decay))
        self.read(groups)


def _matrix(shape: Places) -> tuple[int, int] | None:
    """The matrix shape of a torch weight (out, in, ...), one row per output; None for a vector."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else None


@lru_cache(maxsize=64)
def has_own_time(opt: Optimizer) -> bool:
    """Whether each parameter has its own time, from its own first step.  A schedule uses the optimizer's time."""
    formulas = [*opt.flow.filters, *(formula for part in opt.flow.terms() for formula in part.formulas())]
    return opt.speed is None and any("t" in reads(formula) for formula in formulas)
