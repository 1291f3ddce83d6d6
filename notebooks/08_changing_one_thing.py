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
# # Changing one thing
#
# **Question.** An optimizer is tuned, and then one thing changes: the batch, the width of the network, the length of
# training. What becomes of the learning rate, the betas, the decay and the schedule?
#
# Tuning again is the sure answer, and the dear one. `oo.transfer` gives settings that ought to be near the tuned ones,
# with the reason for each, and says what it cannot keep. Here it is put beside tuning, on real data, and beside the
# three answers of folklore: change nothing, the square root, in proportion.

# %%
import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt.plots import style
from odeopt.scaling import noise_laws

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
digits = oo.problems.tanh_network(hidden=16, samples=1797)  # 1797 digits of 4 x 4 pixels
rates, samples, small, large = np.geomspace(0.004, 1.0, 17), 8192, 16, 256

# %% [markdown]
# ## 1. A batch sixteen times as large
#
# AdamW on batches of 16, under a schedule that falls to zero. Hyperparameters may be arrays, so a sweep over the rates
# is one run, here with two members for each rate:

# %%
adamw, steps = oo.optimizers.adamw(np.tile(rates, (2, 1)), weight_decay=0.0), samples // small
noisy, start = oo.noise.minibatches(digits, small), np.broadcast_to(digits.theta0, (2, len(rates), digits.dim))
keep = {"rng": 0, "record_every": steps // 4, "progress": False}
run = oo.simulate(oo.optimizers.scheduled(adamw, oo.schedules.linear(steps)), noisy, steps, start, **keep)
losses = run.loss[-1].mean(axis=0)
best = losses.argmin()
tuned = oo.optimizers.adamw(rates[best], weight_decay=0.0)
print(f"batch {small}: the best rate is {rates[best]:.3f}, with the loss {losses[best]:.3f}")
assert 0.1 < rates[best] < 0.3

# %% [markdown]
# What the batch changes depends on how noisy the gradient is. The ratio of noise to signal grows as the loss falls; its
# geometric mean along the run is what the law gets, or a range of it:

# %%
ratios = oo.noise_ratio(noisy, run.theta[1:, :, best])
ratio = np.exp(np.log(ratios).mean())
print(f"noise over signal: {ratio:.1f}, from {ratios.min():.1f} to {ratios.max():.1f} along the run\n")
moved = oo.transfer(tuned, batch=(small, large), noise_ratio=ratio, schedule=oo.schedules.linear(steps))
print(moved)
assert moved.steps(steps) == samples // large

# %% [markdown]
# Its rate, and those of folklore, beside a sweep with the large batch:

# %%
again, steps = oo.noise.minibatches(digits, large), samples // large
new = oo.optimizers.adamw(np.tile(rates, (2, 1)), beta2=0.999 ** (large / small), weight_decay=0.0)
keep["record_every"] = steps
run = oo.simulate(oo.optimizers.scheduled(new, oo.schedules.linear(steps)), again, steps, start, **keep)
after, kappa = run.loss[-1].mean(axis=0), large / small
said = {"transfer": moved.optimizer.lr, "nothing": tuned.lr, "square root": tuned.lr * kappa**0.5,
        "in proportion": tuned.lr * kappa}  # fmt: skip
off = {name: np.interp(np.log(lr), np.log(rates), after) / after.min() - 1 for name, lr in said.items()}
print({name: f"{value:.0%} above the tuned loss" for name, value in off.items()})
assert off["transfer"] < 0.05
assert min(off["square root"], off["in proportion"]) > 1

# %%
fig, ax = plt.subplots(figsize=(5, 3))
ax.loglog(rates, losses, color=style.GREY, label=f"batch {small}")
ax.loglog(rates, after, color=style.colour("adamw"), label=f"batch {large}")
for name, mark in zip(said, "o*^D", strict=True):
    ax.plot(np.clip(said[name], None, rates[-1]), after.min() * (1 + off[name]), mark, markersize=7, label=name)
ax.set(xlabel="learning rate", ylabel="loss after 8192 samples", title="Where the rules lead AdamW, batch x 16")
ax.legend()

# %% [markdown]
# ## 2. Three laws
#
# Where noise dominates, everyone agrees: a rate in proportion to the batch for SGD, its square root for steps whose
# length the gradient does not change. Where the signal does, the curvature limits the rate, and a larger batch cannot
# raise it. For signs it may even fall again: the *surge*. The advice is the lowest of the laws, as a rate that is too
# high costs more than one that is too low:

# %%
factors = 2.0 ** np.arange(-3, 9)
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.7), sharey=True)
for r, shade in ((1, style.SKY), (10, style.BLUE), (100, style.GREEN), (np.inf, style.GREY)):
    left.loglog(factors, [noise_laws.summed_rate(r, k) for k in factors], color=shade, label=f"r = {r}")
    right.loglog(factors, [noise_laws.normalised_rate(r, k) for k in factors], color=shade)
    right.loglog(factors, [noise_laws.surge_rate(r, k) for k in factors], color=shade, linestyle="--")
