"""No faster path gives another number: random formulas on every engine, against the step itself.

A formula is a chain of random pieces of NumPy, in which coordinates read one another, their number, their places, or
truth values.  An engine may refuse it; a number that it gives is that of the plain step.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import pytest

import odeopt as oo
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.step_program import program
from odeopt.frameworks.numpy import in_place
from odeopt.problems.members import Looped
from odeopt.simulation.engines.floats import Floats
from odeopt.solvers import compiled as compiled_rhs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of formulas, at numbers that they have no value for

STEPS, H = 12, 0.05
OWN = np.linspace(0.5, 1.5, 64) ** 2
NASTY = ("rate", "h", "g_0", "a_0", "a_1", "y0_1", "c0", "k", "room", "where", "clock", "step", "state")
PIECES = {
    "shift": lambda u: u + 0.3,
    "own scale": lambda u: u * np.linspace(1, 2, u.shape[-1]),
    "number": lambda u: u / u.shape[-1],
    "places": lambda u: u * (np.arange(u.shape[-1]) < 2),
    "late places": lambda u: u * np.where(np.arange(u.shape[-1]) > 40, 1.5, 1.0),
    "halves": lambda u: np.concatenate([u[..., :2], 0.1 * u[..., 2:]], -1),
    "late halves": lambda u: np.concatenate([u[..., :10], 0.1 * u[..., 10:]], -1),
    "first to all": lambda u: u - 0.2 * u[..., :1],
    "last to all": lambda u: u * np.sin(u[..., -1:]),
    "reversed": lambda u: u + 0.1 * u[..., ::-1],
    "rolled": lambda u: np.roll(u, 1, axis=-1),
    "total": lambda u: u + 0.1 * np.sum(u, axis=-1, keepdims=True),
    "total from 5": lambda u: u * 0.1 * np.sum(u, axis=-1, keepdims=True, initial=5.0),
    "mean": lambda u: u - u.mean(axis=-1, keepdims=True),
    "norm": lambda u: u / (1 + np.linalg.norm(u, axis=-1, keepdims=True)),
    "largest": lambda u: u - np.max(u, axis=-1, keepdims=True),
    "sorted": lambda u: np.sort(u, axis=-1),
    "partial sums": lambda u: 0.1 * np.cumsum(u, axis=-1),
    "where": lambda u: np.where(u > 0.4, u, 2 * u),
    "where of theirs": lambda u: np.where(u > np.roll(u, 1, axis=-1), u, -u),
    "truth or truth": lambda u: u * ((u > 0) + (u > 0.5)),
    "truth and truth": lambda u: u * ((u > 0) * (u < 0.9)),
    "count": lambda u: u * np.sum(u > 0.2, axis=-1, keepdims=True),
    "sign": lambda u: (u > 0.1) * 2 - 1 + u,
    "any": lambda u: u * (2.0 if np.any(u > 0.7) else 1.0),
    "all": lambda u: u * (2.0 if np.all(u > -0.7) else 1.0),
    "any of each": lambda u: u * np.any(u > 0.7, axis=-1, keepdims=True),
    "power": lambda u: np.abs(u) ** 1.5,
    "into": lambda u: np.multiply(u, 2.0, out=u.copy()),
    "only where": lambda u: np.multiply(u, 2.0, out=u.copy(), where=np.arange(u.shape[-1]) % 2 == 0),
    "single": lambda u: np.multiply(u, 1.1, dtype=np.float32).astype(float),
    "rounded": lambda u: np.round(u, 2),
    "finite": lambda u: np.nan_to_num(u / np.where(u > 0.6, 0.0, 1.0), posinf=0.3),
    "clipped": lambda u: np.clip(u, -0.5, 0.5),
    "written": lambda u: _written(u),
    "masked": lambda u: _masked(u),
    "picked": lambda u: np.take(u, np.arange(u.shape[-1])[::-1], axis=-1),
    "kind": lambda u: u * (1.0 if u.dtype == np.float64 else 2.0),
    "array": lambda u: u * (1.0 if isinstance(u, np.ndarray) else 2.0),
    "matrix": lambda u: u @ _matrix(u.shape[-1]),
    "closure": lambda u: u * OWN[: u.shape[-1]] if u.shape[-1] <= 64 else u * OWN[0],
    "pieces": lambda u: np.repeat(np.add.reduceat(u, [0], axis=-1), u.shape[-1], axis=-1) * 0.1,
    "stacked": lambda u: np.stack([u[..., 0], *np.moveaxis(u[..., 1:], -1, 0)], -1) if u.shape[-1] < 9 else u,
    "truths of truths": lambda u: u + np.where(u > 0, u > 0.3, u < -0.3),
    "remainder": lambda u: u % 0.3,
    "imaginary": lambda u: u + np.imag(u),
    "extremes": lambda u: np.maximum(np.minimum(u, 0.4), u * u),
}


TRACED = (
    *("shift", "own scale", "number", "places", "halves", "first to all", "last to all", "reversed", "rolled", "total"),
    *("mean", "norm", "where", "where of theirs", "truth and truth", "truth or truth", "count", "sign", "any", "power"),
    *(
        "any of each",
        "into",
        "clipped",
        "written",
        "picked",
        "kind",
        "array",
        "matrix",
        "pieces",
        "stacked",
        "extremes",
    ),
    *("truths of truths", "largest", "partial sums", "closure"),
)


def _written(u):
    v = u.copy()
    v[..., 0] = 0.3 * v[..., -1]
    v[..., 1:] *= 1.1
    return v


def _masked(u):
    v = u.copy()
    v[v > 0.3] = 0.1
    return v


def _matrix(d):
    if d > 1000:
        raise MemoryError(f"a matrix of {d} rows")
    return np.eye(d) + 0.2 * np.eye(d, k=1)


def chain(seed, most=3):
    """A formula of random pieces, and their names."""
    rng = np.random.default_rng(seed)
    names = rng.choice(list(PIECES), size=rng.integers(1, most + 1), replace=False)
    pieces = tuple(PIECES[name] for name in names)

    def formula(u):
        for piece in pieces:
            u = piece(u)
        return np.tanh(u)

    return formula, " > ".join(names)


def optimizer(seed):
    """Euler's on a flow with memory: a chain of the gradient, another of theta, parameters with awkward names."""
    (push, one), (pull, other) = chain(2 * seed), chain(2 * seed + 1)
    name = NASTY[seed % len(NASTY)]
    weigh = eval(f"lambda v, {name}, tau: (v - {name}) / tau", {})
    flow = oo.flow(
        "theta v", {name: 0.05, "tau": 2.0},
        drift=oo.push("theta", weigh),
        kick=oo.push("v", lambda grad, theta: push(grad(theta)) + 0.1 * pull(theta)),
        friction=oo.relax("v", rate=lambda tau: 1 / tau),
    )  # fmt: skip
    word = oo.schemes.Splitting("friction kick drift") if seed % 2 else oo.schemes.euler
    return oo.Optimizer(flow, word, H), f"{one} | {other} | {name}"


