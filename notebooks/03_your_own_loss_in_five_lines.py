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
# # Your own loss in five lines
#
# **Question.** You have a loss of your own. What do the optimizers do on it, which learning rate is right, and what
# would an optimizer of your own do?
#
# Our loss is a small fit: recover the damping and the frequency of a ringing signal from forty noisy samples,
#
# $$L(a,\omega) = \frac1{40}\sum_k\bigl(e^{-at_k}\cos\omega t_k-y_k\bigr)^2 .$$

# %%
import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt import plots
from odeopt.plots import style

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})

# %% [markdown]
# ## 1. Five lines
#
# A loss and a start are enough. Without a gradient the problem differentiates the loss itself, and says how: here by
# complex steps, which are exact to rounding.

# %%
t = np.linspace(0, 4, 40)
y = np.exp(-0.7 * t) * np.cos(3 * t) + 0.03 * np.random.default_rng(1).standard_normal(40)
loss = lambda p: np.mean((np.exp(-p[0] * t) * np.cos(p[1] * t) - y) ** 2)
problem = oo.Problem(loss, theta0=[0.1, 2.2], name="ringing")
run = oo.simulate(oo.optimizers.adam(lr=0.02), problem, steps=300)

# %%
print(problem, run, sep="\n")
assert run.success
assert problem.gradient_source == "complex step"
damping, frequency = run.final
print(f"found damping {damping:.2f} and frequency {frequency:.2f}; the signal has 0.70 and 3.00")
assert abs(run.final - [0.7, 3.0]).max() < 0.05

# %% [markdown]
# ## 2. Optimizers beside their flows
#
# `compare` runs an optimizer, the flow that it discretises from the matched start, and plain gradient flow.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.1))
followed = {}
three = oo.optimizers.gd(0.1), oo.optimizers.momentum(0.01), oo.optimizers.adam(0.02)
for opt, ax in zip(three, axes, strict=True):
    followed[opt.name] = oo.compare(opt, problem, steps=150)
    followed[opt.name].plot(ax)
plt.show()

# %% [markdown]
# Three ways down the same valley. How close each optimizer stays to its own flow is a number:

# %%
for name, cmp in followed.items():
    print(f"{name:<10} {cmp.max_error:.1e}")
assert followed["adam"].max_error < 1e-3

# %% [markdown]
# ## 3. A gradient by hand, checked
#
# A gradient by hand is faster. It is also where the mistakes are, so have it checked before you use it. Here the
# second entry has lost its factor $t$:

# %%
wave = lambda p: (np.exp(-p[0] * t) * np.cos(p[1] * t), np.exp(-p[0] * t) * np.sin(p[1] * t))
loss = lambda p: np.mean((wave(p)[0] - y) ** 2)
wrong = lambda p: -2 * np.array([np.mean((wave(p)[0] - y) * t * wave(p)[0]), np.mean((wave(p)[0] - y) * wave(p)[1])])
right = lambda p: -2 * np.array([np.mean((wave(p)[0] - y) * t * w) for w in wave(p)])
for grad in (wrong, right):
    print(oo.Problem(loss, grad, theta0=[0.1, 2.2]).check_gradient())

# %%
assert oo.Problem(loss, wrong, theta0=[0.1, 2.2]).check_gradient().worst == 1
assert oo.Problem(loss, right, theta0=[0.1, 2.2]).check_gradient().max_error < 1e-12

# %% [markdown]
# ## 4. A sweep is one run
#
# Hyperparameters may be arrays: the members of an ensemble step together. Written for stacks $(\dots,2)$, the loss is
# evaluated for all of them at once; `Problem` finds out by itself whether it may do so.

# %%
stack = oo.Problem(
    lambda p: np.mean((np.exp(-p[..., :1] * t) * np.cos(p[..., 1:] * t) - y) ** 2, axis=-1),
    theta0=[0.1, 2.2], name="ringing")  # fmt: skip
print(stack)
assert np.allclose(stack.loss(run.theta), run.loss, rtol=1e-12)

# %%
lr = np.geomspace(1e-3, 30, 60)
best = oo.simulate(oo.optimizers.gd(lr=2), stack, steps=1000).loss[-1]
sweep = {"gd": oo.optimizers.gd(lr), "momentum": oo.optimizers.momentum(lr, beta=0.9), "adam": oo.optimizers.adam(lr)}
left_over = {name: oo.simulate(opt, stack, steps=200).loss[-1] - best for name, opt in sweep.items()}
for name, rest in left_over.items():
    print(f"{name:<10} best lr {lr[np.nanargmin(rest)]:.2g}: L - L* = {np.nanmin(rest):.0e} after 200 steps")
assert abs(left_over["gd"]).min() < 1e-17 < 1e-10 < left_over["momentum"].min() < 1e-8

# %%
fig, ax = plt.subplots(figsize=(5.2, 2.9))
for (name, rest), marker in zip(left_over.items(), "osD", strict=True):
    ax.loglog(lr, np.maximum(rest, 1e-17), marker, color=style.colour(name), label=style.label(name))
ax.set(xlabel="learning rate", ylabel="$L-L^*$ after 200 steps", title="Each has its range of good learning rates")
ax.legend()
plt.show()

# %% [markdown]
# This valley is round enough for gradient descent to win. Momentum is held back by its own ringing: wherever the
# multipliers are complex their modulus is $\sqrt\beta$ *for every learning rate*, so that the loss falls by $\beta$ a
# step, here to about $0.9^{200} = 7\cdot10^{-10}$.
#
# Arrays broadcast: a column of learning rates and a row of $\beta$ make a map of the plane, $60\times50$ runs of
# momentum in one. The same bound ends the good region at $\beta\approx0.87$.

