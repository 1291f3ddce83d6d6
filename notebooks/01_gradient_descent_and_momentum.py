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
# # Gradient descent and momentum as integrators
#
# **Question.** Which differential equations do gradient descent, momentum and Nesterov's method solve, and what is a
# learning rate in each of them?
#
# The thread is Su Jianlin's article [*Optimization from a dynamics viewpoint: from SGD to
# momentum*](https://kexue.fm/archives/5655). Every number in the text is checked by the cell next to it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt.plots import style

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
valley = oo.problems.rosenbrock(b=5).at([-1, 0.5])  # L = (1 - x)^2 + 5 (y - x^2)^2, from (-1, 0.5)

# %% [markdown]
# ## 1. Gradient descent is Euler's method
#
# Follow the slope continuously and you solve the *gradient flow* $\dot\theta = -\nabla L(\theta)$. Euler's method
# with step $h$ replaces the curve by short straight pieces,
#
# $$\theta_{n+1} = \theta_n - h\,\nabla L(\theta_n),$$
#
# which is gradient descent, with the learning rate as the step in time.

# %%
gd = oo.optimizers.gd(lr=0.01)
print(gd)

# %%
run = oo.simulate(gd, valley, steps=300)
by_hand = run.theta[:-1] - 0.01 * valley.grad(run.theta[:-1])
assert np.array_equal(run.theta[1:], by_hand)  # equal, to the last bit

# %% [markdown]
# Euler's method has order 1: a tenth of the learning rate, a tenth of the distance to the flow. (On the left the
# method's own flow and the gradient flow are one curve; for the other methods they will not be.)

# %%
fit = oo.convergence(gd.flow, gd.scheme, valley, steps=(300, 1000, 3000))
assert abs(fit.order - 1) < 0.05
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
oo.compare(gd, valley, steps=300).plot(left)
fit.plot(right)
right.minorticks_off()
plt.show()

# %% [markdown]
# ## 2. Downhill only: the system is dissipative
#
# The article calls this system conservative. The *force* $-\nabla L$ is: it has the potential $L$. The *motion* is
# not. Along the flow
#
# $$\frac{dL}{dt} = \nabla L\cdot\dot\theta = -\lVert\nabla L\rVert^2 \le 0,$$
#
# so $L$ is never kept, only lost. Two checks: the slope of $L(t)$, and the whole loss balanced by
# $\int\lVert\nabla L\rVert^2dt$.

# %%
flow = oo.solve(oo.flows.gradient_flow(), valley, t=np.linspace(0, 1, 20_001))
power = np.sum(valley.grad(flow.theta) ** 2, axis=-1)
slope = np.gradient(flow.loss, flow.t, edge_order=2)
spent = np.concatenate([[0], np.cumsum((power[1:] + power[:-1]) / 2 * np.diff(flow.t))])
print(f"t = 0.5: dL/dt = {slope[10_000]:.6f}, -|grad L|^2 = {-power[10_000]:.6f}")
print(f"lost until t = 1: {flow.loss[0] - flow.loss[-1]:.6f}, integral of |grad L|^2: {spent[-1]:.6f}")
assert np.allclose(slope[1:-1], -power[1:-1], rtol=1e-3)
assert abs(flow.loss + spent - flow.loss[0]).max() < 1e-4

# %% [markdown]
# Give the point a mass instead, $\ddot\theta + \lambda\dot\theta = -\nabla L$, and the energy $E = L + \tfrac12 v^2$
# obeys $dE/dt = -\lambda v^2$. This one *is* conservative, exactly when the friction $\lambda$ is zero.