def of_piece(piece):
    """Euler's step against one piece of the gradient."""
    formula = PIECES[piece]
    flow = oo.flow("theta", {}, drift=oo.push("theta", lambda grad, theta: -formula(grad(theta))))
    return oo.Optimizer(flow, oo.schemes.euler, H)


ADAM, GF = oo.optimizers.adam(0.01), oo.flows.gradient_flow()


def problem(d, grad=None, **more):
    theta0 = np.cos(1.7 * np.arange(d)) * 0.9
    grad = grad or (lambda x: 1.0 * x)
    return oo.Problem(lambda x: 0.5 * (x * x).sum(-1), grad, theta0=theta0, hvp=lambda x, p: p, **more)


def equal(found, expected, what):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * max(1e-3, np.max(np.abs(b), initial=0.0)), err_msg=what)


def plain(run):
    """What the run gives, or None where even the plain step cannot be made of this formula at this size."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return run()
        except (MemoryError, IndexError, ValueError, TypeError):
            return None


def on(opt, where, backends, what, steps=STEPS, theta0=None, every=1):
    """Each engine that takes the formula has the numbers of the step itself."""
    expected = plain(lambda: oo.simulate(opt, where, steps, theta0, record_every=every, backend="numpy"))
    if expected is None:
        return
    for backend in backends:
        try:
            run = oo.simulate(opt, where, steps, theta0, record_every=every, backend=backend)
        except ValueError as refused:
            if "backend must be" not in str(refused):
                raise
            continue
        assert (run.status, run.message, run.ngev) == (expected.status, expected.message, expected.ngev), what
        pairs = [
            (run.theta, expected.theta),
            (run.loss, expected.loss),
            *((run.state[u], expected.state[u]) for u in run.state),
        ]
        equal(*zip(*pairs, strict=True), f"{what}, by {run.backend}")


def in_place_too(opt, where, what):
    expected = plain(lambda: oo.simulate(opt, where, STEPS, backend="numpy"))
    if expected is None:
        return
    theta = where.theta0.copy()
    moving = in_place(opt, theta)
    for _ in range(STEPS):
        moving.step(where.grad(theta))
    equal([theta], [expected.final], f"{what}, in place by {moving.backend}")


def solved(opt, where, what, backends):
    expected = plain(lambda: oo.solve(opt.flow, where, 1.0, method="RK45", rtol=1e-8, atol=1e-10, backend="numpy"))
    if expected is None:
        return
    for backend in backends:
        try:
            run = oo.solve(opt.flow, where, 1.0, method="RK45", rtol=1e-8, atol=1e-10, backend=backend)
        except ValueError as refused:
            if "backend must be" not in str(refused):
                raise
            continue
        np.testing.assert_allclose(run.final, expected.final, rtol=1e-5, atol=1e-6, err_msg=f"{what}, {run.backend}")


def counted(seed, backends, what):
    """Observables, loss and target of an ensemble."""
    (see, one), (aim, other) = chain(5000 + seed), chain(6000 + seed)
    noisy = oo.noise.gaussian(problem(3, batched=True), 0.3)
    where = oo.Problem(lambda x: aim(x).sum(-1), noisy.grad, theta0=noisy.theta0, noise=noisy.noise, batched=True)
    arguments = dict(observe={"seen": lambda theta: see(theta)[..., 0]}, target=lambda theta: aim(theta)[..., 1] > 0.3,
                     rng=0, generator="threefry")  # fmt: skip
    run = lambda backend: oo.ensemble(oo.optimizers.gd(0.05), where, 40, 30, backend=backend, **arguments)
    expected = plain(lambda: run("numpy"))
    if expected is None:
        return
    for backend in backends:
        try:
            found = run(backend)
        except ValueError as refused:
            if "backend must be" not in str(refused):
                raise
            continue
        numbers = lambda e: (e.mean, e.loss_mean, e.variance)
        equal(numbers(found), numbers(expected), f"{what}: {one} | {other}, by {found.backend}")


@pytest.mark.parametrize("seed", range(12))
def test_engines_in_few_coordinates(seed):
    opt, what = optimizer(seed)
    for d in (1, 2, 3, 5):
        on(opt, problem(d, batched=True), ("floats",), f"{what}, d = {d}")
    starts = np.linspace(-1, 1, 12).reshape(4, 3)
    on(opt, problem(3, batched=True), ("blocks",), f"{what}, members", theta0=starts)


@pytest.mark.parametrize("seed", range(12))
def test_gradients_in_few_coordinates(seed):
    """The same pieces in the gradient of a problem."""
    grad, what = chain(7000 + seed)
    for d in (1, 2, 3, 5):
        where = plain(lambda d=d: problem(d, lambda x: grad(x) + x))
        if where is not None:
            expected = plain(lambda where=where: oo.simulate(oo.optimizers.adam(0.01), where, STEPS, backend="numpy"))
            run = oo.simulate(oo.optimizers.adam(0.01), where, STEPS, backend="floats")
            equal([run.theta, run.loss], [expected.theta, expected.loss], f"{what}, d = {d}")


@pytest.mark.parametrize("seed", range(12))
def test_a_pass_in_place(seed):
    opt, what = optimizer(seed)
    for d in (1, 2, 3, 65, 1000):
        in_place_too(opt, problem(d, batched=True), f"{what}, d = {d}")


@pytest.mark.parametrize("seed", range(8))
def test_right_hand_sides(seed):
    opt, what = optimizer(seed)
    solved(opt, problem(2, batched=True), what, ("floats",))


@pytest.mark.parametrize("seed", range(16))
def test_what_an_ensemble_counts(seed):
    counted(seed, ("blocks",), "ensemble")


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_theta(piece):
    """Every piece alone, on more coordinates than a program has."""
    where, opt = problem(200_000, batched=True), of_piece(piece)
    expected = plain(lambda: oo.simulate(opt, where, 2, record_every=2, backend="numpy"))
    if expected is not None:
        run = oo.simulate(opt, where, 2, record_every=2)
        equal([run.final], [expected.final], f"{piece}, by {run.backend}")


@pytest.mark.parametrize("piece", PIECES)
def test_a_short_theta_in_place(piece):
    for d in (1, 2, 3, 5, 64):
        in_place_too(of_piece(piece), problem(d, batched=True), f"{piece}, d = {d}")


@pytest.mark.parametrize("piece", TRACED)
def test_what_numpy_does_is_known(piece):
    """The other half: no piece is refused for which NumPy's rule is written down."""
    for opt, where in ((of_piece(piece), problem(3, batched=True)), (ADAM, problem(3, PIECES[piece]))):
        runs = [oo.simulate(opt, where, STEPS, backend=backend) for backend in ("floats", "numpy")]
        sizes = [u.shape[-1] for u in opt.initial_state(where.grad, where.theta0)]
        grad = where.grad.f if isinstance(where.grad, Looped) else where.grad
        assert not program(opt, grad, None, sizes).calls
        equal(*([run.theta, run.loss] for run in runs), piece)


