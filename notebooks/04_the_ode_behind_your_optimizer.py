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
# # The ODE behind your optimizer
#
# **Question.** Gradient descent does not follow gradient flow, not exactly. Which differential equation does it follow?
# And Nesterov, and Adam, and the optimizer object that *you* bring, whose formula nobody wrote down here?
#
# The answer is old: backward error analysis of numerical integrators (Hairer, Lubich and Wanner, *Geometric Numerical
# Integration*, chapter IX). A method with step $h$ solves *another* equation almost exactly, the modified equation
# $\dot y = F_1(y) + h F_2(y) + \dots$

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt import plots
from odeopt.plots import style
from odeopt.symbolic import eliminate_velocity, modified_equation

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
valley = oo.problems.rosenbrock(b=5).at([-1, 0.5])  # L = (1 - x)^2 + 5 (y - x^2)^2, from (-1, 0.5)

# %% [markdown]
# ## 1. Gradient descent, and the loss that it really descends
#
# The step $\theta\leftarrow\theta-h\,g$ is run on symbols instead of numbers. Its logarithm is the equation:

# %%
equation = modified_equation(oo.optimizers.gd(lr=0.1), order=3)
print(equation)
assert "-g - h*H[g]/2" in str(equation)

# %% [markdown]
# Since $H g=\nabla\tfrac12|g|^2$, the second term is a gradient too. So gradient descent descends, to second order,
# not $L$ but $L+\frac h4|\nabla L|^2$: it regularises by itself, and avoids steep places (Barrett and Dherin 2021).
# With the third term this ends: that one is the gradient of nothing.

# %%
opt = oo.optimizers.gd(lr=0.006)
print(oo.implicit_regularizer(opt))
hills = oo.problems.himmelblau().at([0.13, -0.61])  # close to the divide between two valleys
seen = oo.implicit_regularizer(opt).modified(hills)
run = oo.simulate(opt, hills, steps=330)
plain, modified = (oo.solve(oo.flows.gradient_flow(), p, run.t, dense_output=True) for p in (hills, seen))
off = [np.linalg.norm(run.theta - flow.theta, axis=1).max() for flow in (plain, modified)]
print(f"gradient flow is up to {off[0]:.2f} away, the flow of the modified loss {off[1]:.2f}")
assert np.isclose(oo.implicit_regularizer(opt).coefficient, 0.006 / 4)
assert off[0] > 3 > 0.5 > off[1]

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
looks = (style.GRADIENT_FLOW, "gradient flow", "Gradient flow on L ends elsewhere"), (
    style.FLOW, "its gradient flow", r"... on $L+(h/4)\,|\nabla L|^2$ it goes along")  # fmt: skip
for ax, problem, flow, (look, name, title) in zip(axes, (hills, seen), (plain, modified), looks, strict=True):
    plots.landscape(problem, ax, xlim=(-0.4, 4.6), ylim=(-2.7, 2.7))
    plots.path(run, ax, ls="none", marker="o", markersize=2.2, label="gradient descent")
    plots.path(flow, ax, **look, label=name)
    ax.set(title=title)
    ax.legend(loc="upper left")
axes[1].set_ylabel("")
plt.show()

# %% [markdown]
# ## 2. Momentum and Nesterov: two equations that look like one
#
# For $h\to0$ both are the ball with friction, $\tau\ddot X+\dot X+g=0$: the difference between them is gone. Keep one
# more power of $h$, and eliminate the velocity (Shi, Du, Jordan and Su 2022):

# %%
pair = oo.optimizers.momentum(lr=0.002, beta=0.9), oo.optimizers.nesterov(lr=0.002, beta=0.9)
high = {opt.name: eliminate_velocity(opt) for opt in pair}
for name, equation in high.items():
    print(f"{name:<9}", str(equation).splitlines()[0])
assert "H[X']" in str(high["nesterov"])
assert "H[X']" not in str(high["momentum"])

# %% [markdown]
# There it is: Nesterov's look-ahead is a friction $h\,H\dot X$ that acts where the loss curves, and momentum has none.
# Momentum's equation is the ball's own, also in second order; what is new is its start, not at rest but with the
# velocity $\dot X(0)=-\frac h{2\tau}g_0$ that the iterates have. Both come far closer so:

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
for opt, ax in zip(pair, axes, strict=True):
    run = oo.simulate(opt, valley, steps=150)
    low, better = (oo.solve(flow, valley, run.t) for flow in (opt.flow, high[opt.name].field(valley)))
    errors = [abs(flow.theta - run.theta).max(axis=1)[1:] for flow in (low, better)]
    gain = errors[0].max() / errors[1].max()
    print(f"{opt.name:<9} off by {errors[0].max():.1e} from the ball at rest, {errors[1].max():.1e} from the new one")
    assert gain > 5
    ax.semilogy(run.t[1:], errors[0], **style.GRADIENT_FLOW, label="from the ball that starts at rest")
    ax.semilogy(run.t[1:], errors[1], color=style.colour(opt.name), label="from the high-resolution ODE")
    ax.set(xlabel="time t", title=f"{style.label(opt.name)}: {gain:.0f} times closer", ylim=(5e-5, 1))
    ax.legend(loc="upper left")
