"""The step alone tells the ODE that an optimizer follows to any order, as far as |mu - 1| < 1.

(a) The largest distance over 200 steps between the iterates and their modified flow of order K, both from the same
state, on a quadratic with curvatures 1 and 20.  (b) The same for gradient descent at several lr lambda: the series is
that of log(1 - lr lambda), and beyond 1 no order helps.
"""

import numpy as np

import odeopt as oo
from odeopt.core.state import named
from odeopt.plots import style
from odeopt.problems.oracle import Gradient

PROBLEM = oo.problems.quadratic((1, 20)).at((1, -1))
ORDERS = np.arange(1, 9)
STEPS = 200
OPTIMIZERS = (
    oo.optimizers.gd(lr=0.01),
    oo.optimizers.momentum(lr=0.001, beta=0.9),
    oo.optimizers.nesterov(lr=0.001, beta=0.9),
    oo.optimizers.rmsprop(lr=0.003, rho=0.99, start="settled"),
    oo.optimizers.adam(lr=0.01),
)
PRODUCTS = (0.1, 0.3, 0.6, 0.9, 1.2)  # lr lambda


def error(opt, order, steps=STEPS):
    """max |theta_n - theta(t_n)| along the modified flow from the iterates' own first state."""
    run = oo.simulate(opt, PROBLEM, steps)
    start = opt.initial_state(Gradient(PROBLEM.grad), run.theta[0])
    memory = named(opt.flow.memory, start)
    flow = oo.modified_flow(opt, order=int(order))
    truth = oo.solve(flow, PROBLEM, run.t, memory=memory, rtol=1e-13, atol=1e-14).check()
    return np.abs(run.theta - truth.theta).max()


def draw():
    figure, (orders, limit) = style.canvas(1, 2, height=3.1)
    found = {}
    for opt in OPTIMIZERS:
        found[opt.name] = [error(opt, K) for K in ORDERS]
        look = {"color": style.colour(opt.name), "marker": "o", "label": style.label(opt.name)}
        orders.semilogy(ORDERS, found[opt.name], **look)
    orders.set(
        xlabel="order K", ylabel=r"error $\max_n |\theta_n - \theta(t_n)|$", title=f"{STEPS} steps, five optimizers"
    )
    orders.set_ylim(1e-14, 1)
    shades = np.linspace(0.75, 0.0, len(PRODUCTS))
    for product, shade in zip(PRODUCTS, shades, strict=True):
        errors = [error(oo.optimizers.gd(lr=product / 20), K, steps=20) for K in ORDERS]
        limit.semilogy(ORDERS, errors, "o-", color=str(shade), label=f"{product:g}")
    limit.set(xlabel="order K", title=r"gradient descent, 20 steps, at lr $\lambda$ =")
    limit.legend(ncols=2)
    figure.legend(*orders.get_legend_handles_labels(), loc="outside lower left", ncols=5)
    style.letters((orders, limit))
    adam = found["adam"]
    style.headline(
        figure,
        f"From its step alone Adam's ODE is known better with each order: {style.sci(adam[0])} off with K = 1, "
        f"{style.sci(adam[5])} with K = 6",
    )
    return figure
