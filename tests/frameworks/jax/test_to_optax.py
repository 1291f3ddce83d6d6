"""odeopt optimizers that train a JAX model, against optax itself."""

from __future__ import annotations

import numpy as np
import pytest
from support import oracles, training

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.jax
FEW = ("adam", "momentum", "adamw")  # the others compile for minutes: `make test-all`
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
from odeopt.frameworks.jax import soft_batch, to_optax  # noqa: E402

jnp = jax.numpy
ALL = training.ONE_GRADIENT | training.SEVERAL_GRADIENTS


def network(dtype=np.float64):
    W1, b1, W2, b2 = [jnp.asarray(w, dtype=dtype) for w in training.weights()]
    return {"hidden": {"W": W1, "b": b1}, "out": {"W": W2, "b": b2}}


def loss(params, x, y):
    hidden = jnp.tanh(x.astype(params["hidden"]["W"].dtype) @ params["hidden"]["W"] + params["hidden"]["b"])
    logits = hidden @ params["out"]["W"] + params["out"]["b"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def batches(first, steps):
    return [
        jnp.asarray(np.stack(part))
        for part in zip(*[training.batch(k) for k in range(first, first + steps)], strict=True)
    ]


def train(transform, params, steps, first=0, state=None, several=False):
    """(params, state, losses), compiled as a whole."""

    @jax.jit
    def run(params, state, data):
        def step(carry, one):
            params, state = carry
            value, g = jax.value_and_grad(loss)(params, *one)
            more = {"grad_fn": lambda p: jax.grad(loss)(p, *one)} if several else {}
            change, state = transform.update(g, state, params, **more)
            return (optax.apply_updates(params, change), state), value

        return jax.lax.scan(step, (params, state), data)

    state = transform.init(params) if state is None else state
    (params, state), losses = run(params, state, batches(first, steps))
    return params, state, np.asarray(losses)


def flat(params):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def optaxs(name, settings, rate=None):
    kind, arguments = oracles.OPTAX[name](settings)
    rate = settings["lr"] if rate is None else rate
    if kind == "adafactor":
        return oracles._optax_adafactor(rate, **arguments)
    if kind == "normalized":
        return optax.chain(optax.normalize_by_update_norm(**arguments), optax.scale_by_learning_rate(rate))
    return getattr(optax.contrib if kind in oracles.CONTRIB else optax, kind)(rate, **arguments)


NOT = ("muon", "schedule_free_sgd", "schedule_free_adamw")  # optax leaves vectors to Adam; rates 1/t are refused
EQUAL = [name for name in oracles.OPTAX if name not in NOT]


def make(name, **settings):
    lr = {"adadelta": 1.0, "gd": 0.1, "momentum": 0.1, "nesterov": 0.1, "lars": 10.0}.get(name, 0.01)
    return getattr(opts, name)(lr=lr, like="optax", **settings)


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.long) for n in EQUAL])
def test_equal_to_optax_itself(name):
    opt = make(name)
    ours, *_ = train(to_optax(opt), network(), 50)
    theirs, *_ = train(optaxs(name, opt.settings), network(), 50)
    assert np.abs(flat(theirs) - flat(network())).max() > 1e-3
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def test_muon_is_optaxs_on_matrices():
    """The biases stay what they are: optax leaves vectors to Adam, ours makes columns of them."""
    import optax.contrib

    def run(transform):
        weights = [network()[layer]["W"] for layer in ("hidden", "out")]
        slope = jax.grad(lambda weights, x, y: loss(with_biases(weights), x, y))
        state = transform.init(weights)
        step = jax.jit(lambda g, state, weights: transform.update(g, state, weights))
        for k in range(20):
            change, state = step(slope(weights, *training.batch(k)), state, weights)
            weights = optax.apply_updates(weights, change)
        return flat(weights)

    settings = make("muon").settings
    theirs = run(optax.contrib.muon(0.01, **oracles.OPTAX["muon"](settings)[1]))
    np.testing.assert_allclose(run(to_optax(make("muon"))), theirs, rtol=1e-12, atol=1e-12)


