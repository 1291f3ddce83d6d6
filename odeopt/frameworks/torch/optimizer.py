"""An odeopt optimizer as a torch.optim.Optimizer, from the same flow, scheme and step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import torch

from odeopt.compiler.ir import Untraceable
from odeopt.frameworks.parameter_blocks import blocks, place, refuse
from odeopt.frameworks.torch.flat_step import Vectors
from odeopt.frameworks.torch.fused_step import TorchSweep
from odeopt.frameworks.torch.gradient import Evaluations, NotFinite
from odeopt.frameworks.torch.state import copied
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import is_paced
from odeopt.util import check
from odeopt.util.interrupts import postponed

KEY: Any = "odeopt"  # where the state is kept, beside torch's own keys
GROUP = ("params", "lr", "initial_lr", "param_names")


class FlowOptimizer(torch.optim.Optimizer):
    """The steps of an odeopt optimizer on the parameters of a model; `to_torch` makes it.

    backend: what made the last step: "numba" or "blocks" in one pass in place, "torch", and why, by torch's functions
    """

    def __init__(self, opt: Optimizer, params: Iterable[Any], nan: str = "raise") -> None:
        refuse(opt, "to_torch")
        self.opt, self.nan = opt, check.choice("nan", nan, ("raise", "skip", "ignore"))
        self.backend = "torch"
        super().__init__(params, {"lr": opt.lr})
        self._prepare()

    def _prepare(self) -> None:
        """What follows from the optimizer and the parameters."""
        self.parameters = [p for group in self.param_groups for p in group["params"]]
        self._shapes = [p.shape for p in self.parameters]
        self.blocks = blocks(self.opt, [tuple(shape) for shape in self._shapes], _matrix)
        self._vectors = Vectors(self.blocks, self.parameters, self._rates, self.nan)
        self._sweep = TorchSweep(self.blocks, self.parameters)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "opt": self.opt, "nan": self.nan, "backend": self.backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """For copies, and for torch's load_state_dict."""
        super().__setstate__(state)
        self._prepare()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Groups differ in lr alone, and are all given at the start."""
        if "blocks" in vars(self):
            raise ValueError("params must all be given at the start: theta is all of them in one vector")
        for key in param_group:
            check.choice("key of a parameter group", key, GROUP)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        check.nonnegative("lr", group["lr"])
        for p in group["params"]:
            _refuse_parameter(p)
        if len({p.device for each in self.param_groups for p in each["params"]}) > 1:
            raise ValueError("params must be on one device")

    def state_dict(self) -> dict[str, Any]:
        """The state as it is now: a copy, which later steps do not move."""
        found = super().state_dict()
        return {**found, "state": _copies(found["state"])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state of the same optimizer on the same parameters."""
        if others := sorted(map(str, state_dict["state"].keys() - {KEY})):
            raise ValueError(f"state must be one of to_torch, under the key {KEY!r}, got the keys {', '.join(others)}")
        known, given = self._signature(), state_dict["state"].get(KEY, {}).get("of", self._signature())
        if given != known:
            raise ValueError(
                f"state must be of {known[0]} in vectors of {known[1]}, got one of {given[0]} in {given[1]}"
            )
        super().load_state_dict(state_dict)
        self.state.update(_copies(self.state))  # whose vectors may be another optimizer's, too

    def _signature(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The variables, and the size of each block's theta."""
        sizes = (sum(self.parameters[j].numel() for j in block.members) for block in self.blocks)
        return self.opt.flow.variables, tuple(sizes)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a closure evaluates the loss and its gradient again, wherever the scheme asks for it.

        Returns the loss of the first evaluation, None without a closure.  An interruption (Ctrl-C) waits while
        parameters and memory move.
        """
        if not is_paced(self.opt) and any(group["lr"] != self.opt.lr for group in self.param_groups):
            raise ValueError(f"lr must stay {self.opt.lr} for {self.opt.name}: it is its first step size only")
        for p, shape in zip(self.parameters, self._shapes, strict=True):
            if p.shape != shape:
                raise ValueError(f"params must keep their shapes, one of {tuple(shape)} has {tuple(p.shape)} now")
        k, skipped, ngev, states = self._held()
        evaluations = Evaluations(self.parameters, [b.members for b in self.blocks], closure, self.nan)
        try:
            move = self._ready(k, states, evaluations)
        except NotFinite as error:
            if self.nan == "raise":
                raise FloatingPointError(f"{error} in step {k + 1}; parameters and state are as before it") from None
            self._hold(k, skipped + 1, ngev + evaluations.count, states)
        else:
            with postponed():
                self._hold(k + 1, skipped, ngev + evaluations.count, move())
        return evaluations.loss

    @property
    def skipped(self) -> int:
        """How many steps were skipped for a gradient that was not finite."""
        return self._held()[1]

    @property
    def ngev(self) -> int:
        """How many gradients were evaluated, those of skipped steps too: the cost, where a step takes several."""
        return self._held()[2]

    def memory(self, name: str) -> list[Any]:
        """A variable of the flow in the shapes of the parameters: "average" is what `optimizers.ema` keeps."""
        where, found = place(self.opt, name), dict[int, Any]()
        for block, held in zip(self.blocks, self._held()[-1], strict=True):
            if held is None:
                raise ValueError("no step has been made: the optimizer has no memory yet")
            parameters = [self.parameters[j] for j in block.members]
            pieces = held[0][where].clone().split([p.numel() for p in parameters])
            found |= {j: u.view_as(p) for j, u, p in zip(block.members, pieces, parameters, strict=True)}
        return [found[j] for j in sorted(found)]

    def _ready(self, k: int, states: list[Any], evaluations: Evaluations) -> Callable[[], list[Any]]:
        """What moves the parameters, and returns the memory after the step."""
        try:
            move, self.backend = self._sweep.ready(k, states[0], evaluations, self._rates(), self.nan)
            return move
        except Untraceable as reason:
            self.backend = f"torch ({reason})"
        self._sweep.forget()
        return self._vectors.ready(k, states, evaluations)

    def _rates(self) -> list[float]:
        """The learning rate of each parameter over the optimizer's own."""
        return [float(group["lr"]) / float(self.opt.lr) for group in self.param_groups for _ in group["params"]]

    def _held(self) -> tuple[int, int, int, list[Any]]:
        """Steps done, steps skipped, gradients evaluated, and the memory of each block."""
        if KEY not in self.state:
            return 0, 0, 0, [None for _ in self.blocks]
        held = self.state[KEY]
        return held["step"], held["skipped"], held["ngev"], held["memory"]

    def _hold(self, k: int, skipped: int, ngev: int, memory: list[Any]) -> None:
        self.state[KEY] = {"of": self._signature(), "step": k, "skipped": skipped, "ngev": ngev, "memory": memory}


def _copies(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """The state, its memory in vectors of its own."""
    return {key: {**held, "memory": [copied(u) for u in held["memory"]]} for key, held in state.items()}


def _matrix(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """torch's weights are (out, in, ...): a row for each output; a vector is none."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else None


def _refuse_parameter(p: Any) -> None:
    if not p.is_floating_point():
        raise TypeError(f"params must be real and floating, got one of {p.dtype} and shape {tuple(p.shape)}")
    if p.numel() == 0:
        raise ValueError(f"params must not be empty, got one of shape {tuple(p.shape)}")


def to_torch(opt: Optimizer, params: Iterable[Any], *, nan: str = "raise") -> FlowOptimizer:
    """A torch optimizer that makes the steps of `opt` on `params`: tensors, or groups that differ in lr.

    theta is all parameters in one vector, so that norms are those of the model; the layers of LAMB and LARS are its
    parameters, and Muon, Shampoo and Adafactor see each parameter as a matrix (out, in ...).  The lr of a group, as a
    torch scheduler writes it, acts as a schedule does: at constant betas.  An optimizer built by hand has h for lr.

    A scheme that needs the gradient elsewhere than at theta (Heun, RKC, leapfrog) takes it from the closure of
    `step(closure)`, which must evaluate the same batch each time: it is called with the same random numbers of torch,
    so that dropout has one mask in a step; the running statistics of BatchNorm move at every call.  `ngev` counts the
    gradients.  A gradient or state that is not finite stops with a
    FloatingPointError (nan="raise") or skips the step (nan="skip"; `skipped` counts them); parameters are as before.
    nan="ignore" does not look, as torch's own do not.  A parameter without a gradient stays as it is.  The state is
    saved by state_dict, and continues bit for bit; copy.deepcopy((model, optimizer)) copies both.

    Where coordinates stand alone (gd to Adam, not LAMB), and the parameters are contiguous on the CPU, in one precision
    and not small, a step is one pass over them, their gradients and memory, in place; `backend` says what ran.

    >>> from odeopt import optimizers
    >>> theta = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    >>> heavy = to_torch(optimizers.momentum(lr=0.25, beta=0.5), [theta])
    >>> for _ in range(2):
    ...     heavy.zero_grad()
    ...     (theta**2).sum().div(2).backward()
    ...     heavy.step()
    >>> theta.tolist()
    [0.4375, -0.875]
    """
    return FlowOptimizer(opt, params, nan)
