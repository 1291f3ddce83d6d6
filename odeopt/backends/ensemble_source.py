"""The program of a noisy step as a kernel on many members, with their normals and their moments made in it.

Members are innermost, in pieces that stay in the first cache: first the normals of two steps, then these steps, then
what is counted.  Every normal has an address, so that pieces and threads may be cut anywhere.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from odeopt.backends.nodes import Node
from odeopt.backends.program import Program
from odeopt.backends.source import block, names_of, step_lines, time_lines
from odeopt.noise import box_muller, threefry

CACHE = 4096  # numbers that fit in the first cache
LEAST, MOST = 64, 512  # members of a piece

HELPERS = '''
from typing import Any
import numpy as np

inlined = njit(error_model="numpy", fastmath={"contract"}, forceinline=True)


@njit(error_model="numpy", fastmath={"contract"})
def draw(z, first, width, member, size, pair, key):
    """Rows of z from `first` on: the normals of the step 2 pair, `width` of them, and of 2 pair + 1."""
    k0, k1 = key
    words = z.view(np.uint64)
    for q in range(width):
        a, b, place = first + q, first + width + q, np.uint64(pair * width + q)
        for i in range(size):
            words[a, i], words[b, i] = threefry(np.uint64(member + i), place, k0, k1)
        for i in range(size):
            z[a, i], z[b, i] = normal_pair(words[a, i], words[b, i])


@njit(error_model="numpy", fastmath={"contract", "reassoc"})
def tally(z, first, k, size, count, mean, spread):
    """`odeopt.ensemble.statistics.Tally.of` the k rows from `first` on, which it overwrites."""
    total = 0.0
    for a in range(first, first + k):
        for i in range(size):
            total += z[a, i]
    if not np.isfinite(total):
        size = finite_first(z, first, k, size)
    count[0] = size
    for a in range(k):
        total = 0.0
        for i in range(size):
            total += z[first + a, i]
        mean[a] = total / max(size, 1)
        for i in range(size):
            z[first + a, i] -= mean[a]
        for b in range(a + 1):
            total = 0.0
            for i in range(size):
                total += z[first + a, i] * z[first + b, i]
            spread[a, b] = spread[b, a] = total


@njit
def finite_first(z, first, k, size):
    """Moves the members whose k numbers are all finite to the front, and counts them."""
    n = 0
    for i in range(size):
        alive = True
        for a in range(first, first + k):
            alive = alive and np.isfinite(z[a, i])
        if alive:
            for a in range(first, first + k):
                z[a, n] = z[a, i]
            n += 1
    return n
'''


def piece(program: Program, target: bool) -> int:
    """How many members at a time."""
    rows = sum(map(len, program.state)) + 2 * len(program.xi) + len(program.seen) + target
    return int(min(MOST, max(LEAST, 2 ** int(np.log2(CACHE / rows)))))


@lru_cache(maxsize=64)
def ensemble_source(program: Program, target: bool) -> str:
    """loop(first, last, n, every, start, h, y, c, key, arrived, count, mean, spread) -> the number of guards met.

    target: the last of what the program sees is whether the member is there: `arrived` then is when it first was.
    """
    state = [node.args[0] for nodes in program.state for node in nodes]
    S, W, size = len(state), len(program.xi), piece(program, target)
    seen = program.seen[: len(program.seen) - target]
    rows = {name: f"z[{row}, i]" for row, name in enumerate(state)}
    rows |= {node.args[0]: f"z[now + {row}, i]" for row, node in enumerate(program.xi)}
    arrival, first = f"z[{S + 2 * W}, i]", S + 2 * W + target
    rename = lambda name: rows.get(name, name)
    each = "for i in range(size):"
    time = time_lines(program)
    step = [*time[:1], each, *_in(step_lines(program, rename, leave="met += 1"))]
    ahead = ["k += 1"]
    if W:
        step = [f"if k % 2 == 0 or k == start: draw(z, {S}, {W}, b, size, k // 2, key)", f"now = {S} + {W} * (k % 2)", *step]
    if target:
        arrive = [*_seen(program, program.seen[-1:], rename, ["reached"]), f"{arrival} = t if reached and {arrival} != {arrival} else {arrival}"]
        ahead += ["t = k * h", each, *_in(arrive)]
    counted = [
        "t = k * h", each, *_in(_seen(program, seen, rename, [f"z[{first + o}, i]" for o in range(len(seen))])),
        f"tally(z, {first}, {len(seen)}, size, count[r, g], mean[r, g], spread[r, g])",
    ] if seen else ["pass"]  # fmt: skip
    load = [*(f"{rows[name]} = y[{row}, b + i]" for row, name in enumerate(state)), *([f"{arrival} = arrived[b + i]"] if target else [])]
    save = [*(f"y[{row}, b + i] = {rows[name]}" for row, name in enumerate(state)), *([f"arrived[b + i] = {arrival}"] if target else [])]
    lines = [
        "def loop(first, last, n, every, start, h, y, c, key, arrived, count, mean, spread):",
        *_in(["met = 0", f"z = empty(({first + len(seen)}, {size}))"]),
        *_in([f"c{i} = c[{i}]" for i in range(len(program.constants))]),
        f"    for b in range(first, last, {size}):",
        *_in(_in([f"size, k, g = min({size}, last - b), start, (b - first) // {size}", each, *_in(load)])),
        "        for r in range(max(n, 1)):",
        "            for _ in range(every):",
        *_in(_in(_in(_in([*step, *ahead])))),
        *_in(_in(_in(["if n > 0:", *_in(counted)]))),
        *_in(_in([each, *_in(save)])),
        "    return met",
    ]
    return "\n".join([*lines, _drawing()])


def _seen(program: Program, nodes: tuple[Any, ...], rename: Any, targets: list[str]) -> list[str]:
    names = {index: rename(name) for index, name in names_of(program).items()}
    lines, spelled = block(list(nodes), names)
    return [*lines, *(f"{target} = {spelled(node) if isinstance(node, Node) else repr(node)}" for target, node in zip(targets, nodes, strict=True))]


@lru_cache(maxsize=1)
def _drawing() -> str:
    """The source of the normals as it stands in `odeopt.noise`, for the compiler and for the name of the kernel."""
    modules = (threefry, box_muller)
    numbers = [(name, x) for m in modules for name, x in vars(m).items() if isinstance(x, float | np.integer)]
    functions = [inspect.getsource(f).rstrip() for m in modules for f in _own(m)]
    return "\n".join([HELPERS, *(f"{name} = {x!r}" for name, x in numbers), *(f"\n\n@inlined\n{f}" for f in functions)])


def _own(module: ModuleType) -> list[Any]:
    return [f for f in vars(module).values() if inspect.isfunction(f) and f.__module__ == module.__name__]


def _in(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