def with_biases(weights):
    params = network()
    return {name: {"W": W, "b": params[name]["b"]} for name, W in zip(params, weights, strict=True)}


@pytest.mark.parametrize("name", ["adam", "adamw", "nesterov"])
def test_an_optax_schedule_as_the_learning_rate(name):
    opt, rate = make(name), optax.cosine_decay_schedule(0.02, 40)
    ours, *_ = train(to_optax(opt, rate), network(), 30)
    theirs, *_ = train(optaxs(name, opt.settings, rate), network(), 30)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def test_the_learning_rate_is_injected():
    injected = optax.inject_hyperparams(to_optax)(opts.adam(0.01), learning_rate=0.02)
    state = injected.init(network())
    half, state, _ = train(injected, network(), 5, state=state)
    state.hyperparams["learning_rate"] = jnp.asarray(0.005)
    ours, *_ = train(injected, half, 5, first=5, state=state)
    theirs, *_ = train(optax.adam(lambda k: jnp.where(k < 5, 0.02, 0.005)), network(), 10)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def test_several_batches_make_one_step_by_multisteps():
    run = lambda transform: train(optax.MultiSteps(transform, 4), network(), 20)[0]
    np.testing.assert_allclose(flat(run(to_optax(make("adam")))), flat(run(optax.adam(0.01))), rtol=1e-12, atol=1e-12)


def test_a_link_of_a_chain():
    ours = optax.chain(optax.clip_by_global_norm(0.5), to_optax(make("momentum")))
    theirs = optax.chain(optax.clip_by_global_norm(0.5), optaxs("momentum", make("momentum").settings))
    ours, theirs = (train(transform, network(), 10)[0] for transform in (ours, theirs))
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def problem_of(k):
    from jax.flatten_util import ravel_pytree

    theta0, unravel = ravel_pytree(network())
    x, y = (jnp.asarray(part) for part in training.batch(k))
    grad = jax.jit(lambda theta: ravel_pytree(jax.grad(loss)(unravel(theta), x, y))[0])
    return oo.problems.Problem(lambda theta: 0.0 * theta[..., 0], lambda theta: np.asarray(grad(theta)), theta0=theta0)


@pytest.mark.parametrize(("name", "count"), [("Heun", 2), ("AB3", 1)])
def test_the_gradients_are_counted(name, count):
    """The one that is given, and those that are asked of grad_fn; the first two steps of AB3 are RK3."""
    _, state, _ = train(to_optax(ALL[name]()), network(), 5, several=True)
    assert state.ngev == 5 * count + 4 * (name == "AB3")


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in ALL if name not in training.MATRICES])
def test_the_same_steps_as_simulate(name):
    """On one batch, the iterates that odeopt's own loop makes on NumPy's arrays."""
    opt, (x, y), params = ALL[name](), (jnp.asarray(part) for part in training.batch(0)), network()
    transform = to_optax(opt)
    grad = jax.jit(lambda p: jax.grad(loss)(p, x, y))
    update = jax.jit(lambda p, s: transform.update(grad(p), s, p, grad_fn=grad))
    state = transform.init(params)
    for _ in range(12):
        change, state = update(params, state)
        params = optax.apply_updates(params, change)
    run = oo.simulate(opt, problem_of(0), steps=12).check()
    np.testing.assert_allclose(flat(params), run.theta[-1], rtol=1e-12, atol=1e-13)


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_it_trains(name):
    _, _, losses = train(to_optax(ALL[name]()), network(), 80, several=name in training.SEVERAL_GRADIENTS)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_the_accuracy_of_optaxs_own():
    """On data that it has not seen, within 1.25 %, five of 400; in single precision."""
    x, y = training.held_out()

    def accuracy(transform):
        params, *_ = train(transform, network(np.float32), 300)
        hidden = np.tanh(x @ params["hidden"]["W"] + params["hidden"]["b"])
        return float((np.argmax(hidden @ params["out"]["W"] + params["out"]["b"], axis=-1) == y).mean())

    ours, theirs = accuracy(to_optax(opts.half_start_adam(lr=0.01))), accuracy(optax.adam(0.01))
    assert theirs > 0.95
    assert ours == pytest.approx(theirs, abs=0.0126)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["half-start Adam", "lookahead", "AB3", "Muon", "warm-up", "RKC"])
