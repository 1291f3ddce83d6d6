"""m' = (g - m)/tau1,   G' = (g^2 - G)/tau2,   ci' = (1 - ci)/taui: the memory shared by the adaptive flows.

The bias correction of Kingma and Ba 2015 (alg. 1) is state: the clocks c1 and c2 relax to 1 like the moments.  Hence
m/c1 and G/c2 are weighted means of all gradients so far.  At t = 0 these quotients have the limits g and g^2.
"""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Quantity, decreasing, relax
from odeopt.core.formula import Formula, reading, reads
from odeopt.util import check
from odeopt.util.check import Number

mean = relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau1: 1 / tau1)
square = relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau2: 1 / tau2)
clock1 = relax("c1", target=1.0, rate=lambda tau1: 1 / tau1)
clock2 = relax("c2", target=1.0, rate=lambda tau2: 1 / tau2)
MOMENTS = (mean, square, clock1, clock2)


def constants(tau1: Number, tau2: Number, eps: Number) -> dict[str, Number]:
    """The checked parameters of the moments and the root."""
    return {
        "tau1": check.positive("tau1", tau1),
        "tau2": check.positive("tau2", tau2),
        "eps": check.nonnegative("eps", eps),
    }


def corrected_mean(grad: Any, theta: Any, m: Any, c1: Any) -> Any:
    """m/c1."""
    return ops.ratio(m, c1, limit=lambda: grad(theta))


def corrected_square(grad: Any, theta: Any, G: Any, c2: Any) -> Any:
    """G/c2."""
    return ops.ratio(G, c2, limit=lambda: grad(theta) ** 2)


def velocity(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any) -> Any:
    """-(m/c1)/(sqrt(G/c2) + eps)."""
    return -corrected_mean(grad, theta, m, c1) / (ops.sqrt(corrected_square(grad, theta, G, c2)) + eps)


def velocity_hat(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any) -> Any:
    """-(m/c1) sqrt(c2)/(sqrt(G) + eps)."""
    return velocity(grad, theta, m, G, c1, c2, eps / ops.sqrt(c2))


def energy(velocity: Formula) -> dict[str, Quantity]:
    """L + (tau1/2) sum_i m_i^2/P_i for theta' = velocity = -m/P: loss plus kinetic energy in the metric P.

    Its derivative is -sum_i m_i^2/P_i (1 + tau1 P_i'/(2 P_i)).  A mean of squares decays at
    most at the rate 1/tau2, and its root at most at 1/(2 tau2).  The clocks, started from rest together, only increase
    the bracket, so it is positive for every L if tau1 <= 4 tau2.
                                                           [Barakat and Bianchi 2021, with clocks as functions of t]
    """
    inner = reads(velocity)
    m = inner.index("m")
    value = reading(
        ("loss", "tau1", *inner),
        lambda loss, tau1, *read: loss + tau1 / 2 * ops.total(read[m] * -velocity(*read)),
    )
    return {"energy": decreasing(value, "tau1 <= 4 tau2")}
