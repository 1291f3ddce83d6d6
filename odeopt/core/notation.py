r"""Formulas as text and as LaTeX: two renderers of the graph that `odeopt.core.symbols` records.

A part of a formula that is read several times is one node of the graph, and is written once for each reading.  Loops
that read their variable twice would so become formulas of 2^n operations.  Where a formula would be longer than
LONGEST, its repeated parts get names, which are written once; a graph of more than LARGEST nodes is not printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Protocol

from odeopt.core.operations import OPERATIONS

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a formula binds, loosest first
LONGEST = 200  # operations that a formula without named parts may have
SHORTEST = 4  # operations of a repeated part that gets a name
LARGEST = 1000  # nodes of a formula that is printed


@dataclass(frozen=True)
class Spelling:
    """How one operation is written, as formats of its arguments.

    binds: how tightly the result binds
    needs: for each argument, how tightly it must bind to stand without brackets; by default no argument needs any
    latex_needs: the same in LaTeX
    """

    text: str
    latex: str
    binds: int = ATOM
    needs: tuple[int, ...] = ()
    latex_needs: tuple[int, ...] | None = None


ADD = Spelling("{} + {}", "{} + {}", SUM)
SUBTRACT = Spelling("{} - {}", "{} - {}", SUM, (SUM, PRODUCT))
MULTIPLY = Spelling("{}*{}", r"{}\,{}", PRODUCT, (PRODUCT, PRODUCT))
DIVIDE = Spelling("{}/{}", r"\frac{{{}}}{{{}}}", PRODUCT, (PRODUCT, POWER), ())
RAISE = Spelling("{}^{}", "{}^{{{}}}", POWER, (ATOM, ATOM), (ATOM,))
NEGATE = Spelling("-{}", "-{}", PRODUCT, (PRODUCT,))
BRACKETS = Spelling("({})", r"\left({}\right)", PRODUCT)
DOT = Spelling("{}'", r"\dot{{{}}}")
TOTAL = Spelling("sum({})", r"\sum {}", PRODUCT, (), (PRODUCT,))
WHERE_POSITIVE = Spelling("({1} if {0} > 0 else {2})", r"\begin{{cases}} {1} & {0} > 0 \\ {2} \end{{cases}}")


@cache
def norm_over(part: str) -> Spelling:
    """The norm over all coordinates, or over those of each part, e.g. layer."""
    return Spelling(f"||{{}}||_{part}", rf"\lVert {{}} \rVert_{{{{\mathrm{{{{{part}}}}}}}}}") if part else _NORM


_NORM = Spelling("||{}||", r"\lVert {} \rVert")


@cache
def call(arguments: int) -> Spelling:
    """f(a, b, ...): a symbol applied to others."""
    inside = _list(arguments)
    return Spelling(f"{{}}({inside})", f"{{}}({inside})")


@cache
def function(name: str, arguments: int) -> Spelling:
    """name(a, b, ...), in the notation of its row if it is an elementary operation."""
    row, inside = OPERATIONS.get(name), _list(arguments)
    text, latex = (row.text, row.latex) if row else ("", "")
    return Spelling(
        text.replace("{}", inside) or f"{name}({inside})",
        latex.replace("{}", inside) or rf"\operatorname{{{{{name}}}}}({inside})",
    )


def _list(arguments: int) -> str:
    return ", ".join(["{}"] * arguments)


class Node(Protocol):
    """An operation on nodes that were made before it, or an atom, which has no arguments.

    index: larger than those of its arguments
    size:  the number of operations if every repeated part is written out
    """

    @property
    def spelling(self) -> Spelling: ...
    @property
    def args(self) -> Sequence[Node]: ...
    @property
    def index(self) -> int: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True)
class Written:
    """Formulas as text and LaTeX, and the named parts (name, formula) that they share."""

    formulas: list[tuple[str, str]]
    parts: list[tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=list)


def written(formulas: Sequence[Node]) -> Written:
    """The formulas in both notations; repeated parts get names if a formula is too long without."""
    short = [node for node in formulas if len(reachable([node])) <= LARGEST]
    nodes = reachable(short)
    named = _repeated(nodes) if any(node.size > LONGEST for node in short) else []
    names = dict(zip([node.index for node in named], _names(nodes), strict=False))
    known: dict[int, tuple[str, str]] = {}
    for node in nodes:
        inside = [(names[a.index], ATOM) if a.index in names else (known[a.index], a.spelling.binds) for a in node.args]
        known[node.index] = _one(node.spelling, inside)
    parts = [(names[node.index], known[node.index]) for node in named]
    return Written([known.get(node.index) or _refused(node) for node in formulas], parts)


def reachable(formulas: Iterable[Node]) -> list[Node]:
    """The nodes of these formulas; the arguments of a node come before it."""
    found: dict[int, Node] = {}
    waiting = list(formulas)
    while waiting:
        node = waiting.pop()
        if node.index not in found:
            found[node.index] = node
            waiting.extend(node.args)
    return [found[index] for index in sorted(found)]


def _one(spelling: Spelling, inside: list[tuple[tuple[str, str], int]]) -> tuple[str, str]:
    """The operation on arguments ((text, LaTeX), how tightly they bind)."""
    if not inside:
        return spelling.text, spelling.latex
    latex_needs = spelling.needs if spelling.latex_needs is None else spelling.latex_needs
    bind = [binds for _, binds in inside]
    texts = _bracketed(BRACKETS.text, [text for (text, _), _ in inside], bind, spelling.needs)
    latexes = _bracketed(BRACKETS.latex, [latex for (_, latex), _ in inside], bind, latex_needs)
    if spelling is ADD and texts[1].startswith("-"):  # a + (-b) reads a - b
        return f"{texts[0]} - {texts[1][1:]}", f"{latexes[0]} - {latexes[1][1:]}"
    return spelling.text.format(*texts), spelling.latex.format(*latexes)


def _bracketed(brackets: str, formulas: list[str], binds: list[int], needs: tuple[int, ...]) -> list[str]:
    """The formulas, with brackets around those that bind less tightly than needed."""
    every = (*needs, *(SUM for _ in formulas))
    return [u if b >= need else brackets.format(u) for u, b, need in zip(formulas, binds, every, strict=False)]


def _repeated(nodes: Sequence[Node]) -> list[Node]:
    """The parts that get names: those that are read several times and are not short once their own parts have names."""
    reads = Counter(a.index for node in nodes for a in node.args)
    size: dict[int, int] = {}
    named = []
    for node in nodes:
        size[node.index] = sum(size[a.index] for a in node.args) + bool(node.args)
        if reads[node.index] > 1 and size[node.index] >= SHORTEST:
            named.append(node)
            size[node.index] = 0
    return named


def _names(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """s1, s2, ... without those that are taken."""
    taken = {node.spelling.text for node in nodes if not node.args}
    return ((f"s{i}", f"s_{{{i}}}") for i in count(1) if f"s{i}" not in taken)


def _refused(node: Node) -> tuple[str, str]:
    """f(atoms), with the number of operations, for a formula that is too long."""
    nodes = reachable([node])
    atoms = [u.spelling for u in nodes if not u.args and not u.spelling.text.lstrip("-")[:1].isdigit()]
    number = sum(bool(u.args) for u in nodes)
    text, latex = (", ".join(found) for found in zip(*((u.text, u.latex) for u in atoms), strict=True))
    return f"f({text}) of {number} operations", rf"f({latex})\text{{ of {number} operations}}"
