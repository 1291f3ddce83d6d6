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

    Like torch's own optimizers, it reads its groups at each step and keeps the memory of each parameter in
    `state[parameter]`.

    backend: how the last step was taken: "numba" or "blocks" (one pass, in place), or "torch" with the reason
    skipped: the number of steps skipped because the gradient or the new state was not finite
    ngev:    the number of gradients evaluated, including those of skipped steps
    """

    def __init__(self, opt: Optimizer, params: Iterable[Any], nan: str = "raise") -> None:
        refuse(opt, "to_torch")
        self.opt, self.nan = opt, check.choice("nan", nan, ("raise", "skip", "ignore"))
        self.backend, self.skipped, self.ngev = "torch", 0, 0
        self._prepare()
        super().__init__(_checked(params), dict(self._groups.defaults))

    def _prepare(self) -> None:
        """Sets the attributes that depend on the optimizer alone."""
        self._groups, self._flat, self._fused = Groups(self.opt), FlatStep(self.nan), FusedStep()

    def __getstate__(self) -> dict[str, Any]:
        own = {name: vars(self)[name] for name in ("opt", "nan", "backend", "skipped", "ngev")}
        return {**super().__getstate__(), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the object for copies and for torch's load_state_dict."""
        super().__setstate__(state)
        self._prepare()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group; it may have its own lr and weight_decay."""
        for key in param_group:
            check.choice("key of a parameter group", key, KEYS)
        super().add_param_group(param_group)
        try:
            self._groups.check_added(self.param_groups)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """A copy of the present state, which later steps do not change."""
        here = {p for group in self.param_groups for p in group["params"]}
        elsewhere = {p: self.state.pop(p) for p in [*self.state] if p not in here}  # of parameters that were removed
        try:
            found = super().state_dict()
        finally:
            self.state.update(elsewhere)
        counts = {"skipped": self.skipped, "ngev": self.ngev}
        return {**found, "state": {key: copied(held) for key, held in found["state"].items()}, "counts": counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the state of the same optimizer on the same parameters, and keeps the precision of the state."""
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
        """Takes one step; the closure evaluates the loss and its gradient at every point that the scheme needs.

        Returns the loss of the first evaluation, None without a closure.  An interruption (Ctrl-C) is held back while
        parameters and memory change.
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
        """A variable of the flow in the shapes of the parameters, e.g. the "average" of `optimizers.ema`."""
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
        """Prepares a step.  The returned function moves the parameters and returns the new memory of those moved."""
        try:
            move, self.backend = self._fused.ready(k, present, held, evaluations, self.nan)
            return move
        except Untraceable as reason:
            self.backend = f"torch ({reason})"
        return self._flat.ready(k, present, held, evaluations)


def _checked(params: Any) -> list[Any]:
    """Tensors, named tensors or groups of them, at least one."""
    if not isinstance(params, Iterable) or isinstance(params, torch.Tensor | str):
        raise TypeError(f"params must be several tensors or groups of them, got {check.shown(params)}")
    found = list(params)
    if strangers := [p for p in found if not isinstance(p, torch.Tensor | dict | tuple)]:
        raise TypeError(f"params must be tensors or groups of them, got {check.shown(strangers[0])} among them")
    if not found:
        raise ValueError("params must not be empty, got no tensor")
    return found


def to_torch(opt: Optimizer, params: Iterable[Any], *, nan: str = "raise") -> FlowOptimizer:
    """A torch optimizer that takes the steps of `opt` on `params`, which are tensors or groups of tensors.

    theta is all parameters in one vector, so norms are those of the whole model.  Each parameter is a layer for LAMB
    and LARS, and a matrix (out, in ...) for Muon, Shampoo and Adafactor.  An optimizer built by hand has h as its lr.

    Groups are read at each step, as in torch's own optimizers: their parameters, their lr, and their weight_decay if
    the optimizer has one (adamw, lion, l2, decoupled, ...).  The lr of a group, which a torch scheduler may change,
    acts as a schedule does, at constant betas.  Each parameter has its own memory, clocks and step count: a parameter
    that is added later, or has no gradient for a while, continues from its own.  A schedule in the optimizer
    (`optimizers.scheduled`) counts the steps of the parameter that has taken the most.

    A scheme that needs the gradient at points other than theta (Heun, RKC, leapfrog) calls the closure of
    `step(closure)`, which must evaluate the same batch each time.  Each call draws the same random numbers from torch,
    so dropout keeps one mask during a step; the running statistics of BatchNorm change at every call.  `ngev` counts
    the gradients.  If the gradient or the new state is not finite, nan="raise" raises FloatingPointError and
    nan="skip" skips the step and counts it in `skipped`; parameters and state keep their values.  nan="ignore" does
    not check, as torch's own optimizers do not.  A parameter without a gradient does not change.

    `optimizer.state[p]` holds the memory of p under the flow's names, in p's shape and at least in single precision,
    its clocks, and its step count.  state_dict contains them, also for torch.distributed.checkpoint, and a run that is
    resumed from it continues bit for bit.  copy.deepcopy((model, optimizer)) copies both.

    If the optimizer acts on each coordinate separately (gd to Adam, not LAMB), and the parameters are contiguous on the
    CPU, in one precision and not small, a step is one pass over parameters, gradients and memory, in place; `backend`
    names the code that ran.

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
