"""A program as the statements of a loop, in text: Python's, for floats, which Numba compiles as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from odeopt.compiler.ir import Node, needed
from odeopt.compiler.step_program import Program

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "less_equal": "<=", "greater": ">",
    "greater_equal": ">=", "equal": "==", "not_equal": "!=", "logical_and": "and", "logical_or": "or",
}  # fmt: skip
SHORT = {"state": "y", "gradient": "g", "normal": "x", "constant": "c"}
PREFIX = {"negative": "-", "logical_not": "not "}
DEEPEST = 50  # operations inside one another in an expression: Python's parser takes 200 parentheses


def written(op: str, args: list[str]) -> str:
    """One operation."""
    if op in INFIX:
        return f"({args[0]} {INFIX[op]} {args[1]})"
    if op in PREFIX:
        return f"({PREFIX[op]}{args[0]})"
    if op == "entry":
        return f"{args[0]}[{args[1]}]"
    if op == "where":
        return f"({args[1]} if {args[0]} else {args[2]})"
    return f"{op}({', '.join(args)})"


def name_of(node: Node) -> str:
    """An input's name in generated code.

    y0_1 is the entry 1 of the variable 0, x0_1 the normal 1 of the row 0, c2_0 the constant 2 of a right-hand side, t
    the time.
    """
    source = node.source
    return "t" if source.kind == "time" else f"{SHORT[source.kind]}{source.slot}_{source.index}"


def names_of(program: Program) -> dict[int, str]:
    """The names of a program's inputs, and of its constants: c2."""
    names = {node.index: f"c{i}" for i, node in enumerate(program.constants)}
    names |= {node.index: name_of(node) for nodes in (*program.state, program.xi) for node in nodes}
    return names


def time_lines(program: Program, rename: Callable[[str], str] = str) -> list[str]:
    """t = k h and k + 1, where a step reads the time."""
    if not program.reads_time:
        return []
    return [f"t = k * {rename(names_of(program)[program.h.index])}", "k += 1"]


def step_lines(program: Program, rename: Callable[[str], str] = str, leave: str = "return r") -> list[str]:
    """The statements of one step: `leave` where a guard is true, then the state is replaced."""
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
    """Assignments of what is used more than once, and how to spell each node after them.

    A choice is assigned, too, as Numba compiles no long tuple that has one inside; and so is what is `DEEPEST` deep.
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
    """The lines so many levels further in."""
    return ["    " * depth + line for line in lines]
