"""Blocks of members that advance by a program of the step.

Where a guard of the program is true, the step itself takes that step, and the program's next step is compared with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from odeopt.compiler.program import Program
from odeopt.compiler.verify import OTHER, agree
from odeopt.core.state import State
from odeopt.ensembles.plan import Plan
from odeopt.ensembles.random.normals import Normals, visits
from odeopt.ensembles.statistics import Tally
from odeopt.ensembles.tally_program import Counter
from odeopt.simulation.noisy_step import driven
from odeopt.util.check import Array

UNLIMITED = 1 << 62  # steps


@dataclass(frozen=True, eq=False)
class Job:
    """The data that all blocks share: the program, its constants, and the state as one row of all members per entry.

    `target`: whether the program also finds if a member is in the target
    """

    plan: Plan
    program: Program
    constants: list[float]
    sizes: tuple[int, ...]
    rows: Array
    arrivals: Array
    target: bool

    @property
    def observes(self) -> bool:
        """Whether the program includes the observables and the loss."""
        return len(self.program.seen) > self.target

    def state(self, rows: Array) -> State:
        """The state in these rows, arrays of shape (members, d)."""
        ends = list(accumulate(self.sizes))
        return tuple(rows[end - size : end].T for end, size in zip(ends, self.sizes, strict=True))

    def start(self, y: State, grad: Any) -> Array:
        """A state as rows, followed by its gradient if the program carries that."""
        carried = [grad(y[0])] if self.program.carried else []
        return np.concatenate([u.T for u in (*y, *carried)])


class Block(ABC):
    """A range of members.  `refused` is empty, or says why the step itself takes all further steps."""

    watches = False  # whether the target must be evaluated after each step

    def __init__(self, job: Job, members: range, normals: Normals | None) -> None:
        self.job, self.members, self.normals = job, members, normals
        part = slice(members.start, members.stop)
        self.rows, self._watch = job.rows[:, part], job.plan.watch(job.arrivals[part])
        self._grad = job.plan.problem.oracle()
        self._size = 1 if job.program.guards else UNLIMITED  # steps per call of `run`
        self._doubted, self.refused = False, ""
        self._watch(0, self.state())

    def state(self) -> State:
        return self.job.state(self.rows)

    @abstractmethod
    def run(self, k: int, n: int, every: int) -> tuple[bool, Tally | None]:
        """Take n times `every` steps from step k on: whether a guard was true, and if not, the tally."""

    def advance(self, k: int, n: int, every: int) -> Tally | None:
        if (self.job.observes or not n) and not self.watches and self._size == UNLIMITED and not self.refused:
            tally = self.run(k, n, every)[1]
            return self._kept(tally) if tally else None
        found = []
        count = self._counter(1) if self.job.observes else None
        for _ in range(max(n, 1)):
            self._walk(k, every)
            k += every
            if n:
                found.append(count(k, every, self.rows[:, None]) if count else self.job.plan.counted(k, self.state()))
        return self._kept(Tally.of(found)) if found else None

    def _kept(self, tally: Tally) -> Tally:
        """The tally, of each observable alone where no covariance is asked for."""
        return tally.of_each() if self.job.observes and not self.job.plan.covariance else tally

    def _counter(self, times: int) -> Counter:
        plan = self.job.plan
        return Counter(self.job.program, float(plan.opt.h), len(plan.observables) + 1, (times, len(self.members)))

    def _walk(self, k: int, steps: int) -> None:
        """Take `steps` steps from step k on.

        The step itself takes those at which a guard is true, and the one after each of them.  This choice does not
        depend on where a lap or a record ends.
        """
        end = k + steps
        while k < end:
            if self.normals is not None:
                self.normals.mark()
            k += self._some(k, 1 if self.watches or self._doubted or self.refused else min(self._size, end - k))
            if self.watches:
                self._watch(k, self.state())

    def _some(self, k: int, most: int) -> int:
        """Take up to `most` steps, and return their number.  A guard that is true within them halves the number."""
        before = self.rows.copy() if self.job.program.guards else self.rows
        m = most
        while not self.refused and m and self.run(k, 0, m)[0]:
            self.rows[...] = before
            m //= 2
        if self.refused or not m:
            self._step(k)
            self._size, self._doubted = 1, True
            return 1
        if self._doubted:
            self._compare(k, before)
        if m < most:
            self._size = m
        elif self._size < UNLIMITED:
            self._size *= 2
        return m

    def _compare(self, k: int, before: Array) -> None:
        """Repeat the program's last step by the step itself, and refuse the program if they differ."""
        found, start = self.rows.copy(), before.copy()
        self.rows[...] = before
        self._step(k)
        self._doubted = False
        if not agree(found, self.rows, start):
            self.refused = f"numpy ({OTHER} the step itself)"

    def _step(self, k: int) -> None:
        """Take one step by the step itself."""
        plan = self.job.plan
        draws = None if self.normals is None else visits(self.normals, k)
        with np.errstate(all="ignore"):
            step = driven(plan.opt, plan.problem, self._grad, draws)
            y, _, _ = step(k * plan.opt.h, tuple(u.copy() for u in self.state()), (), plan.opt.h)
            self.rows[...] = self.job.start(y, plan.problem.grad)
