"""Losses of JAX functions as problems."""

from __future__ import annotations

import numpy as np
import pytest
from support import digits

import odeopt as oo

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("sklearn")
jnp = jax.numpy
from odeopt.frameworks.jax import problem as problem_of  # noqa: E402

X, Y = digits.digits()


def loss(params, batch):
    x, y = batch
    z = jnp.tanh(x @ params["1"]["W"] + params["1"]["b"]) @ params["2"]["V"] + params["2"]["c"]
    return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()


def params():
    """Leaves come sorted by their names: W, b, V, c."""
    W, b, V, c = np.split(digits.OURS.theta0, [128, 136, 216])
    return {"1": {"W": W.reshape(16, 8), "b": b}, "2": {"V": V.reshape(8, 10), "c": c}}


def theirs():
    return problem_of(loss, params(), (X, Y))


def test_it_is_our_network():
    problem = theirs()
    assert repr(problem) == "Problem loss: d = 226, gradient by jax, batched"
    np.testing.assert_array_equal(problem.theta0, digits.OURS.theta0)
    digits.agrees(problem)


def test_an_optimizer_beside_its_flow():
    digits.runs(theirs())


@pytest.mark.slow
def test_minibatches_are_those_of_a_training_loop():
    """Recorded batches, optax' own Adam on the pytree."""
    problem = oo.noise.minibatches(theirs(), 32)
    batches = [np.random.default_rng(k).permutation(200)[:32] for k in range(20)]
    run = oo.simulate(oo.optimizers.adam(lr=0.01), problem, 20, noise=batches)
    transform, tree = optax.adam(0.01), jax.tree.map(jnp.asarray, params())
    state, grad = transform.init(tree), jax.jit(jax.grad(loss))
    for batch in batches:
        update, state = transform.update(grad(tree, (X[batch], Y[batch])), state, tree)
        tree = optax.apply_updates(tree, update)
    for ours, leaf in zip(problem.to_parameters(run.theta[-1]).values(), jax.tree.leaves(tree), strict=True):
        np.testing.assert_allclose(ours, leaf, rtol=0, atol=1e-12)


def test_any_pytree_and_back():
    """A function of params alone; leaves of other precision; numbers; lists."""
    given = {"a": [jnp.float32(1.5), np.ones((2, 2), np.float16)], "b": 2.0}
    problem = problem_of(lambda p: p["a"][0] ** 2 + (p["a"][1] ** 3).sum() * p["b"], given)
    assert list(problem.to_parameters(problem.theta0)) == ["a.0", "a.1", "b"]
    assert digits.error_of_gradient(problem) < 3e-9
    assert problem.samples is None
    back = problem.load(problem.theta0 + 0.25)
    assert jax.tree.structure(back) == jax.tree.structure(given)
    assert [leaf.dtype for leaf in jax.tree.leaves(back)] == ["float32", "float16", "float64"]
    assert float(back["a"][0]) == 1.75
    assert given["b"] == 2.0
    single = problem_of(lambda x: (x**2).sum(), jnp.ones(3))
    assert list(single.to_parameters(single.theta0)) == ["params"]


def test_derivatives():
    problem = problem_of(lambda x: jnp.sin(x[0] * x[1]) + jax.nn.logsumexp(x), np.array([0.3, -0.7]))
    rng = np.random.default_rng(0)
    theta, p, h = rng.standard_normal((3, 2)), rng.standard_normal(2), 1e-5
    assert digits.error_of_gradient(problem.at(theta)) < 3e-9
    central = (problem.grad(theta + h * p) - problem.grad(theta - h * p)) / (2 * h)
    np.testing.assert_allclose(problem.hvp(theta, p), central, rtol=0, atol=1e-8)


def test_it_stays_in_float64():
    """Also where JAX has gone back to float32 since."""
    problem = problem_of(lambda x: jnp.tanh(x).sum(), np.array([0.1, 0.2]))
    with jax.enable_x64(False):
        np.testing.assert_allclose(problem.grad(problem.theta0), 1 - np.tanh(problem.theta0) ** 2, rtol=1e-15)
        with pytest.raises(ValueError, match="JAX must compute in float64: set JAX_ENABLE_X64=1"):
            problem_of(lambda x: jnp.tanh(x).sum(), np.array([0.1, 0.2]))


def test_a_gradient_that_is_not_finite_ends_the_run():
    problem = problem_of(lambda x: jnp.sqrt(x).sum(), np.ones(2))
    assert oo.simulate(oo.optimizers.gd(lr=1.5), problem, 20).status.name == "NOT_FINITE"


def _refused(fn=lambda p: p.sum(), params=(1.0,), data=None):
    return lambda: problem_of(fn, np.array(params) if isinstance(params, tuple) else params, data)


REFUSED = {
    "no function": (_refused("loss"), TypeError, "fn must be a function of params, got 'loss'"),
    "several numbers": (_refused(lambda p: p, (1.0, 2.0)), ValueError, r"fn must return one number, got shape \(2,\)"),
    "float32": (_refused(lambda p: p.sum().astype("float32")), TypeError, "fn must return one number of float64"),
    "more than a number": (_refused(lambda p: (p.sum(), p)), TypeError, "fn must return one number of float64"),
    "integers": (_refused(params={"n": np.arange(2)}), TypeError, "floating numbers, got 'n' of int64"),
    "complex": (_refused(params={"z": np.ones(2) * 1j}), TypeError, "floating numbers, got 'z' of complex128"),
    "nothing": (_refused(params={}), ValueError, "params must hold arrays"),
    "NaN": (_refused(params=(np.nan,)), ValueError, "must be finite"),
    "names twice": (_refused(params={"a.b": 1.0, "a": {"b": 1.0}}), ValueError, "params must be distinct names"),
    "other lengths": (_refused(data=(np.ones(3), np.ones(2))), ValueError, "data must be arrays .* of one length"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        make()
