"""Rod flow: exact 2-cycles, closed orbits, quadratics by matrices, and networks beside their iterates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support import tables

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.analysis import step_jacobian
from odeopt.edge.rod_flow import _increments
from odeopt.edge.rods import RodMotion, Rods

QUARTIC = oo.Problem(
    lambda w: w[..., 0] ** 2 / 2 - w[..., 0] ** 4 / 8,
    lambda w: w - w**3 / 2,
    theta0=[0.0],
    batched=True,
    name="quartic",
)  # S w^2/2 - Q w^4/4 with S = 1, Q = 1/2
BOWL = oo.problems.quadratic((1.0, 4.0), angle=0.6, theta0=(0.0, 0.0))


def groove(a):
    """y x^2/2 - a y, of curvature y along x."""
    return oo.Problem(
        lambda u: u[..., 1] * (u[..., 0] ** 2 / 2 - a),
        lambda u: np.stack([u[..., 0] * u[..., 1], u[..., 0] ** 2 / 2 - a], axis=-1),
        theta0=[0.0, 20.0],
        batched=True,
        name="groove",
    )


def network(seed=3, samples=24, inputs=3, hidden=8):
    """mean_i (v.tanh(x_i W + b) + c - sin(2 x_i1) - x_i2 x_i3)^2; d = 41."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, inputs))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    ends = np.cumsum([inputs * hidden, hidden, hidden])

    def forward(theta):
        W, b, v, c = np.split(theta, ends, axis=-1)
        a = np.tanh(x @ W.reshape(*theta.shape[:-1], inputs, hidden) + b[..., None, :])
        return v, a, (a @ v[..., None])[..., 0] + c - y

    def grad(theta):
        v, a, r = forward(theta)
        dr = 2 * r / samples
        du = dr[..., None] * v[..., None, :] * (1 - a**2)
        dW = np.einsum("np,...nh->...ph", x, du).reshape(*theta.shape[:-1], -1)
        dv = np.einsum("...n,...nh->...h", dr, a)
        return np.concatenate([dW, du.sum(axis=-2), dv, dr.sum(axis=-1, keepdims=True)], axis=-1)

    theta0 = 0.7 * rng.normal(size=ends[-1] + 1)
    return oo.Problem(lambda u: np.mean(forward(u)[2] ** 2, axis=-1), grad, theta0=theta0, batched=True, name="network")


