"""Steps of a long theta in one pass each, for optimizers that act on each coordinate separately.

NumPy's functions make one pass over theta for each operation.
"""

from __future__ import annotations

from odeopt.compiler.fused_update import Piece, Sweep
from odeopt.compiler.ir import Untraceable
from odeopt.core.state import State
from odeopt.problems.oracle import Gradient
from odeopt.simulation.request import Request


class Wide:
    """leap(k, y) -> (k + 1, y'), or (k, y) if the interpreted step must be taken, as always without a one-pass step.

    Each step makes new arrays; the arrays of a state never change.
    """

    def __init__(self, request: Request, grad: Gradient) -> None:
        self._flow, self._grad = request.opt.flow, grad
        self._sweep: Sweep | None = None
        self._moved = False
        try:
            self._sweep = Sweep(request.opt)
            self.name = self._sweep.means(request.sizes[0])
        except Untraceable as reason:
            self.name = f"numpy ({reason})"

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        if self._sweep is None:
            return k, y
        new = {name: u.copy() for name, u in zip(self._flow.variables, y, strict=True)}
        clocks = {name: new[name].item() for name in self._flow.clocks}
        theta, *memory = (u for name, u in new.items() if name not in clocks)
        try:
            moved = self._sweep.ready(k, [Piece((theta, self._grad(y[0]), *memory))], clocks, trusting=False)()
        except Untraceable as reason:
            self._sweep.forget()
            self.name = self.name if self._moved else f"numpy ({reason})"
            return k, y
        self.name, self._moved = self._sweep.means(y[0].size), True
        for name, value in moved.items():
            new[name][:] = value
        return k + 1, tuple(new.values())
