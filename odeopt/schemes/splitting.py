"""y+ = ... exp(h B) exp(h A) y: the parts of a flow, one after the other, in the order of a word.

"A B" is Lie's splitting, "B A B" Strang's: a part that stands k times in the word moves by h/k each time.
"B(A)" moves by B, but B's formula sees the state that a whole step of A would lead to: Nesterov's look-ahead.
"[A B]" moves by A and by B from the same state, as Lion does: Jacobi's way, where "A B" is Gauss and Seidel's.
[Hairer, Lubich and Wanner 2006, II.5]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odeopt import check, ops
from odeopt import decay as decays
from odeopt.decay import Decay
from odeopt.flow import Flow, Part, Project, Push, Relax
from odeopt.formula import Placed
from odeopt.schemes.base import Memory, Step
from odeopt.state import Grad, State, column

Move = Callable[[Any, State, Any], Any]  # (t, y, dt) -> the increment of one variable
Visit = tuple[tuple[str, ...], tuple[str, ...]]  # parts that move together, and the parts they look ahead through
PUSHES = ("euler", "midpoint")
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
    """How often each part moves."""
    return Counter(name for names, _ in visits for name in names)


@dataclass(frozen=True)
class Splitting:
    """A word over the parts of a flow.

    `decay` advances the relaxations; `push` the forces, which "euler" does exactly when a force does not depend
    on its own variable; where it does (RMSprop's drift), "midpoint" keeps a palindrome at order 2.

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
        return self.along(flow, grad, visits)

    def along(self, flow: Flow, grad: Grad, visits: list[Visit]) -> Step:
        """The step that makes these visits, whether or not they are all of the flow."""
        times = _times(visits)
        moves = {name: [self._move(flow, part, grad) for part in group] for name, group in flow.parts.items()}
        slots = {name: [flow.variables.index(part.slot) for part in group] for name, group in flow.parts.items()}
        zero: tuple[Any, ...] = (0.0,) * len(flow.variables)

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            clock = dict.fromkeys(moves, t)  # each part has its own time
            increment, now = zero, y
            for names, ahead in visits:
                seen = now
                for inner in ahead:
                    seen = travel(inner, seen, clock[inner], h)
                held = bool(ahead) or len(names) > 1
                for name in names:
                    dt = h / times[name] if times[name] > 1 else h
                    for i, move in zip(slots[name], moves[name], strict=True):
                        total = increment[i] + move(clock[name], seen, dt)
                        increment = (*increment[:i], total, *increment[i + 1 :])
                        now = (*now[:i], y[i] + total, *now[i + 1 :])  # base + total: no rounding is lost on the way
                        seen = seen if held else now
                    clock[name] = clock[name] + dt
            return now, increment, memory

        def travel(name: str, y: State, t: Any, dt: Any) -> State:
            for i, move in zip(slots[name], moves[name], strict=True):
                y = (*y[:i], y[i] + move(t, y, dt), *y[i + 1 :])
            return y

        return step

    def _move(self, flow: Flow, part: Part, grad: Grad) -> Move:
        """A part's increment over dt; formulas that read the time see the middle of the interval."""
        i = flow.variables.index(part.slot)
        if isinstance(part, Relax):
            target, rate, lost = flow.placed(part.target), flow.placed(part.rate), self.decay.lost
            return lambda t, y, dt: lost(rate(t + dt / 2, grad, y) * dt) * (target(t + dt / 2, grad, y) - y[i])
        if isinstance(part, Project):
            image = flow.placed(part.map)
            return lambda t, y, dt: image(t + dt, grad, y) - y[i]
        return self._push(flow, part, grad, i)

    def _push(self, flow: Flow, part: Push, grad: Grad, i: int) -> Move:
        force = flow.placed(part.force)
        if part.rate:
            return self._damped(force, flow.placed(part.rate), grad, i)
        if self.push == "euler":
            return lambda t, y, dt: dt * force(t + dt / 2, grad, y)

        def midpoint(t: Any, y: State, dt: Any) -> Any:
            halfway = y[i] + dt / 2 * force(t, grad, y)
            return dt * force(t + dt / 2, grad, (*y[:i], halfway, *y[i + 1 :]))

        return midpoint

    def _damped(self, force: Placed, rate: Placed, grad: Grad, i: int) -> Move:
        """u' = F - rate u with F held: lost(z)/rate (F - rate u), z = rate dt; the quotient tends to dt."""

        def move(t: Any, y: State, dt: Any) -> Any:
            decay, F = rate(t + dt / 2, grad, y), force(t + dt / 2, grad, y)
            return ops.ratio(self.decay.lost(decay * dt), decay, limit=lambda: dt) * (F - decay * y[i])

        return move


def relaxed(flow: Flow, grad: Grad, y: State, word: str, h: Any, decay: Decay = decays.exact) -> State:
    """The state after the parts of a word have acted for a time h, the others standing still."""
    step = Splitting(word, decay).along(flow, grad, parse(word))
    return step(0.0, y, (), column(h))[0]
