"""Texts so small that the thinning of frequent words leaves some epochs, or all, without a word."""

from __future__ import annotations

import numpy as np
import pytest

from odeopt import optimizers as opts
from odeopt.word2vec import CBOW, SkipGram, Vectors, corpus, train

MODELS = pytest.mark.parametrize("model", [SkipGram(), CBOW()], ids=lambda model: model.name)
TEXT = corpus([["sun", "moon", "sun", "star", "moon", "star"] * 3], min_count=1)


@MODELS
def test_an_epoch_without_words_is_an_epoch_without_steps(model):
    opt = opts.adam(lr=0.1)
    start = train(TEXT, model, opt, dim=3, epochs=0, rng=1)
    run = train(TEXT, model, opt, dim=3, epochs=4, threshold=1e-20, rng=1)
    assert run.success
    assert run.message.startswith("4 epochs, 4 of them without words")
    np.testing.assert_array_equal(run.losses, np.full(4, np.nan))
    for table, expected in zip(run.tables, start.tables, strict=True):
        np.testing.assert_array_equal(table, expected)


@MODELS
def test_every_seed_is_trained_to_the_end(model):
    runs = [train(TEXT, model, dim=3, epochs=5, rng=seed) for seed in range(20)]
    assert all(run.success for run in runs)
    empty = np.isnan([run.losses for run in runs])
    assert empty.any()
    assert not empty.all()
    for run, epochs in zip(runs, empty, strict=True):
        assert ("without words" in run.message) == epochs.any()


@MODELS
def test_a_training_continues_across_epochs_without_words(model, tmp_path):
    settings = dict(dim=3, opt=opts.adam(lr=0.1), checkpoint=tmp_path / "run")
    whole = train(TEXT, model, dim=3, opt=opts.adam(lr=0.1), epochs=8, rng=2)
    assert 0 < np.isnan(whole.losses).sum() < 8
    for epochs in range(9):
        parts = train(TEXT, model, epochs=epochs, rng=2, **settings)
    np.testing.assert_array_equal(parts.losses, whole.losses)
    for table, expected in zip(parts.tables, whole.tables, strict=True):
        np.testing.assert_array_equal(table, expected)


def test_vectors_are_a_collection_of_their_words():
    vectors = Vectors(("a", "b"), np.eye(2))
    assert len(vectors) == 2
    assert "a" in vectors
    assert "c" not in vectors
    assert 0 not in vectors
    assert {word: vectors[word].tolist() for word in vectors} == {"a": [1.0, 0.0], "b": [0.0, 1.0]}


def test_words_are_strings():
    with pytest.raises(TypeError, match="lists of words, got 1 among"):
        corpus([["a", 1, "a", 1]], min_count=1)
