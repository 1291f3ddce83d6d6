"""Named optimizers: each returns an `Optimizer`, a flow with a scheme and a step."""

from odeopt.optimizers.adaptive import adagrad, adam, rmsprop
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.gradient import gd
from odeopt.optimizers.momentum import heavy_ball, momentum, nesterov, nesterov_k

__all__ = ["Optimizer", "adagrad", "adam", "gd", "heavy_ball", "momentum", "nesterov", "nesterov_k", "rmsprop"]
