"""The text of Numba kernels: for one path, for blocks of members, and for a pass over coordinates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from odeopt.compiler.codegen.statements import block, indented, name_of, names_of, step_lines, time_lines
from odeopt.compiler.program import Program

BLOCK = 64  # members whose state fits in the processor's first cache


@lru_cache(maxsize=256)
def path_source(program: Program, strided: bool, loss: bool) -> str:
    """loop(n, every, k, rows, losses, times, h, y, c): n rows, or fewer if a guard is true; y ends as the state."""
    state = [name_of(node) for nodes in program.state for node in nodes]
    recorded = [node for nodes in _recorded(program) for node in nodes]
    step = [*time_lines(program), *step_lines(program)]
    record = [f"rows[{node.source.slot}][r, {node.source.index}] = {name_of(node)}" for node in recorded]
    body = [
        "times[r] = (first + (r + 1) * every) * h",
        *(["for _ in range(every):", *indented(step)] if strided else step),
        *record,
        *(_loss_lines(program, str, "losses[r]") if loss else []),
        *[f"y[{i}] = {name}" for i, name in enumerate(state) if strided],
    ]
    return "\n".join(
        [
            "def loop(n, every, k, rows, losses, times, h, y, c):",
            "    first = k",
            *indented([f"{name} = y[{i}]" for i, name in enumerate(state)]),
            *indented([f"c{i} = c[{i}]" for i in range(len(program.constants))]),
            "    for r in range(n):",
            *indented(indented(body)),
            *indented([f"y[{i}] = {name}" for i, name in enumerate(state) if not strided]),
            "    return n",
        ]
    )


@lru_cache(maxsize=256)
def members_source(program: Program, own: tuple[bool, ...], loss: bool) -> str:
    """loop(first, last, n, every, start, rows, losses, y, c, C): n rows of these members; returns the guards met.

    own[i]: whether constant i has one value per member, which is a row of C
    """
    state = [name_of(node) for nodes in program.state for node in nodes]
    split = [(name_of(node), node.source.slot, node.source.index) for nodes in program.state for node in nodes]
    recorded = split[: sum(map(len, _recorded(program)))]
    mine = {f"c{i}" for i, is_own in enumerate(own) if is_own} | set(state)
    rename = lambda name: f"{name}[i]" if name in mine else name
    time = time_lines(program, rename)
    step = step_lines(program, rename, leave="met += 1")
    record = [f"rows[{v}][r, b + i, {i}] = {name}[i]" for name, v, i in recorded]
    losses = _loss_lines(program, rename, "losses[r, b + i]") if loss else []
    each = "for i in range(size):"
    return "\n".join(
        [
            "def loop(first, last, n, every, start, rows, losses, y, c, C):",
            "    met = 0",
            *indented([f"{name} = empty({BLOCK})" for name in state]),
            *indented([f"c{i} = c[{i}]" for i, is_own in enumerate(own) if not is_own]),
            f"    for b in range(first, last, {BLOCK}):",
            f"        size, k = min({BLOCK}, last - b), start",
            *indented(indented([f"c{i} = C[{row}, b:b + size]" for row, i in enumerate(np.flatnonzero(own))])),
            *indented(indented([each, *indented([f"{name}[i] = y[{v}][b + i, {i}]" for name, v, i in split])])),
            "        for r in range(n):",
            "            for _ in range(every):",
            *indented(indented(indented(indented([each, *indented([*time[:1], *step]), *time[1:]])))),
            *indented(indented(indented([each, *indented([*record, *losses])]))),
            *indented(indented([each, *indented([f"y[{v}][b + i, {i}] = {name}[i]" for name, v, i in split])])),
            "    return met",
        ]
    )  # fmt: skip


@lru_cache(maxsize=256)
def coordinates_source(program: Program) -> str:
    """loop(n, y, c): one step of n coordinates, in place."""
    state = [name_of(node) for nodes in program.state for node in nodes]
    step = step_lines(program, lambda name: f"{name}[i]" if name in state else name)
    return "\n".join(
        [
            "def loop(n, y, c):",
            *indented([f"{name} = y[{v}]" for v, name in enumerate(state)]),
            *indented([f"c{i} = c[{i}]" for i in range(len(program.constants))]),
            "    for i in range(n):",
            *indented(indented(step)),
            "    return n",
        ]
    )


def _recorded(program: Program) -> tuple[Any, ...]:
    """The state without a carried gradient."""
    return program.state[:-1] if program.carried else program.state


def _loss_lines(program: Program, rename: Callable[[str], str], target: str) -> list[str]:
    names = {index: rename(name) for index, name in names_of(program).items()}
    lines, spelled = block([program.loss], names)
    return [*lines, f"{target} = {spelled(program.loss)}"]
