"""Noise: problems whose gradients have it, and the streams of random numbers that drive it."""

from odeopt.noise.gaussian import gaussian
from odeopt.noise.streams import normals, streams

__all__ = ["gaussian", "normals", "streams"]