left.set(xlabel="batch, times the old one", ylabel="learning rate, times the old one", title="SGD")
right.set(xlabel="batch, times the old one", title="Adam and signs; dashed: surge")
left.legend()
assert noise_laws.summed_rate(np.inf, 16) == 16
assert np.isclose(noise_laws.normalised_rate(np.inf, 16), 4)
assert noise_laws.surge_rate(10.0, 1000.0) < noise_laws.surge_rate(10.0, 10.0)

# %% [markdown]
# Lion is another matter. It takes the sign of an average over a hundred gradients; with that average kept in samples,
# it is the same process in time at any batch, and its rate goes in proportion, whatever the noise:

# %%
lion = oo.optimizers.lion(1e-4, beta1=0.9, beta2=0.99)
print({r: round(oo.transfer(lion, batch=4, noise_ratio=r).optimizer.lr * 1e4, 2) for r in (1.0, 10.0, 100.0)})
assert all(3.3 < oo.transfer(lion, batch=4, noise_ratio=r).optimizer.lr * 1e4 < 4.2 for r in (1.0, 10.0, 100.0))

# %% [markdown]
# ## 3. A wider network
#
# Here the answer is muP: the rates of hidden and output matrices fall with the width, those of vectors and embeddings
# stay, and the output starts smaller. `odeopt.frameworks.torch.parameter_groups` finds the groups of a module by shape.

# %%
wide = oo.transfer(oo.optimizers.adamw(0.0156), width=(64, 1024))
print({kind: f"{opt.lr:.4g}" for kind, opt in wide.optimizers.items()})
print(*wide.watch, sep="\n")
assert np.isclose(wide.optimizers["hidden"].lr, 0.0156 / 16)

# %% [markdown]
# Recorded sweeps over widths from 64 to 1024 (`benchmarks/transfer_experiments.py`), with muP and without:

# %%
table = np.genfromtxt("../benchmarks/transfer_experiments.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
best_rate, fig = {}, plt.figure(figsize=(7, 2.7))
for place, way in enumerate(("standard", "muP")):
    ax = fig.add_subplot(1, 2, place + 1)
    for width, shade in zip((64, 128, 256, 512, 1024), np.linspace(0.8, 0, 5), strict=True):
        rows = table[(table["size"] == width) & (table["memory"] == way)]
        ax.semilogx(rows["lr"], rows["loss"], color=str(shade), label=f"width {width}")
        best_rate[way, width] = rows["lr"][rows["loss"].argmin()]
    ax.set(xlabel="learning rate", ylabel="loss", title=way, ylim=(0.63, 0.9))
ax.legend()
assert best_rate["standard", 64] > 5 * best_rate["standard", 1024]
assert best_rate["muP", 64] <= best_rate["muP", 1024] < 1.5 * best_rate["muP", 64]

# %% [markdown]
# ## 4. A longer run
#
# The schedule is stretched; a warm-up keeps its steps. The best peak rate by the bound on the last iterate falls like
# $1/\sqrt{\text{horizon}}$, a worst case in which noise limits the rate. The networks of figure 29 disagree with each
# other: Lion's rate falls so, AdamW's and SGD's stays. The advice is half way, and the range holds both ends:

# %%
schedule = oo.schedules.warm_up(100, oo.schedules.cosine(901))
long = oo.transfer(oo.optimizers.adamw(1e-3), horizon=16, schedule=schedule)
print(long)
low, high = long.lr_range()
assert np.isclose(low, high / 4, rtol=0.02)
assert long.optimizer.settings["schedule"](99) == 1

# %%
fig, ax = plt.subplots(figsize=(5, 2.7))
for name, opt, n in (("before", long.before, 1000), ("after", long.optimizer, 16_000)):
    k = np.arange(n)
    colour = style.colour("adamw") if name == "after" else style.GREY
    ax.semilogx(k + 1, opt.lr * opt.settings["schedule"](k), color=colour, label=f"{name}: {n} steps")
ax.set(xlabel="step", ylabel="learning rate", title="Sixteen times as long: the same warm-up, half the peak")
ax.legend()

# %% [markdown]
# ## 5. What no setting keeps
#
# A batch beyond the noise scale wastes samples, a second moment cannot remember less than one step, and a momentum is
# kept at ten steps, because it helps along flat directions whatever the noise. Two things may change together, and the
# noise may be known as a range, or not at all:

# %%
far = oo.transfer(oo.optimizers.adamw(1e-3), batch=(256, 2**19), noise_scale=(2_000, 20_000))
print(*far.lost, sep="\n")
print("rate from", *(f"{lr:.2g}" for lr in far.lr_range()))
unknown = oo.transfer(oo.optimizers.adamw(1e-3), batch=4, horizon=2)
print(unknown)
assert len(far.lost) == 3
assert unknown.steps(1000) == 500