axes[0].set_ylabel(r"$|\theta_n-X(t_n)|$")

# %%
momentum = high["momentum"].field(valley)
begins = momentum.start(valley.theta0)[1] / valley.grad(valley.theta0)
tau = pair[0].flow.params["tau"]
print(f"X'(0) = {begins[0]:.4f} g0, and -h/(2 tau) = {-pair[0].h / (2 * tau):.4f}")
assert np.allclose(begins, -pair[0].h / (2 * tau))

# %% [markdown]
# ## 3. Adam, to any order
#
# Formulas get long, but they are not needed. The logarithm of the step is a series in its forward differences,
#
# $$h F_K = \sum_{k=1}^K\frac{(-1)^{k+1}}k\,\Delta^k y ,$$
#
# so that $K$ steps, ahead of any state, give the field $F_K$ there as a number. `follow` solves that ODE from the first
# state of the iterates, and says how far they part.

# %%
orders = np.arange(1, 9)
rates = {0.02: "o-", 0.01: "s-", 0.005: "D-"}
errors = {lr: [oo.follow(oo.optimizers.adam(lr), valley, 200, int(K), rtol=1e-12, atol=1e-14).max_error
               for K in orders] for lr in rates}  # fmt: skip
for lr, error in errors.items():
    print(f"lr = {lr:<6}", *[f"{value:.0e}" for value in error])
assert errors[0.01][0] > 1e-3 > 1e-6 > errors[0.01][5]

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3), width_ratios=(1, 1.1))
for (lr, error), shade in zip(errors.items(), (1, 0.65, 0.35), strict=True):
    left.semilogy(orders, error, rates[lr], color=style.colour("adam"), alpha=shade, label=f"lr = {lr:g}")
left.set(xlabel="order K", ylabel=r"max $|\theta_n-\theta(t_n)|$", title="Each order gains digits: Adam, 200 steps")
left.legend()
oo.follow(oo.optimizers.adam(0.02), valley, 300, order=6).plot(right)
plt.show()

# %% [markdown]
# ## 4. Where it stops
#
# The series is that of $\log(1+x)$ with $x=\mu-1$, for the multipliers $\mu$ of the step near a state. It converges for
# $|\mu-1|<1$. For gradient descent $\mu=1-h\lambda$, so that the limit is $h\lambda=1$: there an iterate jumps to the
# minimum in one step, and beyond it to the other side, which no flow of a single variable can do. `follow` measures
# $|\mu-1|$ along the path, and warns:

# %%
bowl = oo.problems.quadratic(eigenvalues=(1,), angle=0)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    found = {z: [oo.follow(oo.optimizers.gd(z), bowl, 20, int(K)) for K in orders] for z in (0.3, 0.6, 0.9, 1.1, 1.5)}
print(said[0].message)
assert len(said) == 2 * len(orders)
for z, results in found.items():
    assert abs(results[0].max_indicator - z) < 1e-6
assert found[0.9][-1].max_error < found[0.9][0].max_error / 10
assert min(result.max_error for result in found[1.1]) > 0.1

# %% [markdown]
# That is not where the *optimizer* stops. Its limit is $|\mu|=1$, for gradient descent $h\lambda=2$, for momentum
# $2(1+\beta)$, for Adam with $\beta_1=0.9$ 38 in preconditioned curvature. Between 1 and 2 gradient descent works well
# and is no flow at all. And in training it goes there by itself: the curvature grows until $\lambda=2/h$, the edge of
# stability (Cohen et al. 2021).

# %%
limits = {name: oo.stability_limit(getattr(oo.optimizers, name)()) for name in ("gd", "momentum", "nesterov", "adam")}
print({name: round(limit, 3) for name, limit in limits.items()})
assert np.allclose([limits["gd"], limits["momentum"], limits["adam"]], [2, 3.8, 38])
network, opt = oo.problems.tanh_network(hidden=4, samples=500), oo.optimizers.gd(lr=0.5)
training = oo.simulate(opt, network, steps=3000)
edge = oo.sharpness(training, network, opt, every=25)
print(edge)
assert edge.ratio[0] < 0.5
assert 0.9 < np.median(edge.ratio[-25:]) < 1.2

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.9))
for (z, results), shade in zip(found.items(), (0.75, 0.55, 0.35, 0.0, 0.0), strict=True):
    look = {"color": style.ORANGE if z == 1.1 else style.VERMILLION, "ls": "--"} if z > 1 else {"color": str(shade)}
    left.semilogy(orders, [result.max_error for result in results], marker="o", label=rf"$h\lambda$ = {z:g}", **look)
