"""theta <- theta + step(theta, g), in place, for your own training loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from odeopt.compiler.fused_update import Piece, Sweep
from odeopt.compiler.ir import Untraceable
from odeopt.core.oracle import Brought
from odeopt.core.state import finite
from odeopt.frameworks.parameter_blocks import refuse
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Memory
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.interrupts import postponed


class InPlace:
    """theta and the memory of an optimizer, changed in place by `step(gradient)`.  `in_place` makes it.

    theta: (d,);   memory: by name, (d,) or (1,) for clocks, filled in by the first step;   count: the steps so far
    backend: how the last step was taken: "numba" or "blocks" (one pass), or "numpy" (whole arrays) with the reason
    """

    def __init__(self, opt: Optimizer, theta: Array, nan: str) -> None:
        self.opt, self.theta, self.nan, self.count = opt, theta, nan, 0
        self.backend = "numpy"
        self.memory: dict[str, Array] = {}
        self._grad = Brought(self._refuse)
        self._step = opt.scheme.bind(opt.flow, self._grad)
        self._slopes: Memory = ()
        self._sweep: Sweep | str
        try:
            self._sweep = Sweep(opt)
        except Untraceable as reason:
            self._sweep = str(reason)

    def step(self, gradient: Any) -> None:
        """Takes one step.

        Raises ValueError or FloatingPointError, and changes nothing, if the gradient or the new state is not finite.
        An interruption (Ctrl-C) is held back until the step is complete.
        """
        g = self._checked(gradient)
        self._grad.bring(self.theta, g)
        if self.count == 0:
            self._look(g)
            start = self.opt.initial_state(self._grad, self.theta)
            self.memory = {name: np.array(u) for name, u in zip(self.opt.flow.memory, start[1:], strict=True)}
        try:
            move = self._in_one_pass(g)
        except Untraceable as reason:
            self._look(g)
            move = self._on_whole_arrays(f"numpy ({reason})")
        with postponed():
            move()
            self.count += 1

    def _checked(self, gradient: Any) -> Array:
        """The gradient as a contiguous float64 array; no copy if it already is one."""
        g = np.asarray(gradient)
        if g.dtype.kind not in "iuf":
            raise TypeError(f"gradient must be an array of real numbers, got dtype {g.dtype}")
        if g.shape != self.theta.shape:
            raise ValueError(f"gradient must have shape {self.theta.shape} like theta, got {g.shape}")
        return np.ascontiguousarray(g, dtype=np.float64)

    def _look(self, g: Array) -> None:
        if self.nan == "raise" and not np.isfinite(g).all():
            raise ValueError(f"gradient must be finite, got NaN or infinity in step {self.count + 1}")

    def _in_one_pass(self, g: Array) -> Callable[[], None]:
        """A function that takes the step in one pass, without new arrays; raises Untraceable if there is none."""
        if isinstance(self._sweep, str):
            raise Untraceable(self._sweep)
        clocks = {name: float(self.memory[name][0]) for name in self.opt.flow.clocks}
        others = [u for name, u in self.memory.items() if name not in clocks]
        pieces = [Piece((self.theta, g, *others))]
        sweep = self._sweep.ready(self.count, pieces, clocks, trusting=self.nan == "ignore")
        means = self._sweep.means(self.theta.size)

        def move() -> None:
            for name, value in sweep().items():
                self.memory[name][:] = value
            self.backend = means

        return move

    def _on_whole_arrays(self, means: str) -> Callable[[], None]:
        """A function that overwrites the state with the next one, which the scheme has computed."""
        y = (self.theta, *self.memory.values())
        with np.errstate(all="ignore"):
            new, _, slopes = self._step(self.count * self.opt.h, y, self._slopes, self.opt.h)
            if self.nan == "raise" and not finite(new):
                raise FloatingPointError(f"the state is not finite after step {self.count + 1}; nothing has moved")

        def move() -> None:
            for u, moved in zip(y, new, strict=True):
                u[...] = moved
            self._slopes, self.backend = slopes, means
            if isinstance(self._sweep, Sweep):
                self._sweep.forget()

        return move

    def _refuse(self, theta: Array) -> Array:
        raise ValueError(f"opt must read the gradient at theta alone, got {self.opt.name}, which reads it elsewhere")

    def __copy__(self) -> InPlace:
        raise TypeError("in_place must be copied by copy.deepcopy, because a shallow copy would share theta and memory")

    def __deepcopy__(self, known: dict[int, Any]) -> InPlace:
        """A copy with its own theta and memory, and the same optimizer."""
        made = InPlace(self.opt, deepcopy(self.theta, known), self.nan)
        kept = {name: vars(self)[name] for name in ("memory", "count", "backend", "_slopes")}
        vars(made).update(deepcopy(kept, known))
        return made

    def __repr__(self) -> str:
        return f"{self.opt.name} in place on theta {self.theta.shape}, {self.backend}, after {self.count} steps"


def in_place(opt: Optimizer, theta: Any, *, nan: str = "raise") -> InPlace:
    """An optimizer for your own training loop: step(gradient) changes theta (d,), a float64 array, in place.

    If the optimizer acts on each coordinate separately, a step is one pass over theta, gradient and memory, compiled
    if Numba is installed and theta is long.  Other optimizers take their ordinary step.  The gradient is known only at
    theta, so schemes that need it elsewhere (Heun, RKC) are refused.  With nan="raise" a step first checks the
    gradient; if it or the new state is not finite, the step raises and changes nothing.  nan="ignore" skips the check,
    for gradients known to be finite, after clipping for example.  You may change theta between steps, to numbers up
    to 1e302.

    >>> from odeopt import optimizers
    >>> theta = np.array([1.0, -2.0])
    >>> heavy = in_place(optimizers.momentum(lr=0.25, beta=0.5), theta)
    >>> for _ in range(2):
    ...     heavy.step(theta.copy())  # L = |theta|^2/2
    >>> theta.tolist()
    [0.4375, -0.875]
    """
    refuse(opt, "in_place")
    if not isinstance(theta, np.ndarray) or theta.dtype != np.float64 or not theta.flags.c_contiguous:
        raise TypeError(f"theta must be a contiguous array of float64, which is changed in place, got {theta!r}")
    if theta.ndim != 1 or not theta.size or not theta.flags.writeable:
        raise ValueError(f"theta must be writable and of shape (d,), got shape {theta.shape}")
    check.point("theta", theta)
    return InPlace(opt, theta, check.choice("nan", nan, ("raise", "ignore")))
