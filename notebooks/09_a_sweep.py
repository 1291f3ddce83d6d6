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
# # From laptop to cluster
#
# **Question.** You want the best learning rate and momentum for your problem, with an error bar. That is thousands of
# runs. What if the laptop goes to sleep in the middle, or the machine in the cluster is taken away?
#
# `oo.sweep` writes each finished run into a folder. The same call on the same folder goes on where it stopped, on one
# process or on many machines, and every digit is the same.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import odeopt as oo
from odeopt.plots import style

plt.rcParams.update({**style.RC, "figure.dpi": 140, "figure.constrained_layout.use": True})
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## 1. A sweep
#
# Momentum on a bowl with the curvatures 1 and 10, and noise in its gradients: 20 rates, 12 betas, 12 seeds, 60 steps.
# Cells that differ only in numbers run together, as members of one array run. A run that ends above its start counts
# as failed: NaN.

# %%
bowl = oo.problems.quadratic((1.0, 10.0))
noisy = oo.noise.gaussian(bowl, 0.3)
grid = {"lr": np.geomspace(0.003, 0.5, 20), "beta": np.linspace(0, 0.95, 12)}
trained = lambda run: {"loss": run.loss[-1] if run.loss[-1] < run.loss[0] else np.nan}
keep = {"seeds": 12, "rng": 0, "measure": trained, "path": folder / "bowl-cells", "progress": False}
found = oo.sweep(oo.optimizers.momentum, noisy, grid, steps=60, **keep)
print(found)
view = found.heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=10.0)
view.plot()
plt.title("The median loss over 12 seeds")
plt.show()
assert np.allclose(view.limit, 2 * (1 + grid["beta"]) / 10)

# %% [markdown]
# The map is a picture of theory too: to the right of the line, lr = 2 (1 + beta)/10, the steeper direction is unstable,
# and nothing trains.

# %%
right, failed = np.array(view.x) > 1.1 * view.limit[:, None], np.isnan(view.value)
print(f"right of the line {failed[right].mean():.0%} of the cells fail, left of it {failed[~right].mean():.0%}")
assert failed[right].all()
assert failed[~right].mean() < 0.1

# %% [markdown]
# ## 2. The best cell, with its interval
#
# The least of many noisy numbers is too good to be true. So half of the seeds choose the cell, and the other half
# measure it. Six that measure are enough for an interval that holds the median in 95 % of cases.

# %%
best = found.best()
print(best)
assert best.low <= best.value <= best.high
fig, axes = plt.subplots(1, 2, figsize=(7, 2.7))
for ax, name in zip(axes, grid, strict=True):
    found.marginal(name).plot(ax=ax)
    ax.set_title(f"Along {name}")
plt.show()

# %% [markdown]
# With 12 seeds many cells have a median below the upper end of that interval:

# %%
losses = found.values["loss"]
medians = np.median(losses, axis=1)
close = np.flatnonzero(medians <= best.high)
fig, ax = plt.subplots(figsize=(5, 3))
rates, betas = (np.array(found.columns[name]) for name in grid)
ax.semilogx(rates, betas, ".", color=style.GREY, markersize=3, label="all cells")
ax.semilogx(rates[close], betas[close], "o", color=style.BLUE, label="not above the interval of the best")
ax.semilogx(best.cell["lr"], best.cell["beta"], "*", color=style.VERMILLION, markersize=11, label="the best cell")
ax.set(xlabel="lr", ylabel="beta", title=f"The noise cannot tell {len(close)} of {len(found)} cells apart")
ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
plt.show()
assert len(close) > 1

# %% [markdown]
# ## 3. Killed, and resumed
#
# A function `train(steps, rng)` of any framework is a cell as well. This one kills its own process at its sixth run, as
# a cluster or an empty battery does: at once, with no chance to clean up.

# %%
script = """
import os, signal, sys
import odeopt as oo

def training(lr):
    def train(steps, rng):
        if lr == 0.6 and "kill" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return abs(lr - 0.4) + 0.01 * rng.standard_normal()
    return train

rates = [i / 10 for i in range(1, 11)]
print(oo.sweep(training, None, {"lr": rates}, rng=0, path=sys.argv[1]).digest)
"""
(folder / "train.py").write_text(script)

# %%
command = [sys.executable, folder / "train.py"]
killed = subprocess.run([*command, folder / "killed", "kill"])
kept = [line for file in (folder / "killed").glob("cells-*") for line in file.read_text().splitlines()]
print(f"ended by signal {-killed.returncode}; {len(kept)} of 10 runs are kept, as lines like this one:\n{kept[0]}")
assert killed.returncode < 0
assert len(kept) == 5

# %% [markdown]
# The same call goes on: five runs are read, five are made. Its digest is that of a sweep that nobody killed.

# %%
names = ("killed", "untouched")
digests = [subprocess.run([*command, folder / name], capture_output=True, text=True).stdout.strip() for name in names]
print(*digests, sep="\n")
assert len(digests[0]) == 64
assert digests[0] == digests[1]

# %% [markdown]
# Another sweep in the same folder is refused, with the difference:

# %%
try:
    oo.sweep(oo.optimizers.momentum, noisy, grid, steps=61, **keep)
except ValueError as error:
    said = str(error)
print(said.replace(str(folder), "..."))
assert "steps is 60 there, 61 here" in said

# %% [markdown]
# ## 4. More processes, more machines
#
# The extra `scale` installs joblib. What changes is one line for the processes of a machine:
#
# ```python
# found = oo.sweep(make, problem, grid, path="folder", jobs=8)
# ```
#
# one for a Dask cluster, after `client = distributed.Client(address)`:
#
# ```python
# with joblib.parallel_config("dask"):
#     found = oo.sweep(make, problem, grid, path="folder")
# ```
#
# and one for Ray, after `ray.util.joblib.register_ray()`:
#
# ```python
# with joblib.parallel_config("ray"):
#     found = oo.sweep(make, problem, grid, path="folder", jobs=64)
# ```
#
# Random numbers belong to cells, not to workers, so the digits do not change. The process that calls is the one that
# writes the folder; workers need no common disk. From a shell it is `odeopt sweep config.toml`, and
# `odeopt sweep --resume folder`.

# %%
small = {"lr": [0.05, 0.1, 0.2], "beta": [0.0, 0.9]}
shuffled = [{"beta": beta, "lr": lr} for beta in (0.9, 0.0) for lr in (0.2, 0.05, 0.1)]
ways = [(small, {}), (shuffled, {}), (small, {"jobs": 2})]
digests, same = [], {"seeds": 2, "steps": 20, "rng": 0, "progress": False}
for cells, more in ways:
    try:
        digests.append(oo.sweep(oo.optimizers.momentum, noisy, cells, **same, **more).digest)
    except ImportError as error:  # joblib is not installed
        print(error)
print(*digests, sep="\n")
assert len(set(digests)) == 1

# %% [markdown]
# ## 5. Results that last
#
# A result is one file without code, with a checksum. The records in the folder are lines of JSON that pandas reads
# without odeopt, and `found.to_xarray().to_netcdf("sweep.nc")` writes axes and names for everyone else.

# %%
path = found.save(folder / "bowl")
again = oo.load(path)
print(again)
again.marginal("beta").plot()
plt.title("Drawn from the file")
plt.show()
assert again.digest == found.digest
