from .base import Scheme, Step, StepFailure, StochasticScheme
from .exponential import Exponential, etd2rk, exponential_euler
from .implicit import BDF2, Theta, bdf2, implicit_euler, trapezoid
from .multistep import AdamsBashforth, ab2, ab3
from .runge_kutta import RungeKutta, bogacki_shampine, euler, heun, midpoint, rk3, rk4
from .splitting import Splitting, baoab, obabo
from .stabilised import Chebyshev, rkc1, rkc2
from .stochastic import StochasticRungeKutta, euler_maruyama, milstein, stochastic_heun
from .weak import platen

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
    "StochasticRungeKutta",
    "StochasticScheme",
    "Theta",
    "ab2",
    "ab3",
    "baoab",
    "bdf2",
    "bogacki_shampine",
    "etd2rk",
    "euler",
    "euler_maruyama",
    "exponential_euler",
    "heun",
    "implicit_euler",
    "midpoint",
    "milstein",
    "obabo",
    "platen",
    "rk3",
    "rk4",
    "rkc1",
    "rkc2",
    "stochastic_heun",
    "trapezoid",
]
