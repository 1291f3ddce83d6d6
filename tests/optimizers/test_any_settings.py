"""Hyperparameters of any kind and shape, from any start: every way to run a step gives what the step gives."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tables
from support.paths import same

import odeopt as oo
from odeopt import optimizers

KINDS = [np.ndarray.tolist, lambda x: x[()], lambda x: x.astype(np.float32)[()]]  # of an array, or of one number


@st.composite
def one_or_each(draw, low, high, members):
    """One number for all members, or an array that broadcasts to them: in double or single precision, or as a list."""
    shape = draw(st.sampled_from([(), *({members, members[-1:], (*members[:-1], 1)} if members else ())]))
    numbers = st.lists(st.floats(low, high), min_size=prod(shape), max_size=prod(shape))
    return draw(st.sampled_from(KINDS))(np.array(draw(numbers)).reshape(shape))


@st.composite
def runs(draw, several, widest):
    """Three optimizers, a start for each member or one for all, and how long they run."""
    members = draw(st.sampled_from([(3,), (2, 3)])) if several else ()
    whole = st.sampled_from([1, np.int64(1), np.ones(members, dtype=int)])
    lr = draw(one_or_each(1e-4, 0.05, members) | whole)
    beta1, beta2 = draw(one_or_each(0, 0.99, members)), draw(one_or_each(0.5, 0.999, members))
    opts = [optimizers.adam(lr, beta1, beta2), optimizers.nesterov(lr, beta1), optimizers.rmsprop(lr, beta2)]
    d, rng = draw(st.integers(min(2, widest), widest)), np.random.default_rng(draw(st.integers(0, 9)))
    shared = all(opt.members for opt in opts) and draw(st.booleans())
    start = 3 * rng.normal(size=(*(() if shared else members), d))
    kind = draw(st.sampled_from([np.array, np.float32, np.ndarray.tolist, lambda x: np.rint(x).astype(int)]))
    return opts, kind(start), rng.uniform(0.1, 3, d), draw(st.integers(1, 8)), draw(st.integers(1, 9))


def agree(backend, found, problem=None):
    """Over a few steps: RMSprop in its closed loop amplifies rounding later."""
    opts, start, curvatures, steps, every = found
    problem = problem or oo.problems.quadratic(curvatures)
    for opt in opts:
        both = [oo.simulate(opt, problem, steps, start, record_every=every, backend=b) for b in (backend, "numpy")]
        assert both[0].backend.startswith(backend)
        assert both[0].theta.dtype == np.float64
        same(*both)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(runs(several=False, widest=5))
def test_a_path_on_floats(found):
    agree("floats", found)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(runs(several=True, widest=5))
def test_members_in_blocks(found):
    agree("blocks", found)


COMPILED = [pytest.param(name, marks=(getattr(pytest.mark, name), pytest.mark.slow)) for name in ("numba", "jax")]


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("several", [False, True])
def test_compiled(backend, several):
    """On one problem, whose kernels serve all hyperparameters."""
    pytest.importorskip(backend)

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(runs(several, widest=2))
    def every_time(found):
        agree(backend, found, tables.smooth_problem())

    every_time()