@pytest.mark.parametrize("order", [1, 2])
def test_the_two_cycle_of_the_quartic(order):
    """Sigma* = S/Q - 2/(lr Q) = .181818, and gradient descent alternates between its roots."""
    opt = opts.gd(lr=2.2)
    flow = oo.rod_flow(opt, QUARTIC, 150, delta0=[0.1], order=order)
    assert flow.covariance.trace[-1] == pytest.approx(2 - 2 / (2.2 / 2), rel=1e-9)
    ends = oo.simulate(opt, QUARTIC, 2000, [0.1]).theta[-2:]
    np.testing.assert_allclose(
        np.sort(ends.ravel()), [-np.sqrt(flow.covariance.trace[-1]), np.sqrt(flow.covariance.trace[-1])], rtol=1e-9
    )
    assert flow.mean_loss[-1] == pytest.approx(QUARTIC.loss(ends).mean(), rel=1e-9)
    assert flow.loss[-1] == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize(
    ("opt", "problem"),
    [
        (opts.momentum(lr=3.3, beta=0.5), QUARTIC),
        (opts.nesterov(lr=1.7, beta=0.5), QUARTIC),
        (opts.rmsprop(lr=0.5, rho=0.9), oo.problems.quadratic((1.0,), angle=0)),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_an_alternation_between_two_states_is_a_fixed_point(opt, problem):
    """The rod between the states of a 2-cycle of the iterates, memory included, does not move."""
    run = oo.simulate(opt, problem, 20_000, [0.1])
    states = [(run.theta[n], *(run.state[name][n] for name in opt.flow.memory)) for n in (-2, -1)]
    first, second = (np.concatenate(y) for y in states)
    assert np.abs(first[0] - second[0]) > 0.1
    rods = Rods((first + second) / 2, (second - first)[None] / 2)
    motion = RodMotion(increments(opt, problem, states[0]), 2, 2, [slice(0, len(first))])
    moved = motion.after(0.0, rods, 0.25)
    np.testing.assert_allclose(moved.y, rods.y, atol=1e-9)
    np.testing.assert_allclose(moved.D.T @ moved.D, rods.D.T @ rods.D, atol=1e-9)


def increments(opt, problem, like):
    """Phi - I on rows, written out."""
    step = opt.scheme.bind(opt.flow, problem.grad)
    ends = np.cumsum([u.size for u in like])[:-1]

    def d(t, rows):
        _, increment, _ = step(t * opt.h, tuple(np.split(rows, ends, axis=-1)), (), opt.h)
        return np.concatenate(increment, axis=-1)

    return d


def test_the_equations_of_gradient_descent():
    """One short step of one rod against the published right-hand side and its second-order term, with H by hand."""
    problem, lr, h = groove(0.3), 0.07, 1e-5
    y, delta = np.array([0.4, 9.0]), np.array([0.3, -0.2])
    ends = [y + delta, y - delta]
    g = [problem.grad(u) for u in ends]
    H = [np.array([[u[1], u[0]], [u[0], 0.0]]) for u in ends]
    Sigma = np.outer(delta, delta)
    slope = lr**2 / 4 * (np.outer(g[0], g[0]) + np.outer(g[1], g[1])) - 2 * Sigma
    for order, velocity in (
        (1, -lr / 2 * (g[0] + g[1])),
        (2, -lr / 2 * (g[0] + g[1]) - lr**2 / 8 * (H[0] + H[1]) @ (g[0] + g[1])),
    ):
        motion = RodMotion(lambda t, rows: -lr * problem.grad(rows), order, 2, [slice(0, 2)])
        after = motion.after(0.0, Rods(y, delta[None]), h)
        np.testing.assert_allclose((after.y - y) / h, velocity, rtol=1e-4)
        np.testing.assert_allclose((after.D.T @ after.D - Sigma) / h, slope, rtol=1e-4)


@pytest.mark.parametrize("z", [0.5, 1.9, 2.0, 2.1])
def test_a_quadratic_in_its_middle(z):
    """Sigma' = (z^2/2 - 2) Sigma =: rate Sigma, with the relative error rate^4 h^3/24 of order 3 in each step."""
    problem = oo.problems.quadratic((1.0,), angle=0, theta0=[0.0])
    rate, steps, m = z**2 / 2 - 2, 10, 16
    found = oo.rod_flow(opts.gd(lr=z), problem, steps, delta0=[0.1], substeps=m).covariance.trace[-1]
    assert found / (0.01 * np.exp(steps * rate)) - 1 == pytest.approx(-steps * rate**4 / m**3 / 24, rel=0.2, abs=1e-9)


@pytest.mark.parametrize("opt", [opts.gd(lr=0.45), opts.momentum(lr=0.6, beta=0.4)], ids=lambda opt: opt.name)
def test_quadratics_by_matrices(opt):
    """y' = (A - A^2/2) y and Sigma' = (A (y y^T + Sigma) A^T)/2 - 2 Sigma with A = DPhi - I, by SciPy."""
    A = step_jacobian(opt, BOWL) - np.eye(2 * len(opt.flow.variables))
    n = len(A)
    delta = np.array([0.3, -0.2])
    y0, Sigma0 = np.concatenate([[1.0, 0.5], np.zeros(n - 2)]), np.zeros((n, n))
    Sigma0[:2, :2] = np.outer(delta, delta)

    def f(t, u):
        y, Sigma = u[:n], u[n:].reshape(n, n)
        return np.concatenate([(A - A @ A / 2) @ y, (A @ (np.outer(y, y) + Sigma) @ A.T / 2 - 2 * Sigma).ravel()])

    exact = solve_ivp(f, (0, 6), np.concatenate([y0, Sigma0.ravel()]), rtol=1e-11, atol=1e-13).y[:, -1]
    flows = [oo.rod_flow(opt, BOWL, 6, theta0=y0[:2], delta0=delta, substeps=m) for m in (16, 32)]
    wrong = np.array(
        [
            [
                np.abs(f.theta[-1] - exact[:2]).max(),
                np.abs(f.covariance.matrix(6) - exact[n:].reshape(n, n)[:2, :2]).max(),
            ]
            for f in flows
        ]
    )
    np.testing.assert_allclose(np.log2(wrong[0] / wrong[1]), 3, atol=0.3)
    assert wrong[1].max() < 1e-4 * np.abs(delta).max()


def test_it_circles_the_edge_where_descent_settles():
    """Of the groove it keeps lr (s/2 - a ln s) + lr^2 y^3/6 - 2 y, s = Sigma_xx: closed orbits around (2/lr, 2 a).

    The exact 2-cycle x = +-sqrt(2 a) is their centre, which a flow from elsewhere never reaches.
    """
    a, lr = 0.02, 0.1
    flow = oo.rod_flow(opts.gd(lr=lr), groove(a), 632, delta0=[np.sqrt(0.05), 0.0], substeps=2)  # two turns
    y, s = flow.theta[:, 1], np.array([d[:, 0] @ d[:, 0] for d in flow.delta])
    kept = lr * (s / 2 - a * np.log(s)) + lr**2 * y**3 / 6 - 2 * y
    assert np.ptp(kept) < 1e-8
    assert y.min() < 19.98
    assert y.max() > 20.02
    assert y.mean() == pytest.approx(20, abs=1e-3)
    assert s.mean() == pytest.approx(0.04, abs=5e-4)
    still = oo.rod_flow(opts.gd(lr=lr), groove(a), 100, delta0=[np.sqrt(2 * a), 0.0])
    assert still.covariance.trace[-1] == pytest.approx(2 * a, rel=1e-12)
    assert still.mean_loss[-1] - still.loss[-1] == pytest.approx(2 * a / lr, rel=1e-12)  # sigma^2/lr = .4


def test_below_the_edge_it_is_the_modified_flow():
    """Without oscillation theta follows the iterates to second order: the error falls by 4 with lr, 2 at order 1."""
    problem = oo.problems.rosenbrock(b=5).at([-1.0, 0.5])

    def wrong(lr, order):
        n = round(0.4 / lr)
        flow = oo.rod_flow(opts.gd(lr=lr), problem, n, order=order)
        return np.abs(flow.final - oo.simulate(opts.gd(lr=lr), problem, n).final).max()

    assert np.log2(wrong(0.02, 2) / wrong(0.01, 2)) == pytest.approx(2, abs=0.3)
    assert np.log2(wrong(0.02, 1) / wrong(0.01, 1)) == pytest.approx(1, abs=0.3)


def test_a_seed_far_smaller_than_the_motion_grows():
    """A direction of its own beyond the edge, from 1e-6 to its 2-cycle, beside a slow one that is 1."""
    problem = oo.Problem(
        lambda u: u[..., 0] ** 2 / 2 - u[..., 0] ** 4 / 8 + 0.01 * u[..., 1] ** 2 / 2,
        lambda u: np.stack([u[..., 0] - u[..., 0] ** 3 / 2, 0.01 * u[..., 1]], axis=-1),
        theta0=[1e-6, 1.0],
        batched=True,
    )
    flow = oo.rod_flow(opts.gd(lr=2.2), problem, 200, substeps=2)
    assert flow.covariance.matrix(200)[0, 0] == pytest.approx(2 / 11, rel=1e-6)


def test_rank_and_substeps_converge():
    problem, opt = network(), opts.gd(lr=0.2)
    best = oo.rod_flow(opt, problem, 25, substeps=8, rank=10)
    apart = {
        (m, k): np.linalg.norm(oo.rod_flow(opt, problem, 25, substeps=m, rank=k).final - best.final)
        for m, k in ((4, 10), (4, 4), (4, 1))
    }
    assert apart[4, 10] < 5e-3
    assert apart[4, 4] < 5e-3
    assert apart[4, 1] > 5 * apart[4, 4]  # the drift and the oscillation are two directions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opt", "factor"),  # measured: 3.8, 2.0, 13, 3.5
    [
        (opts.gd(lr=0.2), 3),
        (opts.momentum(lr=0.3, beta=0.5), 1.7),
        (opts.rmsprop(lr=0.02, rho=0.95), 8),
        (opts.adam(lr=0.03, beta1=0.8, beta2=0.95), 2.8),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_networks_beyond_the_edge(opt, factor):
    """Distance to the filtered iterates, (w- + 2 w + w+)/4, over 200 steps: the own flow's over the rod flow's."""
    problem, steps = network(), 200
    theta = oo.simulate(opt, problem, steps + 1).theta
    filtered = (theta[:-2] + 2 * theta[1:-1] + theta[2:]) / 4
    own = oo.solve(opt.flow, problem, np.arange(steps + 1) * opt.h)
    rods = oo.rod_flow(opt, problem, steps)

    def distance(path):
        return np.sqrt(np.mean(np.sum((path.theta[1:] - filtered) ** 2, axis=-1)))

    assert distance(own) / distance(rods) > factor


@pytest.mark.slow
def test_scalar_rmsprop_at_the_edge():
    """Means over steps 5699 to 5999: y 35.61900, x^2 9.95925e-5 of the iterates, and of the rods to 1e-6."""
    a, lr, beta2 = 0.05, 0.02, 0.99
    flow = oo.flow(
        "theta nu",
        {"tau": lr / -np.log(beta2)},
        clocks="nu",
        name="scalar RMSprop",
        memory=oo.relax("nu", target=lambda grad, theta: oo.ops.total(grad(theta) ** 2), rate=lambda tau: 1 / tau),
        drift=oo.push("theta", lambda grad, theta, nu: -grad(theta) / oo.ops.sqrt(nu)),
    )
    nu = (lr * 10 / 2) ** 2
    opt = oo.Optimizer(
        flow, oo.schemes.Splitting("memory drift"), lr, start=lambda flow, grad, theta0, h: flow.start(theta0, nu=nu)
    )
    variance = (beta2 * a + (1 - beta2) * (25 - a**2 / lr**2)) / (beta2 / 2 + (1 - beta2) * 100 / lr**2)
    run = oo.simulate(opt, groove(a), 6000, [np.sqrt(variance), 10.0])
    rods = oo.rod_flow(opt, groove(a), 6000, theta0=[0.0, 10.0], delta0=[np.sqrt(variance), 0.0], substeps=2)
    late = slice(5699, 6000)
    of_run = run.theta[late, 1].mean(), np.mean(run.theta[late, 0] ** 2)
    of_rods = rods.theta[late, 1].mean(), np.mean([d[:, 0] @ d[:, 0] for d in rods.delta[late]])
    assert of_run == pytest.approx((35.6190, 9.9592e-5), rel=1e-5)
    assert of_rods == pytest.approx(of_run, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 7])
def test_squares_stay_positive(seed):
    """With rods in G the middle minus a rod becomes negative here within a few steps."""
    opt = opts.adam(lr=0.03, beta1=0.8, beta2=0.95)
    assert oo.rod_flow(opt, network(seed), 200).success
    swinging = oo.rod_flow(opt, network(seed), 200, smooth=())
    assert swinging.status is oo.Status.NOT_FINITE
    assert len(swinging) < 201
    assert np.isfinite(swinging.theta).all()


@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_states_at_once_move_as_one_by_one(name):
    """Whatever the step computes with theta: matrices, norms of layers, signs."""
    settings = {"shape": (2, 3)} if name in ("muon", "shampoo") else {}
    opt = getattr(opts, name)(lr=0.01, **settings)
    problem = oo.problems.valley(d=6).at(np.linspace(-0.5, 0.6, 6))
    run = oo.simulate(opt, problem, 3)
    state = (run.final, *(u[-1] for u in run.state.values()))
    d, y = _increments(opt, problem.oracle(), state), np.concatenate(state)
    rows = np.array([y, 1.01 * y, 0.98 * y])
    with np.errstate(invalid="ignore"):  # RAdam's branch that is not taken
        np.testing.assert_array_equal(d(3.0, rows), [d(3.0, row[None])[0] for row in rows])


def test_a_step_of_your_own_is_the_same():
    def step(y, grad):
        theta, m = y
        m = 0.5 * m + 0.5 * grad(theta)
        return theta - 0.6 * m, m

    own = oo.from_step(step, {"m": 0.0}, h=0.6)
    flows = [oo.rod_flow(opt, network(), 5) for opt in (own, opts.momentum(lr=0.3, beta=0.5))]
    np.testing.assert_allclose(flows[0].theta, flows[1].theta, rtol=1e-9)
    np.testing.assert_allclose(flows[0].covariance.trace, flows[1].covariance.trace, rtol=1e-9)
    np.testing.assert_allclose(flows[0].t, flows[1].t)
    assert flows[0].ngev == flows[1].ngev


def test_memory_has_only_the_named_values():
    opt, start = opts.rmsprop(lr=0.01), {"G": [4.0, 9.0]}
    flow = oo.rod_flow(opt, BOWL, 3, theta0=(1.0, 1.0), memory=start)
    np.testing.assert_array_equal(flow.state["G"][0], [4.0, 9.0])
    assert set(flow.state) == {"G"}
    assert flow.state["G"].shape == flow.theta.shape == (4, 2)


def test_rods_at_rest_stay_at_rest():
    """At a minimum no increment gives a rod any length."""
    flow = oo.rod_flow(opts.gd(lr=0.1), BOWL, 3)
    np.testing.assert_array_equal(flow.theta, np.zeros((4, 2)))
    assert flow.status is oo.Status.DONE


def test_records():
    opt = opts.gd(lr=0.1)
    every = oo.rod_flow(opt, BOWL, 10, theta0=(1.0, 1.0))
    some = oo.rod_flow(opt, BOWL, 10, theta0=(1.0, 1.0), record_every=4)
    np.testing.assert_allclose(some.t, [0.0, 0.4, 0.8, 1.0])
    np.testing.assert_array_equal(some.theta, every.theta[[0, 4, 8, 10]])
    np.testing.assert_array_equal(every.theta[0], [1.0, 1.0])
    assert every.loss[0] == every.mean_loss[0] == BOWL.loss(np.ones(2))
    assert every.covariance.trace[0] == 0
    assert every.delta[5].shape[1] == 2
    assert repr(some).startswith("RodFlow of gd: 4 records of theta (2,), 2 rods, |delta| up to ")
    assert len(oo.rod_flow(opt, BOWL, 0)) == 1


def test_a_flow_that_leaves_the_numbers_keeps_what_it_had():
    flow = oo.rod_flow(opts.gd(lr=2.1), BOWL, 100, theta0=(1.0, 1.0))
    assert flow.status is oo.Status.NOT_FINITE
    assert 1 < len(flow) < 100
    assert np.isfinite(flow.theta).all()
    assert not flow.success


def test_a_gradient_that_raises_keeps_what_it_had():
    def grad(w):
        if np.any(w < 0.5):
            raise RuntimeError("too far")
        return w

    problem = oo.Problem(lambda w: np.sum(w**2, axis=-1) / 2, grad, theta0=[1.0], batched=True)
    flow = oo.rod_flow(opts.gd(lr=0.05), problem, 50)
    assert flow.status is oo.Status.EVALUATION_FAILED
    assert "grad raised RuntimeError: too far" in flow.message
    assert 0.5 < flow.final[0] < 0.6


BAD = [
    (dict(opt="gd"), TypeError, "opt must be an Optimizer"),
    (dict(opt=opts.gd(lr=np.array([0.1, 0.2]))), ValueError, r"opt must be a single optimizer, got members .*\(2,\)"),
    (
        dict(opt=oo.Optimizer(oo.flows.langevin(0.1), oo.schemes.euler_maruyama, 0.1)),
        ValueError,
        "opt must have no noise",
    ),
    (dict(problem=oo.noise.gaussian(BOWL, 1.0)), ValueError, "problem must have no noise, got Gaussian noise"),
    (dict(steps=-1), ValueError, "steps must be at least 0, got -1"),
    (dict(theta0=np.ones((3, 2))), ValueError, r"theta0 must have shape \(2,\), got \(3, 2\)"),
    (dict(delta0=[1.0]), ValueError, r"delta0 must have shape \(2,\) or \(k, 2\), got \(1,\)"),
    (dict(delta0=np.ones((3, 2)), rank=2), ValueError, "delta0 must have at most rank = 2 rows, got 3"),
    (dict(memory=3), TypeError, "memory must map names to numbers or arrays, got 3"),
    (dict(memory={"G": 1.0}), ValueError, "memory must be one of m, got 'G'"),
    (dict(smooth="m"), TypeError, "smooth must be None or names of variables, got 'm'"),
    (dict(smooth=["G"]), ValueError, "smooth variable must be one of m, got 'G'"),
    (dict(substeps=1), ValueError, "substeps must be at least 2, got 1"),
    (dict(order=3), ValueError, "order must be 1 or 2, got 3"),
    (dict(rank=0), ValueError, "rank must be at least 1, got 0"),
    (dict(record_every=0), ValueError, "record_every must be at least 1, got 0"),
    (dict(progress=1), TypeError, "progress must be True, False or None, got 1"),
]


@pytest.mark.parametrize(("changes", "error", "text"), BAD, ids=[text[:30] for _, _, text in BAD])
def test_bad_input(changes, error, text):
    calls = []
    watched = oo.Problem(
        lambda u: np.sum(u**2, axis=-1), lambda u: calls.append(1) or 2 * u, theta0=[1.0, 1.0], batched=True
    )
    calls.clear()
    with pytest.raises(error, match=text):
        oo.rod_flow(**{"opt": opts.momentum(), "problem": watched, "steps": 3, **changes})
    assert not calls
