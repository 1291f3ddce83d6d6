"""W, the diagonal of the step in a frozen optimizer: theta moves by lr W (filtered gradient), in units of group 0.

A mode of W H with eigenvalue lambda is stable where lr lambda is below the optimizer's limit.  Groups with other rates
or limits are put into the units of the first: W is P^-1 (lr/limit)/(lr_0/limit_0).  P divides the gradient, for Adam
c1 (sqrt(v/c2) + eps) with the bias corrections c1 and c2.  [Cohen et al. 2022, eq. 2]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from odeopt.frameworks.optimizer_limits import Limits, limits_of
from odeopt.frameworks.torch.monitor.vectors import vector

DIVIDES = ("Adam", "AdamW", "NAdam", "RMSprop")
READ = ("lr", "betas", "alpha", "momentum", "dampening", "nesterov", "eps", "weight_decay", "amsgrad", "centered")


def settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a group that are numbers, switches or pairs of numbers."""
    plain = {
        key: value.item() if isinstance(value, Tensor) else value for key, value in group.items() if key != "params"
    }
    return {
        key: list(v) if isinstance(v, tuple) else v for key, v in plain.items() if isinstance(v, int | float | tuple)
    }


def group_limits(optimizer: torch.optim.Optimizer) -> list[Limits] | None:
    """The limits of lr lambda of each group; None if one is not known."""
    name = type(optimizer).__name__
    found = [limits_of(name, settings_of(group)) for group in optimizer.param_groups]
    known = [limit for limit in found if limit is not None]
    return known if len(known) == len(found) else None


def weights_of(optimizer: torch.optim.Optimizer, limits: list[Limits] | None) -> Tensor:
    """W (d,) after the present step."""
    pieces = []
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    stable = [limit.stable for limit in limits] if limits else [1.0] * len(rates)
    paces = [lr / limit for lr, limit in zip(rates, stable, strict=True)]
    for group, pace in zip(optimizer.param_groups, paces, strict=True):
        relative = pace / paces[0] if limits and paces[0] > 0 else 1.0
        pieces += [relative / _divisor(optimizer, group, p) for p in group["params"]]
    return vector(pieces)


def preconditioned(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the gradient is divided by a diagonal."""
    return type(optimizer).__name__ in DIVIDES


def second_moment(optimizer: torch.optim.Optimizer) -> Tensor | None:
    """v (d,) as it is stored; None without one, or where a parameter has none yet."""
    key = "square_avg" if type(optimizer).__name__ == "RMSprop" else "exp_avg_sq"
    held = [optimizer.state.get(p, {}).get(key) for group in optimizer.param_groups for p in group["params"]]
    if not preconditioned(optimizer) or any(each is None for each in held):
        return None
    return vector(held)


@torch.no_grad()
def _divisor(optimizer: torch.optim.Optimizer, group: Mapping[str, Any], p: Tensor) -> Tensor:
    """P, in the shape of a parameter: 1 where the optimizer has no memory of it."""
    state, name = optimizer.state.get(p, {}), type(optimizer).__name__
    if not state or name not in DIVIDES:
        return torch.ones_like(p)
    if name == "RMSprop":
        centre = state["grad_avg"] ** 2 if group["centered"] else 0.0
        return (state["square_avg"] - centre).clamp_min(0).sqrt() + group["eps"]
    step, (beta1, beta2) = state["step"], group["betas"]
    c1 = 1 - (state["mu_product"] if name == "NAdam" else beta1**step)
    v = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
    return c1 * ((v / (1 - beta2**step)).sqrt() + group["eps"])
