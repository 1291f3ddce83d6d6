"""`follow`: an optimizer beside its modified flow, and the warning where |mu - 1| is beyond 1."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.plots import style

BOWL = oo.problems.quadratic((1, 20)).at([1.0, -1.0])
VALLEY = oo.problems.rosenbrock(b=5).at([-1, 0.5])
BEYOND = r"\|mu - 1\| of {} reaches {} and first exceeds 1 after {} steps: there the series .* diverges"


def foreign(lr):
    return oo.from_step(lambda y: (y[0] - lr * BOWL.grad(y[0]),), h=lr, name="mine")


@pytest.mark.parametrize("make", [opts.gd, foreign])
def test_gradient_descent_warns_beyond_one(make):
    """|mu - 1| = lr lambda exactly: .9 is silent (warnings are errors here), 1.1 is not."""
    below = oo.follow(make(0.9 / 20), BOWL, 30)
    assert below.max_indicator == pytest.approx(0.9, rel=1e-7)
    assert below.success
    assert "diverges" not in repr(below)
    with pytest.warns(UserWarning, match=BEYOND.format(r"\w+", r"1\.1", 0)):
        beyond = oo.follow(make(1.1 / 20), BOWL, 30)
    assert beyond.max_indicator == pytest.approx(1.1, rel=1e-7)
    assert not beyond.success
    assert "diverges, and a higher order need not be more accurate" in repr(beyond)


def test_what_the_warning_is_about():
    """With lr lambda = .9 the error falls with each order; with 1.1 the first iterate is at -.1, where no flow gets."""
    bowl = oo.problems.quadratic((1.0,), angle=0.0).at([1.0])
    below = [oo.follow(opts.gd(0.9), bowl, 20, K).max_error for K in (2, 4, 8)]
    assert below[0] > below[1] > below[2]
    with pytest.warns(UserWarning, match="exceeds 1"):
        beyond = [oo.follow(opts.gd(1.1), bowl, 20, K).max_error for K in (2, 4, 8)]
    assert min(beyond) > 0.1


def test_adam_warns_where_it_oscillates():
    quiet = oo.follow(opts.adam(0.01), VALLEY, 300)
    assert quiet.max_indicator < 0.3
    with pytest.warns(UserWarning, match=BEYOND.format("adam", r"1\.\d*", r"\d+")) as caught:
        loud = oo.follow(opts.adam(0.3), VALLEY, 300)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert loud.indicator[0] < 1 < loud.max_indicator  # it comes only along the path
    assert str(loud.checked[np.flatnonzero(loud.indicator > 1)[0]]) in str(caught[0].message)


def test_the_result():
    result = oo.follow(opts.adam(0.01), BOWL, 100, order=6, checks=5)
    run = oo.simulate(opts.adam(0.01), BOWL, 100)
    np.testing.assert_array_equal(result.iterates.theta, run.theta)
    assert result.checked.tolist() == [0, 25, 50, 75, 100]
    assert result.error.shape == (101,)
    assert 0 < result.max_error == result.error.max() < 1e-8
    np.testing.assert_allclose(result.error, np.abs(result.flow.theta - run.theta).max(-1))
    memory = {name: v[50] for name, v in run.state.items()}
    assert result.indicator[2] == pytest.approx(result.modified.indicator(BOWL, run.theta[50], **memory))


def test_it_starts_where_the_optimizer_does():
    """RMSprop from G = g0^2, not from the rest that the flow would start from: from there it is 5.5e-3 off."""
    result = oo.follow(opts.rmsprop(0.01, start="settled"), BOWL, 300)
    np.testing.assert_array_equal(result.flow.state["G"][0], result.iterates.state["G"][0])
    assert result.max_error < 1e-6


def test_the_indicator_knows_the_time():
    """Nesterov's friction 3/t: no order makes it follow from t = 0, and 100 steps later its step is another."""
    with pytest.warns(UserWarning, match=BEYOND.format("nesterov_k", r"1\.5", 0)):
        result = oo.follow(opts.nesterov_k(0.01), BOWL, 100, checks=2)
    flow, y = result.modified, (result.iterates.theta[-1], *(v[-1] for v in result.iterates.state.values()))
    step = flow.map.increment(BOWL.grad)
    base, columns = np.concatenate(y), []
    for e in np.eye(base.size):
        ends = [np.concatenate(step(result.iterates.t[-1], tuple(np.split(base + s * e, len(y))))) for s in (1, -1)]
        columns.append((ends[0] - ends[1]) / 2)  # the step is linear on a quadratic
    assert result.indicator[-1] == pytest.approx(np.abs(np.linalg.eigvals(np.transpose(columns))).max(), rel=1e-6)
    assert result.indicator[-1] < 0.6