# %%
friction = np.array([0.0, 0.3, 1.0])  # three members of one ensemble
ball = oo.solve(oo.flows.heavy_ball(damping=friction), valley, t=10.0)
energy = ball.loss + np.sum(ball.state["v"] ** 2, axis=-1) / 2
drift = np.ptp(energy[:, 0])
print(f"without friction the energy {energy[0, 0]} varies by {drift:.0e}")
assert drift < 1e-7
assert np.all(np.diff(energy[:, 1:], axis=0) < 1e-9)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6))
left.plot(flow.t, flow.loss, color=style.BLUE, label="$L$ along the gradient flow")
left.plot(flow.t[::1000], flow.loss[0] - spent[::1000], "o", color=style.INK, label=r"$L_0-\int|\nabla L|^2dt$")
left.set(xlabel="time t", ylabel="loss L", title="Gradient flow: what L loses is $\\int|\\nabla L|^2dt$")
for E, a, colour in zip(energy.T, friction, (style.GREEN, style.ORANGE, style.VERMILLION), strict=True):
    right.plot(ball.t, E, color=colour, label=f"friction {a:g}")
right.set(xlabel="time t", ylabel=r"energy $L+v^2/2$", title="Newton: only friction takes energy out")
left.legend()
right.legend()
plt.show()

# %% [markdown]
# Since $L$ falls until $\nabla L = 0$, what is *stable* is a minimum. Nothing makes it the global one. In a tilted
# double well the flow goes to whichever minimum is on its side of the barrier, here the worse one from every start
# $x_0 > 0.101$.

# %%
wells = oo.Problem(lambda x: np.sum(x**4 / 4 - x**2 / 2 + x / 10, axis=-1), theta0=[0.0], name="tilted wells")
starts = np.linspace(-1.9, 1.9, 39)
paths = oo.solve(oo.flows.gradient_flow(), wells, t=12.0, theta0=starts[:, None])
worse = paths.final[:, 0] > 0
print(f"ends: {np.unique(paths.final.round(3))}, losses there: {np.unique(paths.loss[-1].round(3))}")
assert np.array_equal(worse, starts > 0.101)
assert paths.loss[-1][worse].min() > paths.loss[-1][~worse].max()

# %%
fig, ax = plt.subplots(figsize=(4.6, 2.6))
ax.plot(paths.t, paths.theta[:, worse, 0], color=style.VERMILLION, linewidth=0.7)
ax.plot(paths.t, paths.theta[:, ~worse, 0], color=style.BLUE, linewidth=0.7)
ax.axhline(0.101, color=style.GREY, linestyle="--")
ax.text(12, 0.14, "barrier", ha="right", color=style.GREY)
ax.set(xlabel="time t", ylabel="x", title="Gradient flow finds the minimum on its side of the barrier")
plt.show()

# %% [markdown]
# ## 3. Newton's equation by leapfrog is the momentum method
#
# Put velocities at half steps and take the friction from their mean:
#
# $$\frac{v_{n+1/2}-v_{n-1/2}}{h} = -\lambda\,\frac{v_{n+1/2}+v_{n-1/2}}{2}-\nabla L(\theta_n),\qquad
# \theta_{n+1} = \theta_n + h\,v_{n+1/2}.$$
#
# Solve for $v_{n+1/2}$. The displacement $h\,v$ is multiplied by $\beta$ and loses $\mathrm{lr}\,\nabla L$, with
#
# $$\boxed{\beta = \frac{1-\lambda h/2}{1+\lambda h/2},\qquad \mathrm{lr} = \frac{h^2}{1+\lambda h/2}}$$
#
# Not *like* the momentum method: it **is** the momentum method, read backwards from its two hyperparameters.

# %%
leapfrog = oo.optimizers.heavy_ball(lr=0.01, beta=0.9, map="midpoint")
print(leapfrog, "\n", leapfrog.scheme)
h, z = leapfrog.h, leapfrog.flow.params["damping"] * leapfrog.h / 2
assert np.isclose((1 - z) / (1 + z), 0.9, rtol=1e-14)
assert np.isclose(h**2 / (1 + z), 0.01, rtol=1e-14)

# %% [markdown]
# The two lines in the loop are those of `torch.optim.SGD(lr=0.01, momentum=0.9)`.

# %%
run = oo.simulate(leapfrog, valley, steps=300)
theta, b, torchs = valley.theta0, 0.0, [valley.theta0]
for _ in range(300):
    b = 0.9 * b + valley.grad(theta)
    theta = theta - 0.01 * b
    torchs.append(theta)
