"""Every result: written and read, pickled and copied, bit for bit; what is damaged or foreign is refused."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from dataclasses import is_dataclass

import numpy as np
import pytest
from support.damage import DAMAGES
from support.results import ADAM, BOWL, BY_HAND, GD, MADE, VALLEY, assert_same

import odeopt as oo
from odeopt.results.kinds import RESULTS
from odeopt.results.shapes import SHAPES
from odeopt.util import storage
from odeopt.util.absent import Absent
from odeopt.util.saved import Saved

CASES = [pytest.param(make, id=f"{name}-{i}") for name, makes in MADE.items() for i, make in enumerate(makes)]


@pytest.mark.parametrize("make", CASES)
def test_round_trips(make, tmp_path):
    result = make()
    path = result.save(tmp_path / "result")
    assert_same(result, oo.load(path))
    assert_same(result, type(result).load(path))
    assert_same(result, pickle.loads(pickle.dumps(result)))
    copied = copy.deepcopy(result)
    assert_same(result, copied)
    assert_same(result, copy.copy(result))
    again = oo.load(path)
    assert_same(result, oo.load(again.save(tmp_path / "again")))
    for name, value in vars(result).items():
        assert not isinstance(value, np.ndarray) or not value.size or not np.shares_memory(value, vars(copied)[name])


def below(base):
    """All types that are made from this one, at any depth."""
    return {kind for own in base.__subclasses__() for kind in ({own} | below(own))}


def test_every_result_has_its_row():
    assert set(MADE) == set(RESULTS) == {kind.__name__ for kind in below(Saved) if is_dataclass(kind)}


def test_every_public_dataclass_can_be_saved_or_is_no_result():
    """A new type of result cannot be forgotten."""
    rooms = (oo, oo.analysis, oo.laws, oo.noise, oo.problems, oo.word2vec)
    public = {value for room in rooms for name in room.__all__ if inspect.isclass(value := getattr(room, name))}
    others = {"Optimizer", "Flow", "Onset", "Problem", "IVP", "OneStep", "ModifiedFlow", "Agreement", "Corpus"}
    others |= {"CBOW", "SkipGram", "SearchSpace"}
    assert {kind.__name__ for kind in public if is_dataclass(kind) and not issubclass(kind, Saved)} == others


@pytest.mark.parametrize("name", BY_HAND)
def test_what_was_made_by_hand_is_described(name, tmp_path):
    """Arrays are kept, and the loaded result says what is not there."""
    result = BY_HAND[name]()
    for loaded in (oo.load(result.save(tmp_path / "result")), pickle.loads(pickle.dumps(result))):
        assert repr(loaded) == repr(result)
        if name == "flow":
            assert_same(dict(result.values), dict(loaded.values))
            assert loaded.violation == result.violation
            continue
        assert_same(result.iterates.theta, loaded.iterates.theta)
        assert_same(result.flow.theta, loaded.flow.theta)
        assert_same(result.error, loaded.error)
        missing = {"problem": lambda r: r.problem, "step": lambda r: r.modified.map}.get(name, lambda r: r.optimizer)
        gone = missing(loaded)
        assert isinstance(gone, Absent)
        assert gone.name == missing(result).name
        assert str(missing(result)) in repr(gone)
        with pytest.raises(AttributeError, match="of which only its description was saved"):
            _ = gone.anything
        assert loaded.plot() is not None
    whole = copy.deepcopy(result)
    assert repr(whole) == repr(result)
    assert name == "flow" or missing(whole) is missing(result) or name == "step"


def test_a_loaded_result_goes_on(tmp_path):
    """Its optimizer and problem are those that made it."""
    loaded = oo.load(oo.compare(ADAM, VALLEY, 20).save(tmp_path / "result"))
    assert loaded.problem is loaded.iterates.problem
    assert loaded.flow.flow is loaded.optimizer.flow
    assert_same(loaded.iterates, oo.simulate(loaded.optimizer, loaded.problem, 20))
    assert loaded.plot() is not None


NAMED = [
    ADAM,
    oo.optimizers.momentum(lr=np.array([0.1, 0.2])),
    oo.optimizers.scheduled(oo.optimizers.clip_norm(GD, 1.0), oo.schedules.warm_up(3, oo.schedules.cosine(9))),
    oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1),
    oo.flows.heavy_ball(damping=0.3),
    oo.noise.gaussian(VALLEY, [0.1, 0.2]),
    oo.problems.least_squares(),
    oo.schedules.cosine(7).stretched(0.3),
    oo.modified_flow(ADAM, 2),
]


@pytest.mark.parametrize("thing", NAMED, ids=lambda thing: type(thing).__name__)
def test_what_a_public_function_made_can_be_pickled(thing):
    again = pickle.loads(pickle.dumps(thing))
    assert type(again) is type(thing)
    assert repr(again) == repr(thing)


def test_a_changed_copy_forgets_the_call_that_made_it():
    """Else it would come back unchanged."""
    assert oo.flows.heavy_ball(damping=0.3).origin is not None
    assert oo.flows.heavy_ball(damping=0.3).with_params(damping=0.5).origin is None
    assert oo.problems.rosenbrock().at([1.0, 2.0]).origin is not None
    data = np.ones(2)
    problem = oo.problems.quadratic(data)
    data[:] = 5
    assert pickle.loads(pickle.dumps(problem)).grad(np.ones(2)).tolist() == problem.grad(np.ones(2)).tolist()
    assert oo.noise.gaussian(BOWL, lambda theta: 0.1 + 0 * theta).origin is None


@pytest.fixture
def run(tmp_path):
    return oo.simulate(ADAM, VALLEY, 3).save(tmp_path / "run")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(run, damage):
    other = oo.simulate(GD, BOWL, 3).save(run.with_name("other")).read_bytes()
    data = DAMAGES[damage](run.read_bytes(), other)
    run.write_bytes(data)
    if damage == "another's":  # whole, and another run
        assert oo.load(run).name == "gd"
        return
    with pytest.raises(ValueError, match=str(run)):
        oo.load(run)


@pytest.mark.parametrize("name", MADE)
def test_no_flipped_bit_goes_unseen(name, tmp_path):
    path = MADE[name][0]().save(tmp_path / "result")
    whole = path.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 23)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=f"{path}.*damaged"):
            oo.load(path)


def forged(path, change, kind="Trajectory"):
    """A file with a right checksum around a tree that odeopt would not have written."""
    _, arrays, facts = storage.read(path)
    change(facts, arrays)
    return storage.save(path.with_name("forged"), kind, arrays, facts)


FORGED = [
    lambda facts, arrays: facts.update(result={"is": "os.system", "command": "ls"}),
    lambda facts, arrays: facts.update(result={"is": "Trajectory"}),
    lambda facts, arrays: facts.update(result=[1, 2]),
    lambda facts, arrays: facts.pop("result"),
    lambda facts, arrays: facts["result"].update(more=1),
    lambda facts, arrays: facts["result"].update(theta={"array": "nothing"}),
    lambda facts, arrays: facts["result"].update(status={"is": "NamedStatus", "name": "GONE"}),
    lambda facts, arrays: facts["result"].update(optimizer={"is": "Named", "config": {"is": "mapping", "of": []}}),
    lambda facts, arrays: facts["result"].update(
        problem={"is": "Repeated", "room": "os", "name": "system", "arguments": [], "keywords": {}}
    ),
    lambda facts, arrays: facts["result"].update(
        problem={"is": "Repeated", "room": "odeopt.flows", "name": "door", "arguments": [], "keywords": {}}
    ),
    lambda facts, arrays: facts.update(result=json.loads('{"is": "tuple", "of": [' * 300 + "1" + "]}" * 300)),
    lambda facts, arrays: facts.update(format=2),
    lambda facts, arrays: facts.pop("format"),
]


@pytest.mark.parametrize("change", FORGED)
def test_forged_files_are_refused(run, change):
    path = forged(run, change)
    with pytest.raises(ValueError, match=str(path)):
        oo.load(path)


def test_a_file_of_another_version_is_named(run):
    path = forged(run, lambda facts, arrays: facts.update(format=2))
    with pytest.raises(ValueError, match=f"path must be of format 1, {path} has 2: load it by its odeopt"):
        oo.load(path)


def arrays_of(name):
    """A result of this type, and its fields whose shapes are known, with one of their arrays each."""
    result = MADE[name][0]()
    fields = {}
    for field in SHAPES.get(name, {}):
        value = getattr(result, field)
        inner = next(iter(value.values()), None) if isinstance(value, dict) else value
        fields[field] = inner[0] if isinstance(inner, tuple) and isinstance(inner[0], np.ndarray) else inner
    return result, {field: array for field, array in fields.items() if isinstance(array, np.ndarray) and array.size}


def with_array(result, field, old, new):
    """The result with another array in this field."""
    value = getattr(result, field)
    if isinstance(value, dict):
        value = {key: new if inner is old else inner for key, inner in value.items()}
    else:
        value = (new, *value[1:]) if isinstance(value, tuple) else new
    changed = copy.copy(result)
    object.__setattr__(changed, field, value)
    return changed


@pytest.mark.parametrize("name", SHAPES)
def test_fields_of_wrong_shape_are_refused(name, tmp_path):
    """Of any field: an axis too many, none at all, and a length that another field does not share."""
    result, fields = arrays_of(name)
    axes = [axis for pattern in SHAPES[name].values() for axis in pattern.split()]
    for field, array in fields.items():
        first, *more = SHAPES[name][field].split()
        bad = [np.float64(1.0)[...]] if first != "*m" or more else []
        if "..." not in more and "*m" not in more and first[0] != "*":
            bad.append(array[..., None])
        if axes.count(first) > 1 and first not in ("_", "...") and first[0] != "*":
            bad.append(np.concatenate([array, array[:1]]))
        for new in bad:
            path = with_array(result, field, array, new).save(tmp_path / "wrong")
            with pytest.raises(ValueError, match=f"{path}.* must (have|be)"):
                oo.load(path)


def test_every_array_of_every_result_has_a_known_shape():
    """But those that their own class checks, and equations on a grid."""
    for name in MADE:
        for field, value in vars(MADE[name][0]()).items():
            if isinstance(value, np.ndarray) and field not in SHAPES.get(name, {}):
                assert (name, field) in [("Moments", "t"), ("BrownianPath", "xi")]


def test_files_of_another_kind_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match=f"must be a saved Comparison, {run} is a saved Trajectory"):
        oo.Comparison.load(run)
    other = storage.save(tmp_path / "other", "word2vec training", {"a": np.ones(2)}, {})
    with pytest.raises(ValueError, match="word2vec training"):
        oo.load(other)
    with pytest.raises(ValueError, match="is a saved Comparison"):
        oo.Trajectory.load(forged(run, lambda facts, arrays: None, "Comparison"))
    np.savez(tmp_path / "evil.npz", mean=np.array([object()], dtype=object))
    for path in (tmp_path / "evil.npz", __file__):
        with pytest.raises(ValueError, match="damaged or something else"):
            oo.load(path)
    with pytest.raises(FileNotFoundError):
        oo.load(tmp_path / "nothing.npz")
