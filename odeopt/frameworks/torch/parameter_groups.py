"""Parameter groups of a torch module by muP: which parameters are hidden, vectors, embeddings or outputs."""

from __future__ import annotations

from typing import Any

import torch

from odeopt.optimizers.weight_decay import weight_decay
from odeopt.scaling.transfer_result import Transfer
from odeopt.scaling.width_laws import KINDS
from odeopt.util import check


def parameter_kinds(module: torch.nn.Module, narrow: torch.nn.Module) -> dict[str, str]:
    """{name: kind} of the parameters of a module, from the sides that are larger than in a narrower copy of it.

    hidden: both sides grow; embedding: the output side alone, or a table of embeddings; output: the input side alone;
    vector: one side or none.  `narrow` has the same parameters by name; weights are (out, in, ...), as torch has them.

    >>> net = lambda n: torch.nn.Sequential(torch.nn.Linear(4, n), torch.nn.Linear(n, n), torch.nn.Linear(n, 2))
    >>> kinds = parameter_kinds(net(64), net(8))
    >>> kinds["0.weight"], kinds["1.weight"], kinds["2.weight"], kinds["2.bias"]
    ('embedding', 'hidden', 'output', 'vector')
    """
    for name, value in (("module", module), ("narrow", narrow)):
        check.instance(name, value, torch.nn.Module, "a torch.nn.Module")
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    smaller = {name: tuple(p.shape) for name, p in narrow.named_parameters()}
    if list(shapes) != list(smaller):
        odd = sorted(set(shapes) ^ set(smaller))
        raise ValueError(f"narrow must have the parameters of module, got others: {', '.join(odd[:5])}")
    tables = {id(each.weight) for each in module.modules() if isinstance(each, torch.nn.Embedding)}
    return {
        name: "embedding" if id(p) in tables else _kind(name, shapes[name], smaller[name])
        for name, p in module.named_parameters()
    }


def parameter_groups(module: torch.nn.Module, narrow: torch.nn.Module, found: Transfer) -> list[dict[str, Any]]:
    """[{"params": ..., "lr": ..., "weight_decay": ..., "name": kind}]: for `to_torch`, or an optimizer of torch.

    found: a transfer whose groups are named by their kinds, as they are by default

    >>> import odeopt as oo
    >>> from odeopt.frameworks.torch import to_torch
    >>> net = lambda n: torch.nn.Sequential(torch.nn.Linear(4, n), torch.nn.Linear(n, n), torch.nn.Linear(n, 2))
    >>> found, wide = oo.transfer(oo.optimizers.adam(lr=0.01), width=(8, 64)), net(64)
    >>> groups = parameter_groups(wide, net(8), found)
    >>> [(group["name"], group["lr"]) for group in groups]
    [('hidden', 0.00125), ('vector', 0.01), ('embedding', 0.01), ('output', 0.00125)]
    >>> optimizer = to_torch(found.optimizers["vector"], groups)
    """
    check.instance("found", found, Transfer, "what odeopt.transfer returns")
    kinds, parameters = parameter_kinds(module, narrow), dict(module.named_parameters())
    groups = []
    for kind in KINDS:
        members = [parameters[name] for name, of in kinds.items() if of == kind]
        if not members:
            continue
        if kind not in found.optimizers:
            raise ValueError(f"found must have a group {kind}, which module has, got {', '.join(found.optimizers)}")
        opt = found.optimizers[kind]
        decay = weight_decay(opt)
        own = {} if decay is None else {"weight_decay": float(decay)}
        groups.append({"params": members, "lr": float(opt.lr), **own, "name": kind})
    return groups


def _kind(name: str, shape: tuple[int, ...], smaller: tuple[int, ...]) -> str:
    if len(shape) != len(smaller):
        raise ValueError(f"narrow must have {name} with as many sides, got {smaller} for {shape}")
    if len(shape) < 2:
        return "vector"
    grows = shape[0] != smaller[0], shape[1] != smaller[1]
    return {(True, True): "hidden", (True, False): "embedding", (False, True): "output"}.get(grows, "vector")
