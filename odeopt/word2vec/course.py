"""The course of a training through batches and epochs, which the seed determines entirely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from odeopt.optimizers._lazy import Table
from odeopt.util import check
from odeopt.word2vec.model import Model
from odeopt.word2vec.text import Corpus, Ids
from odeopt.word2vec.windows import Epoch, Windows

LOSS_EVERY = 10  # batches
WIDEST = 10_000  # words


@dataclass(frozen=True)
class Plan:
    """How the text is read.

    window:    the largest reach of a window; each reaches 1 .. `window` words to both sides
    batch:     windows per batch
    threshold: s of the thinning of frequent words, see `Corpus.kept`
    """

    window: int
    batch: int
    threshold: float

    def __post_init__(self) -> None:
        if check.count("window", self.window, 1) > WIDEST:
            raise ValueError(f"window must be at most {WIDEST} words, got {self.window}")
        check.count("batch", self.batch, 1)
        check.scalar("threshold", check.positive("threshold", self.threshold))


@dataclass
class Progress:
    """The next batch, the losses of the finished epochs, and the losses per window seen in this epoch."""

    seed: int
    epoch: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)


class Course:
    """Tables that are trained batch by batch; `done` is the progress."""

    def __init__(self, text: Corpus, model: Model, plan: Plan, tables: Sequence[Table], done: Progress) -> None:
        self.text, self.model, self.plan, self.tables, self.done = text, model, plan, tables, done
        self._noise = np.cumsum(text.noise(model.power))[:-1]
        self._epoch = self._read()

    @property
    def batches(self) -> int:
        """The number of batches in this epoch."""
        return self._epoch.batches(self.plan.batch)

    def windows(self) -> Windows:
        """The windows of the next batch."""
        return self._epoch.batch(self.done.batch, self.plan.batch)

    def drawn(self) -> Ids:
        """The negative words of the next batch."""
        rng = np.random.default_rng([self.done.seed, self.done.epoch, self.done.batch])
        return np.searchsorted(self._noise, rng.random(self.model.shared), side="right")

    def step(self) -> bool:
        """Does the next batch; False, with all tables unchanged, if its gradient is not finite."""
        done, windows = self.done, self.windows()
        if len(windows.target) and not self._move(windows):
            return False
        done.batch += 1
        if done.batch == self.batches:
            self._turn()
        return True

    def _move(self, windows: Windows) -> bool:
        """One step of the rows that these windows read; False if the gradient is not finite."""
        done = self.done
        rows, batch = self.model.batch(self.text, windows, self.drawn())
        blocks = tuple(table.theta.take(row, axis=0) for table, row in zip(self.tables, rows, strict=True))
        with np.errstate(all="ignore"):
            gradients = self.model.grad(blocks, batch)
            if done.batch % LOSS_EVERY == 0:
                done.seen.append(float(self.model.loss(blocks, batch)) / len(windows.target))
        if not np.isfinite(sum(gradient.sum() for gradient in gradients)):
            return False
        for table, row, gradient in zip(self.tables, rows, gradients, strict=True):
            table.step_distinct(row, gradient)
        return True

    def _turn(self) -> None:
        """Goes on to the next epoch."""
        done = self.done
        done.losses.append(float(np.mean(done.seen)) if done.seen else np.nan)
        done.epoch, done.batch, done.seen = done.epoch + 1, 0, []
        self._epoch = self._read()

    def _read(self) -> Epoch:
        rng = np.random.default_rng([self.done.seed, self.done.epoch])
        return Epoch.of(self.text, self.plan.window, self.plan.threshold, rng)
