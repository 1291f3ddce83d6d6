"""Word2Vec with gradients by hand: a text, a model, an optimizer that moves only the rows that a batch reads."""

from odeopt.words.cbow import CBOW
from odeopt.words.model import Model
from odeopt.words.skip_gram import SkipGram
from odeopt.words.text import Corpus, corpus, wikipedia
from odeopt.words.train import Training, train
from odeopt.words.vectors import Agreement, Vectors, wordsim353

__all__ = [
    "CBOW",
    "Agreement",
    "Corpus",
    "Model",
    "SkipGram",
    "Training",
    "Vectors",
    "corpus",
    "train",
    "wikipedia",
    "wordsim353",
]
