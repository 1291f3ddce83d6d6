"""A torch.optim optimizer as a one-step map, its formula unknown: what it does is asked of it, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import torch
except ImportError as error:  # the extra is named, as everywhere
    raise ImportError("torch is needed here: install odeopt-toolkit[torch]") from error

from odeopt.analysis.one_step import OneStep, from_step
from odeopt.check import Array
from odeopt.state import State


def from_torch(optimizer: torch.optim.Optimizer, loss: Callable[[], Any], name: str = "") -> OneStep:
    """The step of a torch optimizer on `loss()`, for `modified_flow`; h is its learning rate.

    theta is all its parameters in one vector (float64), the memory its state by torch's names, which starts as it is,
    or at 0 where torch has not made it yet.  Parameters and state are put back after each question.

    >>> theta = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    >>> sgd = torch.optim.SGD([theta], lr=0.25)
    >>> from_torch(sgd, lambda: (theta**2).sum() / 2).iterates(theta.detach(), steps=2).tolist()
    [[1.0, -2.0], [0.75, -1.5], [0.5625, -1.125]]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if any(p.dtype != torch.float64 for p in parameters):
        raise ValueError(f"parameters must be float64, got {', '.join(sorted({str(p.dtype) for p in parameters}))}")
    rates = {float(group["lr"]) for group in optimizer.param_groups}
    if len(rates) != 1:
        raise ValueError(f"lr must be one for all parameter groups, got {sorted(rates)}")
    if any(group.get("dampening") for group in optimizer.param_groups):
        raise ValueError("dampening must be 0: torch's first step differs from the others with it")
    names, memory = _memory(optimizer, parameters, loss)

    def step(y: State) -> State:
        before = _read(optimizer, parameters, names)
        present = [dict(optimizer.state[p]) for p in parameters]
        _write(optimizer, parameters, names, y)
        _step(optimizer, loss)
        after = _read(optimizer, parameters, names)
        _write(optimizer, parameters, (), before)
        for p, state in zip(parameters, present, strict=True):
            optimizer.state[p] = state
        return after

    return from_step(step, dict(zip(names, memory, strict=True)), h=rates.pop(), name=name or type(optimizer).__name__)


def _step(optimizer: torch.optim.Optimizer, loss: Callable[[], Any]) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


def _memory(optimizer: torch.optim.Optimizer, parameters: list[Any], loss: Any) -> tuple[tuple[str, ...], list[Array]]:
    """The names of the state's tensors, found by a trial step that is taken back, and their values now (or 0)."""
    theta = [p.detach().clone() for p in parameters]
    before = [{key: _copy(value) for key, value in optimizer.state[p].items()} for p in parameters]
    _step(optimizer, loss)
    tensors = [{key: v for key, v in optimizer.state[p].items() if torch.is_tensor(v)} for p in parameters]
    names = tuple(tensors[0])
    values = []
    for key in names:
        pieces = zip(tensors, before, strict=True)
        values.append(np.concatenate([_flat(old.get(key, torch.zeros_like(new[key]))) for new, old in pieces]))
    for p, value, state in zip(parameters, theta, before, strict=True):
        p.data.copy_(value)
        optimizer.state[p] = state
    return names, values


def _read(optimizer: torch.optim.Optimizer, parameters: list[Any], names: tuple[str, ...]) -> State:
    """theta and the named memory, each as one vector."""
    states = [optimizer.state[p] for p in parameters]
    memory = [[_flat(state[name]) for state in states] for name in names if all(name in state for state in states)]
    return tuple(np.concatenate(pieces) for pieces in [[_flat(p.detach()) for p in parameters], *memory])


def _write(optimizer: torch.optim.Optimizer, parameters: list[Any], names: tuple[str, ...], y: State) -> None:
    """The inverse of `_read`; the step count becomes float64, for it may lie between two integers."""
    sizes = np.cumsum([p.numel() for p in parameters])[:-1]
    for p, piece in zip(parameters, np.split(y[0], sizes), strict=True):
        p.data.copy_(torch.tensor(piece).reshape(p.shape))
    for name, vector in zip(names, y[1:], strict=False):
        scalar = vector.size == len(parameters) and name == "step"
        pieces = np.split(vector, len(parameters)) if scalar else np.split(vector, sizes)
        for p, piece in zip(parameters, pieces, strict=True):
            optimizer.state[p][name] = torch.tensor(piece).reshape(() if scalar else p.shape)


def _flat(tensor: Any) -> Array:
    return np.asarray(tensor.detach().double().numpy()).reshape(-1).copy()


def _copy(value: Any) -> Any:
    return value.clone() if torch.is_tensor(value) else value
