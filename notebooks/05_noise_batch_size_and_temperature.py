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
# # Noise, batch size and temperature
#
# **Question.** SGD sees the gradient of a few samples only. What does that noise do, why does SGD work in spite of it,
# and is a larger batch always better?
#
# The thread is again Su Jianlin's article [*Optimization from a dynamics viewpoint: from SGD to
# momentum*](https://kexue.fm/archives/5655), which reads SGD as Langevin's equation and SGD with momentum as Kramers'.
# All is meant in the sense of Ito. Every number in the text is checked by the cell next to it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt.plots import style

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
cancer = oo.problems.logistic_regression()  # breast_cancer: 569 samples, 31 parameters
best, least = cancer.minimizer, cancer.loss(cancer.minimizer)

# %% [markdown]
# ## 1. What is the noise of SGD?
#
# A batch of $B$ samples, drawn with replacement, has the gradient $g+\zeta$ with $E\zeta=0$ and covariance
# $\Sigma(\theta)=S(\theta)/B$, $S$ that of one sample's gradient. It is known exactly, as the data are finite. 4000
# batches must show it:

# %%
noisy = {B: oo.noise.minibatches(cancer, B, replace=True) for B in (1, 32)}
sigma = {B: oo.noise.covariance(problem) for B, problem in noisy.items()}
one_step = {B: oo.simulate(oo.optimizers.gd(lr=1.0), problem, 1, np.zeros((4000, 31)), rng=0).theta
            for B, problem in noisy.items()}  # fmt: skip
zeta = {B: theta[0] - theta[1] - cancer.grad(theta[0]) for B, theta in one_step.items()}
for B in noisy:
    print(f"B = {B:2d}: tr Sigma = {np.trace(sigma[B]):.4f}, sampled {np.sum(zeta[B].var(axis=0)):.4f}")
    assert abs(np.sum(zeta[B].var(axis=0)) / np.trace(sigma[B]) - 1) < 0.1
assert np.allclose(sigma[1], 32 * sigma[32])

# %% [markdown]
# Three things a textbook's $\sigma\xi$ leaves out. The noise is not isotropic: a few directions have most of it. It
# depends on $\theta$: near the minimum it is far smaller. And it is not normal for one sample, but nearly so for 32,
# by the central limit theorem.

# %%
spectra = {"at the start": sigma[1], "at the minimum": oo.noise.covariance(noisy[1], best)}
along = {B: z @ np.linalg.eigh(sigma[1])[1][:, -1] for B, z in zeta.items()}
along = {B: z / z.std() for B, z in along.items()}
skew = {B: abs(np.mean(z**3)) for B, z in along.items()}
falls = np.divide(*[np.trace(S) for S in spectra.values()])
print(f"tr Sigma falls {falls:.0f} times to the minimum; skewness {skew[1]:.2f} for B = 1, {skew[32]:.2f} for B = 32")
assert falls > 10
assert skew[32] < skew[1] / 3

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.7))
for (name, S), colour in zip(spectra.items(), (style.VERMILLION, style.BLUE), strict=True):
    left.semilogy(np.arange(1, 32), np.linalg.eigvalsh(S)[::-1], "o-", color=colour, label=name)
left.set(xlabel="direction", ylabel=r"eigenvalue of $B\,\Sigma$", title="The noise has directions, and shrinks")
left.legend()
edges = np.linspace(-4, 4, 41)
for B, colour in ((1, style.GREY), (32, style.BLUE)):
    right.hist(along[B], edges, density=True, histtype="step", color=colour, label=f"B = {B}")
right.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), color=style.INK, label="normal")
right.set(xlabel="noise in the first direction / its deviation", ylabel="density", title="32 samples are nearly normal")
right.legend()
plt.show()

# %% [markdown]
# ## 2. SGD as a stochastic differential equation
#
# Euler and Maruyama's method for $d\theta=-\nabla L\,dt+\sqrt{\mathrm{lr}}\,\Sigma^{1/2}dW$ with the step lr adds
# $\mathrm{lr}\,\Sigma^{1/2}\xi$: it is SGD with normal noise. So SGD follows this equation, with weak order 1; and one
# more term makes it order 2 (Li, Tai and E 2017).

