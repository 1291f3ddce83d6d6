from ._catapult import catapult
from ._finite_sum import finite_sum
from ._quadratic import quadratic
from .base import Problem
from .extremal import huber
from .networks import tanh_network
from .regression import least_squares, logistic_regression
from .test_functions import beale, double_well, himmelblau, rosenbrock, saddle, valley

__all__ = [
    "Problem",
    "beale",
    "catapult",
    "double_well",
    "finite_sum",
    "himmelblau",
    "huber",
    "least_squares",
    "logistic_regression",
    "quadratic",
    "rosenbrock",
    "saddle",
    "tanh_network",
    "valley",
]
