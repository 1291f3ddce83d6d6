"""Skip-gram of the Wikipedia sample: ours by hand, the same model and batches by torch's autograd, and gensim.

One thread each, in turn: OPENBLAS_NUM_THREADS=1 python benchmarks/word2vec.py [epochs]
"""

import statistics
import sys
import time

import numpy as np
import torch
from gensim.models import Word2Vec

from odeopt import optimizers, words
from odeopt.words.course import Course, Plan, Progress

DIM, BATCH, LR = 50, 512, 0.025
ROUNDS, BATCHES = 7, 60


class ByAutograd(words.SkipGram):
    """The same loss, differentiated by torch."""

    def grad(self, blocks, batch):
        c, x = (torch.tensor(block, requires_grad=True) for block in blocks)
        i, j, negative = (torch.from_numpy(places) for places in (batch.i, batch.j, batch.l))
        pairs = torch.bincount(i, minlength=len(c)).double()
        loss = torch.nn.functional.softplus(-(c[i] * x[j]).sum(1)).sum()
        loss = loss + pairs @ torch.nn.functional.softplus(c @ x[negative].T) @ torch.from_numpy(batch.q)
        return tuple(gradient.numpy() for gradient in torch.autograd.grad(loss, (c, x)))


class Embedded:
    """All in torch: two sparse embeddings and torch.optim.SGD, on the batches of a course."""

    def __init__(self, course):
        self.course, sizes = course, [table.theta.shape for table in course.tables]
        self.tables = [torch.nn.Embedding(*size, sparse=True, dtype=torch.float64) for size in sizes]
        for mine, table in zip(self.tables, course.tables, strict=True):
            mine.weight.data = torch.from_numpy(table.theta.copy())
        self.opt = torch.optim.SGD([table.weight for table in self.tables], lr=LR)

    def step(self):
        course, done = self.course, self.course.done
        windows = course.windows()
        drawn = course.drawn()
        rows, batch = course.model.batch(course.text, windows, drawn)
        c, x = (table(torch.from_numpy(row)) for table, row in zip(self.tables, rows, strict=True))
        i, j, negative = (torch.from_numpy(places) for places in (batch.i, batch.j, batch.l))
        pairs = torch.bincount(i, minlength=len(c)).double()
        loss = torch.nn.functional.softplus(-(c[i] * x[j]).sum(1)).sum()
        loss = loss + pairs @ torch.nn.functional.softplus(c @ x[negative].T) @ torch.from_numpy(batch.q)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        done.batch += 1


def course(text, model):
    """A training at its beginning."""
    rows = optimizers.lazy(optimizers.gd(lr=LR))
    tables = [rows.start(block) for block in model.start(len(text.words), DIM, np.random.default_rng(0))]
    return Course(text, model, Plan(5, BATCH, 1e-3), tables, Progress(0))


def seconds(steps):
    start = time.perf_counter()
    for _ in range(BATCHES):
        steps.step()
    return time.perf_counter() - start


def side_by_side(text):
    """Microseconds a window; medians of rounds in which all take their turn, and of the ratios to ours."""
    plain = words.SkipGram(shared=64)
    runs = {
        "odeopt, gradients by hand": course(text, plain),
        "odeopt, gradients by torch": course(text, ByAutograd(shared=64)),
        "torch: Embedding, SGD": Embedded(course(text, plain)),
    }
    times = {name: [] for name in runs}
    for run in runs.values():
        seconds(run)  # warms caches
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run))
    ours = times["odeopt, gradients by hand"]
    for name, found in times.items():
        ratio = statistics.median(t / o for t, o in zip(found, ours, strict=True))
        print(f"{name:<28} {statistics.median(found) / BATCHES / BATCH * 1e6:6.2f} us a window   ratio {ratio:.2f}")


def quality(text, documents, epochs):
    """Seconds and Spearman of whole trainings."""
    start = time.perf_counter()
    run = words.train(text, words.SkipGram(shared=64), optimizers.gd(lr=LR), dim=DIM, batch=BATCH, epochs=epochs, rng=0)
    report("odeopt skip-gram", time.perf_counter() - start, run.vectors.wordsim353())
    start = time.perf_counter()
    theirs = Word2Vec(
        documents, vector_size=DIM, window=5, min_count=5, sg=1, negative=5, epochs=epochs, workers=1, seed=1
    )
    spent = time.perf_counter() - start
    report("gensim skip-gram", spent, words.Vectors(tuple(theirs.wv.index_to_key), theirs.wv.vectors).wordsim353())


def report(name, spent, found):
    print(f"{name:<28} {spent:6.1f} s   wordsim353 {found.spearman:.3f} over {found.pairs} pairs")


def main():
    torch.set_num_threads(1)
    documents = words.wikipedia()
    text = words.corpus(documents)
    print(text)
    side_by_side(text)
    quality(text, documents, int(sys.argv[1]) if len(sys.argv) > 1 else 10)


if __name__ == "__main__":
    main()