# %%
sgd = oo.optimizers.gd(lr=0.5)
for order in (1, 2):
    print(f"SDE{order}:", str(oo.sde(sgd, order)).splitlines()[0])
assert "sqrt(h)*noise(theta)" in str(oo.sde(sgd))

# %% [markdown]
# Near the minimum the loss is a quadratic and $\Sigma$ a constant. The moments are then known without sampling
# (`oo.laws`), and so is what SGD's loss stays above the least one, $E[L]-L_*$. Against it SGD itself, 200 members on
# real minibatches, from the minimum:

# %%
H = cancer.hvp(best, np.eye(31))
bowl = oo.Problem(lambda x: np.sum(x * (x @ H), axis=-1) / 2, lambda x: x @ H, hvp=lambda x, p: p @ H + 0 * x,
                  theta0=np.zeros(31), name="the parabola at the minimum")  # fmt: skip
shaken = oo.noise.correlated(bowl, oo.noise.covariance(noisy[1], best))
one = oo.laws.moments(sgd, shaken, 200).loss  # for B = 1; the law is linear in Sigma
sizes, excess = (4, 16, 64), {}
for B in sizes:
    real = oo.noise.minibatches(cancer, B, replace=True)
    excess[B] = oo.ensemble(sgd, real, 200, 200, best, record_every=5, rng=0).loss_mean - least
ratio = {B: excess[B][-20:].mean() / (one[-1] / B) for B in sizes}
print("SGD's E[L] - L* over that of the law:", {B: f"{r:.2f}" for B, r in ratio.items()})
assert abs(ratio[64] - 1) < 0.06
assert ratio[4] > 1.3

# %% [markdown]
# For large batches the law holds. For small ones SGD is further up than it says, for it wanders to where
# $\Sigma(\theta)$ is larger than at the minimum:

# %%
four = oo.noise.minibatches(cancer, 4, replace=True)
ends = oo.simulate(sgd, four, 200, np.tile(best, (100, 1)), record_every=200, rng=0).final
there = np.trace(oo.noise.covariance(noisy[1], ends), axis1=-2, axis2=-1).mean() / np.trace(spectra["at the minimum"])
print(f"B = 4: after 200 steps tr Sigma is {there:.1f} times that at the minimum")
assert there > 1.3

# %% [markdown]
# Where the noise *is* constant all is exact. On $L=\tfrac12\theta^2$ with $\Sigma=1$:

# %%
parabola = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=(1,), angle=0).at([1.0]), 1.0)
rates = 0.2 / 2.0 ** np.arange(7)
flows = {"gradient flow": lambda lr: oo.flows.gradient_flow(), "SDE1": lambda lr: oo.sde(oo.optimizers.gd(lr)),
         "SDE2": lambda lr: oo.sde(oo.optimizers.gd(lr), order=2)}  # fmt: skip
exact = [oo.laws.moments(oo.optimizers.gd(lr), parabola, round(1 / lr)).loss[-1] for lr in rates]
errors = {name: abs(np.array([oo.laws.flow_moments(flow(lr), parabola, [1.0]).loss[-1] for lr in rates]) - exact)
          for name, flow in flows.items()}  # fmt: skip
orders = {name: np.polyfit(np.log(rates[-3:]), np.log(error[-3:]), 1)[0] for name, error in errors.items()}
print("weak order of E[L] at t = 1:", {name: f"{order:.2f}" for name, order in orders.items()})
assert np.allclose(list(orders.values()), [1, 1, 2], atol=0.1)

# %%
rest = {"SGD": oo.laws.stationary(sgd, parabola), "SDE1": oo.laws.flow_stationary(oo.sde(sgd), parabola),
        "SDE2": oo.laws.flow_stationary(oo.sde(sgd, 2), parabola)}  # fmt: skip
variance = {name: found.covariance[0, 0] for name, found in rest.items()}
print("variance for ever, lr = 0.5:", {name: f"{value:.4f}" for name, value in variance.items()})
farther = (variance["SGD"] - variance["SDE2"]) / (variance["SGD"] - variance["SDE1"])
print(f"SDE2 is {farther:.1f} times as far off as SDE1")
closed = [0.5 / (2 - 0.5), 0.5 / 2, 0.5 / (2 + 0.5)]
assert np.allclose(list(variance.values()), closed)
assert farther > 1.5

