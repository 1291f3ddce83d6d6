"""What is minimised: `Problem` for your own functions, and ready-made problems with derivatives by hand."""

from odeopt.problems.base import Problem
from odeopt.problems.extremal import huber
from odeopt.problems.finite_sum import finite_sum
from odeopt.problems.networks import tanh_network
from odeopt.problems.quadratic import quadratic
from odeopt.problems.regression import least_squares, logistic_regression
from odeopt.problems.test_functions import beale, double_well, himmelblau, rosenbrock, saddle, valley

__all__ = [
    "Problem",
    "beale",
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
