"""grad(theta), evaluated once per point: the state machine behind every gradient that a scheme calls.

A point is an object, not its numbers: states are never changed in place, so the same object is the same point.  An
oracle is in one of two states.  It is EMPTY, or it is KNOWN(p, v): it holds the value v at the point p.

    event                in EMPTY                   in KNOWN(p, v)
    grad(p)              -                          returns v
    grad(q), q new       evaluates; KNOWN(q, w)     evaluates; KNOWN(q, w)
    grad(q) raises       EMPTY                      KNOWN(p, v)
    learn(q, w)          KNOWN(q, w)                KNOWN(q, w)
    forget()             EMPTY                      EMPTY

Only an evaluation that returns is counted.  So parts that read the gradient at one state share one evaluation, and a
scheme that ends where its next step begins evaluates there once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")  # an array, whose kind the subclass says


class Oracle(ABC, Generic[T]):
    """The machine itself; a subclass says how a value is found.

    count: the number of evaluations
    point: the point whose value is known, or None in EMPTY
    value: the value found or learned last
    """

    value: T

    def __init__(self) -> None:
        self.count = 0
        self.point: T | None = None

    def __call__(self, theta: T) -> T:
        if theta is not self.point:
            self.value = self.evaluate(theta)
            self.point = theta
            self.count += 1
        return self.value

    @abstractmethod
    def evaluate(self, theta: T) -> T:
        """The value at a point that is not known."""

    def knows(self, theta: T) -> bool:
        """Whether grad(theta) would evaluate nothing."""
        return theta is self.point

    def learn(self, theta: T, value: T) -> None:
        """Takes over a value that was computed elsewhere."""
        self.point, self.value = theta, value

    def forget(self) -> None:
        """Makes the next call evaluate, because the gradient itself has changed."""
        self.point = None


class Brought(Oracle[T]):
    """The gradient of a training loop: given at `home`, where a step begins, and elsewhere by a function.

    `bring(p, v)` sets home and the value there, in any state.  grad(home) returns that value and changes no state, so
    a scheme may come back to home for nothing.  The function may raise, to refuse other points.

    >>> grad = Brought(lambda theta: [-u for u in theta])
    >>> start = [1.0]
    >>> grad.bring(start, [0.5])
    >>> grad(start), grad([2.0]), grad(start), grad.count
    ([0.5], [-2.0], [0.5], 1)
    """

    _given: T

    def __init__(self, elsewhere: Callable[[T], T]) -> None:
        super().__init__()
        self._elsewhere = elsewhere
        self.home: T | None = None

    def bring(self, theta: T, value: T) -> None:
        """Makes theta the home, with the value there."""
        self.home, self._given = theta, value

    def __call__(self, theta: T) -> T:
        return self._given if theta is self.home else super().__call__(theta)

    def evaluate(self, theta: T) -> T:
        """The value of the function."""
        return self._elsewhere(theta)

    def knows(self, theta: T) -> bool:
        """Whether theta is home or the last point elsewhere."""
        return theta is self.home or super().knows(theta)
