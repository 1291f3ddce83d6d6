"""Discretisations: what turns a flow and a step into an optimizer."""

from odeopt.schemes.base import Scheme, Step, StepFailure
from odeopt.schemes.exponential import Exponential, etd2rk, exponential_euler
from odeopt.schemes.implicit import BDF2, Theta, bdf2, implicit_euler, trapezoid
from odeopt.schemes.multistep import AdamsBashforth, ab2, ab3
from odeopt.schemes.runge_kutta import RungeKutta, bogacki_shampine, euler, heun, midpoint, rk3, rk4
from odeopt.schemes.splitting import Splitting
from odeopt.schemes.stabilised import Chebyshev, rkc1, rkc2

__all__ = [
    "BDF2",
    "AdamsBashforth",
    "Chebyshev",
    "Exponential",
    "RungeKutta",
    "Scheme",
    "Splitting",
    "Step",
    "StepFailure",
    "Theta",
    "ab2",
    "ab3",
    "bdf2",
    "bogacki_shampine",
    "etd2rk",
    "euler",
    "exponential_euler",
    "heun",
    "implicit_euler",
    "midpoint",
    "rk3",
    "rk4",
    "rkc1",
    "rkc2",
    "trapezoid",
]
