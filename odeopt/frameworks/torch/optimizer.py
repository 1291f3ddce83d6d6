"""An odeopt optimizer as a torch.optim.Optimizer, from the same flow, scheme and step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from odeopt.compiler.ir import Untraceable
from odeopt.frameworks.parameter_blocks import place, refuse
from odeopt.frameworks.torch.flat_step import FlatStep, first_memory
from odeopt.frameworks.torch.fused_step import FusedStep
from odeopt.frameworks.torch.gradient import Evaluations, NotFinite
from odeopt.frameworks.torch.groups import KEYS, Groups, Present
from odeopt.frameworks.torch.loading import placed, refuse_other, refuse_shape
from odeopt.frameworks.torch.state import History, copied, renew, steps_of
from odeopt.optimizers.base import Optimizer
from odeopt.util import check
from odeopt.util.interrupts import postponed


class FlowOptimizer(torch.optim.Optimizer):
    """The steps of an odeopt optimizer on the parameters of a model; `to_torch` makes it.

    As torch's own it reads its groups at each step, and keeps the memory of each parameter in `state[parameter]`.

    backend: what made the last step: "numba" or "blocks" in one pass in place, "torch", and why, by torch's functions
    skipped: how many steps were skipped for a gradient that was not finite
    ngev:    how many gradients were evaluated, those of skipped steps too: the cost, where a step takes several
    """

    def __init__(self, opt: Optimizer, params: Iterable[Any], nan: str = "raise") -> None:
        refuse(opt, "to_torch")
        self.opt, self.nan = opt, check.choice("nan", nan, ("raise", "skip", "ignore"))
        self.backend, self.skipped, self.ngev = "torch", 0, 0
        self._prepare()
        super().__init__(params, dict(self._groups.defaults))

    def _prepare(self) -> None:
        """What follows from the optimizer alone."""
        self._groups, self._flat, self._fused = Groups(self.opt), FlatStep(self.nan), FusedStep()

    def __getstate__(self) -> dict[str, Any]:
        own = {name: vars(self)[name] for name in ("opt", "nan", "backend", "skipped", "ngev")}
        return {**super().__getstate__(), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """For copies, and for torch's load_state_dict."""
        super().__setstate__(state)
        self._prepare()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Groups may differ in lr and in weight_decay."""
        for key in param_group:
            check.choice("key of a parameter group", key, KEYS)
        super().add_param_group(param_group)
        try:
            self._groups.check_added(self.param_groups)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """The state as it is now: a copy, which later steps do not move."""
        here = {p for group in self.param_groups for p in group["params"]}
        elsewhere = {p: self.state.pop(p) for p in [*self.state] if p not in here}  # of parameters that were removed
        try:
            found = super().state_dict()
        finally:
            self.state.update(elsewhere)
        counts = {"skipped": self.skipped, "ngev": self.ngev}
        return {**found, "state": {key: copied(held) for key, held in found["state"].items()}, "counts": counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state of the same optimizer on the same parameters, in its own precision."""
        given: dict[str, Any] = {}

        def check_it(_: Any, found: dict[str, Any]) -> None:
            given.update(found)
            refuse_other(self.param_groups, self._groups.read(self.param_groups), found)

        def keep_precision(_: Any) -> None:  # torch has cast all to the precision of the parameters
            for _, p, opt, history in placed(self.param_groups, self._groups.read(self.param_groups), given):
                self.state[p] = copied(history, opt.flow.clocks, p.device)

        hooks = [
            self.register_load_state_dict_pre_hook(check_it),  # after those of the user
            self.register_load_state_dict_post_hook(keep_precision, prepend=True),
        ]
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()
        counts = given.get("counts", {})
        self.skipped, self.ngev = counts.get("skipped", 0), counts.get("ngev", 0)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a closure evaluates the loss and its gradient again, wherever the scheme asks for it.

        Returns the loss of the first evaluation, None without a closure.  An interruption (Ctrl-C) waits while
        parameters and memory move.
        """
        present = self._groups.read(self.param_groups)
        held = [self.state.get(p) or {} for p in present.parameters]
        for p, block, history in zip(present.parameters, present.blocks, held, strict=True):
            refuse_shape("params must keep their shapes, one has", p, block.opt, history)
        k = max(map(steps_of, held), default=0)
        evaluations = Evaluations(present.parameters, closure, self.nan)
        try:
            move = self._ready(k, present, held, evaluations)
        except NotFinite as error:
            if self.nan == "raise":
                raise FloatingPointError(f"{error} in step {k + 1}; parameters and state are as before it") from None
            self.skipped, self.ngev = self.skipped + 1, self.ngev + evaluations.count
        else:
            with postponed():
                for j, history in move().items():
                    renew(self.state[present.parameters[j]], history)
                self.ngev += evaluations.count
        return evaluations.loss

    def memory(self, name: str) -> list[Any]:
        """A variable of the flow in the shapes of the parameters: "average" is what `optimizers.ema` keeps."""
        present = self._groups.read(self.param_groups)
        if not any(self.state.get(p) for p in present.parameters):
            raise ValueError("no step has been made: the optimizer has no memory yet")
        found = []
        for p, block in zip(present.parameters, present.blocks, strict=True):
            place(block.opt, name)
            held = self.state.get(p)
            found.append(held[name].clone() if held else first_memory(block.opt, p, name))
        return found

    def _ready(
        self, k: int, present: Present, held: Sequence[History], evaluations: Evaluations
    ) -> Callable[[], dict[int, History]]:
        """What moves the parameters, and returns what is held after the step for each that moved."""
        try:
            move, self.backend = self._fused.ready(k, present, held, evaluations, self.nan)
            return move
        except Untraceable as reason:
            self.backend = f"torch ({reason})"
        return self._flat.ready(k, present, held, evaluations)


def to_torch(opt: Optimizer, params: Iterable[Any], *, nan: str = "raise") -> FlowOptimizer:
    """A torch optimizer that makes the steps of `opt` on `params`: tensors, or groups of them.

    theta is all parameters in one vector, so that norms are those of the model; the layers of LAMB and LARS are its
    parameters, and Muon, Shampoo and Adafactor see each parameter as a matrix (out, in ...).  An optimizer built by
    hand has h for lr.

    Groups are read at each step, as by torch's own optimizers: their parameters, their lr, and their weight_decay
    where the optimizer has one (adamw, lion, l2, decoupled, ...).  The lr of a group, as a torch scheduler writes it,
    acts as a schedule does: at constant betas.  Memory, clocks and the count of steps belong to each parameter: one
    that comes later, or has no gradient for a while, goes on from its own.  A schedule of the optimizer's own
    (`optimizers.scheduled`) counts the steps of the parameter that has made most.

    A scheme that needs the gradient elsewhere than at theta (Heun, RKC, leapfrog) takes it from the closure of
    `step(closure)`, which must evaluate the same batch each time: it is called with the same random numbers of torch,
    so that dropout has one mask in a step; the running statistics of BatchNorm move at every call.  `ngev` counts the
    gradients.  A gradient or state that is not finite stops with a
    FloatingPointError (nan="raise") or skips the step (nan="skip"; `skipped` counts them); parameters are as before.
    nan="ignore" does not look, as torch's own do not.  A parameter without a gradient stays as it is.

    `optimizer.state[p]` holds the memory of p by the names of the flow, in p's shape and in single precision at least,
    its clocks, and its count of steps.  state_dict keeps them, also for torch.distributed.checkpoint, and a run goes on
    from it bit for bit; copy.deepcopy((model, optimizer)) copies both.

    Where coordinates stand alone (gd to Adam, not LAMB), and the parameters are contiguous on the CPU, in one precision
    and not small, a step is one pass over them, their gradients and memory, in place; `backend` says what ran.

    >>> from odeopt import optimizers
    >>> theta = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    >>> heavy = to_torch(optimizers.momentum(lr=0.25, beta=0.5), [theta])
    >>> for _ in range(2):
    ...     heavy.zero_grad()
    ...     (theta**2).sum().div(2).backward()
    ...     heavy.step()
    >>> theta.tolist(), heavy.state[theta]["m"].tolist()
    ([0.4375, -0.875], [0.625, -1.25])
    """
    return FlowOptimizer(opt, params, nan)