# %% [markdown]
# Better over a finite time is not better for ever. SGD's variance is $\mathrm{lr}\,\sigma^2/(\lambda(2-\mathrm{lr}
# \lambda))$: its finite step widens it. SDE1 has 2 in place of $2-\mathrm{lr}\lambda$, and SDE2 $2+\mathrm{lr}\lambda$,
# up to twice as far off, since its correction stiffens the drift.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
for B, colour in zip(sizes, (style.VERMILLION, style.ORANGE, style.BLUE), strict=True):
    left.semilogy(np.linspace(0, 100, len(excess[B]))[1:], excess[B][1:], color=colour, label=f"SGD, B = {B}")
    left.semilogy(np.arange(1, 201) * sgd.lr, one[1:] / B, "--", color=style.INK, linewidth=0.8)
left.plot([], [], "--", color=style.INK, linewidth=0.8, label="constant noise")
left.set(xlabel="time t", ylabel="$E[L]-L_*$", title="The law of constant noise holds for large B", ylim=(4e-5, 0.3))
left.legend(ncols=2, loc="upper left")
looks = (style.GREY, style.ORANGE, style.VERMILLION)
for (name, error), colour in zip(errors.items(), looks, strict=True):
    right.loglog(rates, error, "o-", color=colour, label=f"{name}: order {orders[name]:.2f}")
right.set(xlabel="learning rate", ylabel="error of E[L] at t = 1", title="SDE2 has order 2, until t = 1")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## 3. The density, and a factor of two
#
# Take isotropic noise, $\Sigma=\sigma^2/B$. The equation is Langevin's, $d\theta=-\nabla L\,dt+s\,dW$ with
# $s^2=\mathrm{lr}\,\sigma^2/B$. Its density obeys $p_t=\nabla\cdot(p\,\nabla L)+\tfrac{s^2}2\Delta p$, which is at rest
# for
#
# $$p\propto e^{-2L/s^2}=e^{-L/T},\qquad\boxed{T=\frac{\mathrm{lr}\,\sigma^2}{2B}}$$
#
# The article writes $e^{-L/\sigma^2}$. That is right for a noise with $\langle\xi(t)\xi(t')\rangle=2\,\delta(t-t')$, as
# physicists often normalise it, and $\sigma^2$ is then our $T$; with a standard $dW$ the 2 stands in the exponent.
# Nothing else of the argument changes. SGD in a double well decides:

# %%
well, lr, spread, B, edges = oo.problems.double_well(), 0.04, 40**0.5, 8, np.linspace(-2, 2, 41)
s2 = lr * spread**2 / B
T = s2 / 2
sides = np.where(np.arange(10_000) % 2, 1.0, -1.0)[:, None]  # half of the members in either well
small = oo.noise.gaussian(well, spread / B**0.5)
run = oo.ensemble(oo.optimizers.gd(lr), small, 10_000, 400, sides, edges=edges, record_every=400, rng=0)
seen = run.counts[-1, 0] / (10_000 * np.diff(edges))
ours, theirs = (oo.laws.langevin(well, S, (-2, 2), 40).stationary() for S in (T, s2))
off = [abs(seen - p).sum() * np.diff(edges)[0] / 2 for p in (ours, theirs)]
print(f"T = {T:g}; members elsewhere than exp(-2L/s^2) {off[0]:.1%}, than exp(-L/s^2) {off[1]:.1%}")
assert off[0] < 0.035
assert off[1] > 0.1

# %% [markdown]
# ## 4. Momentum is Kramers' equation
#
# With momentum the same noise enters through the memory. In equilibrium the velocity, here $v=-\sqrt\tau\,m$, has a
# temperature as well: $p\propto e^{-(L+v^2/2)/T}$, Kramers' equation of 1940.

# %%
beta, rate = 0.9, 0.01
momentum = oo.optimizers.momentum(rate, beta)
tau = momentum.flow.params["tau"]
strength = np.sqrt(2 * (1 - beta) * T / rate)  # of the noise, sigma/sqrt(B), that makes the same T
print(oo.sde(momentum), oo.flows.kramers(damping=1 / np.sqrt(tau), temperature=T), sep="\n\n")

