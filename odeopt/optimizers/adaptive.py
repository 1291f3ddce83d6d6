"""Adaptive methods: splittings of preconditioned flows, exact relaxation of the memory and then a drift of theta."""

from __future__ import annotations

from typing import Any

from odeopt import check, decay, flows, schemes
from odeopt.check import Array, Number
from odeopt.flow import Flow
from odeopt.optimizers.base import Optimizer
from odeopt.starts import Start, half_step, rest, settled, singular_match
from odeopt.state import Grad, State, column

WORD = "memory drift"


def rmsprop(
    lr: Number = 0.01, rho: Number = 0.99, eps: Number = 1e-8, map: str = "exact", start: str = "zero"
) -> Optimizer:
    """G <- rho G + (1 - rho) g^2,   theta <- theta - lr g/(sqrt(G) + eps).     [torch.optim.RMSprop; claim II.8]

    h = lr, rho = R(-h/tau).  start="zero" is the libraries' G = 0, where the flow is singular: it then starts from
    the matched G(0) of `starts.singular_match`.  start="settled" begins both at G = g0^2, where the order is 1.

    >>> rmsprop(lr=0.01, rho=0.99)
    rmsprop(lr=0.01, rho=0.99, eps=1e-08, map='exact', start='zero'): RMSprop by splitting 'memory drift', h = 0.01
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = (grad L(theta)^2 - G)/tau
    with tau = 0.994992, eps = 1e-08
    """
    lr, rho, eps = check.rate("lr", lr), check.fraction("rho", rho), check.nonnegative("eps", eps)
    check.together(lr=lr, rho=rho, eps=eps)
    rule, starts = decay.of_map(map), {"zero": (rest, singular_match), "settled": (settled, settled)}
    iterates, flow = starts[check.choice("start", start, starts)]
    return Optimizer(
        flows.rmsprop(tau=lr / rule.z_of(rho), eps=eps),
        schemes.Splitting(WORD, rule),
        lr,
        start=iterates,
        flow_start=flow,
        name="rmsprop",
        settings={"lr": lr, "rho": rho, "eps": eps, "map": map, "start": start},
    )


def adagrad(lr: Number = 0.01, eps: Number = 1e-10, accumulator: Number = 0.0) -> Optimizer:
    """G <- G + g^2,   theta <- theta - lr g/(sqrt(G) + eps), G0 = accumulator.                 [torch.optim.Adagrad]

    h = lr^2, and the flow's G is lr^2 times the library's.  From accumulator = 0 the flow is singular, and starts
    from the matched G(0) of `starts.singular_match`.

    >>> adagrad(lr=0.1, accumulator=0.1).h
    0.010000000000000002
    """
    lr, eps = check.rate("lr", lr), check.nonnegative("eps", eps)
    check.together(lr=lr, eps=eps)
    accumulator = check.scalar("accumulator", check.nonnegative("accumulator", accumulator))

    def begin(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        return flow.start(theta0, G=column(h) * accumulator)

    return Optimizer(
        flows.adagrad(eps=lr * eps),
        schemes.Splitting(WORD),
        lr**2,
        start=begin,
        flow_start=begin if accumulator else singular_match,
        lr_time=lr,
        name="adagrad",
        settings={"lr": lr, "eps": eps, "accumulator": accumulator},
    )


def adam(
    lr: Number = 1e-3,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    eps: Number = 1e-8,
    map: str = "exact",
    start: str = "half",
) -> Optimizer:
    """theta <- theta - lr (m/c1)/(sqrt(G/c2) + eps), with m, G and c relaxed before.              [torch.optim.Adam]

    h = lr, beta_i = R(-h/tau_i).  With the memory's age h/2 (start="half") the iterates are those of Strang's
    splitting, and follow the flow with order 2 (figure 03); start="zero" gives order 1.

    >>> print(adam(lr=0.01).scheme)
    Splitting('memory drift', exact decay, euler push)
    """
    lr, eps = check.rate("lr", lr), check.nonnegative("eps", eps)
    beta1, beta2 = check.fraction("beta1", beta1), check.fraction("beta2", beta2)
    check.together(lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    rule, starts = decay.of_map(map), {"half": half_step("memory", decay.of_map(map)), "zero": rest}
    begin: Start = starts[check.choice("start", start, starts)]
    return Optimizer(
        flows.adam(tau1=lr / rule.z_of(beta1), tau2=lr / rule.z_of(beta2), eps=eps),
        schemes.Splitting(WORD, rule),
        lr,
        flow_start=begin,
        name="adam",
        settings={"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "map": map, "start": start},
    )
