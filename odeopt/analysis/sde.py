"""The stochastic differential equation that an optimizer follows under noisy gradients."""

from __future__ import annotations

from odeopt import flows
from odeopt.core.flow import Flow
from odeopt.flows.gradient_noise import with_gradient_noise
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.named.gradient import gd
from odeopt.schemes.base import projections_that_are_read
from odeopt.util import check


def sde(opt: Optimizer, order: int = 1) -> Flow:
    """y' = F(y, g) + sqrt(h) dF/dg Sigma^(1/2) xi: the flow of `opt` with the noise of its gradients.

    The equation is in Ito's sense, in the flow's own time, and of weak order 1: [Li, Tai and E 2017] for gd and
    momentum, [Malladi et al. 2022] for RMSprop and Adam, where G tends to g^2 + diag Sigma.  order=2 is known only for
    gd, as `sgd_second_order`.  Run it with `oo.Optimizer(oo.sde(opt), schemes.euler_maruyama, opt.h)`; start Adam at an
    age of some steps, because m/c1 of white noise is singular at t = 0.  Raises ValueError if g appears under a norm, a
    maximum, a filter or a smoothed sign.

    A sign (in signSGD, Lion) becomes its mean over the noise zeta, E sign(g + zeta) = erf(g/(sqrt(2) sigma)) if zeta is
    Gaussian, and white noise with its variance and its covariance with zeta.          [Compagnoni et al. 2025, sec. 3]
    That takes a law for each coordinate of zeta: a problem of `noise.gaussian` or `noise.student`, whose coordinates
    are independent.  Into the equations of the others only the variance of the noise enters, not its tails.

    >>> from odeopt.optimizers import gd, momentum
    >>> sde(gd(lr=0.1))
    theta' = -grad L(theta) - sqrt(h)*noise(theta)
    with h = 0.1
    >>> sde(momentum(lr=0.01))
    theta' = -m
    m'     = (grad L(theta) - m)/tau + sqrt(h)*noise(theta)/tau
    with tau = 0.949122, h = 0.1
    >>> from odeopt.optimizers import signsgd
    >>> sde(signsgd(lr=0.1))
    theta' = -E sign(grad L(theta) + zeta(theta)) - sqrt(h)*noise(sign(grad L(theta) + zeta(theta)))
    with delta = 0, h = 0.1
    """
    an_optimizer(opt)
    plain = opt.recipe is not None and opt.recipe.make is gd
    if check.count("order", order, 1) > (2 if plain else 1):
        raise ValueError(f"order must be {'1 or 2' if plain else '1'} for {opt.name}, got {order}")
    if found := projections_that_are_read(opt.flow):
        raise ValueError(f"sde needs a flow that reads no projections, but {opt.name} reads {', '.join(found)}")
    return flows.sgd_second_order(opt.lr) if order == 2 else with_gradient_noise(opt.flow, opt.h)
