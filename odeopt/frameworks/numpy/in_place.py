"""theta <- theta + step(theta, g), for training loops of one's own: the memory is kept, nothing else is stored."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from odeopt.compiler.fused_update import Piece, Sweep
from odeopt.compiler.ir import Untraceable
from odeopt.core.state import finite
from odeopt.frameworks.parameter_blocks import refuse
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Memory
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.interrupts import postponed


class InPlace:
    """theta and the memory of an optimizer, changed in place by `step(gradient)`; `in_place` makes it.

    theta: (d,);   memory: by name, (d,), clocks (1,), from the first step on;   count: the steps so far
    backend: what made the last step: "numba" or "blocks" in one pass, "numpy", and why, on whole arrays
    """

    def __init__(self, opt: Optimizer, theta: Array, nan: str) -> None:
        self.opt, self.theta, self.nan, self.count = opt, theta, nan, 0
        self.backend = "numpy"
        self._gradient: Array | None = None
        self.memory: dict[str, Array] = {}
        self._step = opt.scheme.bind(opt.flow, self._here)
        self._slopes: Memory = ()
        self._sweep: Sweep | str
        try:
            self._sweep = Sweep(opt)
        except Untraceable as reason:
            self._sweep = str(reason)

    def step(self, gradient: Any) -> None:
        """One step.  A ValueError or FloatingPointError for what is not finite: nothing has moved then.

        An interruption (Ctrl-C) waits until all has moved.
        """
        self._gradient = g = self._checked(gradient)
        if self.count == 0:
            self._look(g)
            start = self.opt.initial_state(self._here, self.theta)
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
        """Itself, where it is an array of float64."""
        g = np.asarray(gradient)
        if g.dtype.kind not in "iuf":
            raise TypeError(f"gradient must be of real numbers, float64 or what becomes it, got dtype {g.dtype}")
        if g.shape != self.theta.shape:
            raise ValueError(f"gradient must have shape {self.theta.shape} like theta, got {g.shape}")
        return np.ascontiguousarray(g, dtype=np.float64)

    def _look(self, g: Array) -> None:
        if self.nan == "raise" and not np.isfinite(g).all():
            raise ValueError(f"gradient must be finite, got NaN or infinity in step {self.count + 1}")

    def _in_one_pass(self, g: Array) -> Callable[[], None]:
        """What moves all without new arrays."""
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
        """What writes the next state, made by the scheme, over this one."""
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

    def _here(self, theta: Array) -> Array:
        if theta is not self.theta or self._gradient is None:
            raise ValueError(
                f"opt must read the gradient at theta alone, got {self.opt.name}, which reads it elsewhere"
            )
        return self._gradient

    def __copy__(self) -> InPlace:
        raise TypeError("in_place must be copied with its theta and memory: copy.deepcopy")

    def __deepcopy__(self, known: dict[int, Any]) -> InPlace:
        """With theta and memory of its own; the optimizer is the same."""
        made = InPlace(self.opt, deepcopy(self.theta, known), self.nan)
        kept = {name: vars(self)[name] for name in ("memory", "count", "backend", "_slopes")}
        vars(made).update(deepcopy(kept, known))
        return made

    def __repr__(self) -> str:
        return f"{self.opt.name} in place on theta {self.theta.shape}, {self.backend}, after {self.count} steps"


def in_place(opt: Optimizer, theta: Any, *, nan: str = "raise") -> InPlace:
    """An optimizer for a loop of your own: its step(gradient) moves theta (d,), an array of float64, where it stands.

    One pass over theta, gradient and memory for optimizers whose coordinates stand alone, compiled where Numba is
    installed and theta is long; others take their own steps.  The gradient is read at theta alone: Heun, RKC and the
    like are refused.  nan="raise" looks at each gradient first, and stops with nothing moved where it, or the state
    after the step, is not finite; "ignore" does not look, as for gradients that are finite because they were clipped.
    Theta may be changed between steps, to numbers up to 1e302.

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