left.set(xlabel="order K", ylabel=r"max $|\theta_n-\theta(t_n)|$", title=r"Beyond $|\mu-1|=1$ no order helps")
left.legend(loc="lower left")
right.plot(edge.t / 0.5, edge.value * 0.5, color=style.colour("gd"))
for level, text in ((1, "no flow beyond"), (2, "unstable beyond")):
    right.axhline(level, color=style.INK, ls=":")
    right.text(3000 * (level == 1), level + 0.03, text, ha="right" if level == 1 else "left", va="bottom", fontsize=7)
right.set(xlabel="step n", ylabel=r"$h\,\lambda_{\max}$", ylim=(0, 2.6), title="Training goes to the edge by itself")
plt.show()

# %% [markdown]
# ## 5. Your optimizer object
#
# So far the optimizers were written in odeopt. Now bring one that is not: any `torch.optim` object, with its loss.
# Nothing is known of it but what it does when it is asked to step. (Keras and optax optimizers go the same way:
# `odeopt.frameworks.keras.from_keras`, `odeopt.frameworks.jax.from_optax`; a step of your own: `oo.from_step`.)

# %%
try:
    import torch

    from odeopt.frameworks.torch import from_torch
except ImportError:
    torch = None
    print("This section needs torch, which is not installed here: pip install 'odeopt-toolkit[torch]'")

# %% [markdown]
# Here it is NAdam. Put your own in its place: the next cell is all that you change.

# %%
if torch:
    torch.set_default_dtype(torch.float64)
    theta = torch.nn.Parameter(torch.tensor([-1.0, 0.5]))
    loss = lambda: (1 - theta[0]) ** 2 + 5 * (theta[1] - theta[0] ** 2) ** 2
    optimizer = torch.optim.NAdam([theta], lr=0.01)

# %% [markdown]
# Forty steps of training as usual; then the question. `from_torch` takes the optimizer as it is, with its state:

# %%
if torch:
    for _ in range(40):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    step, start = from_torch(optimizer, loss), theta.detach().numpy().copy()
    print("its state:", *step.variables)
    yours = {K: oo.follow(step, valley, 200, K, theta0=start) for K in (1, 2, 3, 4, 6)}
    for K, result in yours.items():
        print(f"K = {K}   off by {result.max_error:.0e}   |mu - 1| up to {result.max_indicator:.2f}")
    assert yours[1].max_error > 1e-4 > 1e-7 > yours[6].max_error

# %% [markdown]
# An ODE that your optimizer follows to nine digits, and no formula was given. Is it the optimizer that was followed?
# Let torch itself run on:

# %%
if torch:
    path = [start]
    for _ in range(200):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    off = abs(yours[6].flow.theta - path).max()
    print(f"torch's own next 200 steps and the ODE found before: {off:.0e} apart")
    assert off < 1e-7

# %%
if torch:
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3), width_ratios=(1.1, 1))
    yours[6].plot(left)
    left.set_title("NAdam of torch, on its own ODE")
    for (K, result), shade in zip(yours.items(), np.linspace(0.7, 0, 5), strict=True):
        right.semilogy(result.error[1:], color=str(shade), label=f"K = {K}")
    right.set(xlabel="step n", ylabel=r"$|\theta_n-\theta(t_n)|$", title="From its steps alone", ylim=(1e-12, 0.3))
    right.legend(ncols=3, loc="upper right")
    plt.show()

# %% [markdown]
# Why forty steps first? NAdam remembers the product of its $\beta_1(k)$, which about halves at each step:
# $|\mu-1|=0.55$ in that variable, where a series of a few terms is poor. Asked from the very first step it does warn
# nobody, for $0.55<1$, but the orders gain little until that product is gone:

# %%
if torch:
    theta = torch.nn.Parameter(torch.tensor([-1.0, 0.5]))
    fresh = from_torch(torch.optim.NAdam([theta], lr=0.01), loss)
    first = [oo.follow(fresh, valley, 100, K).max_error for K in (2, 6)]
    print(f"from the first step: off by {first[0]:.0e} with K = 2, {first[1]:.0e} with K = 6")
    assert min(first) > 1e-4

# %% [markdown]
# ## What is behind an optimizer
#
# | optimizer | the ODE that it follows, beyond the obvious one | here |
# |---|---|---|
# | gradient descent | gradient flow on $L+\frac h4\lvert\nabla L\rvert^2$ | a formula |
# | momentum, Nesterov | the ball with friction; Nesterov's has $h\,H\dot X$ besides | a formula |
# | Adam | $F_K$ from $K$ steps, to nine digits | numbers |
# | yours | the same, from the object | numbers |
#
# And none of it where $|\mu-1|\ge1$: there is no ODE to follow, although the optimizer may work.
