"""Training of word vectors by a lazy optimizer, batch by batch, on gradients by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from odeopt.optimizers._lazy import lazy
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.named.adaptive import adagrad
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.interrupts import noted
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.progress import bar
from odeopt.util.saved import Saved
from odeopt.util.status import Status
from odeopt.word2vec import checkpoint as files
from odeopt.word2vec.course import Course, Plan, Progress
from odeopt.word2vec.model import Model
from odeopt.word2vec.skip_gram import SkipGram
from odeopt.word2vec.text import Corpus
from odeopt.word2vec.vectors import Vectors

SAVE_EVERY = 200  # batches
TABLES = 4  # words and contexts, each with a memory


@dataclass(frozen=True, eq=False)
class Training(Saved):
    """The result of `train`.

    vectors: the word vectors
    tables:  all trained tables, the word vectors first
    losses:  the mean loss over the windows of each finished epoch, estimated from every tenth batch; NaN for an epoch
             from which all words were thinned out
    status:  DONE, INTERRUPTED or NOT_FINITE; `message` has the details
    """

    vectors: Vectors
    tables: tuple[Array, ...]
    losses: Array
    status: Status
    message: str

    @property
    def success(self) -> bool:
        """Whether all epochs were finished."""
        return self.status is Status.DONE


def train(
    text: Corpus,
    model: Model | None = None,
    opt: Optimizer | None = None,
    *,
    dim: int = 50,
    epochs: int = 10,
    window: int = 5,
    batch: int = 1024,
    threshold: float = 1e-3,
    clock: str = "shared",
    rng: Seed = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> Training:
    """theta_r <- step(theta_r, dL/dtheta_r) for the rows r that a batch reads: word vectors (V, dim) from a text.

    model:      SkipGram(), the default, or CBOW()
    opt, clock: as in `optimizers.lazy`; adagrad(lr=0.1) by default.  L is a sum over the batch, so its most frequent
                words limit the lr of gd
    batch:      windows per batch.  Each is centred on a word of the text, in random order, and reaches 1 .. `window`
                words
    threshold:  s of the thinning of frequent words, see `Corpus.kept`
    rng:        None, a seed or a Generator
    checkpoint: a file for the state, written every 200 batches and at the end.  If the file exists, the training
                continues from it with its seed, and equals an uninterrupted one to the last bit; `epochs` may be larger

    Ctrl-C ends the training after the current batch; the state is saved and the result so far is returned.  A second
    Ctrl-C raises KeyboardInterrupt at once.

    >>> from odeopt.word2vec import corpus
    >>> text = corpus([["sun", "moon", "sun", "star", "moon", "star"] * 5], min_count=1)
    >>> run = train(text, dim=3, epochs=2, batch=10, threshold=1.0, rng=0)
    >>> run.vectors.vectors.shape, run.losses.shape, run.status.name
    ((3, 3), (2,), 'DONE')
    """
    model, opt = SkipGram() if model is None else model, adagrad(lr=0.1) if opt is None else opt
    check.instance("text", text, Corpus, "a Corpus, see odeopt.word2vec.corpus")
    check.instance("model", model, Model, "SkipGram(...) or CBOW(...)")
    plan, rows = Plan(window, batch, threshold), lazy(opt, clock)
    dim, epochs = check.count("dim", dim, 1), within_a_day("epochs", check.count("epochs", epochs))
    within_memory("dim", dim, TABLES * NUMBER * dim * len(text.words))
    place = files.file_of(checkpoint)
    check.switch("progress", progress)
    done = Progress(int(check.generator("rng", rng).integers(2**63)))
    start = model.start(len(text.words), dim, np.random.default_rng(done.seed))
    tables = [rows.start(block) for block in start]
    facts = files.settings(text, model, plan, rows, dim)
    if place is not None and place.exists():
        done = files.load(place, facts, tables)
    course = Course(text, model, plan, tables, done)

    def save() -> None:
        if place is not None:
            files.save(place, facts, done, tables)

    with _one_blas_thread(), bar(epochs, model.name, progress, "epoch") as shown:
        status, message = _run(course, epochs, shown, save)
    found = tuple(table.theta for table in tables)
    return Training(Vectors(text.words, found[0]), found, np.array(done.losses), status, message)


def _run(course: Course, epochs: int, shown: Any, save: Callable[[], None]) -> tuple[Status, str]:
    """Trains the remaining batches and saves the state, however the training ends."""
    done, status, message = course.done, Status.DONE, ""
    shown.update(done.epoch)
    with noted() as interruption:
        while done.epoch < epochs:
            if interruption.asked:
                status, message = Status.INTERRUPTED, f"interrupted in epoch {done.epoch + 1} of {epochs}"
                break
            share = 1 / course.batches
            if not course.step():
                status, message = Status.NOT_FINITE, f"gradient not finite in epoch {done.epoch + 1} of {epochs}"
                break
            shown.update(share)
            if done.batch % SAVE_EVERY == SAVE_EVERY - 1:
                save()
        save()
    return status, message or f"{epochs} epochs{_emptied(done)}"


def _emptied(done: Progress) -> str:
    """A remark for the message if the thinning left no word in some epochs."""
    number = int(np.count_nonzero(np.isnan(done.losses)))
    return f", {number} of them without words, as all were thinned out: raise threshold" if number else ""


def _one_blas_thread() -> AbstractContextManager[Any]:
    """A context with one BLAS thread: these products are so small that a second thread only slows them down."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")