def test_saved_loaded_and_continued_bit_for_bit(name, dtype, tmp_path):
    """Leaf by leaf as arrays, as every checkpoint of JAX does it."""
    transform, several = to_optax(ALL[name]()), name in training.SEVERAL_GRADIENTS
    params, state, _ = train(transform, network(dtype), 7, several=several)
    leaves, tree = jax.tree.flatten((params, state))
    np.savez(tmp_path / "state.npz", *leaves)
    with np.load(tmp_path / "state.npz") as file:
        loaded = tree.unflatten([jnp.asarray(file[key]) for key in file.files])
    ours, *_ = train(transform, params, 7, first=7, state=state, several=several)
    again, *_ = train(transform, loaded[0], 7, first=7, state=loaded[1], several=several)
    np.testing.assert_array_equal(flat(ours), flat(again))
    assert {leaf.dtype for leaf in jax.tree.leaves(ours)} == {np.dtype(dtype)}


def test_a_schedule_is_exact_in_single_precision():
    """A thousand counts of steps from float32 times: each factor is that of its own step."""
    opt = opts.scheduled(opts.gd(lr=0.003), oo.schedules.step(every=1, factor=0.999))
    transform, theta = to_optax(opt), jnp.zeros(1, jnp.float32)
    state = transform.init(theta)
    update = jax.jit(lambda state: transform.update(jnp.ones(1, jnp.float32), state, theta))
    for k in range(1000):
        change, state = update(state)
        assert float(change[0]) == pytest.approx(-0.003 * 0.999**k, rel=1e-5)


def test_compiled_and_not():
    transform, params = to_optax(opts.lookahead(opts.adam(0.01), every=2)), network()
    x, y = (jnp.asarray(part) for part in training.batch(0))
    state, g = transform.init(params), jax.grad(loss)(params, x, y)
    for _ in range(3):
        change, eager = transform.update(g, state, params)
        compiled, state = jax.jit(transform.update)(g, state, params)
        np.testing.assert_allclose(flat(change), flat(compiled), rtol=1e-12)
        np.testing.assert_allclose(flat(eager), flat(state), rtol=1e-12)


@pytest.mark.parametrize("name", training.SEVERAL_GRADIENTS)
def test_a_missing_grad_fn_is_named(name):
    transform, params = to_optax(ALL[name]()), network()
    with pytest.raises(ValueError, match=r"grad_fn must be given: .* by update\(grads, state, params, grad_fn=...\)"):
        jax.jit(transform.update)(params, transform.init(params), params)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_skipped_or_stops(value):
    transform, params = to_optax(opts.adam(0.01), nan="skip"), network()
    params, state, _ = train(transform, params, 3)
    bad = jax.tree.map(lambda p: jnp.full_like(p, value), params)
    change, after = jax.jit(transform.update)(bad, state, params)
    assert not flat(change).any()
    assert int(after.skipped) == 1
    np.testing.assert_array_equal(flat(after.held), flat(state.held))
    assert int(after.count) == int(state.count) == 3
    strict = jax.jit(to_optax(opts.adam(0.01)).update)
    with pytest.raises(Exception, match="not finite in step 4"):
        stopped(strict, bad, state, params)
    with pytest.raises(FloatingPointError, match="not finite in step 4"):
        to_optax(opts.adam(0.01)).update(bad, state, params)


