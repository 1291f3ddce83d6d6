"""Soft batches in JAX: some micro-batches, then one update, against the big batch; and how optax.MultiSteps differs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from support import training

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
from support.scripts import load, script  # noqa: E402
from test_to_optax import flat, loss, network, stopped  # noqa: E402

from odeopt.frameworks.jax import soft_batch, to_optax  # noqa: E402
from odeopt.frameworks.jax.soft_batch import SoftBatch  # noqa: E402

jnp = jax.numpy
MICRO = len(training.UNEVEN)
gradient = jax.jit(jax.grad(loss))
FEW = ("all at once",)  # the others compile for minutes: `make test-all`
EVERY = training.ONE_GRADIENT | {
    "all at once": lambda: opts.clip_norm(
        opts.scheduled(opts.decoupled(opts.adam(0.02), 0.1), oo.schedules.step(every=2, factor=0.5)), 0.5
    ),
}


def run(transform, windows, params=None, last=False, **start):
    """Parameters and state after these windows of (gradient function, weight); `last` marks each window's end."""
    params = network() if params is None else params
    state = start.get("state", transform.init(params))
    update = jax.jit(transform.update)
    for window in windows:
        for k, (x, y) in enumerate(window, 1):
            more = {"weight": len(x)} if isinstance(transform, SoftBatch) else {}
            if last:
                more["last"] = k == len(window)
            change, state = update(gradient(params, x, y), state, params, **more)
            params = optax.apply_updates(params, change)
    return params, state


def windows(count):
    return [training.micro_batches(k) for k in range(count)]


def together(window):
    """The big batch as a window of one."""
    return [tuple(map(np.concatenate, zip(*window, strict=True)))]


def close(ours, theirs):
    assert np.abs(flat(theirs) - flat(network())).max() > 1e-3
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.long) for n in EVERY])
def test_exactly_the_big_batch(name):
    """Four updates, and one from what is left: for every optimizer and all that counts updates."""
    soft, whole = soft_batch(to_optax(EVERY[name]()), MICRO), windows(4)
    rest = training.micro_batches(4)[:2]
    params, state = run(soft, [*whole, rest])
    assert int(state.waiting) == 2
    flush = jax.jit(soft.flush)
    change, state = flush(state, params)
    assert int(state.waiting) == 0
    assert not flat(flush(state, params)[0]).any()
    ours = optax.apply_updates(params, change)
    theirs, _ = run(to_optax(EVERY[name]()), [together(w) for w in [*whole, rest]])
    close(ours, theirs)


def test_around_optaxs_own_with_its_schedule_and_the_ends_of_windows_marked():
    """Windows of 3 and 2 micro-batches, by last=True."""
    chain = optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(optax.exponential_decay(0.02, 1, 0.7)))
    data = [window[: 3 - k % 2] for k, window in enumerate(windows(4))]
    ours, _ = run(soft_batch(chain, 10), data, last=True)
    theirs, _ = run(chain, [together(window) for window in data])
    close(ours, theirs)


def test_saved_and_continued_in_the_middle_of_a_window():
    soft, data = soft_batch(to_optax(opts.adam(0.02)), MICRO), windows(3)
    params, state = run(soft, [data[0], data[1][:1]])
    leaves, tree = jax.tree.flatten((params, state))
    loaded = tree.unflatten([jnp.asarray(np.array(leaf)) for leaf in leaves])
    ends = [run(soft, [data[1][1:], data[2]], p, state=s)[0] for p, s in ((params, state), loaded)]
    np.testing.assert_array_equal(flat(ends[0]), flat(ends[1]))
    np.testing.assert_array_equal(flat(ends[0]), flat(run(soft, data)[0]))


def test_single_precision_and_bfloat16_are_added_up_in_single():
    soft, theta = soft_batch(optax.sgd(1.0), 256), jnp.zeros(1, jnp.bfloat16)
    state, update = soft.init(theta), jax.jit(soft.update)
    for k in range(256):
        change, state = update(jnp.full(1, 256.0 if k == 0 else 1.0, jnp.bfloat16), state, theta, weight=1)
    assert change.dtype == jnp.bfloat16
    assert float(change[0]) == pytest.approx(-511 / 256, rel=2**-8)


@pytest.mark.parametrize("nan", ["raise", "skip"])
def test_a_gradient_that_is_not_finite_spoils_its_own_window_alone(nan):
    soft, theta = soft_batch(to_optax(opts.adam(0.1), nan=nan), 2), jnp.ones(2)
    state, update = soft.init(theta), jax.jit(soft.update)
    _, state = update(jnp.array([jnp.nan, 1.0]), state, theta, weight=1)
    if nan == "raise":
        with pytest.raises(Exception, match="not finite in step 1"):
            stopped(partial(update, weight=1), jnp.ones(2), state, theta)
        return
    change, state = update(jnp.ones(2), state, theta, weight=1)
    assert not change.any()
    assert int(state.inner.skipped) == 1
    for _ in range(2):
        change, state = update(jnp.ones(2), state, theta, weight=1)
    np.testing.assert_allclose(change, -0.1, rtol=1e-6)


def test_grad_fn_belongs_to_the_transformation_itself():
    """Heun on a soft batch: the sum over micro-batches as grad_fn."""
    heun, (window,) = to_optax(training.SEVERAL_GRADIENTS["Heun"]()), windows(1)
    whole = lambda params: jax.tree.map(
        lambda *parts: sum(parts) / sum(training.UNEVEN), *[scaled(gradient(params, x, y), len(x)) for x, y in window]
    )
    (x, y), params = together(window)[0], network()
    ends = []
    for grad_fn in (whole, lambda p: gradient(p, x, y)):
        change, _ = heun.update(grad_fn(params), heun.init(params), params, grad_fn=grad_fn)
        ends.append(optax.apply_updates(params, change))
    close(*ends)
    soft = soft_batch(heun, 2)
    with pytest.raises(ValueError, match="grad_fn must not be given to a soft batch"):
        soft.update(params, soft.init(params), params, weight=1, grad_fn=whole)


