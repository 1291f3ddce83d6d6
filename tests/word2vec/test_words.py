"""Word2Vec: gradients against the complex step, sampling against its probabilities, training stopped and continued."""

from __future__ import annotations

import os
import signal
from collections import Counter

import numpy as np
import pytest

from odeopt import optimizers as opts
from odeopt import word2vec
from odeopt.util.status import Status
from odeopt.word2vec import CBOW, SkipGram, corpus, train
from odeopt.word2vec.course import Course
from odeopt.word2vec.windows import Epoch

MODELS = {"skip-gram": SkipGram(negatives=3, shared=6), "CBOW": CBOW(shared=6)}


def small_text(rng=0, length=60, documents=4):
    """Zipfian letters."""
    weights = 1 / np.arange(1, 13)
    draws = np.random.default_rng(rng).choice(list("abcdefghijkl"), p=weights / weights.sum(), size=(documents, length))
    return corpus(draws.tolist(), min_count=2)


def batch_of(model, seed=3):
    """Random blocks and the batch of a few windows of the small text."""
    rng, text = np.random.default_rng(seed), small_text()
    windows = Epoch.of(text, 3, 1.0, rng).batch(0, 15)
    drawn = rng.integers(0, len(text.words), size=model.shared)
    rows, batch = model.batch(text, windows, drawn)
    tables = [rng.normal(size=table.shape) for table in model.start(len(text.words), 4, rng)]
    return text, windows, drawn, tables, rows, batch


@pytest.mark.parametrize("name", MODELS)
def test_gradient_of_every_block_is_the_complex_step_of_the_loss(name):
    model = MODELS[name]
    *_, tables, rows, batch = batch_of(model)
    blocks = [table[row] for table, row in zip(tables, rows, strict=True)]
    for which, gradient in enumerate(model.grad(blocks, batch)):
        numeric = np.empty_like(gradient)
        for entry in np.ndindex(gradient.shape):
            moved = [block.astype(complex) for block in blocks]
            moved[which][entry] += 1e-30j
            numeric[entry] = model.loss(moved, batch).imag / 1e-30
        np.testing.assert_allclose(gradient, numeric, rtol=1e-10, atol=1e-10)


def test_skip_gram_loss_is_its_formula_pair_by_pair():
    """Mikolov et al. 2013, eq. 4, with the k negatives of a pair replaced by all that were drawn, each weighing k/K."""
    model = MODELS["skip-gram"]
    _, windows, drawn, (c, x), rows, batch = batch_of(model)
    expected = 0.0
    for context, of in zip(windows.context, windows.of, strict=True):
        v = c[windows.target[of]]
        expected += np.log1p(np.exp(-v @ x[context]))
        expected += model.negatives / len(drawn) * sum(np.log1p(np.exp(v @ x[word])) for word in drawn)
    assert model.loss((c[rows[0]], x[rows[1]]), batch) == pytest.approx(expected, rel=1e-13)


def test_cbow_loss_is_its_formula_window_by_window():
    model = MODELS["CBOW"]
    _, windows, drawn, (x, w, b), rows, batch = batch_of(model)
    expected = 0.0
    for i, target in enumerate(windows.target):
        h = x[windows.context[windows.of == i]].sum(axis=0)
        z = [w[word] @ h + b[word, 0] for word in (target, *drawn)]
        expected -= np.log(np.exp(z[0]) / np.sum(np.exp(z)))
    assert model.loss((x[rows[0]], w[rows[1]], b[rows[2]]), batch) == pytest.approx(expected, rel=1e-13)


def test_a_batch_sums_the_gradients_of_its_windows():
    """Words that come twice are added: the gradient of a batch is the sum of those of its windows, table by table."""
    for model in MODELS.values():
        text, windows, drawn, tables, rows, _ = batch_of(model)
        total = [np.zeros_like(table) for table in tables]
        for i in range(len(windows.target)):
            mask = windows.of == i
            one = word2vec.windows.Windows(windows.target[[i]], windows.context[mask], np.zeros(mask.sum(), dtype=int))
            for table, row, g in zip(total, *gradients(model, text, one, drawn, tables), strict=True):
                table[row] += g
        for table, row, g in zip(total, rows, gradients(model, text, windows, drawn, tables)[1], strict=True):
            np.testing.assert_allclose(table[row], g, rtol=1e-12, atol=1e-13)
            assert not np.delete(table, row, axis=0).any()


