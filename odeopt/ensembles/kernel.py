"""The source of a kernel that takes the steps of many members, draws their normals and sums their moments.

The innermost loop runs over members, in pieces that fit in the first cache.  For each piece the kernel draws the
normals of two steps, takes these steps, and counts.  Every normal has an address, so that the members may be cut into
pieces and threads anywhere.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from odeopt.compiler.codegen.statements import block, indented, name_of, names_of, step_lines, time_lines
from odeopt.compiler.program import Program
from odeopt.ensembles.kernel_helpers import HELPERS
from odeopt.ensembles.random import box_muller, threefry

CACHE = 4096  # numbers that fit in the first cache
LEAST, MOST = 64, 512  # the fewest and the most members in a piece


@dataclass(frozen=True)
class Layout:
    """The rows of a piece: the state, the normals of two steps, the time of arrival, and the observables."""

    program: Program
    target: bool

    @property
    def states(self) -> list[str]:
        """The names of the entries of the state."""
        return [name_of(node) for nodes in self.program.state for node in nodes]

    @property
    def counted(self) -> tuple[Any, ...]:
        """The observables and the loss: what the program sees without the target."""
        return self.program.seen[: len(self.program.seen) - self.target]

    @property
    def arrival(self) -> int:
        """The index of the row of arrival times, behind the normals."""
        return len(self.states) + 2 * len(self.program.xi)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.arrival + self.target + len(self.counted)

    @property
    def size(self) -> int:
        """The number of members in a piece."""
        return int(min(MOST, max(LEAST, 2 ** int(np.log2(CACHE / self.rows)))))

    def rename(self, name: str) -> str:
        """The spelling of an input in the kernel.  The normals of an even step precede those of an odd step."""
        if name in self.states:
            return f"z[{self.states.index(name)}, i]"
        drawn = [name_of(node) for node in self.program.xi]
        return f"z[now + {drawn.index(name)}, i]" if name in drawn else name


@lru_cache(maxsize=64)
def ensemble_source(layout: Layout) -> str:
    """The source of loop(first, last, n, every, start, h, y, c, key, arrived, count, mean, spread).

    The loop takes the members first, ..., last - 1 of the rows y through n times `every` steps from step `start` on.
    After each `every` steps it adds them to count, mean and spread, which must be zero.  n = 0 takes `every` steps
    without counting.  The loop returns how often a guard was true.
    """
    each, moved = "for i in range(size):", [(f"z[{row}, i]", f"y[{row}, b + i]") for row in range(len(layout.states))]
    if layout.target:
        moved.append((f"z[{layout.arrival}, i]", "arrived[b + i]"))
    lines = [
        "def loop(first, last, n, every, start, h, y, c, key, arrived, count, mean, spread):",
        *indented(["met = 0", f"z = empty(({layout.rows}, {layout.size}))"]),
        *indented([f"c{i} = c[{i}]" for i in range(len(layout.program.constants))]),
        f"    for b in range(first, last, {layout.size}):",
        f"        size, k = min({layout.size}, last - b), start",
        *indented([each, *indented([f"{inside} = {outside}" for inside, outside in moved])], 2),
        "        for r in range(max(n, 1)):",
        "            for _ in range(every):",
        *indented(_step(layout), 4),
        "            if n > 0:",
        *indented(_count(layout), 4),
        *indented([each, *indented([f"{outside} = {inside}" for inside, outside in moved])], 2),
        "    return met",
    ]
    return "\n".join([*lines, _drawing()])


@lru_cache(maxsize=1)
def fill_source() -> str:
    """The source of loop(z, first, pair, key), which draws the normals for the step itself."""
    return f"""def loop(z, first, pair, key):
    draw(z, 0, len(z) // 2, first, z.shape[1], pair, key)

{_drawing()}"""


def _step(layout: Layout) -> list[str]:
    program, first, width = layout.program, len(layout.states), len(layout.program.xi)
    lines = []
    if width:
        lines = [
            f"if k % 2 == 0 or k == start: draw(z, {first}, {width}, b, size, k // 2, key)",
            f"now = {first} + {width} * (k % 2)",
        ]
    lines += [*time_lines(program)[:1], "for i in range(size):"]
    lines += [*indented(step_lines(program, layout.rename, leave="met += 1")), "k += 1"]
    if layout.target:
        row = f"z[{layout.arrival}, i]"
        reached = _seen(layout, program.seen[-1:], ["reached"])
        lines += ["t = k * h", "for i in range(size):"]
        lines += indented([*reached, f"{row} = t if reached and {row} != {row} else {row}"])
    return lines


def _count(layout: Layout) -> list[str]:
    if not layout.counted:
        return ["pass"]
    first, k = layout.arrival + layout.target, len(layout.counted)
    seen = _seen(layout, layout.counted, [f"z[{first + o}, i]" for o in range(k)])
    moments = f"tally(z, {first}, {k}, size, count[r], mean[r], spread[r])"
    return ["t = k * h", "for i in range(size):", *indented(seen), moments]


def _seen(layout: Layout, nodes: tuple[Any, ...], targets: list[str]) -> list[str]:
    names = {index: layout.rename(name) for index, name in names_of(layout.program).items()}
    lines, spelled = block(list(nodes), names)
    return [*lines, *(f"{target} = {spelled(node)}" for target, node in zip(targets, nodes, strict=True))]


@lru_cache(maxsize=1)
def _drawing() -> str:
    """The source of the random numbers, taken from their modules: it is compiled, and part of the kernel's name."""
    modules = (threefry, box_muller)
    numbers = [(name, x) for m in modules for name, x in vars(m).items() if isinstance(x, float | np.integer)]
    functions = [inspect.getsource(f).rstrip() for m in modules for f in _own(m)]
    return "\n".join([HELPERS, *(f"{name} = {x!r}" for name, x in numbers), *(f"\n\n@inlined\n{f}" for f in functions)])


def _own(module: ModuleType) -> list[Any]:
    return [f for f in vars(module).values() if inspect.isfunction(f) and f.__module__ == module.__name__]