# %% [markdown]
# Its memory averages the noise, but its steps are $1/(1-\beta)$ times as long, and the second effect wins:
#
# $$\boxed{T=\frac{\mathrm{lr}\,\sigma^2}{2B(1-\beta)}}$$
#
# It is exact for the SDE. SGD with momentum is hotter by the factor $1/(1-\frac{\mathrm{lr}\lambda}{2(1+\beta)})$.

# %%
bumpy = oo.noise.gaussian(parabola, strength)
flow, steps = oo.laws.flow_stationary(oo.sde(momentum), bumpy), oo.laws.stationary(momentum, bumpy)
print(f"temperature: formula {T:g}, SDE {flow.temperature:.6f}, SGD with momentum {steps.temperature:.6f}")
assert np.isclose(flow.temperature, T, rtol=1e-9)
assert np.isclose(steps.temperature, T / (1 - rate / (2 * (1 + beta))), rtol=1e-9)
assert np.isclose(flow.covariance[0, 1], 0, atol=1e-12)
assert np.isclose(tau * flow.covariance[1, 1], T, rtol=0.06)

# %% [markdown]
# And it says how to sample $e^{-L/T}$ better than an optimizer does. BAOAB (Leimkuhler and Matthews) splits Kramers'
# equation so that $\theta$ has the exact temperature on a quadratic at every stable step; OBABO has the exact one in
# $v$.

# %%
thermal = oo.flows.kramers(damping=1.0, temperature=T)
cold = oo.problems.quadratic(eigenvalues=(1,), angle=0)
found = {scheme.name: oo.laws.stationary(oo.Optimizer(thermal, scheme, 0.5), cold).covariance
         for scheme in (oo.schemes.baoab, oo.schemes.obabo, oo.schemes.euler_maruyama)}  # fmt: skip
for name, C in found.items():
    print(f"{name:<36} Var theta/T = {C[0, 0] / T:.4f}, Var v/T = {C[1, 1] / T:.4f}")
(baoab, obabo, euler) = found.values()
assert np.isclose(baoab[0, 0], T)
assert np.isclose(obabo[1, 1], T)
assert euler[0, 0] > 2 * T

# %%
watch = {"theta": lambda theta: theta[..., 0], "v": lambda m, tau: -np.sqrt(tau) * m[..., 0]}
rolled = oo.ensemble(momentum, oo.noise.gaussian(well, strength), 10_000, 400, sides, observe=watch, edges=edges,
                     record_every=400, rng=0)  # fmt: skip
rolling = rolled.counts[-1] / (10_000 * np.diff(edges))
print(f"Var v = {rolled.variance[-1, 1]:.4f}, T = {T:g}")
assert abs(rolling[0] - ours).sum() * np.diff(edges)[0] / 2 < 0.035
assert abs(rolled.variance[-1, 1] / T - 1) < 0.1

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
x = (edges[1:] + edges[:-1]) / 2
left.plot(x, ours, color=style.INK, label=r"$\exp(-2L/s^2)$")
left.plot(x, theirs, "--", color=style.GREY, label=r"$\exp(-L/s^2)$")
left.plot(x, seen, "o", color=style.colour("gd"), label="SGD")
left.set(xlabel=r"$\theta$", ylabel="density", title="SGD has the density with the 2", ylim=(0, 1.05))
left.legend(loc="upper center", ncols=3, columnspacing=1, handletextpad=0.4)
right.plot(x, ours, color=style.INK, label=r"$\theta$: $\exp(-L/T)$")
right.plot(x, np.exp(-(x**2) / (2 * T)) / np.sqrt(2 * np.pi * T), "--", color=style.INK, label=r"v: $\exp(-v^2/2T)$")
for marker, density, name in zip("os", rolling, (r"$\theta$", "v"), strict=True):
    right.plot(x, density, marker, color=style.colour("momentum"), label=f"momentum, {name}")
right.set(xlabel=r"$\theta$, v", title="With momentum the velocity is thermal too")
right.legend()
plt.show()

# %% [markdown]
# ## 5. How long until SGD leaves a minimum?
#
# From the left well to the right minimum, over a barrier $\Delta L=\frac14$: exactly by an integral, and for small $T$
# by Kramers, $\frac{2\pi}{\sqrt2}e^{\Delta L/T}$. As $T\propto1/B$ the time grows exponentially with the batch.