ONE = jnp.ones(2)
TREES = {
    "no parameters": ({}, lambda t: t),
    "an empty leaf": ({"a": jnp.zeros((0, 3)), "b": ONE}, lambda t: t),
    "empty leaves alone": ({"a": jnp.zeros((0, 3))}, lambda t: t),
    "a number": (1.5, lambda t: t),
    "numbers": ({"a": 1.5, "b": (2.0, ONE)}, lambda t: t),
    "None": ({"a": None, "b": ONE}, lambda t: t),
    "NumPy's arrays": ([np.ones(2)], lambda t: t),
    "unused labels": (
        {"a": ONE, "b": 2 * ONE},
        lambda t: optax.multi_transform({"x": t, "y": t, "unused": t}, {"a": "x", "b": "y"}),
    ),
    "masked": ({"a": ONE, "b": 3 * ONE}, lambda t: optax.masked(t, {"a": False, "b": True})),
    "all masked": ({"a": ONE}, lambda t: optax.masked(t, {"a": False})),
}


def after_three(transform, params):
    """The parameters after three steps on L = |theta|^2/2."""
    state = transform.init(params)
    for _ in range(3):
        change, state = jax.jit(transform.update)(jax.tree.map(lambda p: 1.0 * p, params), state, params)
        params = optax.apply_updates(params, change)
    return params


@pytest.mark.parametrize("case", TREES)
def test_trees_that_optax_takes(case):
    params, around = TREES[case]
    opt = make("adam")
    ours, theirs = (after_three(around(t), params) for t in (to_optax(opt), optaxs("adam", opt.settings)))
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


MISMATCHED = {
    "another key": ({"a": ONE, "c": ONE}, r"none at {0}\['b'\] and one at params\['b'\]"),
    "one more": ({"A": ONE, "a": ONE, "b": ONE[None]}, r"one at {0}\['A'\] and none at params\['A'\]"),
    "one less": ({"a": ONE, "b": None}, r"none at {0}\['b'\] and one at params\['b'\]"),
    "another shape": ({"a": ONE, "b": ONE[:, None]}, r"{0}\['b'\] must have shape \(1, 2\) like params, got \(2, 1\)"),
    "no dictionary": ([ONE, ONE[None]], r"none at {0}\['a'\] and one at params\['a'\]"),
}


@pytest.mark.parametrize("case", MISMATCHED)
def test_another_tree_is_refused_with_its_path(case):
    """Also as what grad_fn returns."""
    grads, message = MISMATCHED[case]
    params, heun = {"a": ONE, "b": ONE[None]}, to_optax(training.SEVERAL_GRADIENTS["Heun"]())
    with pytest.raises(ValueError, match=message.format("grads")):
        heun.update(grads, heun.init(params), params)
    with pytest.raises(ValueError, match=message.format(r"grad_fn\(params\)")):
        heun.update(params, heun.init(params), params, grad_fn=lambda _: grads)


def test_gradients_are_placed_by_their_paths():
    """An OrderedDict keeps the order in which it was made."""
    from collections import OrderedDict

    params = OrderedDict(a=0 * ONE, b=0 * ONE)
    slow = to_optax(opts.gd(1.0))
    change, _ = slow.update(OrderedDict(b=5 * ONE, a=ONE), slow.init(params), params)
    assert [change[key].tolist() for key in "ab"] == [[-1, -1], [-5, -5]]


VMAPS = {
    "vmap": jax.vmap,
    "vmap of jit": lambda f: jax.vmap(jax.jit(f)),
    "jit of vmap": lambda f: jax.jit(jax.vmap(f)),
    "vmap of vmap": lambda f: jax.vmap(lambda w: jax.vmap(f)(w[None])),
}


AROUND = {"alone": lambda t: t, "soft batch": lambda t: at_once(soft_batch(t, 1))}


