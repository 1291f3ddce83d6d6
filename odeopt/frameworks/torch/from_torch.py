"""A torch.optim optimizer as a one-step map, treated as a black box that is evaluated step by step.

The opposite direction, `to_torch`, is in `odeopt.frameworks.torch.optimizer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import torch
except ImportError as error:
    raise ImportError("torch is needed here: install odeopt-toolkit[torch]") from error

from odeopt.core.state import State
from odeopt.frameworks.flatten import joined, split
from odeopt.frameworks.torch.optimizer import FlowOptimizer, to_torch
from odeopt.frameworks.torch.soft_batch import soft_batch
from odeopt.optimizers.one_step import OneStep, from_step
from odeopt.util import check
from odeopt.util.check import Array

__all__ = ["from_torch", "soft_batch", "to_torch"]


def from_torch(optimizer: torch.optim.Optimizer, loss: Callable[[], Any], name: str = "") -> OneStep:
    """The step of a torch optimizer on `loss()`, for `modified_flow`; h is its learning rate.

    theta is all parameters of the optimizer in one vector (float64).  The memory is the optimizer's state under torch's
    names, with its present values, or those that torch will create.  Parameters and state are restored after each
    evaluation.

    >>> theta = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    >>> sgd = torch.optim.SGD([theta], lr=0.25)
    >>> from_torch(sgd, lambda: (theta**2).sum() / 2).iterates(theta.detach(), steps=2).tolist()
    [[1.0, -2.0], [0.75, -1.5], [0.5625, -1.125]]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
    check.function("loss", loss, "nothing, a closure without backward()")
    check.label("name", name)
    if isinstance(optimizer, FlowOptimizer):
        raise TypeError(
            f"optimizer must be torch's own, got one made from {optimizer.opt.name}: call modified_flow on it"
        )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if any(p.dtype != torch.float64 for p in parameters):
        raise ValueError(f"parameters must be float64, got {', '.join(sorted({str(p.dtype) for p in parameters}))}")
    rates = {float(group["lr"]) for group in optimizer.param_groups}
    if len(rates) != 1:
        raise ValueError(f"lr must be one for all parameter groups, got {sorted(rates)}")
    if any(group.get("dampening") for group in optimizer.param_groups):
        raise ValueError("dampening must be 0: torch's first step differs from the others with it")
    first = _first_memory(optimizer, parameters, loss)

    def step(y: State) -> State:
        theta, present = [p.detach().clone() for p in parameters], [optimizer.state[p] for p in parameters]
        _write(optimizer, parameters, first, y)
        _step(optimizer, loss)
        after = tuple(joined(pieces) for pieces in (_plain(parameters), *_memory(optimizer, parameters, first)))
        _put_back(optimizer, parameters, theta, present)
        return after

    start = {key: joined(values) for key, values in first.items()}
    return from_step(step, start, h=rates.pop(), name=name or type(optimizer).__name__)


class _FirstValues(dict[str, Any]):
    """A parameter's state that records in `first` each tensor as torch creates it, before the step changes it in place.

    A tensor assigned only after the parameter has moved, such as SGD's buffer, did not exist before: `first` has 0.
    """

    def __init__(self, present: dict[str, Any], parameter: Any) -> None:
        self.first = {key: value.clone() for key, value in present.items() if torch.is_tensor(value)}
        self.parameter, self.theta = parameter, parameter.detach().clone()
        super().__init__({key: _copy(value) for key, value in present.items()})

    def __setitem__(self, key: str, value: Any) -> None:
        if torch.is_tensor(value) and key not in self.first:
            moved = not torch.equal(self.parameter, self.theta)
            self.first[key] = torch.zeros_like(value) if moved else value.detach().clone()
        super().__setitem__(key, value)


def _step(optimizer: torch.optim.Optimizer, loss: Callable[[], Any]) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


def _first_memory(optimizer: torch.optim.Optimizer, parameters: list[Any], loss: Any) -> dict[str, list[Array]]:
    """The state's tensors before the next step, by name, one per parameter.  A trial step, then undone, finds them."""
    theta, present = [p.detach().clone() for p in parameters], [optimizer.state[p] for p in parameters]
    watched = [_FirstValues(state, p) for state, p in zip(present, parameters, strict=True)]
    for p, state in zip(parameters, watched, strict=True):
        optimizer.state[p] = state
    _step(optimizer, loss)
    _put_back(optimizer, parameters, theta, present)
    names = [set(state.first) for state in watched]
    if names.count(names[0]) < len(names):
        raise ValueError(
            f"all parameters must have the same state variables, got {', '.join(map(str, map(sorted, names)))}"
        )
    return {key: _plain([state.first[key] for state in watched]) for key in watched[0].first}


def _memory(optimizer: torch.optim.Optimizer, parameters: list[Any], like: Any) -> list[list[Array]]:
    """The state's tensors, one list per name in `like`."""
    return [_plain([optimizer.state[p][name] for p in parameters]) for name in like]


def _write(optimizer: torch.optim.Optimizer, parameters: list[Any], like: dict[str, list[Array]], y: State) -> None:
    """Writes the state y into parameters and optimizer.  The step count becomes float64: it need not be an integer."""
    for p, piece in zip(parameters, split(y[0], [tuple(p.shape) for p in parameters]), strict=True):
        p.data.copy_(torch.tensor(piece))
    memory = [split(vector, [v.shape for v in values]) for vector, values in zip(y[1:], like.values(), strict=True)]
    for i, p in enumerate(parameters):
        optimizer.state[p] = {name: torch.tensor(pieces[i]) for name, pieces in zip(like, memory, strict=True)}


def _put_back(optimizer: torch.optim.Optimizer, parameters: list[Any], theta: list[Any], state: list[Any]) -> None:
    for p, value, present in zip(parameters, theta, state, strict=True):
        p.data.copy_(value)
        optimizer.state[p] = present


def _plain(tensors: list[Any]) -> list[Array]:
    """The tensors as float64 arrays."""
    return [t.detach().double().numpy().copy() for t in tensors]


def _copy(value: Any) -> Any:
    return value.clone() if torch.is_tensor(value) else value
