# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What happens at the edge
#
# **Question.** You have trained a network with all data in one batch, and seen the loss jump up and down while it went
# down in the long run. Theory says that gradient descent diverges once the curvature exceeds $2/\text{lr}$. Why did it
# not? And is there any equation that says where it goes?
#
# The answer in short: training *sharpens* until the curvature meets the optimizer's limit, and then oscillates there.
# The oscillation pushes back, just enough. No ordinary differential equation follows the iterates any more, but the
# middle between them has one [Cohen et al. 2021, 2024].

# %%
import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt.edge.gauge import zeta
from odeopt.plots import style

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
network = oo.problems.tanh_network(hidden=3, samples=100)  # 100 digits of 4 x 4 pixels, 91 parameters

# %% [markdown]
# ## 1. It sharpens, and stops at 2/lr
#
# Three learning rates, one network. The largest curvature is `oo.sharpness`; each learning rate has its own limit.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.8))
late = []
for lr, colour in ((0.25, style.SKY), (0.5, style.BLUE), (1.0, style.INK)):
    gd = oo.optimizers.gd(lr)
    run = oo.simulate(gd, network, steps=int(500 / lr))
    sharp = oo.sharpness(run, network, gd, every=int(10 / lr))
    left.plot(sharp.t, sharp.value, color=colour, label=f"lr {lr:g}")
    left.axhline(2 / lr, color=colour, linestyle=":")
    right.semilogy(run.t, run.loss, color=colour, linewidth=0.8)
    late.append(float(np.median(sharp.ratio[-15:])))
left.set(xlabel="time t = lr · steps", ylabel="sharpness", title="The limits 2/lr are dotted")
right.set(xlabel="time t = lr · steps", ylabel="loss", title="The loss jumps, and goes down")
left.legend()
plt.show()

# %%
print("sharpness over its limit, late:", [round(ratio, 2) for ratio in late])
assert 0.9 < late[-1] < 1.2

# %% [markdown]
# A gauge for your own training loop needs no Hessian: $\zeta=1+\Delta L/(\text{lr}\,|g|^2)$ of one step, from two
# losses and a gradient. $\zeta\approx0$: the step is one of a flow. $\zeta=1$: no progress. Above 1 the loss rose.

# %%
gauge = oo.edge_gauge(run)
print(gauge)
first = zeta(run.loss[0], run.loss[1], 1.0, np.sum(network.grad(run.theta[0]) ** 2))
assert np.isclose(first, gauge.zeta[0])
assert 0.05 < gauge.rising < 0.6

# %%
fig, ax = plt.subplots(figsize=(6, 2.6))
gauge.plot(ax, linewidth=0.5)
ax.set(title=f"The loss rises in {gauge.rising:.0%} of the steps", ylim=(-0.5, 2.5))
plt.show()

# %% [markdown]
# ## 2. Why it does not diverge
#
# The smallest loss with this behaviour has two parameters, $L=\tfrac12 y x^2-a\,y$. Its curvature along $x$ is $y$, and
# $-\partial L/\partial y=a-x^2/2$: while $x$ is small, $y$ grows; once $y>2/\text{lr}$, $x$ oscillates and grows; once
# $x^2>2a$, $y$ falls. The oscillation is a brake on the sharpening.

# %%
valley = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.02 * u[1], theta0=[0.02, 19.9])
run = oo.simulate(oo.optimizers.gd(lr=0.1), valley, steps=400)
flow = oo.central_flow(oo.optimizers.gd(lr=0.1), valley, steps=100)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6))
left.plot(run.theta[:, 0], color=style.BLUE, linewidth=0.6)
left.set(xlabel="steps", ylabel="x", title="x alternates in sign, and grows in bursts")
right.plot(run.theta[:, 1], color=style.BLUE, label="gradient descent")
right.plot(flow.theta[:, 1], color=style.VERMILLION, label="central flow")
right.axhline(20, color=style.INK, linestyle=":")
right.set(xlabel="steps", ylabel="sharpness y", title="y turns around at 2/lr")
right.legend()
plt.show()

