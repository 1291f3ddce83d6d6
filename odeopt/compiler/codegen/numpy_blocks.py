"""A program on many members in NumPy: blocks that fit in the cache, and no new arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.compiler.codegen.statements import name_of, names_of, time_lines
from odeopt.compiler.ir import Node, Untraceable
from odeopt.compiler.program import Program, varying
from odeopt.core.operations import NUMPY, TRUTH

BLOCK = 32768  # members: calls are cheap per member, and the block fits in the cache


@lru_cache(maxsize=64)
def compiled(program: Program) -> tuple[Callable[..., Any], int, int]:
    """loop(n, every, k, into, room, truth, state..., constants...), and the numbers of its work arrays.

    The loop makes n times `every` steps and returns the state, or None if a guard is true.  `into` has n rows for each
    recorded entry of the state, `room` and `truth` are the work arrays of numbers and of truth values.  If the step has
    noise, the last argument is draw(), which returns an array of each normal.
    """
    state = [name_of(node) for nodes in program.state for node in nodes]
    lines, numbers, truths = _step(program)
    arguments = [*state, *(f"c{i}" for i in range(len(program.constants))), *(["draw"] if program.xi else [])]
    drawn = [f"{', '.join(name_of(node) for node in program.xi)}, = draw()"] if program.xi else []
    text = "\n".join(
        [
            f"def loop(n, every, k, into, room, truth, {', '.join(arguments)}):",
            *_arrays(numbers, truths),
            "    for r in range(n):",
            "        for _ in range(every):",
            *[f"            {line}" for line in [*drawn, *time_lines(program), *lines]],
            f"        for rows, u in zip(into, ({', '.join(state)},)): copyto(rows[r], u)",
            f"    return {', '.join(state)},",
        ]
    )  # fmt: skip
    return _function("loop", text), numbers, truths


@lru_cache(maxsize=64)
def moving(program: Program) -> tuple[Callable[..., None], int, int]:
    """move(room, truth, state..., constants...), one step in place; and the numbers of its work arrays."""
    names, state = names_of(program), list(chain(*program.state))
    ends = [(old, new) for old, new in zip(state, chain(*program.outputs), strict=True) if old is not new]
    if any(new is old for _, new in ends for old, _ in ends):
        raise Untraceable("it exchanges variables")
    homes = {new.index: old for old, new in ends if isinstance(new, Node)}
    lines, numbers, truths = _calls(program.body, [new for _, new in ends], program.guards, names, homes)
    spelled = [(name_of(old), names[new.index] if isinstance(new, Node) else repr(new)) for old, new in ends]
    copies = [f"copyto({old}, {new})" for old, new in spelled if old != new]
    arguments = [*(name_of(node) for node in state), *(f"c{i}" for i in range(len(program.constants)))]
    body = [*_arrays(numbers, truths), *[f"    {line}" for line in [*lines, *copies]], "    return"]
    text = "\n".join([f"def move(room, truth, {', '.join(arguments)}):", *body])
    return _function("move", text), numbers, truths


@lru_cache(maxsize=64)
def looking(program: Program) -> tuple[Callable[..., tuple[Any, ...]], int, int]:
    """look(room, truth, t, state...), which returns `seen` of the program; and the numbers of its work arrays."""
    state = [name_of(node) for nodes in program.state for node in nodes]
    return evaluation(["t", *state], program.seen, names_of(program))


def evaluation(
    arguments: Sequence[str], results: Sequence[Any], names: dict[int, str]
) -> tuple[Callable[..., tuple[Any, ...]], int, int]:
    """look(room, truth, arguments...), which returns the results; and the numbers of its work arrays."""
    lines, numbers, truths = _calls(varying(results), results, (), names)
    found = [_spelled(x, names) for x in results]
    head = f"def look(room, truth, {', '.join(arguments)}):"
    body = [*_arrays(numbers, truths), *[f"    {line}" for line in lines], f"    return {', '.join(found)},"]
    return _function("look", "\n".join([head, *body])), numbers, truths


def _spelled(x: Any, names: Mapping[int, str]) -> str:
    if not isinstance(x, Node):
        return repr(x)
    return names[x.index] if x.index in names else name_of(x)


def _arrays(numbers: int, truths: int) -> list[str]:
    return [*(f"    b{i} = room[{i}]" for i in range(numbers)), *(f"    q{i} = truth[{i}]" for i in range(truths))]


def _function(name: str, text: str) -> Callable[..., Any]:
    room: dict[str, Any] = {**NUMPY, "copyto": np.copyto, "nan": np.nan, "inf": np.inf}
    exec(compile(text, f"<{name} on blocks>", "exec"), room)
    return room[name]


def _step(program: Program) -> tuple[list[str], int, int]:
    """The statements of a step, which end with the new state in the place of the old."""
    names, outputs = names_of(program), [node for nodes in program.outputs for node in nodes]
    lines, numbers, truths = _calls(program.body, outputs, program.guards, names)
    return [*lines, *_moves(program, outputs, names)], numbers, truths


def _calls(
    body: Sequence[Node],
    outputs: Sequence[Any],
    guarded: Sequence[Node],
    names: dict[int, str],
    homes: Mapping[int, Node] = MappingProxyType({}),
) -> tuple[list[str], int, int]:
    """Calls of NumPy with out=, and the numbers of work arrays.  The targets are added to `names`.

    A result keeps its work array until its last use.
    homes: by the index of a result, the input whose array takes it once the input is no longer needed
    """
    kept = {node.index for node in outputs if isinstance(node, Node)}
    last = {a.index: i for i, node in enumerate(body) for a in node.args if isinstance(a, Node)}
    spare: dict[str, list[str]] = {"b": [], "q": []}
    made = {"b": 0, "q": 0}
    lines, guards = [], {guard.index for guard in guarded}
    spelled = lambda x: _spelled(x, names)
    for i, node in enumerate(body):
        args = [spelled(a) for a in node.args]
        ends = [names[index] for index in dict.fromkeys(a.index for a in node.args if isinstance(a, Node))
                if last[index] == i and index not in kept and names.get(index, "y")[0] in spare]  # fmt: skip
        if node.op != "where":  # a choice writes before it has read all arguments
            _release(ends, spare)
        kind, home = "q" if node.op in TRUTH else "b", homes.get(node.index)
        if home is not None and last.get(home.index, -1) < i + (node.op != "where"):
            spare[kind].append(names[home.index])
        if not spare[kind]:
            spare[kind].append(f"{kind}{made[kind]}")
            made[kind] += 1
        target = names[node.index] = spare[kind].pop()
        if node.op == "where":
            lines += [f"copyto({target}, {args[2]})", f"copyto({target}, {args[1]}, where={args[0]})"]
            _release(ends, spare)
        else:
            out = f"out={target}" if node.op in ("maximum", "minimum") else target  # NumPy takes these only by keyword
            lines.append(f"{node.op}({', '.join([*args, out])})")
        if node.index in guards:
            lines.append(f"if {target}.any(): return")
    return lines, made["b"], made["q"]


def _release(ends: Sequence[str], spare: dict[str, list[str]]) -> None:
    for name in ends:
        spare[name[0]].append(name)


def _moves(program: Program, outputs: Sequence[Any], names: dict[int, str]) -> list[str]:
    """Statements that exchange the names of new and old state, or copy a result that has no array of its own."""
    state = [name_of(node) for nodes in program.state for node in nodes]
    spelled = [names[node.index] if isinstance(node, Node) else repr(node) for node in outputs]
    changed = [(old, new) for old, new in zip(state, spelled, strict=True) if old != new]
    swapped = [(old, new) for old, new in changed if new[0] == "b" and spelled.count(new) == 1]
    if any(new[0] == "y" for _, new in changed):
        raise Untraceable("it exchanges variables")
    copies = [f"copyto({old}, {new})" for old, new in changed if (old, new) not in swapped]
    if not swapped:
        return copies
    olds, news = ", ".join(old for old, _ in swapped), ", ".join(new for _, new in swapped)
    return [*copies, f"{olds}, {news} = {news}, {olds}"]