def scaled(tree, factor):
    return jax.tree.map(lambda u: factor * u, tree)


@pytest.fixture(scope="module")
def figure():
    pytest.importorskip("sklearn")
    return load(script("22"))


def multi_steps(figure, transform, stream, **settings):
    """theta after each update by optax.MultiSteps on the figure's problem."""
    several = optax.MultiSteps(transform, figure.K, **settings)
    theta, path = jnp.asarray(figure.PROBLEM.theta0), [figure.PROBLEM.theta0]
    state, update = several.init(theta), jax.jit(several.update)
    for k, micro in enumerate(stream, 1):
        change, state = update(jnp.asarray(figure.PROBLEM.noise.grad(np.asarray(theta), micro)), state, theta)
        theta = optax.apply_updates(theta, change)
        if k % figure.K == 0:
            path.append(np.asarray(theta))
    return np.array(path)


@pytest.mark.parametrize(("law", "kind"), [("Single", "float32"), ("PlainMean", "float64")])
def test_multisteps_is_the_figures_plain_mean(figure, law, kind):
    """Its accumulator is in single precision by default, and weighs nothing."""
    stream, opt = figure.micro_batches(20 * figure.K), oo.optimizers.adam(lr=0.005, like="optax")
    theirs = multi_steps(figure, optax.adam(0.005), stream, accumulator_dtype=kind)
    ours = figure.run(opt, getattr(figure, law), stream)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    exact = figure.run(opt, figure.Accumulated, stream)
    assert np.abs(theirs - exact).max() > 1e-5


def test_multisteps_counts_updates_and_leaves_a_partial_window(figure):
    """Its schedules are right; what is left of the last window moves nothing."""
    stream = figure.micro_batches(6 * figure.K)
    schedule = oo.schedules.step(every=2, factor=0.5)
    rates = jnp.array([float(schedule(k)) for k in range(9)])
    theirs = multi_steps(figure, optax.adam(lambda k: 0.005 * rates[k]), stream, accumulator_dtype="float64")
    ours = figure.run(opts.scheduled(opts.adam(0.005, like="optax"), schedule), figure.PlainMean, stream)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    several = optax.MultiSteps(optax.adam(0.005), 4)
    state = several.init(jnp.ones(2))
    for _ in range(3):
        change, state = several.update(jnp.ones(2), state, jnp.ones(2))
        assert not change.any()
    assert int(state.mini_step) == 3


def entropy(params, x, y):
    """The mean over the labels that are not -1."""
    counts = y >= 0
    logits = jnp.tanh(x @ params["hidden"]["W"] + params["hidden"]["b"]) @ params["out"]["W"] + params["out"]["b"]
    each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(counts, y, 0))
    return jnp.where(counts, each, 0).sum() / counts.sum()  # NaN of nothing


@pytest.mark.parametrize("silent", [False, True])
def test_a_micro_batch_weighs_what_counts(silent):
    """Labels are left out at random; also all of one micro-batch, whose own gradient is NaN."""
    params, transform, rng = network(), optax.adam(0.02), np.random.default_rng(0)
    window = [(x, np.where(rng.random(len(y)) < 0.5, -1, y)) for x, y in training.micro_batches(0)]
    if silent:
        window[1] = (window[1][0], np.full_like(window[1][1], -1))
    soft, theirs = soft_batch(transform, MICRO), params
    state = soft.init(params)
    for x, y in window:
        grads = jax.grad(entropy)(params, x, y)
        change, state = jax.jit(soft.update)(grads, state, params, weight=(y >= 0).sum())
        params = optax.apply_updates(params, change)
    (x, y), *_ = together(window)
    change, _ = transform.update(jax.grad(entropy)(theirs, x, y), transform.init(theirs), theirs)
    close(params, optax.apply_updates(theirs, change))


def test_a_window_in_which_nothing_counts_makes_no_update():
    soft, theta = soft_batch(optax.adam(0.1), 2), jnp.ones(2)
    state = soft.init(theta)
    for _ in range(2):
        change, state = soft.update(jnp.nan * theta, state, theta, weight=0)
        assert not change.any()
    assert int(state.waiting) == int(state.inner[0].count) == 0


def test_another_tree_is_refused_with_its_path():
    params = {"a": jnp.ones(2), "b": jnp.ones((1, 2))}
    soft = soft_batch(optax.sgd(1.0), 2)
    state = soft.init(params)
    for grads, message in (
        ({"a": params["a"], "c": params["b"]}, r"none at grads\['b'\] and one at params\['b'\]"),
        ({**params, "b": jnp.ones((2, 1))}, r"grads\['b'\] must have shape \(1, 2\) like params, got \(2, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            soft.update(grads, state, params, weight=1)


REFUSED = {
    "a function": (lambda: soft_batch(loss, 2), TypeError, "transform must be an optax.GradientTransformation"),
    "none": (lambda: soft_batch(optax.sgd(1), 0), ValueError, "micro must be at least 1, got 0"),
    "no weight": (lambda: one_step(), TypeError, "weight"),
    "a negative weight": (lambda: one_step(weight=-1), ValueError, "weight must be non-negative and finite, got -1"),
}


def one_step(**more):
    soft = soft_batch(optax.sgd(1.0), 2)
    soft.update(jnp.ones(2), soft.init(jnp.ones(2)), jnp.ones(2), **more)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()
