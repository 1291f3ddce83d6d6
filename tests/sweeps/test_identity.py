"""The identity of code: the same in every process, another where a number or a line is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pytest

import odeopt as oo
from odeopt.sweeps.identity import identity

SETS = """
from odeopt.sweeps.identity import identity
names = {"lr", "beta", "batch", "width"}
def make(lr):
    return lr if "a" in {"a", "b", "c", "d", "e"} else names
print(identity(make))
"""


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, lr):
        return oo.optimizers.gd(self.factor * lr)

    def made(self, lr):
        return oo.optimizers.gd(self.factor * lr)


@dataclass(frozen=True)
class Row:
    numbers: np.ndarray


def cached(factor):
    return lru_cache(lambda lr: factor * lr)


def holding(value):
    return lambda lr: value


LONG = np.arange(5000.0)  # the text of an array as long as this leaves numbers out
PAIRS = {
    "an object that is called": (Scaled(1.0), Scaled(2.0)),
    "a method of an object": (Scaled(1.0).made, Scaled(2.0).made),
    "a cached function": (cached(1.0), cached(2.0)),
    "a partial": (partial(oo.optimizers.momentum, beta=0.5), partial(oo.optimizers.momentum, beta=0.6)),
    "an object that is held": (holding(Scaled(1.0)), holding(Scaled(2.0))),
    "an array that is held": (holding(LONG), holding(np.where(LONG == 2000, 0, LONG))),
    "a dataclass of arrays": (holding(Row(LONG)), holding(Row(np.where(LONG == 2000, 0, LONG)))),
    "an optimizer": (holding(oo.optimizers.adam(lr=0.1)), holding(oo.optimizers.adam(lr=0.1 + 1e-12))),
    "a class that is held": (holding(Scaled), holding(Row)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_differs_has_another_identity(name):
    one, other = PAIRS[name]
    assert identity(one) != identity(other)
    assert identity(one) == identity(one)


def test_sets_have_the_same_identity_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", SETS], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1


def test_libraries_are_named_with_their_version():
    """Their code is not read: it may be much, and it may import more when it is asked."""
    from scipy.optimize import minimize

    assert len(identity(holding(minimize))) < 100
    assert identity(holding(minimize)) != identity(holding(np.sort))
