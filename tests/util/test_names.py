"""Wrong names: the error says which one was meant, also where it is that of another library."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import subprocess
import sys

import pytest
from support import tables

import odeopt as oo
from odeopt.optimizers import signatures
from odeopt.optimizers.conventions import CONVENTIONS
from odeopt.util import check
from odeopt.util.names import hint

ROOMS = (oo.optimizers, oo.flows, oo.problems, oo.schemes, oo.noise, oo.schedules)
gd, adam, momentum = oo.optimizers.gd, oo.optimizers.adam, oo.optimizers.momentum

MISSING = [
    (oo.optimizers, "sgd", "'gd' or 'momentum'"),
    (oo.optimizers, "SGD", "'gd' or 'momentum'"),
    (oo.optimizers, "Adam", "'adam'"),
    (oo.optimizers, "rms", "'rmsprop'"),
    (oo.optimizers, "clip_grad_norm_", "'clip_norm'"),
    (oo.flows, "heavyball", "'heavy_ball'"),
    (oo.problems, "rosenbrok", "'rosenbrock'"),
    (oo.schemes, "RK4", "'rk4'"),
    (oo.noise, "minibatch", "'minibatches'"),
    (oo, "simulat", "'simulate'"),
    (oo, "adam", "'optimizers.adam' or 'flows.adam'"),
    (oo, "centralflow", "'central_flow' or 'CentralFlow'"),
    (oo, "rodflow", "'rod_flow' or 'RodFlow'"),
    (oo, "Rod_Flow", "'rod_flow' or 'RodFlow'"),
    (oo, "Lossforecast", "'loss_forecast' or 'LossForecast'"),
    (oo, "centrl_flow", "'central_flow' or 'CentralFlow'"),
    (oo.schedules, "cosin", "'cosine'"),
    (oo.laws, "kramer", "'kramers' or 'kramers_time'"),
    (oo.analysis, "stabilitylimit", "'stability_limit'"),
    (oo.plots, "Landscape", "'landscape'"),
    (oo.word2vec, "Corpora", "'corpus' or 'Corpus'"),
]


@pytest.mark.parametrize(("room", "name", "meant"), MISSING)
def test_a_missing_name(room, name, meant):
    with pytest.raises(AttributeError, match=f"has no '{name}'; did you mean {meant}\\?"):
        getattr(room, name)


@pytest.mark.parametrize("room", [oo, *ROOMS, oo.laws, oo.analysis, oo.plots, oo.word2vec])
def test_a_name_like_no_other(room):
    with pytest.raises(AttributeError, match=r"has no 'qqqqqq'$"):
        _ = room.qqqqqq
    assert not hasattr(room, "__wrapped__")


ARGUMENTS = [
    (adam, "beta", "'beta1' or 'beta2'"),
    (adam, "betas", "'beta1' or 'beta2'"),
    (adam, "learning_rate", "'lr'"),
    (adam, "epsilon", "'eps'"),
    (adam, "weight_decay", r"'optimizers.l2\(opt, weight_decay\)' or 'optimizers.decoupled\(opt, weight_decay\)'"),
    (momentum, "momentum", "'beta'"),
    (momentum, "nesterov", "'optimizers.nesterov'"),
    (oo.optimizers.rmsprop, "alpha", "'rho'"),
    (oo.optimizers.rmsprop, "centered", "'centred'"),
    (oo.optimizers.rprop, "etas", "'eta_minus' or 'eta_plus'"),
    (oo.flows.heavy_ball, "dampng", "'damping'"),
    (oo.problems.quadratic, "eigenvalue", "'eigenvalues'"),
    (oo.schemes.rkc1, "stage", "'stages'"),
    (oo.schedules.cosine, "step", "'steps'"),
]


@pytest.mark.parametrize(("make", "name", "meant"), ARGUMENTS)
def test_a_wrong_argument(make, name, meant):
    with pytest.raises(TypeError, match=rf"{make.__name__} has no argument '{name}', only .*did you mean {meant}\?"):
        make(**{name: 1})


def test_of_many_names_the_one_that_was_meant_comes_first():
    many = [f"name{i}" for i in range(40)]
    with pytest.raises(
        ValueError, match=r"^opt must be one of 41 names, got 'adm'; did you mean 'adam'\? They are adam"
    ):
        check.choice("opt", "adm", ["adam", *many])
    with pytest.raises(ValueError, match=r"^opt must be one of 40 names, got 'qq'\. They are name0, "):
        check.choice("opt", "qq", many)
    with pytest.raises(ValueError, match=r"^opt must be one of adam, gd, got 'adm'; did you mean 'adam'\?$"):
        check.choice("opt", "adm", ["gd", "adam"])


def test_other_type_errors_are_left_alone():
    with pytest.raises(TypeError, match="lr must be numbers"):
        gd(lr="a")
    with pytest.raises(TypeError, match="missing 1 required"):
        oo.optimizers.l2(gd())


def test_every_alias_leads_to_a_name_that_exists():
    for names in signatures.ELSEWHERE.values():
        assert set(names) <= set(oo.optimizers.__all__)
    taken = {name for make in tables.OPTIMIZERS for name in inspect.signature(getattr(oo.optimizers, make)).parameters}
    for names in signatures.ARGUMENTS.values():
        assert set(names) <= taken
    for names in signatures.WRAPPERS.values():
        for name in names:
            assert name.removeprefix("optimizers.").partition("(")[0] in oo.optimizers.__all__


def test_many_names_with_one_beginning_are_no_hint():
    assert hint("ada", ["adam", "adamw", "adagrad", "adadelta"]) in ("; did you mean 'adam'?", "")


@pytest.mark.parametrize("name", [name for name in tables.OPTIMIZERS if name in CONVENTIONS])
def test_signatures_show_the_defaults_that_apply(name):
    """A call with the defaults that are shown is a call without arguments."""
    make = getattr(oo.optimizers, name)
    parameters = inspect.signature(make).parameters
    required = {p.name: 0.1 for p in parameters.values() if p.default is p.empty}
    shown = {p.name: p.default for p in parameters.values() if p.default is not p.empty}
    assert None not in [value for key, value in shown.items() if key not in ("layers", "shape")]
    assert make(**required, **shown).get_config() == make(**required).get_config()
    assert set(required) <= {"lr"}


def test_help_shows_them():
    text = str(inspect.signature(adam)).replace("'", "")
    assert "lr: Number | None = 0.001" in text
    assert "beta2: Number | None = 0.999" in text
    with pytest.raises(ValueError, match="lr must be given"):
        oo.optimizers.lars()


EAGER = """
import odeopt as oo
assert oo.flows.heavy_ball(damping=1.0).origin is not None
oo.optimizers.adam(beta=1)
"""


def test_eager_imports_are_wrapped_too():
    """EAGER_IMPORT=1 is how lazy_loader checks that every lazy import works."""
    environment = {**os.environ, "EAGER_IMPORT": "1"}
    out = subprocess.run([sys.executable, "-c", EAGER], env=environment, capture_output=True, text=True)
    assert "TypeError: adam has no argument 'beta'" in out.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_functions_of_a_room_are_themselves(room):
    """Fetched twice, copied and pickled by name."""
    for name in room.__all__:
        value = getattr(room, name)
        assert getattr(room, name) is value
        if inspect.isfunction(value):
            assert pickle.loads(pickle.dumps(value)) is value
            assert copy.deepcopy(value) is value
