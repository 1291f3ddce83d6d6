"""AMSGrad and Adamax against their flows: references that find the times at which a running maximum takes hold.

Each coordinate is either *tracking* (the ceiling is the quantity that rises) or *holding* (it is a maximum of the
past); solve_ivp's events find the changes, so that the reference is smooth between them.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support import tables

from odeopt import optimizers, simulate
from odeopt.problems.oracle import Gradient

TAU1, TAU2, EPS, T = 0.2, 1.0, 1e-7, 1.0  # eps small: Keras' eps hat is singular at t = 0
STEPS = (100, 200, 400)


def _beta(tau, h):
    return float(np.exp(-h / tau))


class Ceiling:
    """The switching system of one optimizer: y = (theta, m, G or u, c1, c2)."""

    def __init__(self, name, like, problem):
        self.adamax, self.like, self.problem = name == "adamax", like, problem

    def rising(self, y):
        """What the ceiling is the maximum of."""
        g, G, c2 = self.problem.grad(y[:2]), y[4:6], y[7]
        if self.adamax:
            return np.abs(g) + (0 if self.like == "keras" else EPS)
        return G / c2 if self.like == "optax" else G

    def velocity(self, y, M):
        m, c1, c2 = y[2:4], y[6], y[7]
        if self.adamax:
            return -(m / c1) / (M + (EPS if self.like == "keras" else 0))
        eps = EPS / np.sqrt(c2) if self.like == "keras" else EPS
        return -(m / c1) / (np.sqrt(M if self.like == "optax" else M / c2) + eps)

    def rhs(self, y, held, tracking):
        """y', with the ceiling held where it does not track; Adamax' held ceiling decays in G's place."""
        g = self.problem.grad(y[:2])
        M = np.where(tracking, self.rising(y), y[4:6] if self.adamax else held)
        G_dot = -y[4:6] / TAU2 if self.adamax else (g**2 - y[4:6]) / TAU2
        return np.concatenate(
            [self.velocity(y, M), (g - y[2:4]) / TAU1, G_dot, [(1 - y[6]) / TAU1], [(1 - y[7]) / TAU2]]
        )

    def surplus(self, y, held, tracking, i):
        """Negative from where coordinate i must change its mode."""
        if not tracking[i]:
            return ((y[4:6] if self.adamax else held) - self.rising(y))[i]
        if not self.adamax:  # it rises as long as g^2 > G, with and without the correction
            return (
                (self.problem.grad(y[:2]) ** 2 - self.rising(y))[i]
                if self.like == "optax"
                else (self.problem.grad(y[:2]) ** 2 - y[4:6])[i]
            )
        theta_dot = self.rhs(y, held, tracking)[:2]
        g_dot = np.sign(self.problem.grad(y[:2])) * self.problem.hvp(y[:2], theta_dot)
        return (g_dot + self.rising(y) / TAU2)[i]


def reference(system, y, times):
    """theta at the times, and the number of changes of mode."""
    held, tracking, t, changes = system.rising(y), np.array([True, True]), 0.0, 0
    if system.adamax:
        y = np.concatenate([y[:4], held, y[6:]])
    tracking = np.array([system.surplus(y, held, tracking, i) > 0 for i in range(2)])
    theta = np.empty((len(times), 2))
    while True:
        events = [
            lambda t, y, i=i, held=held, tracking=tracking: system.surplus(y, held, tracking, i) for i in range(2)
        ]
        for event in events:
            event.terminal, event.direction = True, -1
        run = solve_ivp(
            lambda t, y, held=held, tracking=tracking: system.rhs(y, held, tracking),
            (t, T), y, "DOP853", events=events, dense_output=True, rtol=1e-11, atol=1e-13,
        )  # fmt: skip
        here = (times >= t) & (times <= run.t[-1])
        theta[here] = run.sol(times[here])[:2].T
        if run.status != 1:
            return theta, changes
        t, y, changes = run.t[-1], run.y[:, -1].copy(), changes + 1
        (i,) = [i for i in range(2) if run.t_events[i].size][:1]
        if tracking[i]:
            held = held.copy()
            held[i] = system.rising(y)[i]
            if system.adamax:
                y[4 + i] = held[i]
        tracking = tracking.copy()
        tracking[i] = not tracking[i]


def errors(name, like, start):
    problem, found = tables.smooth_problem().at(start), []
    system = Ceiling(name, like, problem)
    for n in STEPS:
        h = T / n
        opt = getattr(optimizers, name)(h, _beta(TAU1, h), _beta(TAU2, h), EPS, like=like)
        run = simulate(opt, problem, n).check()
        state = dict(zip(opt.flow.variables, opt.matched_state(Gradient(problem.grad), problem.theta0), strict=True))
        G = state.get("G", np.zeros(2))
        y = np.concatenate([state["theta"], state["m"], G, state["c1"], state.get("c2", np.ones(1))])
        exact, changes = reference(system, y, run.t)
        found.append(np.abs(run.theta - exact).max())
    return found, changes


@pytest.mark.parametrize("like", ["torch", "keras", "optax"])
@pytest.mark.parametrize(
    ("name", "order", "start"), [("amsgrad", 2, (-0.5, 1.0)), ("adamax", 1, (-0.5, 1.0)), ("adamax", 1, (0.0, 0.5))]
)
def test_order_through_changes_of_mode(name, order, start, like):
    """AMSGrad keeps Adam's order 2 through them; Adamax' ceiling reads the gradient itself, and has 1."""
    found, changes = errors(name, like, start)
    assert changes >= 2  # or the maximum would not have been tested
    assert -np.polyfit(np.log(STEPS), np.log(found), 1)[0] == pytest.approx(order, abs=0.1), found