# %%
left_well, batches = well.at([-1.0]), np.linspace(8, 16, 17)
arrived = lambda theta: theta[..., 0] >= 1
exact = np.array([oo.laws.mean_first_passage(well, 8 * T / b, start=-1, target=1) for b in batches])
kramers = np.array([oo.laws.kramers_time(well, 8 * T / b, minimum=-1, saddle=0) for b in batches])
walks = {}
for b in (8, 9, 11):
    problem = oo.noise.gaussian(left_well, spread / b**0.5)
    true, formula = exact[batches == b][0], kramers[batches == b][0]
    walks[b] = oo.ensemble(oo.optimizers.gd(lr), problem, 300, round(16 * true / lr), target=arrived, record_every=1000,
                           rng=6).mean_first_passage  # fmt: skip
    print(f"B = {b:2d}: exact {true:.1f}, Kramers {formula:.1f}, SGD {walks[b][0]:.1f} +- {walks[b][1]:.1f}")
    assert abs(walks[b][0] - true) < 3 * walks[b][1]
longer = exact[-1] / exact[0]
print(f"B = 16 takes {longer:.1f} times as long as B = 8")
assert 10 < longer < 12

# %%
fig, ax = plt.subplots(figsize=(4.6, 2.7))
ax.semilogy(batches, exact, color=style.INK, label="exact")
ax.semilogy(batches, kramers, "--", color=style.GREY, label="Kramers")
means, deviations = np.transpose(list(walks.values()))
ax.errorbar(list(walks), means, 2 * deviations, fmt="o", color=style.colour("gd"), label="SGD, 2 standard errors")
ax.set(xlabel="batch size B", ylabel="mean time to the other minimum",
       title="The escape time is exponential in the batch")  # fmt: skip
ax.legend()
plt.show()

# %% [markdown]
# This is the other half of *why SGD works*: noise leaves shallow wells and finds the deep one. In the tilted wells of
# notebook 1 the gradient flow stays in the worse well. Noise that lasts finds the better one but never settles; noise
# that fades does both, which is the article's advice: *first small batch and large rate, then grow the batch*.

# %%
wells = oo.Problem(lambda x: np.sum(x**4 / 4 - x**2 / 2 + x / 10, axis=-1), lambda x: x**3 - x + 0.1, theta0=[1.0])
hot, gd = (2 * 0.1 / 0.1) ** 0.5, oo.optimizers.gd(lr=0.1)  # T = 0.1
fading = oo.optimizers.scheduled(gd, oo.schedules.exponential(1 - 1 / 3000))
trials = {"large batch": (gd, hot / 8), "small batch": (gd, hot), "small, then larger": (fading, hot)}
found = {name: oo.ensemble(opt, oo.noise.gaussian(wells, sigma), 400, 8000, rng=3,
                           observe={"better": lambda theta: 1.0 * (theta[..., 0] < 0)})
         for name, (opt, sigma) in trials.items()}  # fmt: skip
for name, run in found.items():
    print(f"{name:<20} in the better well {run.mean[-1, 0]:4.0%}, E[L] = {run.loss_mean[-1]:.3f}")
law = oo.laws.langevin(wells, 0.1, (-2.5, 2.5), 200)
share = law.mean(lambda theta: theta[..., 0] < 0, law.stationary())
print(f"exp(-L/T) has {share:.0%} there")
ends, better = [run.loss_mean[-1] for run in found.values()], found["small batch"].mean[-1, 0]
assert abs(better - share) < 0.05
assert ends[2] < ends[1] < ends[0]

# %% [markdown]
# ## 6. Is a larger batch always better?
#
# First half of *why SGD works*: far from the minimum the noise hardly matters. With one rate all batch sizes need about
# the same **steps** to $L=0.2$; so in **samples**, which is what costs, the smallest is far ahead.

# %%
sizes = (2, 8, 32, 128)
same = oo.compare_batches(dict.fromkeys(sizes, oo.optimizers.gd(0.05)), cancer, 8192, members=10, rng=0)
steps, samples = same.steps_to(0.2), same.samples_to(0.2)
print(f"to L = 0.2\nsteps   {steps}\nsamples {samples}")
assert max(steps.values()) < 1.3 * min(steps.values())
assert samples[128] > 40 * samples[2]

