"""Noise: problems whose gradients have it, and the streams of random numbers that drive it."""

from odeopt.noise.accumulated import accumulated
from odeopt.noise.base import covariance
from odeopt.noise.brownian import BrownianPath, brownian_path
from odeopt.noise.gaussian import correlated, gaussian, gaussian_like
from odeopt.noise.minibatches import batches, minibatches
from odeopt.noise.streams import normals, streams
from odeopt.noise.svag import svag

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
    "svag",
]