# %% [markdown]
# The red line is the **central flow**, the path of the middle. It asks for the size of an oscillation that holds the
# curvature at the limit, and finds $x^2=2a$ here: on this cycle gradient descent really stays, if it starts there.

# %%
print(flow)
assert np.allclose(flow.theta[-1], [0, 20], atol=1e-6)
assert np.isclose(flow.covariance.trace[-1], 2 * 0.02)
cycle = oo.simulate(oo.optimizers.gd(lr=0.1), valley.at([0.2, 20.0]), steps=50)
assert np.allclose(np.abs(cycle.theta), [0.2, 20.0])

# %% [markdown]
# ## 3. Which equation follows the iterates?
#
# `oo.compare_at_edge` runs the optimizer, takes the middle of the iterates, $(w_-+2w+w_+)/4$, and puts beside it the
# optimizer's own flow, the central flow and the *rod flow*, which follows two points instead of one. The oscillation is
# started by a small kick of known size when the edge is reached; otherwise it grows from rounding.

# %%
gd, steeper = (
    oo.optimizers.gd(lr=0.1),
    oo.Problem(
        lambda u: 2 + 0.5 * u[..., 1] * u[..., 0] ** 2 - 0.05 * u[..., 1],  # 2 keeps it positive
        lambda u: np.stack([u[..., 1] * u[..., 0], 0.5 * u[..., 0] ** 2 - 0.05], axis=-1),
        theta0=[0.02, 19.95],
        batched=True,
    ),
)
seen = oo.compare_at_edge(gd, steeper, steps=300)
print(seen)

# %%
seen.plot()
plt.show()
near = {name: np.median(d[seen.perturbed :]) for name, d in seen.distance.items()}
assert near["rod flow"] < near["central flow"] < near["own flow"]
assert abs(seen.mean_loss_error["central flow"]) < 0.1 < abs(seen.mean_loss_error["own flow"])

# %% [markdown]
# Read it from left to right. (a) The own flow goes on as if there were no limit. The central flow goes through the
# middle of the bursts, and the rod flow through the bursts themselves. (b) A central flow predicts the mean loss over
# whole bursts, not that of each step. (c) On its path the curvature stays at the limit.
#
# Networks do the same. Figure 26 of the gallery has a table of them, with momentum, RMSprop and Adam: rod flows are
# nearest for gradient descent and RMSprop, central flows of order 2 for Adam. With momentum the bursts are so large
# that every model loses the iterates.
#
# ## 4. Where all of this fails
#
# At the start of training a learning rate may be beyond the limit already. Then the loss rises, the curvature falls,
# and training lands somewhere flatter: the **catapult**. Nothing oscillates around a middle. The central flow, which
# holds the curvature at the limit, brings it there in one step, without any rise, and leaves it there; the iterates
# land far below.

# %%
thrown = oo.problems.catapult(width=100, output=1.0, curvature=2.0)
run = oo.simulate(oo.optimizers.gd(lr=1.5), thrown, steps=20)
central = oo.central_flow(oo.optimizers.gd(lr=1.5), thrown, steps=20)
ends = oo.sharpness(run, thrown, oo.optimizers.gd(1.5), every=20).ratio[-1], central.sharpness[-1, 0] * 1.5 / 2
print(f"sharpness over its limit at the end: iterates {ends[0]:.2f}, central flow {ends[1]:.2f}")
assert run.loss.max() > 10 * run.loss[0] > 1e4 * run.loss[-1]
assert ends[0] < 0.2 < 0.99 < ends[1] < 1.01
fig, ax = plt.subplots(figsize=(5, 2.6))
ax.semilogy(run.loss, "o-", color=style.BLUE, label="gradient descent")
ax.semilogy(central.loss, color=style.VERMILLION, label="central flow")
ax.set(xlabel="steps", ylabel="loss", title="lr λ = 3: up by a factor, and then down to 0", ylim=(1e-8, 1e2))
ax.legend()
plt.show()
