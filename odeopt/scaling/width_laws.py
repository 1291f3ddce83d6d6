"""The rates of a wider or deeper network by the maximal update parametrization (muP), by groups of parameters.

hidden:     matrices of which both sides grow with the width
embedding:  matrices from an input of fixed size, and tables of embeddings
output:     matrices to an output of fixed size
vector:     biases, gains of norms
Each has initial weights of variance 1/fan-in, but the output, whose standard deviation is 1/sqrt(width) smaller.
[Yang et al. 2022, "Tensor programs V", table 3; depth: Yang et al. 2023, "Tensor programs VI", table 1]
"""

from __future__ import annotations

from odeopt.analysis.batch_rules import is_normalised
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import innermost_optimizer

KINDS = ("hidden", "vector", "embedding", "output")
NORMALISED = {"hidden": (-1.0, -0.5), "vector": (0.0, -0.5), "embedding": (0.0, 0.0), "output": (-1.0, 0.0)}
SUMMED = {"hidden": (0.0, 0.0), "vector": (1.0, 0.0), "embedding": (1.0, 0.0), "output": (-1.0, 0.0)}
COUPLED = ("normalized_gd",)  # their steps depend on all parameters together
MUON = {"keras": -0.5}  # Keras' Muon multiplies by the root of the larger side; the others by a ratio of sides


def powers(opt: Optimizer, kind: str) -> tuple[float, float]:
    """(a, b) of lr ~ width^a depth^b for this kind of parameters; ValueError if no law is known.

    depth is the number of residual branches, each multiplied by 1/sqrt(depth).
    """
    inner = innermost_optimizer(opt)
    if inner.name in COUPLED:
        raise ValueError(f"opt must move each parameter by itself where the width or depth changes, got {inner.name}")
    if inner.name == "muon":
        if kind != "hidden":
            raise ValueError(f"groups must be hidden matrices for muon, got {kind}: give those their own optimizer")
        return MUON.get(str(inner.settings["like"]), 0.0), -0.5
    return (NORMALISED if is_normalised(opt) else SUMMED)[kind]


def model_changes(width: float, depth: float) -> tuple[str, ...]:
    """What the model itself needs for these rates to hold."""
    found = []
    if width != 1:
        found.append(
            "initial weights: standard deviation 1/sqrt(fan-in), for the output matrix times "
            f"{width**-0.5:.4g}, or zero; attention: 1/d instead of 1/sqrt(d)"
        )
        found.append(f"eps must stay small beside gradients, which become about {1 / width:.3g} times as large")
    if depth != 1:
        found.append("the depth law is for residual networks: multiply each branch by 1/sqrt(number of branches)")
    return tuple(found)