# %% [markdown]
# The end is another matter: what noise leaves of $L-L_*$ grows with $T$, hence with lr/B. At ten times the rate, when
# 8192 samples have been seen, the smallest batch is too hot, the largest has not arrived, and one between them is best:

# %%
fast = oo.compare_batches(dict.fromkeys(sizes, oo.optimizers.gd(0.5)), cancer, 8192, members=10, rng=0)
left_over = {size: loss[-len(loss) // 10 :].mean() - least for size, loss in fast.loss.items()}
print("E[L] - L* over the last tenth:", {size: f"{value:.4f}" for size, value in left_over.items()})
assert left_over[2] > 3 * left_over[8] > 9 * left_over[32]
assert left_over[128] > 3 * left_over[32]

# %%
fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.6), sharey=True)
panels = ((same, same.steps, "lr = 0.05: alike by steps"), (same, same.samples, "... so small is cheap"),
          (fast, fast.samples, "lr = 0.5: small stays hot"))  # fmt: skip
for ax, (comparison, at, title) in zip(axes, panels, strict=True):
    for size, colour in zip(sizes, (style.VERMILLION, style.ORANGE, style.SKY, style.BLUE), strict=True):
        ax.loglog(at[size][1:], comparison.loss[size][1:] - least, color=colour, label=f"B = {size}")
    ax.set(xlabel="steps" if at is same.steps else "samples", title=title)
axes[0].set_ylabel("$E[L]-L_*$")
axes[0].legend()
plt.show()

# %% [markdown]
# ## 7. How the rate and the betas follow the batch
#
# Keep the temperature and the drift per sample: for SGD $\mathrm{lr}\propto B$, the linear rule. Adam divides by
# $\sqrt{E[g^2]}$, which the noise is part of. How much of it is measured: the noise ratio $\mathrm{tr}\Sigma/|g|^2$.

# %%
eight = oo.noise.minibatches(cancer, 8)
late = oo.simulate(oo.optimizers.gd(0.5), eight, 400, rng=0).final
ratios = {"at the start": oo.noise_ratio(eight), "near the end": oo.noise_ratio(eight, late)}
print({where: f"{ratio:.3g}" for where, ratio in ratios.items()})
assert ratios["near the end"] > 20 * ratios["at the start"]
print(oo.batch_scaling(oo.optimizers.gd(0.1), 8), "\n")
for ratio in ratios.values():
    print(oo.batch_scaling(oo.optimizers.adam(0.001), 8, ratio), "\n")

# %% [markdown]
# The rule for Adam is linear where the signal dominates and a square root where noise does, with $\beta\to\beta^8$
# in both. Which one is right here? Batch 32 against batch 4 at equal samples:

# %%
adam = oo.optimizers.adam(0.001)
ratio = oo.noise_ratio(oo.noise.minibatches(cancer, 4))
rules = {"unchanged": adam, "square root": oo.scale_batch(adam, 8, np.inf), "linear": oo.scale_batch(adam, 8, 0.0),
         f"measured, {ratio:.2f}": oo.scale_batch(adam, 8, ratio)}  # fmt: skip
before = oo.compare_batches({4: adam}, cancer, 8000, members=10, rng=0)
after = {name: oo.compare_batches({32: opt}, cancer, 8000, members=10, rng=0) for name, opt in rules.items()}
at = np.geomspace(500, 8000, 9)
target = np.interp(at, before.samples[4], before.loss[4])
apart = {name: abs(np.interp(at, run.samples[32], run.loss[32]) / target - 1).max() for name, run in after.items()}
print("apart from batch 4 by", {name: f"{value:.0%}" for name, value in apart.items()})
assert apart[f"measured, {ratio:.2f}"] == min(apart.values()) < 0.06

# %% [markdown]
# The ratio where most of the descent happens, at the start, gives the best rule; the end's would give nearly the square
# root. For SGD the linear rule holds until the rate is no longer small against the curvature:

# %%
linear = oo.compare_batches({size: oo.scale_batch(oo.optimizers.gd(0.02), size / 2) for size in (2, 8, 32, 128, 512)},
                            cancer, 8192, members=10, rng=0)  # fmt: skip
