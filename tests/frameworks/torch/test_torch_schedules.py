"""Schedules as torch schedulers, saved and resumed, and recorded from torch."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support.schedules import EVERY

import odeopt as oo
from odeopt import schedules
from odeopt.arrays.protocol import Foreign

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from odeopt.arrays.torch import TORCH  # noqa: E402
from odeopt.frameworks.torch import from_schedule, schedule, to_torch  # noqa: E402

K = np.arange(120)


def sgd(lr=0.1):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def rates(scheduler, steps):
    """The rates of the first group in the next steps."""
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return np.array(found)


@pytest.mark.parametrize("s", EVERY, ids=str)
def test_the_same_numbers(s):
    np.testing.assert_allclose(rates(schedule(s, sgd()), 120), 0.1 * s(K), rtol=1e-15)
    tensor = s(Foreign(torch.arange(120.0, dtype=torch.float64), TORCH)).value
    np.testing.assert_allclose(tensor, s(K), rtol=1e-13, atol=1e-15)


def test_groups_keep_their_ratio_and_a_function_is_a_schedule():
    one, other = (torch.zeros(1, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 0.5}, {"params": [other], "lr": 2.0}], lr=1.0)
    scheduler = schedule(lambda k: 1 / (1 + k), optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.25, 1.0]


def test_a_saved_run_goes_on():
    s = schedules.warm_up(4, schedules.cosine(20))
    whole, first = rates(schedule(s, sgd()), 24), schedule(s, sgd())
    rates(first, 9)
    file = io.BytesIO()
    torch.save([first.state_dict(), first.optimizer.state_dict()], file)
    file.seek(0)
    state, optimizer_state = torch.load(file, weights_only=True)
    second = schedule(s, sgd())
    second.optimizer.load_state_dict(optimizer_state)
    second.load_state_dict(state)
    np.testing.assert_array_equal(rates(second, 15), whole[9:])
    with pytest.raises(ValueError, match=r"state_dict must be one of cosine.*, got one of \{'schedule': 'warm_up'"):
        schedule(schedules.cosine(20), sgd()).load_state_dict(state)


def test_the_state_of_another_schedule_is_refused():
    """Also where both are printed alike; functions of your own cannot be told apart."""
    values = np.linspace(1, 0.1, 50)
    one, other = schedules.table(values), schedules.table(np.where(np.arange(50) == 25, 0, values))
    assert repr(one) == repr(other)
    for first, second in ((one, other), (schedules.hold(2, one), schedules.hold(2, other)), (one, abs), (abs, one)):
        state = schedule(first, sgd()).state_dict()
        schedule(first, sgd()).load_state_dict(state)
        with pytest.raises(ValueError, match="state_dict must be one of"):
            schedule(second, sgd()).load_state_dict(state)
    schedule(abs, sgd()).load_state_dict(schedule(lambda k: 0.1, sgd()).state_dict())


def test_it_drives_an_optimizer_of_odeopt():
    s, problem = schedules.warm_up(3, schedules.wsd(12, 6)), oo.problems.quadratic((1, 3))
    theta = torch.tensor(problem.theta0, requires_grad=True)
    optimizer = to_torch(oo.optimizers.momentum(0.1), [theta])
    scheduler = schedule(s, optimizer)
    for _ in range(15):
        theta.grad = torch.tensor(problem.grad(theta.detach().numpy()))
        optimizer.step()
        scheduler.step()
    run = oo.simulate(oo.optimizers.scheduled(oo.optimizers.momentum(0.1), s), problem, 15)
    np.testing.assert_allclose(theta.detach(), run.theta[-1], rtol=0, atol=1e-14)


def test_and_back():
    ours = from_schedule(lambda opt: torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, 100), 100, lr=0.1)
    np.testing.assert_allclose(ours(K[:100]), schedules.one_cycle(99, 29)(K[:100]), rtol=0, atol=1e-12)
    assert ours(200) == ours(99)
    again = from_schedule(lambda opt: schedule(EVERY[-1], opt), 120, lr=0.3)
    np.testing.assert_allclose(again(K), EVERY[-1](K), rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: schedule(3, sgd()), TypeError, "s must be one of odeopt.schedules .* got 3"),
        (lambda: schedule(abs, 0.1), TypeError, "optimizer must be a torch optimizer, got 0.1"),
        (lambda: schedule(abs, sgd(), -2), ValueError, "last_epoch must be at least -1, got -2"),
        (lambda: from_schedule(0.1, 3), TypeError, "theirs must be a function that makes a scheduler .* got 0.1"),
        (lambda: from_schedule(lambda opt: 3, 3), TypeError, "theirs must be a function that makes a scheduler"),
        (lambda: from_schedule(lambda opt: schedule(abs, sgd()), 3), TypeError, "of its optimizer"),
        (
            lambda: from_schedule(torch.optim.lr_scheduler.ReduceLROnPlateau, 3),
            TypeError,
            "theirs must make a scheduler of the step alone, got <torch.*ReduceLROnPlateau",
        ),
        (lambda: from_schedule(abs, 3, lr=-1), ValueError, "lr must be positive"),
        (lambda: from_schedule(lambda opt: schedule(lambda k: -k, opt), 3), ValueError, "theirs must give rates"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
