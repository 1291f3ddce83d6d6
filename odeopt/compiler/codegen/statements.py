"""The statements of a step as Python text, which runs on floats and which Numba compiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from odeopt.compiler.ir import Node, needed
from odeopt.compiler.program import Program
from odeopt.core.operations import OPERATIONS

SHORT = {"state": "y", "gradient": "g", "normal": "x", "constant": "c"}
DEEPEST = 50  # operations inside one another in an expression: Python's parser takes 200 parentheses


def written(op: str, args: list[str]) -> str:
    """The text of an operation on arguments with these texts."""
    if op == "entry":
        return f"{args[0]}[{args[1]}]"
    return f"call({', '.join(args)})" if op == "call" else OPERATIONS[op].written(*args)


def name_of(node: Node) -> str:
    """The name of an input in generated code.

    y0_1 is entry 1 of variable 0, x0_1 is normal 1 of row 0, c2_0 is constant 2 of a right-hand side, t is the time.
    """
    source = node.source
    return "t" if source.kind == "time" else f"{SHORT[source.kind]}{source.slot}_{source.index}"


def names_of(program: Program) -> dict[int, str]:
    """The names of a program's inputs and constants (c2), by the index of the node."""
    names = {node.index: f"c{i}" for i, node in enumerate(program.constants)}
    names |= {node.index: name_of(node) for nodes in (*program.state, program.xi) for node in nodes}
    return names


def time_lines(program: Program, rename: Callable[[str], str] = str) -> list[str]:
    """The statements t = k h and k += 1, if a step reads the time."""
    if not program.reads_time:
        return []
    return [f"t = k * {rename(names_of(program)[program.h.index])}", "k += 1"]


def step_lines(program: Program, rename: Callable[[str], str] = str, leave: str = "return r") -> list[str]:
    """The statements of one step: the operations, `leave` if a guard is true, and the assignment of the new state."""
    names = {index: rename(name) for index, name in names_of(program).items()}
    targets = [names[node.index] for nodes in program.state for node in nodes]
    outputs = [node for nodes in program.outputs for node in nodes]
    lines, spelled = block(program.results, names)
    guards = [f"if {spelled(guard)}: {leave}" for guard in program.guards]
    moved = [(target, spelled(node)) for target, node in zip(targets, outputs, strict=True)]
    moved = [(target, value) for target, value in moved if target != value]
    new = [f"{', '.join(target for target, _ in moved)} = {', '.join(value for _, value in moved)}"] if moved else []
    return [*lines, *guards, *new]


def block(results: list[Any], names: dict[int, str]) -> tuple[list[str], Callable[[Any], str]]:
    """Assignments of the nodes that are used more than once, and a function that gives the text of any node after them.

    Choices are assigned as well, because Numba cannot compile a long tuple that contains one, and so is every
    expression that is `DEEPEST` operations deep.
    """
    names = dict(names)
    order = [node for node in needed(results) if node.varies and node.op != "input"]
    uses = Counter(a.index for node in order for a in node.args if isinstance(a, Node))
    uses.update(node.index for node in results if isinstance(node, Node))

    def spelled(value: Any) -> str:
        if not isinstance(value, Node):
            return repr(value) if value >= 0 else f"({value!r})"
        if value.index in names:
            return names[value.index]
        if value.op == "input":
            return name_of(value)
        return written(value.op, [spelled(a) for a in value.args])

    lines, depth = [], dict[int, int]()
    for node in order:
        deep = depth[node.index] = 1 + max((depth.get(a.index, 0) for a in node.args if isinstance(a, Node)), default=0)
        if uses[node.index] > 1 or node.op in ("call", "where") or deep == DEEPEST:
            depth[node.index] = 0
            line = f"u{node.index} = {spelled(node)}"
            names[node.index] = f"u{node.index}"
            lines.append(line)
    return lines, spelled


def indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    """The lines, indented by `depth` levels."""
    return ["    " * depth + line for line in lines]