def test_a_foreign_step_that_leaves_the_numbers():
    step = oo.from_step(lambda y: (y[0] ** 3,), h=0.1)
    with pytest.warns(UserWarning, match="exceeds 1"):
        result = oo.follow(step, BOWL.at([3.0, 0.0]), 50)
    assert result.iterates.status is oo.Status.NOT_FINITE
    assert np.isfinite(result.iterates.theta).all()


@pytest.mark.parametrize("limit", [2, 4, 8, 12, 16, 30])
def test_a_gradient_that_fails_keeps_what_there_is(limit):
    calls = []

    def grad(x):
        calls.append(1)
        if len(calls) > limit:
            raise OSError("the file is gone")
        return x + 0.0

    problem = oo.Problem(lambda x: (x**2).sum(-1) / 2, grad, theta0=[1.0, 1.0], batched=True)
    calls.clear()
    result = oo.follow(opts.gd(0.1), problem, 4, checks=2)
    assert len(result.iterates) == min(limit, 4) + 1
    assert oo.Status.EVALUATION_FAILED in (result.iterates.status, result.flow.status)
    assert "the file is gone" in result.iterates.message + result.flow.message


def test_a_gradient_that_is_nan_at_once_leaves_the_start():
    nowhere = oo.Problem(lambda x: (x**2).sum(-1), lambda x: np.nan * x, theta0=[1.0, 2.0], batched=True)
    result = oo.follow(opts.gd(0.1), nowhere, 4)
    assert (len(result.iterates), len(result.flow), result.flow.status) == (1, 1, oo.Status.NOT_FINITE)
    assert "not solved: not finite at step 1" in result.flow.message


def test_unknown_where_the_step_has_no_derivative():
    """A zero gradient leaves G = 0, where sqrt(G) has none: no number, no warning."""
    flat = oo.Problem(lambda x: x[..., 0] ** 2 / 2, lambda x: x * [1.0, 0.0], theta0=[1.0, 1.0], batched=True)
    result = oo.follow(opts.adam(0.01), flat, 10)
    assert np.isnan(result.indicator).all()
    assert result.max_indicator == 0


@pytest.mark.parametrize("problem", [BOWL, oo.problems.valley(d=3).at((-0.5, 0.3, 0.2))])
def test_the_plot_says_it_too(problem):
    from matplotlib.figure import Figure

    for lr, word, colour in ((1e-3, "|μ − 1| ≤", style.INK), (0.2, "beyond 1", style.VERMILLION)):
        ax = Figure().subplots()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = oo.follow(opts.gd(lr), problem, 6)
        assert len(result.plot(ax)) == 2
        assert word in ax.get_title(loc="center") + ax.get_title(loc="left")
        assert ax.title.get_color() == colour


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: oo.follow("gd", BOWL), TypeError, "opt must be an Optimizer or come from from_step, got 'gd'"),
        (lambda: oo.follow(opts.gd(0.1), BOWL, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: oo.follow(opts.gd(0.1), BOWL, 9, 9), ValueError, "order must be 1 to 8, got 9"),
        (lambda: oo.follow(opts.gd(0.1), BOWL, checks=0), ValueError, "checks must be at least 1, got 0"),
        (lambda: oo.follow(opts.gd(np.array([0.1, 0.2])), BOWL), ValueError, "must have a single member"),
        (lambda: oo.follow(opts.gd(0.1), BOWL, theta0=np.eye(2)), ValueError, "must have a single member"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
