"""Momentum is a splitting of Newton's equation with friction, and it is fast because its time step is sqrt(lr), not lr.

Per unit of its own time the heavy ball is slower than gradient flow; it wins because each of its steps, for the same
learning rate, is 1/sqrt(lr) times as long.
"""

import numpy as np

import odeopt as oo
from odeopt.plots import landscape, path, style

LR, BETA, GOAL = 0.01, 0.9, 1e-6
PROBLEM = oo.problems.quadratic((1, 20), theta0=(1, -1))


def steps_to(run, goal=GOAL):
    """The first step after which the loss stays below goal times its start."""
    return int(np.flatnonzero(run.loss > goal * run.loss[0])[-1]) + 1


def draw():
    ball = oo.compare(oo.optimizers.heavy_ball(lr=LR, beta=BETA, map="midpoint"), PROBLEM, 300)
    runs = {"gd": oo.simulate(oo.optimizers.gd(lr=LR), PROBLEM, 900), "heavy_ball": ball.iterates}
    needed = {name: steps_to(run) for name, run in runs.items()}
    spent = {name: run.t[needed[name]] for name, run in runs.items()}
    figure, (plane, by_step, by_time) = style.canvas(1, 3, height=2.6)

    landscape(PROBLEM, plane, around=ball.iterates.theta)
    path(ball.flow, plane, label="heavy-ball flow", **style.FLOW)
    path(ball.iterates, plane, linestyle="none", marker="o", markersize=2.4, label="iterates")
    plane.set_title(f"on its flow to {style.sci(ball.max_error)}")
    plane.legend(loc="lower left")

    for name, run in runs.items():
        line = {"color": style.colour(name), "label": style.label(name)}
        by_step.semilogy(run.loss / run.loss[0], **line)
        by_time.semilogy(run.t, run.loss / run.loss[0], **line)
        by_step.plot(needed[name], GOAL, "o", color=line["color"], markersize=4)
        by_time.plot(spent[name], GOAL, "o", color=line["color"], markersize=4)
    ratio = {"steps": needed["gd"] / needed["heavy_ball"], "time": spent["gd"] / spent["heavy_ball"]}
    by_step.set(xlabel="steps", ylabel="loss / first loss", ylim=(1e-9, 3))
    by_step.set_title(f"{ratio['steps']:.1f} times fewer steps")
    by_time.set(xlabel="own time: lr-time, inertial time", ylim=(1e-9, 3), xlim=(0, 22))
    by_time.set_title(f"{1 / ratio['time']:.1f} times more time")
    by_step.legend(loc="upper right")
    style.letters((plane, by_step, by_time))
    stretch = runs["heavy_ball"].t[1] / runs["gd"].t[1]
    style.headline(
        figure,
        f"Momentum needs {1 / ratio['time']:.1f} times the time of gradient descent, but its steps are "
        f"h/lr = {stretch:.0f} times as long: {needed['heavy_ball']} steps instead of {needed['gd']}",
    )
    return figure