print(linear)
ends = {size: loss[-1] for size, loss in linear.loss.items()}
assert max(abs(ends[size] / ends[2] - 1) for size in (8, 32)) < 0.01
assert ends[512] > 1.1 * ends[2]

# %% [markdown]
# ## 8. The schedule
#
# Small batch and large rate first, then less of lr/B. As only lr/B counts, the rate may shrink *or* the batch grow
# (Smith et al. 2018): the same loss at the same number of samples, in fewer steps.

# %%
schedule, lr, B, total = oo.schedules.step(every=200, factor=1 / 4), 0.8, 4, 3200
grown, start = oo.batch_schedule(schedule, B, total), np.zeros((30, 31))
four, sgd, keep = oo.noise.minibatches(cancer, B), oo.optimizers.gd(lr), {"record_every": 8}
path = oo.noise.batches(four, grown, rng=1, members=(30,))
runs = {"rate and batch constant": oo.simulate(sgd, four, total // B, start, rng=0, **keep),
        "rate falls": oo.simulate(oo.optimizers.scheduled(sgd, schedule), four, total // B, start, rng=0, **keep),
        "batch grows": oo.simulate(sgd, four, len(grown), start, noise=path, **keep)}  # fmt: skip
for name, run in runs.items():
    end = run.loss[-1] - least
    print(f"{name:<24}{round(run.t[-1] / lr):4d} steps, E[L] - L* = {end.mean():.5f} +- {end.std() / 30**0.5:.5f}")
constant, falls, grows = (run.loss[-1].mean() - least for run in runs.values())
assert constant > 5 * max(falls, grows)
assert len(grown) < 0.4 * total / B
assert abs(falls - grows) < 3 * np.hypot(*[runs[n].loss[-1].std() / 30**0.5 for n in ("rate falls", "batch grows")])

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.7), sharey=True)
for (size, loss), shade in zip(linear.loss.items(), (0.8, 0.6, 0.4, 0.2, None), strict=True):
    look = {"color": str(shade or style.VERMILLION), "label": f"B = {size}, lr = {linear.optimizers[size].lr:.2g}"}
    left.loglog(linear.samples[size][1:], loss[1:] - least, **look)
left.set(xlabel="samples", ylabel="$E[L]-L_*$", title="Linear rule: one curve, while lr is small", ylim=(2e-4, 2))
left.legend(loc="lower left")
seen = {name: B * run.t / lr for name, run in runs.items()}
at = np.round(runs["batch grows"].t / lr).astype(int)
seen["batch grows"] = np.concatenate([[0], np.cumsum(grown)])[at]
for (name, run), colour in zip(runs.items(), (style.GREY, style.ORANGE, style.BLUE), strict=True):
    label = f"{name}: {round(run.t[-1] / lr)} steps"
    right.semilogy(seen[name], run.loss.mean(axis=1) - least, color=colour, label=label)
right.set(xlabel="samples", title="A batch that grows is a rate that falls")
right.legend(loc="upper right")
plt.show()

# %% [markdown]
# ## What is left of the claims
#
# | The article says | Verdict | Here |
# |---|---|---|
# | SGD is a Langevin equation | to weak order 1, with $\Sigma(\theta)$ | orders 1 (SDE1), 2 (SDE2) at $t=1$ |
# | its density is $e^{-L/\sigma^2}$ | with a standard $dW$: $e^{-2L/s^2}=e^{-L/T}$ | 10 000 members |
# | a larger batch, a sharper density | yes, $T=\mathrm{lr}\,\sigma^2/2B$ | twice B: 11 times as long in a well |
# | on real data | the constant-noise law holds for B = 64, not for B = 4 | $E[L]-L_*$, section 2 |
# | a larger batch is better | by steps not worse, by samples one is best | B = 32 of 2 to 128, lr = 0.5 |
# | small batch and large rate first, then the reverse | yes; lr/B counts, while lr is small | a third of the steps |
# | SGD with momentum is Kramers' equation | yes, at $T=\mathrm{lr}\,\sigma^2/2B(1-\beta)$ | exactly for the SDE |
#
# Not in the article: the better SDE for a short time is the worse one for ever, and Adam's rate follows the batch by a
# power that the noise ratio decides.