difference = abs(run.theta - torchs).max()
print(f"largest difference over 300 steps: {difference:.1e}")
assert difference < 1e-14

# %% [markdown]
# So the iterates follow a ball that rolls with friction, and not the gradient flow.

# %%
finer = oo.optimizers.heavy_ball(lr=0.002, beta=0.95, map="midpoint")
rolling = oo.compare(finer, valley, steps=200)
assert rolling.max_error < 5e-3
rolling.plot()
plt.show()

# %% [markdown]
# ## 4. Why momentum accelerates
#
# In gradient descent a step advances time by $\mathrm{lr}$, in the momentum method by $h\approx\sqrt{\mathrm{lr}}$,
# which is far more when $\mathrm{lr}$ is small. Along a direction of curvature $\mu$ the gradient flow decays as
# $e^{-\mu t}$ and the ball with critical friction $\lambda = 2\sqrt\mu$ as $e^{-\sqrt\mu\,t}$, hence
#
# $$\text{steps} \sim \frac{1}{\mathrm{lr}\,\mu}\ \text{ for gradient descent},\qquad
# \text{steps} \sim \frac{1}{\sqrt{\mathrm{lr}\,\mu}}\ \text{ for momentum}.$$
#
# To see it, minimise $L = \tfrac12(0.01\,x^2 + y^2)$ with nine learning rates in one run. The friction stays at
# $2\sqrt{0.01}$, so only the step changes, never the equation.

# %%
slow = oo.problems.quadratic(eigenvalues=(0.01, 1), angle=0)
lr, friction = np.geomspace(0.01, 1, 9), 0.2
h = friction * lr / 4 + np.sqrt((friction * lr / 4) ** 2 + lr)  # solves lr = h^2/(1 + friction h/2)
beta = (1 - friction * h / 2) / (1 + friction * h / 2)
momentum = oo.optimizers.heavy_ball(lr, beta, map="midpoint")
assert np.allclose(momentum.h, h)
assert np.allclose(momentum.flow.params["damping"], friction)

# %%
every = 10
runs = {"gradient descent": oo.simulate(oo.optimizers.gd(lr), slow, steps=50_000, record_every=every),
        "momentum": oo.simulate(momentum, slow, steps=1000)}  # fmt: skip
reached = [(run.loss < 1e-6 * run.loss[0]).argmax(axis=0) for run in runs.values()]
steps = np.array([every * reached[0], reached[1]])
powers = np.polyfit(np.log(lr), np.log(steps).T, 1)[0]
print(f"at lr = 0.01: {steps[0, 0]} steps of gradient descent, {steps[1, 0]} of momentum")
print(f"steps ~ lr^{powers[0]:.2f} (gradient descent), lr^{powers[1]:.2f} (momentum)")
assert np.allclose(powers, [-1, -0.5], atol=0.03)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
for name, count, power, colour in zip(runs, steps, powers, (style.BLUE, style.VERMILLION), strict=True):
    left.loglog(lr, count, "o-", color=colour, label=f"{name}: slope {power:.2f}")
left.set(xlabel="learning rate", ylabel="steps until $L < 10^{-6} L_0$", title=r"Momentum: steps $\sim 1/\sqrt{lr}$")
left.legend()
x, t = runs["momentum"].theta[:, :, 0], runs["momentum"].t
right.semilogy(t[:, 0], (1 + 0.1 * t[:, 0]) * np.exp(-0.1 * t[:, 0]), color=style.INK, label="the ball, exactly")
looks = ((0, style.SKY, "s", 50), (4, style.ORANGE, "D", 13), (8, style.VERMILLION, "o", 6))
for i, colour, marker, apart in looks:
    right.semilogy(t[:, i], x[:, i], marker, markevery=apart, color=colour, label=f"lr = {lr[i]:.2g}")
right.set(xlabel="time  $n h$,  $h\\approx\\sqrt{lr}$", ylabel="slow coordinate x", xlim=(0, 100), ylim=(1e-3, 2),
          title="... because in time all rates do the same")  # fmt: skip