def gradients(model, text, windows, drawn, tables):
    rows, batch = model.batch(text, windows, drawn)
    return rows, model.grad([table[row] for table, row in zip(tables, rows, strict=True)], batch)


def test_windows_are_those_of_the_text():
    """Without thinning: contexts within reach, in the same document, each pair as often as its reach allows."""
    text, window = small_text(length=40), 3
    epoch = Epoch.of(text, window, 1e9, np.random.default_rng(5))
    found = Counter()
    for number in range(epoch.batches(32)):
        windows = epoch.batch(number, 32)
        found.update(zip(windows.target[windows.of].tolist(), windows.context.tolist(), strict=True))
    expected = Counter()
    for i, reach in enumerate(epoch.reach):
        for j in range(max(0, i - reach), min(len(text.ids), i + reach + 1)):
            if j != i and text.document[i] == text.document[j]:
                expected[int(text.ids[i]), int(text.ids[j])] += 1
    assert found == expected
    assert set(epoch.reach.tolist()) == {1, 2, 3}


def test_frequent_words_are_thinned_as_said():
    text = small_text(length=5000)
    left = np.bincount(Epoch.of(text, 2, 0.01, np.random.default_rng(1)).ids[2:-2], minlength=len(text.words))
    kept = text.kept(0.01)
    assert kept[0] < 0.4 < kept[-1]
    deviation = (left - text.counts * kept) / np.sqrt(text.counts * kept * (1 - kept) + 1)
    assert np.max(np.abs(deviation)) < 4


def test_negative_words_are_drawn_by_their_power():
    text = small_text(length=500)
    ratio = text.noise(0.75)[0] / text.noise(0.75)[5]
    assert ratio == pytest.approx((text.counts[0] / text.counts[5]) ** 0.75)
    np.testing.assert_allclose(text.noise(0.0), 1 / len(text.words))


SETTINGS = dict(dim=4, window=2, batch=16, threshold=1.0, progress=False)


@pytest.mark.parametrize("name", MODELS)
def test_training_learns_and_is_a_function_of_its_seed(name):
    text = small_text()
    runs = [train(text, MODELS[name], opts.adam(lr=0.05), epochs=5, rng=rng, **SETTINGS) for rng in (1, 1, 2)]
    assert runs[0].success
    assert runs[0].losses[-1] < runs[0].losses[0]
    np.testing.assert_array_equal(runs[0].vectors.vectors, runs[1].vectors.vectors)
    assert np.any(runs[0].vectors.vectors != runs[2].vectors.vectors)


