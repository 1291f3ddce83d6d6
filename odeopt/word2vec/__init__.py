"""Word2Vec with gradients by hand, trained by any optimizer that moves only the rows that a batch reads."""

from odeopt.util.door import suggesting
from odeopt.word2vec.cbow import CBOW
from odeopt.word2vec.model import Model
from odeopt.word2vec.skip_gram import SkipGram
from odeopt.word2vec.text import Corpus, corpus, wikipedia
from odeopt.word2vec.train import Training, train
from odeopt.word2vec.vectors import Agreement, Vectors, wordsim353

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

suggesting(__name__, __all__)