right.legend()
plt.show()

# %% [markdown]
# ## 5. Changing the learning rate and keeping the friction
#
# If $\mathrm{lr}\to r\,\mathrm{lr}$ and the same ball shall keep rolling, $\beta$ has to move with it. From
# $1-\beta\approx\lambda\sqrt{\mathrm{lr}}$ the article gets the rule $\beta\to 1-(1-\beta)\sqrt r$. It is a good
# approximation. The exact value comes from the boxed equations of section 3.

# %%
before = oo.optimizers.heavy_ball(lr=0.01, beta=0.9, map="midpoint")
a, r = before.flow.params["damping"], 0.1
h = r * 0.01 * a / 4 + np.sqrt((r * 0.01 * a / 4) ** 2 + r * 0.01)
betas = np.array([0.9, 1 - (1 - 0.9) * np.sqrt(r), (1 - a * h / 2) / (1 + a * h / 2)])
after = oo.optimizers.heavy_ball(r * 0.01, betas, map="midpoint")
print(f"rule {betas[1]:.7f}, exact {betas[2]:.7f}; friction {a:.5f} becomes {after.flow.params['damping'].round(5)}")
assert np.allclose(betas[1:], [0.9683772, 0.9678178], atol=5e-8, rtol=0)
assert np.isclose(after.flow.params["damping"][2], a, rtol=1e-12)

# %%
first, second = oo.simulate(before, valley, steps=100), oo.simulate(after, valley, steps=316)
fig, ax = plt.subplots(figsize=(5, 2.9))
ax.semilogy(first.t, first.loss, "o", color=style.INK, label="lr = 0.01, beta = 0.9")
looks = zip(("unchanged", "rule", "exact"), (style.SKY, style.ORANGE, style.VERMILLION), (":", "-", "--"), strict=True)
for i, (name, colour, line) in enumerate(looks):
    label = f"lr = 0.001, beta = {betas[i]:.4f} ({name})"
    ax.semilogy(second.t[:, i], second.loss[:, i], line, color=colour, label=label)
ax.set(xlabel="time  $n h$", ylabel="loss L", xlim=(0, 10), title="A tenth of lr: beta grows, or friction triples")
ax.legend()
plt.show()

# %% [markdown]
# ## 6. Nesterov looks ahead
#
# Nesterov takes the gradient where the velocity is about to carry the point,
#
# $$v \leftarrow \beta v - \mathrm{lr}\,\nabla L(\theta + \beta v),\qquad \theta\leftarrow\theta+v .$$
#
# As a word over the parts of the same heavy-ball flow: `friction`, then a `kick` that looks one `drift` ahead, then
# the `drift`.

# %%
flow = oo.flows.heavy_ball(damping=np.log(1 / 0.9) / 0.1)  # h = sqrt(0.01), beta = exp(-damping h) = 0.9
look_ahead = oo.Optimizer(flow, oo.schemes.Splitting("friction kick(drift) drift"), h=0.1)
print(look_ahead)

# %% [markdown]
# Torch and Keras store another point, $\Theta = \theta + \beta v$, so that the gradient is needed only at $\Theta$.
# It is the same sequence, seen from half a step further:

# %%
run, stored = oo.simulate(look_ahead, valley, 300), oo.simulate(oo.optimizers.nesterov(0.01, 0.9), valley, 300)
ahead = run.theta + 0.9 * look_ahead.h * run.state["v"]
difference = abs(ahead - stored.theta).max()
print(f"largest difference: {difference:.1e}")
assert difference < 1e-14

# %% [markdown]
# The article says that this makes the method *implicit-like*. It damps more, as implicit methods do. But they are
# stable for every step, and Nesterov's limit is *lower* than momentum's: on $L=\tfrac12\lambda x^2$ it is
# $\mathrm{lr}\,\lambda \le (2+2\beta)/(1+2\beta) = 1.357$, against $2(1+\beta)=3.8$ for momentum and 2 for gradient
# descent. One run per method shows all three.