def at_once(soft):
    return optax.GradientTransformation(soft.init, lambda g, s, p: soft.update(g, s, p, weight=1.0))


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("way", VMAPS)
def test_members_by_vmap(way, around):
    """With nan="skip", one member's NaN is its own; the default is refused, by the name of what to do."""
    weights = jnp.array([[1.0, 2.0], [jnp.nan, 1.0], [3.0, 4.0]])

    def changed(transform):
        return VMAPS[way](lambda w: transform.update(w, transform.init(w), w)[0])(weights)

    change = changed(AROUND[around](to_optax(make("momentum"), nan="skip")))
    np.testing.assert_allclose(change.reshape(3, 2), [[-0.1, -0.2], [0, 0], [-0.3, -0.4]], rtol=1e-12)
    with pytest.raises(ValueError, match='nan must be "skip" under jax.vmap, got "raise"'):
        changed(AROUND[around](to_optax(make("momentum"))))


@pytest.mark.parametrize("around", AROUND)
def test_a_gradient_through_a_step(around):
    """As meta-learning takes it: d theta_1 / d theta_0 = 1 - lr."""
    slow = AROUND[around](to_optax(opts.gd(0.25)))
    moved = lambda theta: theta + slow.update(theta, slow.init(theta), theta)[0]
    assert jax.grad(moved)(1.0) == pytest.approx(0.75)
    assert jax.grad(jax.jit(moved))(1.0) == pytest.approx(0.75)


def test_a_schedule_that_is_not_finite_moves_nothing():
    transform, params = to_optax(opts.momentum(0.01), lambda k: jnp.where(k < 2, 0.01, jnp.nan), nan="skip"), network()
    half, state, _ = train(transform, params, 2)
    after, state, _ = train(transform, half, 2, first=2, state=state)
    np.testing.assert_array_equal(flat(after), flat(half))
    assert int(state.skipped) == 2


def stopped(compiled, *arguments):
    jax.block_until_ready(compiled(*arguments))
    jax.effects_barrier()


REFUSED = {
    "a name": (lambda: to_optax("adam"), TypeError, "opt must be an Optimizer.*'adam'"),
    "nan": (lambda: to_optax(opts.adam(), nan="stop"), ValueError, "nan must be one of raise, skip"),
    "complex": (
        lambda: to_optax(opts.adam()).init(jnp.ones(2, complex)),
        TypeError,
        "real and floating, got .*complex128",
    ),
    "integers": (
        lambda: to_optax(opts.adam()).init({"w": jnp.ones(2, int)}),
        TypeError,
        r"params\['w'\] must be real and floating, got int64",
    ),
    "an ensemble": (lambda: to_optax(opts.adam(np.ones(3))), ValueError, r"members of shape \(3,\)"),
    "implicit": (
        lambda: to_optax(training.by_scheme(oo.schemes.trapezoid, 0.1)),
        ValueError,
        "explicit scheme: trapez",
    ),
    "its own schedule": (
        lambda: to_optax(opts.clip_norm(opts.scheduled(opts.adam(), lambda k: 1 / (1 + k)), 1.0)),
        ValueError,
        "needs a schedule of odeopt.schedules, got a function of your own",
    ),
    "infinite friction": (
        lambda: to_optax(oo.Optimizer(oo.flows.su_boyd_candes(), oo.schemes.rk4, 0.1)),
        ValueError,
        "cannot compile Su-Boyd-Candes: a rate of v is infinite at t = 0",
    ),
    "a negative rate": (lambda: to_optax(opts.adam(), -0.1), ValueError, "learning_rate must be non-neg.* got -0.1"),
    "no rate": (lambda: to_optax(opts.adam(), np.nan), ValueError, "learning_rate must be non-negative and finite"),
    "a rate in words": (
        lambda: to_optax(opts.adam(), "fast"),
        TypeError,
        "learning_rate must be numbers .* got 'fast'",
    ),
    "a rate of Rprop": (lambda: to_optax(opts.rprop(), 0.1), ValueError, "learning_rate must be None for rprop"),
    "no params": (
        lambda: to_optax(opts.adam()).update(jnp.ones(2), to_optax(opts.adam()).init(jnp.ones(2))),
        ValueError,
        "params must be given to update",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()
