from ._accumulated import accumulated
from ._gaussian import correlated, gaussian, gaussian_like
from ._minibatches import batches, minibatches
from ._streams import normals, streams
from ._student import student
from ._svag import svag
from .base import covariance
from .brownian import BrownianPath, brownian_path

__all__ = [
    "BrownianPath",
    "accumulated",
    "batches",
    "brownian_path",
    "correlated",
    "covariance",
    "gaussian",
    "gaussian_like",
    "minibatches",
    "normals",
    "streams",
    "student",
    "svag",
]
