"""Noise: problems with noisy gradients, and the streams of random numbers that drive them."""

from odeopt.util.door import door
from odeopt.util.origin import repeatable

__getattr__, __dir__, __all__ = door(__name__, __file__, wrap=repeatable)