@pytest.mark.parametrize("clock", ["shared", "own"])
@pytest.mark.parametrize("name", MODELS)
def test_stopped_by_ctrl_c_and_continued_does_not_differ_in_a_bit(name, clock, tmp_path, monkeypatch):
    text, settings = small_text(), {**SETTINGS, "clock": clock, "opt": opts.adam(lr=0.05)}
    whole = train(text, MODELS[name], epochs=4, rng=1, **settings)
    step, count = Course.step, 0

    def interrupted(course):
        nonlocal count
        count += 1
        if count in (7, 22):
            os.kill(os.getpid(), signal.SIGINT)
        return step(course)

    monkeypatch.setattr(Course, "step", interrupted)
    path = tmp_path / "run"
    first = train(text, MODELS[name], epochs=4, rng=1, checkpoint=path, **settings)
    assert (first.status, len(first.losses)) == (Status.INTERRUPTED, 0)
    second = train(text, MODELS[name], epochs=4, rng=99, checkpoint=path, **settings)
    assert (second.status, len(second.losses)) == (Status.INTERRUPTED, 1)
    third = train(text, MODELS[name], epochs=4, checkpoint=path, **settings)
    assert third.success
    for table, expected in zip(third.tables, whole.tables, strict=True):
        np.testing.assert_array_equal(table, expected)
    np.testing.assert_array_equal(third.losses, whole.losses)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path, text = tmp_path / "run.npz", small_text()
    train(text, epochs=1, checkpoint=path, **SETTINGS)
    with pytest.raises(ValueError, match="dim must be 4 to continue"):
        train(text, checkpoint=path, **{**SETTINGS, "dim": 5})
    with pytest.raises(ValueError, match="model must be 'SkipGram"):
        train(text, CBOW(), checkpoint=path, **SETTINGS)
    with pytest.raises(ValueError, match="text must be"):
        train(small_text(rng=1), checkpoint=path, **SETTINGS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged"):
        train(text, checkpoint=path, **SETTINGS)


def test_divergence_is_a_status():
    run = train(small_text(), CBOW(shared=6), opts.gd(lr=1e6), epochs=20, rng=0, **SETTINGS)
    assert run.status is Status.NOT_FINITE
    assert not run.success


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"dim": 0}, ValueError, "dim must be at least 1"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0"),
        ({"window": 0}, ValueError, "window must be at least 1"),
        ({"batch": 1.5}, TypeError, "batch must be an integer"),
        ({"threshold": 0}, ValueError, "threshold must be positive"),
        ({"rng": True}, TypeError, "rng must be"),
        ({"progress": 1}, TypeError, "progress must be"),
        ({"opt": opts.lamb(lr=0.1)}, ValueError, "lamb"),
        ({"model": "cbow"}, TypeError, r"model must be SkipGram\(...\) or CBOW"),
    ],
)
def test_bad_arguments(settings, error, match):
    with pytest.raises(error, match=match):
        train(small_text(), **settings)


def test_bad_text_and_words():
    with pytest.raises(TypeError, match="documents must be lists of words"):
        corpus(["a text"])
    with pytest.raises(ValueError, match="two words that occur min_count = 5 times, got 0"):
        corpus([["a", "b"]])
    with pytest.raises(ValueError, match="shared must be at least 1"):
        CBOW(shared=0)
    vectors = word2vec.Vectors(("a", "b"), np.eye(2))
    with pytest.raises(KeyError, match="vocabulary of 2 words, got 'c'"):
        vectors.most_similar("c")
    with pytest.raises(ValueError, match="pairs must hold three"):
        vectors.agreement([("a", "b", 1.0)])


def test_neighbours_and_agreement_are_gensims():
    gensim = pytest.importorskip("gensim")
    pairs = word2vec.wordsim353()
    assert len(pairs) == 353
    names = sorted({word for pair in pairs[:300] for word in pair[:2]})
    ours = word2vec.Vectors(tuple(names), np.random.default_rng(0).normal(size=(len(names), 5)).astype(np.float32))
    theirs = gensim.models.KeyedVectors(5)
    theirs.add_vectors(names, ours.vectors)
    _, spearman, unknown = theirs.evaluate_word_pairs(gensim.test.utils.datapath("wordsim353.tsv"))
    found = ours.wordsim353()
    assert found.spearman == pytest.approx(spearman.statistic, abs=1e-6)
    assert 100 * found.unknown / 353 == pytest.approx(unknown)
    for (a, similarity), (b, other) in zip(
        ours.most_similar("tiger", 5), theirs.most_similar("tiger", topn=5), strict=True
    ):
        assert a == b
        assert similarity == pytest.approx(other, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "opt"),
    [(SkipGram(), opts.gd(lr=0.025)), (CBOW(), opts.adagrad(lr=0.05))],
    ids=lambda case: getattr(case, "name", ""),
)
def test_wordsim353_of_the_wikipedia_sample(model, opt):
    """Measured .47 and .37."""
    pytest.importorskip("gensim")
    text = corpus(word2vec.wikipedia())
    assert len(text.ids) == 412_531
    run = train(text, model, opt, batch=512, epochs=5, rng=0, progress=False)
    assert run.vectors.wordsim353().spearman >= 0.35
