"""Problems with named parameters, and what is said where a library or the names are missing."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest

import odeopt as oo
from odeopt.problems.parameters import Parameters


@pytest.mark.parametrize("library", ["torch", "jax", "keras"])
def test_a_missing_library_is_named_with_its_extra(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    for module in (f"odeopt.frameworks.{library}", f"odeopt.frameworks.{library}.problem"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=rf"install odeopt-toolkit\[{library}\]"):
        import_module(f"odeopt.frameworks.{library}.problem")


def test_there_and_back():
    received = []
    parameters = Parameters({"W": (2, 3), "b": ()}, put=received.append)
    problem = oo.Problem(lambda x: (x**2).sum(-1), theta0=np.arange(7.0), parameters=parameters)
    named = problem.at(problem.theta0).to_parameters(np.stack([problem.theta0, -problem.theta0]))
    assert named["W"].tolist() == [[[0, 1, 2], [3, 4, 5]], [[0, -1, -2], [-3, -4, -5]]]
    assert named["b"].tolist() == [6, -6]
    problem.load(problem.theta0)
    assert received[0]["W"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_others_have_no_names():
    for method in ("to_parameters", "load"):
        with pytest.raises(ValueError, match="must come from torch, JAX or Keras to have named parameters"):
            getattr(oo.problems.quadratic(), method)([1.0, 2.0])
    with pytest.raises(TypeError, match="parameters must be"):
        oo.Problem(lambda x: (x**2).sum(-1), theta0=[1.0], parameters={"W": (1,)})
