"""y+ = ... exp(h B) exp(h A) y: the parts of a flow, applied one after the other in the order of a word.

"A B" is Lie's splitting and "B A B" Strang's: a part that occurs k times in the word moves by h/k each time.
"B(A)" moves by B, evaluated at the state after a full step of A: Nesterov's look-ahead.
"[A B]" moves by A and by B from the same state (a Jacobi step, used by Lion); "A B" is the Gauss-Seidel analogue.
[Hairer, Lubich and Wanner 2006, II.5]  A part with noise draws fresh noise at each visit: "kick drift friction drift
kick" is BAOAB.  [Leimkuhler and Matthews 2013]
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from odeopt.core import decay as decays
from odeopt.core.decay import Decay
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, column
from odeopt.schemes.base import Memory, Step
from odeopt.schemes.moves import PUSHES, move_of
from odeopt.util import check

Visit = tuple[tuple[str, ...], tuple[str, ...]]  # (parts that move together, parts of their look-ahead)
LETTER = re.compile(r"\[(?P<together>[\w\s]+)\]|(?P<alone>\w+)\s*(?:\((?P<ahead>[\w\s]+)\))?")


def parse(word: str) -> list[Visit]:
    """The visits of a word.

    >>> parse("memory drift(memory)"), parse("[drift memory]")
    ([(('memory',), ()), (('drift',), ('memory',))], [(('drift', 'memory'), ())])
    """
    letters = [] if not isinstance(word, str) else re.findall(r"\[[^][]*\]|\w+\s*(?:\([^()]*\))?|\S", word)
    matches = [LETTER.fullmatch(letter) for letter in letters]
    visits = [(tuple((m["together"] or m["alone"]).split()), tuple((m["ahead"] or "").split())) for m in matches if m]
    if not visits or len(visits) < len(letters):
        raise ValueError(f"word must be part names like 'kick drift', 'drift(kick)' or '[drift kick]', got {word!r}")
    return visits


def _times(visits: list[Visit]) -> Counter[str]:
    """The number of visits to each part."""
    return Counter(name for names, _ in visits for name in names)


@dataclass(frozen=True)
class Splitting:
    """A word over the parts of a flow.

    `decay` is the rule for relaxations, `push` the rule for forces.  "euler" is exact if a force does not depend on its
    own variable.  If it does (RMSprop's drift), a palindromic word needs "midpoint" for order 2.

    >>> Splitting("drift kick friction kick drift", order=2)
    Splitting('drift kick friction kick drift', exact decay, euler push)
    """

    word: str
    decay: Decay = decays.exact
    push: str = "euler"
    order: int = 1

    def __post_init__(self) -> None:
        parse(self.word)
        if not isinstance(self.decay, Decay):
            raise TypeError(f"decay must be a rule of odeopt.decay, e.g. odeopt.decay.exact, got {self.decay!r}")
        check.choice("push", self.push, PUSHES)
        check.count("order", self.order, 1)

    @property
    def name(self) -> str:
        return f"splitting {self.word!r}"

    def __repr__(self) -> str:
        return f"Splitting({self.word!r}, {self.decay} decay, {self.push} push)"

    def bind(self, flow: Flow, grad: Grad) -> Step:
        visits = parse(self.word)
        times = _times(visits)
        for name in [*times, *(inner for _, ahead in visits for inner in ahead)]:
            check.choice(f"part in the word {self.word!r}", name, flow.parts)
        if missing := [name for name in flow.parts if name not in times]:
            raise ValueError(
                f"word must name every part of {flow.name}, got {self.word!r} without {', '.join(missing)}"
            )
        self.normals(flow)
        return self.along(flow, grad, visits)

    def normals(self, flow: Flow) -> int:
        """The number of visits per step to each part with noise."""
        visits = parse(self.word)
        for name in flow.noisy:
            if any(name in ahead for _, ahead in visits):
                raise ValueError(f"word must not look ahead through the noise of {name!r}, got {self.word!r}")
        often = {_times(visits)[name] for name in flow.noisy}
        if len(often) > 1:
            raise ValueError(f"word must visit the parts with noise equally often, got {self.word!r}")
        return often.pop() if often else 0

    def along(self, flow: Flow, grad: Grad, visits: list[Visit]) -> Step:
        """The step function of these visits, which need not cover the whole flow."""
        times = _times(visits)
        moves = {
            name: [move_of(flow, part, grad, self.decay, self.push) for part in group]
            for name, group in flow.parts.items()
        }
        slots = {name: [flow.variables.index(part.slot) for part in group] for name, group in flow.parts.items()}
        zero: tuple[Any, ...] = (0.0,) * len(flow.variables)

        def step(t: Any, y: State, memory: Memory, h: Any, xi: Any = ()) -> tuple[State, State, Memory]:
            clock = dict.fromkeys(moves, t)  # each part has its own time
            visited = dict.fromkeys(flow.noisy, 0)
            increment, now = zero, y
            for names, ahead in visits:
                seen = now
                for inner in ahead:
                    seen = travel(inner, seen, clock[inner], h)
                held = bool(ahead) or len(names) > 1
                for name in names:
                    dt = h / times[name] if times[name] > 1 else h
                    fresh = xi[visited[name]] if name in visited else None
                    for i, move in zip(slots[name], moves[name], strict=True):
                        total = increment[i] + move(clock[name], seen, dt, fresh)
                        increment = (*increment[:i], total, *increment[i + 1 :])
                        now = (
                            *now[:i],
                            y[i] + total,
                            *now[i + 1 :],
                        )  # base + total avoids accumulating rounding errors
                        seen = seen if held else now
                    clock[name] = clock[name] + dt
                    if name in visited:
                        visited[name] += 1
            return now, increment, memory

        def travel(name: str, y: State, t: Any, dt: Any) -> State:
            for i, move in zip(slots[name], moves[name], strict=True):
                y = (*y[:i], y[i] + move(t, y, dt, None), *y[i + 1 :])
            return y

        return step


baoab = Splitting("kick drift friction drift kick", order=2)
"""B A O A B on `flows.kramers`: on a harmonic well the stationary variance of theta is exact for every h.

[Leimkuhler and Matthews 2013]  Strong order 1, weak order 2.  Under additive noise the weak order of a word equals its
order without noise.
"""

obabo = Splitting("friction kick drift kick friction", order=2)
"""O B A B O on `flows.kramers`.                                                      [Bussi and Parrinello 2007]"""


def relaxed(flow: Flow, grad: Grad, y: State, word: str, h: Any, decay: Decay = decays.exact) -> State:
    """The state after the parts of a word have acted for a time h without noise; parts outside the word do not act."""
    step = Splitting(word, decay).along(flow.quiet(), grad, parse(word))
    return step(0.0, y, (), column(h))[0]
