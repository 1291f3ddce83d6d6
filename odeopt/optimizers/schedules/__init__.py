"""Learning-rate schedules: factors s(k) of the rate, functions of the step count k = 0, 1, 2, ... and in between."""

from odeopt.util.door import door, explaining

__getattr__, __dir__, __all__ = door(__name__, __file__, wrap=explaining)
