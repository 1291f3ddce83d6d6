"""Flows with Ito noise: Langevin's equation, Kramers' equation, and the SDEs that approximate SGD.

Stationary densities are exp(-energy/T) with the temperature T in units of the loss.  SGD with isotropic noise
Sigma = sigma^2 corresponds to Langevin's equation at the temperature T = lr sigma^2/2.
"""

from __future__ import annotations

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push, relax
from odeopt.util import check
from odeopt.util.check import Number


def langevin(temperature: Number) -> Flow:
    """theta' = -grad L(theta) + sqrt(2 T) xi: overdamped, stationary density exp(-L/T).         [Langevin 1908]

    >>> langevin(temperature=0.5)
    theta' = -grad L(theta) + sqrt(2*temperature)*xi
    with temperature = 0.5
    """
    return flow(
        "theta",
        {"temperature": check.nonnegative("temperature", temperature)},
        name="overdamped Langevin",
        drift=push(
            "theta",
            lambda grad, theta: -grad(theta),
            noise=lambda xi, temperature: ops.sqrt(2 * temperature) * xi,
        ),
    )


def kramers(damping: Number, temperature: Number) -> Flow:
    """theta' = v,   v' = -grad L(theta) - damping v + sqrt(2 damping T) xi.                    [Kramers 1940]

    The heavy ball in a heat bath, in inertial time; the stationary density is exp(-(L + |v|^2/2)/T).  Friction and
    noise are one part, an Ornstein-Uhlenbeck process that a splitting solves exactly: `schemes.baoab`, `schemes.obabo`.

    >>> kramers(damping=1.0, temperature=0.5)
    theta' = v
    v'     = -grad L(theta) - damping*v + sqrt(2*damping*temperature)*xi
    with damping = 1, temperature = 0.5
    """
    return flow(
        "theta v",
        {
            "damping": check.nonnegative("damping", damping),
            "temperature": check.nonnegative("temperature", temperature),
        },
        name="Kramers",
        drift=push("theta", lambda v: v),
        kick=push("v", lambda grad, theta: -grad(theta)),
        friction=relax(
            "v",
            rate=lambda damping: damping,
            noise=lambda xi, damping, temperature: ops.sqrt(2 * damping * temperature) * xi,
        ),
    )


def sgd_first_order(lr: Number) -> Flow:
    """theta' = -grad L(theta) - sqrt(lr) Sigma^(1/2) xi: SDE1, weak order 1 for SGD, h = lr.  [Li, Tai and E 2017]

    Euler-Maruyama with h = lr reproduces SGD with Gaussian noise draw by draw; hence the sign of the noise.
    On lambda theta^2/2 the stationary variance is lr sigma^2/(2 lambda); that of SGD is
    lr sigma^2/(lambda (2 - lr lambda)).

    >>> sgd_first_order(lr=0.1)
    theta' = -grad L(theta) - sqrt(lr)*noise(theta)
    with lr = 0.1
    """
    return flow(
        "theta",
        {"lr": check.rate("lr", lr)},
        name="SGD's SDE of order 1",
        drift=push(
            "theta",
            lambda grad, theta: -grad(theta),
            noise=lambda noise, theta, lr: -ops.sqrt(lr) * noise(theta),
        ),
    )


def sgd_second_order(lr: Number) -> Flow:
    """theta' = -grad (L + (lr/4) |grad L|^2) - sqrt(lr) Sigma^(1/2) xi: SDE2, weak order 2.   [Li, Tai and E 2017]

    Its stationary variance is further from SGD's than that of SDE1: on lambda theta^2/2 it is
    lr sigma^2/(lambda (2 + lr lambda)).  SDE2 stiffens the drift, whereas the finite step of SGD widens the density.

    >>> sgd_second_order(lr=0.1)
    theta' = -grad L(theta) - lr/2*H(theta)*grad L(theta) - sqrt(lr)*noise(theta)
    with lr = 0.1
    """
    return flow(
        "theta",
        {"lr": check.rate("lr", lr)},
        name="SGD's SDE of order 2",
        drift=push(
            "theta",
            lambda grad, theta, lr: -grad(theta) - lr / 2 * grad.hvp(theta, grad(theta)),
            noise=lambda noise, theta, lr: -ops.sqrt(lr) * noise(theta),
        ),
    )
