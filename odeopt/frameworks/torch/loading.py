"""Checks that a saved state for `load_state_dict` is of the same optimizer on the same parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from odeopt.frameworks.torch.groups import Group, Present
from odeopt.frameworks.torch.state import STEP, History, own_names
from odeopt.optimizers.base import Optimizer


class Placed(NamedTuple):
    """A saved state with its parameter, the parameter's name and its optimizer."""

    name: str
    parameter: Any
    opt: Optimizer
    history: History


def placed(groups: Sequence[Group], present: Present, saved: Mapping[str, Any]) -> Iterator[Placed]:
    """The saved states in the order of the parameters; the saved groups must have as many parameters as `groups`."""
    opts = {id(p): block.opt for p, block in zip(present.parameters, present.blocks, strict=True)}
    for group, other in zip(groups, saved["param_groups"], strict=True):
        names = group.get("param_names") or map(str, other["params"])
        for name, p, key in zip(names, group["params"], other["params"], strict=True):
            if id(p) in opts and saved["state"].get(key):
                yield Placed(name, p, opts[id(p)], saved["state"][key])


def refuse_other(groups: Sequence[Group], present: Present, saved: Mapping[str, Any]) -> None:
    """Raises ValueError, with the parameter, for the state of another optimizer or of other parameters.

    If the number of parameters differs, torch itself raises the error.
    """
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in saved["param_groups"]]:
        return
    for group, other in zip(groups, saved["param_groups"], strict=True):
        for mine, theirs in zip(group.get("param_names", ()), other.get("param_names", ()), strict=False):
            if mine != theirs:
                raise ValueError(f"state must be of parameter {mine!r}, got the state of {theirs!r}")
    known = {key for group in saved["param_groups"] for key in group["params"]}
    if others := [key for key in saved["state"] if key not in known]:
        raise ValueError(f"state must be by parameter, got the keys {', '.join(map(repr, others))}")
    for name, p, opt, history in placed(groups, present, saved):
        needed, found = {STEP, *opt.flow.memory}, own_names(history)
        if needed != found:
            ours, theirs = (", ".join(sorted(names)) for names in (needed, found))
            raise ValueError(f"state must hold {ours}, got {theirs} for parameter {name!r}")
        refuse_shape(f"state must be of parameter {name!r} with shape", p, opt, history)


def refuse_shape(what: str, p: Any, opt: Optimizer, history: History) -> None:
    """Raises ValueError if the memory belongs to a parameter of another shape."""
    for name in opt.flow.memory if history else ():
        whole = name in opt.flow.clocks or name in opt.flow.lengths
        if not whole and history[name].shape != p.shape:
            raise ValueError(f"{what} {tuple(p.shape)}, got {name} of shape {tuple(history[name].shape)}")
