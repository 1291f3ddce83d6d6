"""Without an extra: what needs it says how to install it, and nothing else breaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = {
    "torch": ["torch"],
    "jax": ["jax", "jaxlib", "optax"],
    "keras": ["keras"],
    "symbolic": ["sympy"],
    "fast": ["numba"],
    "words": ["gensim", "threadpoolctl"],
    "tables": ["pandas", "xarray"],
    "data": ["sklearn"],
    "scale": ["joblib"],
    "studies": ["optuna"],
}

HIDDEN = """
import json, sys

class Without:  # a finder that finds all but the hidden packages
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *arguments):
        return None if name.partition(".")[0] in {hidden!r} else self.finder.find_spec(name, *arguments)

sys.meta_path[:] = map(Without, sys.meta_path)
import odeopt as oo
from importlib import import_module

quadratic, opt = oo.problems.quadratic(), oo.optimizers.adam(lr=0.1)
ensemble = oo.ensemble(opt, oo.noise.gaussian(quadratic, 1.0), members=2, steps=2, rng=0)
NEEDS = {{
    "torch": [lambda: import_module("odeopt.frameworks.torch")],
    "jax": [
        lambda: import_module("odeopt.frameworks.jax"),
        lambda: oo.simulate(opt, quadratic, 5, backend="jax"),
    ],
    "keras": [lambda: import_module("odeopt.frameworks.keras")],
    "symbolic": [lambda: import_module("odeopt.symbolic")],
    "fast": [lambda: oo.simulate(opt, quadratic, 5, backend="numba")],
    "words": [oo.word2vec.wikipedia, oo.word2vec.wordsim353],
    "tables": [ensemble.to_dataframe, ensemble.to_xarray],
    "scale": [lambda: oo.sweep(oo.optimizers.gd, quadratic, {{"lr": [0.1]}}, jobs=2)],
    "studies": [lambda: oo.sweeps.from_study(None, {{}}, 2)],
    "data": [oo.problems.logistic_regression, oo.problems.tanh_network],
}}
said = {{}}
for extra in {extras!r}:
    for call in NEEDS[extra]:
        try:
            call()
        except ImportError as error:
            said.setdefault(extra, []).append(str(error))
        except (TypeError, ValueError) as error:  # it got as far as its arguments
            assert "must be" in str(error), error

oo.compare(opt, quadratic, 20).plot()
oo.simulate(oo.optimizers.lookahead(opt), quadratic, 1000).check()
oo.solve(opt.flow, quadratic, 1.0, memory={{"c1": 0.1, "c2": 0.1, "m": [1.0, 1.0], "G": [1.0, 1.0]}}).check()
oo.modified_flow(opt, order=2), oo.stability_limit(opt), oo.implicit_regularizer(oo.optimizers.gd(0.1)), opt.describe()
print(json.dumps(said))
"""


def said_without(*hidden, extras=tuple(PACKAGES)):
    """What the extras' users say when these are not installed; the rest of odeopt runs, or this fails."""
    code = HIDDEN.format(hidden=[name for extra in hidden for name in PACKAGES[extra]], extras=list(extras))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_without_any_extra():
    """Each says its own name, in every place that needs it."""
    said = said_without(*PACKAGES)
    counts = {"scale": 1, "studies": 1, "symbolic": 1, "fast": 1, "torch": 1, "keras": 1}
    for extra in PACKAGES:
        assert len(said.get(extra, [])) == counts.get(extra, 2), (extra, said)
        assert all(f"install odeopt-toolkit[{extra}]" in text for text in said[extra])


@pytest.mark.slow
@pytest.mark.parametrize("extra", [extra for extra in PACKAGES if extra != "words"])
def test_without_one_extra_the_others_work(extra):
    """Keras runs on JAX, scikit-learn on joblib; the text of `words` takes seconds to read."""
    others = [name for name, packages in PACKAGES.items() if name != "words" and all(map(find_spec, packages))]
    said = said_without(extra, extras=others)
    expected = {extra} | {"jax": {"keras"}, "scale": {"data"}}.get(extra, set())
    assert set(said) <= expected
    assert extra in said or extra not in others


WITHOUT_OPTAX = """
import json, sys
import odeopt as oo
sys.modules["optax"] = None
import keras, numpy as np
from odeopt.frameworks.keras import problem, to_keras
line, data = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), (np.ones((4, 2)), np.ones((4, 1)))
line.compile(to_keras(oo.optimizers.adam(0.1)), "mse")
line.fit(*data, verbose=0)
problem(line, data)
try:
    from odeopt.frameworks.jax import to_optax
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.keras
def test_keras_on_jax_needs_no_optax():
    """The extra `keras` does not install it."""
    pytest.importorskip("keras")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}
    out = subprocess.run([sys.executable, "-c", WITHOUT_OPTAX], env=environment, capture_output=True, text=True)
    assert out.stdout == "jax and optax are needed here: install odeopt-toolkit[jax]\n", out.stderr


def test_versions_are_pinned_for_ci_alone():
    """A pin in an extra would replace the torch that a user has, and with it their CUDA."""
    root = Path(__file__).parents[1]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "torch" in extras
    assert not [need for needs in extras.values() for need in needs if "==" in need]
    assert "torch==" in (root / ".ci" / "constraints.txt").read_text()
    installs = [line for file in (".ci/run", "Makefile") for line in (root / file).read_text().splitlines()]
    with_torch = [line for line in installs if "pip install" in line and "torch" in line]
    assert len(with_torch) >= 2
    assert all("-c .ci/constraints.txt" in line for line in with_torch)