REFUSED = {
    "it branches on a value": lambda u: u * (1.0 if u[0] > 0 else 2.0),
    "it branches on a value ": lambda u: u * (1.0 if np.all(u > 0) else 2.0),
    "it needs a number": lambda u: u * float(u[0]),
    "it calls numpy.sort": lambda u: np.sort(u),
    "it calls numpy.nan_to_num": lambda u: np.nan_to_num(u),
    "it calls numpy.multiply with where=": lambda u: np.multiply(u, 2.0, where=[True, False, True], out=u.copy()),
    "it calls numpy.multiply with dtype=": lambda u: np.multiply(u, 2.0, dtype=np.float32),
    "it calls numpy.add with casting=": lambda u: np.add(u, 2.0, casting="unsafe"),
    "it calls numpy.sum with arguments that cannot be traced": lambda u: u * np.sum(u, initial=2.0),
    "it calls numpy.add.reduce with initial=": lambda u: u * np.add.reduce(u, initial=2.0),
    "it calls numpy.exp on bool": lambda u: u * np.exp(u > 0),
    "numpy.subtract refuses bool and bool": lambda u: u * ((u > 0) - (u > 1)),
    "it calls numpy.power on bool and bool": lambda u: u * ((u > 0) ** (u > 1)),
    "it adds or multiplies single truth values": lambda u: u * ((u[0] > 0) + (u[1] > 0)),
    "it turns float64 into float32": lambda u: u.astype(np.float32),
    "it turns float64 into int64": lambda u: u.astype(int),
    "it meets complex128": lambda u: (u * 1j).imag,
    "it meets float128|it meets longdouble": lambda u: u * np.longdouble(1.1),
    "it indexes an array by a computed value": lambda u: u[u > 0],
    "it calls numpy.remainder": lambda u: u % 0.3,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_known_is_refused(reason):
    with pytest.raises(Untraceable, match=reason.strip()):
        program(oo.optimizers.gd(0.1), REFUSED[reason], None, [3])


@pytest.mark.parametrize("name", NASTY)
def test_a_parameter_may_have_any_name(name):
    """None is taken for another input of a program."""
    formula = eval(f"lambda grad, theta, {name}: -{name} * grad(theta) * np.where(theta > 0, 1.0, {name})", {"np": np})
    opt = oo.Optimizer(oo.flow("theta", {name: 0.4}, drift=oo.push("theta", formula)), oo.schemes.euler, H)
    where = problem(3, batched=True)
    in_place_too(opt, where, name)
    on(opt, where, ("floats",), name)
    solved(opt, where, name, ("floats",))


def test_parameters_that_differ_by_a_number_are_two():
    """a_0 and a_1 are no coordinates of one thing."""
    split = lambda grad, theta, a_0, a_1: -np.concatenate([a_0 * grad(theta)[..., :1], a_1 * grad(theta)[..., 1:]], -1)
    opt = oo.Optimizer(oo.flow("theta", {"a_0": 1.0, "a_1": 3.0}, drift=oo.push("theta", split)), oo.schemes.euler, H)
    in_place_too(opt, problem(2, batched=True), "two parameters")


def lying(x):
    """Twice as much where it is traced: NumPy makes arrays of objects there, as the numbers have no kind yet."""
    g = np.array([1.0 * x[0], 3.0 * x[1]])
    return g if g.dtype == np.float64 else 2 * g


OTHER = "its program gives other numbers than the"


@pytest.mark.parametrize("backend", ["auto", "floats", "blocks", pytest.param("numba", marks=pytest.mark.numba)])
def test_a_program_that_is_not_its_step_is_left(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    where = oo.Problem(lambda x: 0.5 * x[0] ** 2 + 1.5 * x[1] ** 2, lying, theta0=[1.0, 2.0])
    start = np.array([[1.0, 2.0], [0.5, 1.0]]) if backend == "blocks" else None
    for opt in (oo.optimizers.adam(0.01), oo.optimizers.gd(1e-9)):  # whose step is less than what rounding may be
        run, plainly = (oo.simulate(opt, where, 400, start, backend=b) for b in (backend, "numpy"))
        assert run.backend == f"numpy ({OTHER} step itself)"
        np.testing.assert_array_equal(run.theta, plainly.theta)
        assert run.ngev == plainly.ngev


def test_a_right_hand_side_that_is_not_its_flow_is_left():
    where = oo.Problem(lambda x: 0.5 * x[0] ** 2 + 1.5 * x[1] ** 2, lying, theta0=[1.0, 2.0])
    flow = oo.flows.heavy_ball(1.0)
    assert oo.solve(flow, where, 1.0, method="DOP853").backend == f"numpy ({OTHER} flow itself)"
    with pytest.raises(ValueError, match=OTHER):
        oo.solve(flow, where, 1.0, backend="floats")


def test_an_ensemble_whose_program_is_not_its_step_is_left():
    exact = oo.Problem(lambda x: 0.5 * x[0] ** 2 + 1.5 * x[1] ** 2, lying, theta0=[1.0, 2.0])
    run = oo.ensemble(oo.optimizers.gd(0.01), oo.noise.gaussian(exact, 0.1), 200, 200, rng=0, generator="sfc64")
    assert run.backend == f"numpy ({OTHER} step itself)"


def test_what_is_observed_by_a_function_that_is_not_its_program():
    """The step stays with its program; what it does not see is asked of the functions."""
    where = oo.noise.gaussian(oo.problems.quadratic((1.0, 3.0)), 0.1)
    seen = lambda theta: np.moveaxis(np.array([theta[..., 0], theta[..., 1]]), 0, -1)
    energy = lambda theta: seen(theta)[..., 0] * (1.0 if seen(theta).dtype == np.float64 else 2.0)
    run, plainly = (
        oo.ensemble(oo.optimizers.gd(0.01), where, 100, 50, observe={"energy": energy}, rng=0, backend=backend,
                    generator="threefry", target=lambda theta: energy(theta) < 0.5)
        for backend in ("blocks", "numpy")
    )  # fmt: skip
    assert run.backend == "blocks"
    np.testing.assert_allclose(run.mean, plainly.mean, rtol=1e-12)
    np.testing.assert_array_equal(run.first_passage, plainly.first_passage)


@pytest.mark.parametrize("piece", ["late halves", "late places"])
def test_what_holds_for_few_coordinates_need_not_for_more(piece):
    for d, means in ((3, "blocks"), (70, f"numpy ({OTHER} step itself, on 70 coordinates)")):
        moving = in_place(of_piece(piece), np.cos(np.arange(d)))
        moving.step(np.sin(np.arange(d)))
        assert moving.backend == means


@pytest.mark.parametrize("members", [(), (3,)])
def test_a_right_hand_side_is_compared_after_a_guard(monkeypatch, members):
    """A program that is right until a guard is met, and wrong afterwards, is left there."""
    where = oo.Problem(lambda x: (x * x).sum(-1), lambda x: x * (2.0 if np.any(abs(x - 1) < 0.02) else 1.0),
                       theta0=np.broadcast_to([1.5], (*members, 1)), batched=True)  # fmt: skip
    name = "stacked" if members else "on_floats"
    honest = getattr(compiled_rhs, name)

    def lies(*arguments):
        f, jacobian = honest(*arguments)
        return lambda s, y: np.asarray(f(s, y)) * (1.0 if np.min(y) > 0.98 else 1.1), jacobian

    monkeypatch.setattr(compiled_rhs, name, lies)
    settings = dict(t=2.0, method="RK45", rtol=1e-8, atol=1e-10)
    found, plainly = (oo.solve(GF, where, backend=b, **settings) for b in ("auto", "numpy"))
    assert found.backend == f"numpy ({OTHER} flow itself)"
    np.testing.assert_allclose(found.final, plainly.final, rtol=1e-10)


@pytest.mark.parametrize("piece", ["halves", "late halves", "late places", "kind"])
def test_a_closed_form_is_that_of_all_coordinates(piece):
    """Two coordinates, or five, are no proof that theta' = -grad L(theta)."""
    where = oo.problems.quadratic(np.linspace(1, 2, 50))
    run, plainly = (oo.solve(of_piece(piece).flow, where, 1.0, backend=b) for b in ("auto", "numpy"))
    by_steps = oo.solve(of_piece(piece).flow, where, 1.0, method="DOP853", backend="numpy")
    for found in (run, plainly):
        np.testing.assert_allclose(found.final, by_steps.final, rtol=1e-5)
    assert (run.backend == "closed form") == (piece == "kind")


def test_a_guard_that_flips_is_a_new_start(monkeypatch):
    """An engine that is right until a guard is met, and wrong afterwards, is left there."""
    where = oo.Problem(lambda x: (x * x).sum(-1), lambda x: x * (2.0 if np.any(abs(x - 1) < 0.02) else 1.0),
                       theta0=[1.5, 3.0], batched=True)  # fmt: skip
    honest = Floats.run

    def run(self, k, y, n, every, rows, losses, times):
        leap = honest(self, k, y, n, every, rows, losses, times)
        if y[0][0] < 0.98:
            rows[0][:] += 1e-3
        return leap

    monkeypatch.setattr(Floats, "run", run)
    found, plainly = (oo.simulate(oo.optimizers.gd(0.003), where, 600, backend=b) for b in ("floats", "numpy"))
    assert found.backend == f"numpy ({OTHER} step itself)"
    np.testing.assert_allclose(found.theta, plainly.theta, rtol=1e-13)


PULL = 1.0


@pytest.mark.parametrize("what", ["closure", "threshold", "global"])
@pytest.mark.parametrize("backend", ["auto", "floats", pytest.param("numba", marks=pytest.mark.numba)])
def test_what_a_callback_changes_is_not_frozen_in(monkeypatch, what, backend):
    """A threshold changes nothing where the run is then, but later."""
    if backend == "numba":
        pytest.importorskip("numba")
    ends = []
    for by in (backend, "numpy"):
        own, threshold = np.array([1.0, 2.0, 3.0]), np.array([0.2])
        monkeypatch.setitem(globals(), "PULL", 1.0)
        grad = {
            "closure": lambda x, own=own: x * own,
            "threshold": lambda x, threshold=threshold: np.where(abs(x) > threshold, x, 5 * x),
            "global": lambda x: PULL * x,
        }[what]

        def change(seen, own=own, threshold=threshold):
            if seen.step == 100:
                own[:], threshold[:] = (3.0, 0.1, 0.5), 0.4
                monkeypatch.setitem(globals(), "PULL", 0.3)

        run = oo.simulate(oo.optimizers.gd(0.002), problem(3, grad, batched=True), 400, record_every=50,
                          callback=change, backend=by)  # fmt: skip
        ends.append(run.final)
    np.testing.assert_allclose(*ends, rtol=1e-12)


@pytest.mark.numba
def test_a_loss_that_branches_is_evaluated():
    pytest.importorskip("numba")
    where = oo.Problem(lambda x: np.sum(x * x) * (2.0 if np.any(x > 1.2) else 1.0), lambda x: 2 * x, theta0=[1.0, 1.5])
    runs = [oo.simulate(oo.optimizers.gd(0.01), where, 100, backend=backend) for backend in ("numba", "numpy")]
    np.testing.assert_allclose(runs[0].loss, runs[1].loss, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("piece", PIECES)
def test_torch(piece):
    """The pass in place makes the steps that torch's own functions make, in both precisions."""
    torch = pytest.importorskip("torch")
    from odeopt.frameworks.torch import fused_step, to_torch

    for kind, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        ends = []
        for worth in (1, 10**9):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fused_step, "WORTH", worth)
                theta = torch.nn.Parameter(torch.tensor(problem(70).theta0, dtype=kind))
                moving = to_torch(of_piece(piece), [theta])
                try:
                    for _ in range(3):
                        theta.grad = theta.detach().clone()
                        moving.step()
                except Exception:  # which formulas torch cannot run is for another test
                    break
                ends.append(theta.detach().numpy())
        if len(ends) == 2:
            np.testing.assert_allclose(*ends, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_all_engines(seed):
    """In as many coordinates as a program has, and one more; Numba and JAX where they are installed."""
    opt, what = optimizer(seed)
    compiled = [name for name in ("numba", "jax") if find_spec(name)]
    for d in (2, 64, 65):
        on(opt, problem(d, batched=True), ("floats", *compiled), f"{what}, d = {d}")
    starts = np.linspace(-1, 1, 12).reshape(4, 3)
    on(opt, problem(3, batched=True), ("blocks", *compiled), f"{what}, members", theta0=starts)
    on(opt, problem(3, batched=True), ("auto",), what, steps=400, every=100)
    in_place_too(opt, problem(200_000, batched=True), what)
    solved(opt, problem(3, batched=True), what, ("floats", *(["numba"] if "numba" in compiled else [])))
    counted(seed, ("blocks", *(["numba"] if "numba" in compiled else [])), what)


@pytest.mark.parametrize("n", [30, 120, 600])
def test_a_long_loop_in_a_formula_is_written_in_short_expressions(n):
    """n operations inside one another, of which Python's parser takes 200 in one expression."""

    def inner(theta):
        for _ in range(n):
            theta = 0.5 * np.cos(theta)
        return theta

    flow = oo.flow("theta", drift=oo.push("theta", lambda theta: inner(theta) - theta))
    opt, problem = oo.Optimizer(flow, oo.schemes.euler, 0.01), oo.problems.double_well().at([0.3])
    expected = oo.simulate(opt, problem, 20, backend="numpy")
    found = oo.simulate(opt, problem, 20, backend="floats")
    assert found.backend == "floats"
    np.testing.assert_array_equal(found.theta, expected.theta)
    solved = [oo.solve(flow, problem, 0.2, backend=backend) for backend in ("floats", "numpy")]
    np.testing.assert_allclose(solved[0].theta, solved[1].theta, rtol=1e-12)