# %%
parabola = oo.problems.quadratic(eigenvalues=(1,), angle=0)
lr, limits = np.linspace(0.05, 4.2, 416), [2.0, 3.8, 3.8 / 2.8]
methods = [oo.optimizers.gd(lr), oo.optimizers.momentum(lr, 0.9), oo.optimizers.nesterov(lr, 0.9)]
finals = [abs(oo.simulate(opt, parabola, steps=3000).final[:, 0]) for opt in methods]
measured = [lr[final < 1].max() for final in finals]
print("largest stable lr:", {opt.name: round(float(edge), 2) for opt, edge in zip(methods, measured, strict=True)})
assert np.allclose(measured, limits, atol=0.02)

# %%
early = [abs(oo.simulate(opt, parabola, steps=60).final[:, 0]) for opt in methods]
fig, ax = plt.subplots(figsize=(5, 2.9))
for opt, final, limit in zip(methods, early, limits, strict=True):
    ax.semilogy(lr, final, color=style.colour(opt.name), label=style.label(opt.name))
    ax.axvline(limit, color=style.colour(opt.name), linestyle=":")
ax.axhline(1, color=style.GREY, linewidth=0.6)
ax.set(xlabel=r"$lr\cdot\lambda$", ylabel="|x| after 60 steps", ylim=(1e-12, 1e6),
       title="Nesterov damps more than momentum, and gives out first")  # fmt: skip
ax.legend()
plt.show()

# %% [markdown]
# ## 7. How closely does each follow its own flow?
#
# Momentum starts with zero velocity. Leapfrog's velocity belongs to half steps, so the ball it follows had at $t = 0$
# already half a kick, $v(0)\approx-\tfrac h2\nabla L(\theta_0)$. Compared with the ball at rest momentum is first
# order; compared with the right ball it is **second** order, at one gradient a step.

# %%
methods = {"gradient descent": oo.optimizers.gd(), "Nesterov": oo.optimizers.nesterov(),
           "momentum, flow at rest": oo.optimizers.momentum(start="zero"),
           "momentum, flow with half a kick": oo.optimizers.momentum(start="half")}  # fmt: skip
counts = (100, 300, 1000, 3000)
fits = {name: oo.convergence(opt.flow, opt.scheme, valley, 1.0, counts, flow_start=opt.flow_start)
        for name, opt in methods.items()}  # fmt: skip
for name, fit in fits.items():
    print(f"{name:<32} order {fit.order:.2f}")
assert np.allclose([fit.order for fit in fits.values()], [1, 1, 1, 2], atol=0.1)

# %%
fig, ax = plt.subplots(figsize=(5, 2.9))
looks = zip(fits.items(), (style.BLUE, style.GREEN, style.ORANGE, style.VERMILLION), "osDv", strict=True)
for (name, fit), colour, marker in looks:
    ax.loglog(fit.h, fit.error, marker + "-", color=colour, label=f"{name}: slope {fit.order:.2f}")
ax.set(xlabel="step h", ylabel=r"max $|\theta_n-\theta(t_n)|$", title="Momentum has order 2 from the matched start",
       ylim=(1e-7, 10))  # fmt: skip
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## What is left of the claims
#
# | The article says | Verdict | Here |
# |---|---|---|
# | gradient descent is Euler's method on the gradient flow | exactly | equal to the last bit |
# | the system is conservative | the force is; the motion is dissipative | $dL/dt=-\lVert\nabla L\rVert^2$ |
# | stable fixed points are minima, not always global | yes | worse well from all $x_0>0.101$ |
# | leapfrog with friction is the momentum method | exactly | equal to $10^{-14}$ |
# | a learning rate is a time step of about $\sqrt{\mathrm{lr}}$ | yes | steps $\sim\mathrm{lr}^{-1/2}$ |
# | $\beta\to1-(1-\beta)\sqrt r$ | near | .9683772 for .9678178 |
# | Nesterov is implicit-like | it damps more, but its stability limit is lower | 1.36 against 3.8 |
