"""The gradient of a problem as schemes call it: counted, checked, and evaluated once per point.

`Gradient` is the state machine of `odeopt.core.oracle` with two more events, for loops on floats and for noise.  Such
a loop has no arrays, so its last evaluation is held beside the state, as LATEST(x, v) at the numbers x.

    event                effect
    numbers(x)           evaluates at x, counts; LATEST(x, v); the state stays
    adopt(p)             KNOWN(p, v) if LATEST is at the numbers of p; else the state stays
    use_draw(draw)       EMPTY; from now on the gradient is the noisy one of this draw
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from odeopt.core.oracle import Oracle
from odeopt.problems.gradient_noise import Coordinates, GradientNoise, coordinates_of
from odeopt.util.check import Array
from odeopt.util.deadline import check_time

FLOAT = np.dtype(np.float64)


class EvaluationError(RuntimeError):
    """A user's function raised after the first evaluation: the run ends with a status, not with its exception."""


_PROVEN: ContextVar[bool] = ContextVar("_PROVEN", default=False)


@contextmanager
def proven() -> Iterator[None]:
    """Within it an exception in the first evaluation of a gradient is an EvaluationError too: it has worked before."""
    token = _PROVEN.set(True)
    try:
        yield
    finally:
        _PROVEN.reset(token)


def is_proven() -> bool:
    """Whether an exception in a first evaluation is an EvaluationError."""
    return _PROVEN.get()


class Gradient(Oracle[Array]):
    """grad(theta) of a problem, in float64.

    An exception in the first evaluation is the caller's mistake and propagates, unless the gradient is `proven`; a
    later one becomes an EvaluationError, so that a long run is not lost.
    Formulas may also call `hvp(theta, p)`, H p, and for a problem with noise `noise(theta, xi)`, Sigma^(1/2) xi, and
    `variance(theta)`, the diagonal of Sigma.  If the coordinates of the noise are independent, zeta = scale(theta) Z,
    they may call `scale(theta)`, `mean_sign(a, b)`, E sign(a + b Z), and `sign_noise(a, b, xi)`, its fluctuation.
    """

    def __init__(
        self,
        function: Callable[[Array], Any],
        hvp: Callable[[Array, Array], Array] | None = None,
        law: GradientNoise | None = None,
    ) -> None:
        super().__init__()
        self.value: Array = np.empty(0)
        self._function = function
        self._hvp = hvp
        self._law = law
        self._draw: Any = None
        self._latest: tuple[tuple[float, ...], list[float]] = ((), [])

    def evaluate(self, theta: Array) -> Array:
        """The problem's gradient, as a copy that cannot be written to."""
        if self.count:
            check_time()
        theta.flags.writeable = False  # NumPy then raises if the gradient function changes its argument
        try:
            value = self._own(self._function(theta) if self._draw is None else self._noisy(theta), theta.shape)
        except Exception as error:
            if self.count == 0 and not is_proven():
                error.add_note(f"raised by grad(theta) at theta = {theta!r}; theta is read-only")
                raise
            raise _failed(error) from error
        value.flags.writeable = False  # it is cached: a formula must not write to it
        return value

    def numbers(self, single: Callable[[Array], Any], *point: float) -> list[float]:
        """The gradient at a point as a list of floats, counted and checked, for loops on floats.

        `single` is the problem's gradient as a function of one vector.  Such a loop evaluates each point once and never
        makes the first evaluation, so nothing is cached and every exception becomes an EvaluationError.
        """
        check_time()
        theta = np.array(point)
        if single is self._function:
            theta.flags.writeable = False
        try:
            value = single(theta)
            if type(value) is not np.ndarray or value.dtype is not FLOAT or value.shape != (len(point),):
                value = self._own(value, (len(point),))
        except Exception as error:
            raise _failed(error) from error
        self.count += 1
        found = value.tolist()
        self._latest = point, found
        return found

    def adopt(self, theta: Array) -> None:
        """Learns the value at theta if `numbers` evaluated it last."""
        point, found = self._latest
        if point == tuple(theta.tolist()):
            self.learn(theta, np.array(found))

    def use_draw(self, draw: Any) -> None:
        """Switches to the noisy gradient of this draw, for example a batch, until the next call of `use_draw`."""
        self._draw = draw
        self.forget()

    def hvp(self, theta: Array, p: Array) -> Array:
        """H(theta) p."""
        if self._hvp is None:
            raise TypeError("this flow reads the Hessian, but was given only a gradient")
        return self._hvp(theta, p)

    def noise(self, theta: Array, xi: Array) -> Array:
        """Sigma^(1/2)(theta) xi; xi may hold further normals, for the noise of a sign."""
        law = self._noise()
        return law.root(theta, xi[..., : law.width])

    def variance(self, theta: Array) -> Array:
        """The diagonal of Sigma(theta)."""
        return self._noise().variance(theta)

    def scale(self, theta: Array) -> Array:
        """The scale of zeta, (..., d)."""
        return self._coordinates().scale(theta)

    def mean_sign(self, a: Array, b: Array) -> Array:
        """E sign(a + b Z)."""
        return self._coordinates().mean_sign(a, b)

    def sign_noise(self, a: Array, b: Array, xi: Array) -> Array:
        """White noise with the variance of sign(a + b Z), from the normals of zeta and as many others."""
        n = self._noise().width
        return self._coordinates().sign_noise(a, b, xi[..., :n], xi[..., n:])

    def _coordinates(self) -> Coordinates:
        found = coordinates_of(self._noise())
        if found is None:
            raise TypeError(f"this flow reads the sign of noise whose coordinates are independent, got {self._noise()}")
        return found

    def _noise(self) -> GradientNoise:
        if self._law is None:
            raise TypeError("this flow reads the noise of the gradient, but the problem has none: see odeopt.noise")
        return self._law

    @property
    def finite(self) -> bool:
        """Whether the last value is finite."""
        return bool(np.isfinite(self.value).all())

    def _noisy(self, theta: Array) -> Array:
        return self._noise().grad(theta, self._draw)

    def _own(self, value: Any, shape: tuple[int, ...]) -> Array:
        """A float64 copy of the value, after a check of its type and shape."""
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"grad must return real numbers, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"grad must return the shape of theta, {shape}, got {array.shape}")
        return array.astype(np.float64)  # a copy: the function may own this array and overwrite it


def _failed(error: Exception) -> EvaluationError:
    return EvaluationError(f"grad raised {type(error).__name__}: {error}")
