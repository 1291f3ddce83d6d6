"""Many members of one noisy optimizer or stochastic flow: their statistics, without their paths."""

from odeopt.ensemble.result import Ensemble
from odeopt.ensemble.run import ensemble

__all__ = ["Ensemble", "ensemble"]
