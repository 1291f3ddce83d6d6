"""Noise: problems whose gradients have it, and the streams of random numbers that drive it."""

from odeopt.noise.brownian import BrownianPath, brownian_path
from odeopt.noise.gaussian import gaussian
from odeopt.noise.streams import normals, streams

__all__ = ["BrownianPath", "brownian_path", "gaussian", "normals", "streams"]
