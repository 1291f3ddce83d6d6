"""Skip-gram and CBOW of the Wikipedia sample: by hand, the same model and batches by torch's autograd, and gensim.

One thread each, in turn: OPENBLAS_NUM_THREADS=1 python benchmarks/word2vec.py [epochs]
"""

import statistics
import sys
import time

import numpy as np
import torch
from gensim.models import Word2Vec

from odeopt import optimizers, word2vec
from odeopt.word2vec.course import Course, Plan, Progress

DIM, BATCH, LR = 50, 512, 0.025
ROUNDS, BATCHES = 7, 60


def skip_gram_loss(blocks, batch):
    """That of word2vec.SkipGram, in torch."""
    c, x = blocks
    i, j, negative = (torch.from_numpy(places) for places in (batch.i, batch.j, batch.l))
    pairs = torch.bincount(i, minlength=len(c)).double()
    loss = torch.nn.functional.softplus(-(c[i] * x[j]).sum(1)).sum()
    return loss + pairs @ torch.nn.functional.softplus(c @ x[negative].T) @ torch.from_numpy(batch.q)


def cbow_loss(blocks, batch):
    """That of word2vec.CBOW, in torch."""
    x, w, b = blocks
    i, j, t, negative = (torch.from_numpy(places) for places in (batch.i, batch.j, batch.t, batch.l))
    h = x.new_zeros(len(t), x.shape[1]).index_add(0, i, x[j])
    target = (h * w[t]).sum(1, keepdim=True) + b[t]
    return torch.log1p(torch.exp(h @ w[negative].T + b[negative].T - target) @ torch.from_numpy(batch.q)).sum()


class ByAutograd:
    """A model whose gradient is that of `torch_loss`, differentiated by torch."""

    def grad(self, blocks, batch):
        blocks = [torch.tensor(block, requires_grad=True) for block in blocks]
        return tuple(gradient.numpy() for gradient in torch.autograd.grad(self.torch_loss(blocks, batch), blocks))


class SkipGramByAutograd(ByAutograd, word2vec.SkipGram):
    torch_loss = staticmethod(skip_gram_loss)


class CBOWByAutograd(ByAutograd, word2vec.CBOW):
    torch_loss = staticmethod(cbow_loss)


MODELS = {
    "skip-gram": (word2vec.SkipGram(shared=64), SkipGramByAutograd(shared=64), optimizers.gd(lr=LR)),
    "CBOW": (word2vec.CBOW(), CBOWByAutograd(), optimizers.adagrad(lr=2 * LR)),
}


class Embedded:
    """All in torch: sparse embeddings and torch's SGD or Adagrad, on the batches of a course."""

    def __init__(self, course, model, opt):
        self.course, self.loss = course, model.torch_loss
        self.tables = [torch.nn.Embedding(*t.theta.shape, sparse=True, dtype=torch.float64) for t in course.tables]
        for mine, table in zip(self.tables, course.tables, strict=True):
            mine.weight.data = torch.from_numpy(table.theta.copy())
        kind = {"gd": torch.optim.SGD, "adagrad": torch.optim.Adagrad}[opt.name]
        self.opt = kind([table.weight for table in self.tables], lr=opt.lr)

    def step(self):
        course = self.course
        rows, batch = course.model.batch(course.text, course.windows(), course.drawn())
        blocks = [table(torch.from_numpy(row)) for table, row in zip(self.tables, rows, strict=True)]
        self.opt.zero_grad()
        self.loss(blocks, batch).backward()
        self.opt.step()
        course.done.batch += 1


def course(text, model, opt):
    """A training at its beginning."""
    rows = optimizers.lazy(opt)
    tables = [rows.start(block) for block in model.start(len(text.words), DIM, np.random.default_rng(0))]
    return Course(text, model, Plan(5, BATCH, 1e-3), tables, Progress(0))


def seconds(steps):
    start = time.perf_counter()
    for _ in range(BATCHES):
        steps.step()
    return time.perf_counter() - start


def side_by_side(text, name):
    """Microseconds a window; medians of rounds in which all take their turn, and of the ratios to ours."""
    model, differentiated, opt = MODELS[name]
    runs = {
        "odeopt, gradients by hand": course(text, model, opt),
        "odeopt, gradients by torch": course(text, differentiated, opt),
        "torch: Embedding, its optimizer": Embedded(course(text, model, opt), differentiated, opt),
    }
    times = {way: [] for way in runs}
    for run in runs.values():
        seconds(run)  # warms caches
    ours, theirs, whole = (run.tables[0] for run in runs.values())
    apart = max(abs(ours.theta - u).max() for u in (theirs.theta, whole.weight.detach().numpy()))
    for _ in range(ROUNDS):
        for way, run in runs.items():
            times[way].append(seconds(run))
    for way, found in times.items():
        ratio = statistics.median(t / o for t, o in zip(found, times["odeopt, gradients by hand"], strict=True))
        print(f"{name:<10} {way:<32} {1e6 * statistics.median(found) / BATCHES / BATCH:6.2f} us a window {ratio:8.2f}")
    print(f"{name:<10} after the first {BATCHES} batches all three are {apart:.0e} apart")


def quality(text, documents, name, epochs):
    """Seconds and Spearman of whole trainings."""
    model, _, opt = MODELS[name]
    start = time.perf_counter()
    run = word2vec.train(text, model, opt, dim=DIM, batch=BATCH, epochs=epochs, rng=0)
    report(f"odeopt {name}", time.perf_counter() - start, run.vectors.wordsim353())
    start = time.perf_counter()
    settings = {"vector_size": DIM, "window": 5, "min_count": 5, "negative": 5, "workers": 1, "seed": 1}
    theirs = Word2Vec(documents, sg=int(name == "skip-gram"), epochs=epochs, **settings)
    spent = time.perf_counter() - start
    found = word2vec.Vectors(tuple(theirs.wv.index_to_key), theirs.wv.vectors).wordsim353()
    report(f"gensim {name}, negative sampling", spent, found)


def report(name, spent, found):
    print(f"{name:<34} {spent:6.1f} s   wordsim353 {found.spearman:.3f} over {found.pairs} pairs")


def main():
    torch.set_num_threads(1)
    documents = word2vec.wikipedia()
    text = word2vec.corpus(documents)
    print(text)
    for name in MODELS:
        side_by_side(text, name)
    for name in MODELS:
        quality(text, documents, name, int(sys.argv[1]) if len(sys.argv) > 1 else 10)


if __name__ == "__main__":
    main()