# %%
beta = 1 - np.geomspace(1, 0.005, 50)
plane = oo.simulate(oo.optimizers.momentum(lr[:, None], beta), stack, steps=200, record_every=200)
rest = np.clip(np.nan_to_num(plane.loss[-1] - best, nan=1), 1e-14, 1)
largest = beta[(rest < 1e-13).any(axis=0)].max()
print(f"{plane.theta.shape[1:-1]} runs; the largest beta that reaches 1e-13 is {largest:.3f}")
assert 0.86 < largest < 0.88
print(f"of the start's {plane.loss[0, 0, 0]:.2f} it leaves beta^200 = {largest**200:.0e}")

# %%
fig, ax = plt.subplots(figsize=(4.6, 3.2))
image = ax.pcolormesh(lr, 1 - beta, np.log10(rest.T), cmap="cividis", shading="nearest", rasterized=True)
ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=r"$1-\beta$",
       title="Too much momentum is as bad as too large a rate")  # fmt: skip
fig.colorbar(image, label="$\\log_{10}(L-L^*)$ after 200 steps")
plt.show()

# %% [markdown]
# ## 5. How accurate, at what price?
#
# `convergence` measures the order of a scheme on a flow, `work_precision` what accuracy costs in gradients. For
# *following* the flow a high order pays at once: RK4 with 80 gradients beats Heun with 120 and AB2 with 200.

# %%
flow, schemes = oo.flows.heavy_ball(damping=1.0), oo.schemes
names = {"Euler": schemes.euler, "Heun": schemes.heun, "RK4": schemes.rk4, "AB2": schemes.ab2}
work = oo.work_precision(flow, names, stack, t_end=5.0, steps=(20, 60, 200, 600))
orders = [oo.convergence(flow, scheme, stack, t_end=5.0, steps=(60, 200, 600)).order for scheme in names.values()]
print(dict(zip(names, np.round(orders, 2).tolist(), strict=True)))
assert np.allclose(orders, [1, 2, 4, 2], atol=0.15)

# %%
fig, ax = plt.subplots(figsize=(4.6, 2.9))
work.plot(ax)
ax.set_title("To follow a flow, high order is cheap")
assert work.gradients["RK4"][0] == 80
assert work.error["RK4"][0] < min(work.error["Heun"][1], work.error["AB2"][2])
plt.show()

# %% [markdown]
# ## 6. An optimizer of your own
#
# A flow is a sum of named parts, an optimizer is a flow, a scheme and a step. Take Newton's equation and give it a
# speed limit $c$, as in special relativity:
#
# $$\dot\theta=\frac{v}{\sqrt{1+v^2/c^2}},\qquad \dot v=-\nabla L-\lambda v .$$
#
# The formulas are written once; the equations below are printed by running them on symbols.

# %%
relativistic = oo.flow(
    "theta v", {"damping": 1.0, "c": 0.5},
    drift=oo.push("theta", lambda v, c: v / oo.ops.sqrt(1 + v**2 / c**2)),
    kick=oo.push("v", lambda grad, theta: -grad(theta)),
    friction=oo.relax("v", rate=lambda damping: damping),
    name="relativistic momentum",
)  # fmt: skip
relativistic

# %% [markdown]
# Every scheme runs on it, a word over the parts too: `friction kick drift` is its momentum method, the palindrome is
# second order at the same cost of one gradient a step.

# %%
words = {"momentum": "friction kick drift", "palindrome": "drift kick friction kick drift"}
fits = {name: oo.convergence(relativistic, schemes.Splitting(word), stack, t_end=5.0) for name, word in words.items()}
print(*fits.values(), sep="\n")
assert np.allclose([fit.order for fit in fits.values()], [1, 2], atol=0.05)

# %% [markdown]
# As an optimizer: no coordinate can move by more than $c\,h$ in a step, however steep the loss. From a wrong guess with
# *negative* damping the gradient is large, and throws the ordinary ball far beyond the valley, where the signal has
# died away and nothing pulls it back. The one with the speed limit arrives.

# %%
word = schemes.Splitting("friction kick drift")
own = oo.Optimizer(relativistic, word, h=0.3, name="relativistic")
plain = oo.Optimizer(oo.flows.heavy_ball(damping=1.0), word, h=0.3, name="heavy_ball")
limited, thrown = (oo.simulate(opt, stack, steps=200, theta0=[-0.4, 2.5]) for opt in (own, plain))
longest = [abs(np.diff(run.theta, axis=0)).max() for run in (limited, thrown)]
print(f"longest step: {longest[0]:.3f} with the limit c h = 0.15, {longest[1]:.1f} without")
print(f"ends at {limited.final.round(2)} and at {thrown.final.round(2)}")
assert longest[0] < 0.15 < 1 < longest[1]
assert abs(limited.final - [0.71, 3.0]).max() < 0.02
assert thrown.final[0] > 5

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
plots.landscape(stack, left, xlim=(-0.6, 1.8), ylim=(2, 4))
for run, colour, name in ((limited, style.VERMILLION, "with speed limit"), (thrown, style.SKY, "heavy ball")):
    plots.path(run, left, color=colour, marker="o", label=name)
    right.semilogy(run.loss, color=colour, label=name)
left.set(title="The ball leaves the valley in one step", xlabel="damping a", ylabel=r"frequency $\omega$")
right.set(xlabel="step n", ylabel="loss L", title="... and is not back after 200")
left.legend()
right.legend()
plt.show()
