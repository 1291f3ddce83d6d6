"""The folder of a sweep: what is kept, what is refused, what is made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import odeopt as oo
from odeopt.sweeps.record import Record, read
from odeopt.sweeps.store import Store
from odeopt.util.status import Status

BOWL = oo.noise.gaussian(oo.problems.quadratic((1.0, 10.0)), 0.3)
GRID = {"lr": [0.01, 0.02, 0.05], "beta": [0.0, 0.9]}


def swept(path, **changed):
    given = dict(make=oo.optimizers.momentum, problem=BOWL, grid=GRID, seeds=2, steps=20, rng=0)
    return oo.sweep(**{**given, **changed}, path=path)


def lines(folder: Path) -> list[str]:
    return [line for path in sorted(folder.glob("cells-*.jsonl")) for line in path.read_text().splitlines()]


def test_a_finished_sweep_is_read(tmp_path, monkeypatch):
    first = swept(tmp_path / "a")
    assert first.digest == swept(None).digest
    assert len(lines(tmp_path / "a")) == 12
    monkeypatch.setattr("odeopt.sweeps.sweep.planned", lambda work, due, jobs: pytest.fail("run again") if due else [])
    assert swept(tmp_path / "a").digest == first.digest
    assert swept(tmp_path / "a", rng=None).digest == first.digest
    assert len(lines(tmp_path / "a")) == 12


def test_a_seed_of_several_numbers(tmp_path):
    """A Generator made of a list of numbers; the folder keeps them, and rng=None goes on with them."""
    first = swept(tmp_path, rng=np.random.default_rng([1, 2, 3]))
    assert first.digest != swept(None, rng=np.random.default_rng([1, 2, 4])).digest
    assert swept(tmp_path, rng=np.random.default_rng([1, 2, 3])).digest == first.digest
    assert swept(tmp_path, rng=None).digest == first.digest


def test_damaged_records_are_named_and_made_again(tmp_path):
    """A flipped digit in the middle, a line cut at its end, and a line of another sweep's."""
    first = swept(tmp_path)
    (file,) = tmp_path.glob("cells-*.jsonl")
    text = file.read_text().splitlines(keepends=True)
    text[3] = text[3].replace('"loss": ', '"loss": 1', 1)
    text[-1] = text[-1][:40]
    file.write_text("".join(text))
    again = swept(tmp_path)
    assert again.digest == first.digest
    assert again.damaged == (
        f"{file.name}, line 4: its checksum is wrong",
        f"{file.name}, line 12: its checksum is wrong",
    )
    assert "2 damaged records made again" in str(again)
    assert len(lines(tmp_path)) == 14


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(steps=21), "steps is 20 there, 21 here"),
        (dict(seeds=3), "seeds is 2 there, 3 here"),
        (dict(rng=1), "rng is"),
        (dict(problem=oo.noise.gaussian(oo.problems.quadratic((1.0, 11.0)), 0.3)), "problem is"),
        (
            dict(grid={"lr": [0.01, 0.02, 0.06], "beta": [0.0, 0.9]}),
            r"values is .*0\.05.* there.*0\.06.* here; grid is",
        ),
        (dict(make=oo.optimizers.heavy_ball), 'make is "momentum .*", "heavy_ball .*"|make is "momentum'),
        (dict(measure=lambda run: run.loss.mean()), 'measure is "final_loss'),
    ],
)
def test_another_sweep_is_refused(tmp_path, changed, message):
    swept(tmp_path)
    with pytest.raises(ValueError, match=f"path must be the folder of the same sweep, .* has another: .*{message}"):
        swept(tmp_path, **changed)


def test_changed_code_is_refused(tmp_path):
    scale = 1.0
    swept(tmp_path, measure=lambda run: scale * run.loss[-1])
    swept(tmp_path, measure=lambda run: scale * run.loss[-1])
    scale = 2.0
    with pytest.raises(ValueError, match="measure is"):
        swept(tmp_path, measure=lambda run: scale * run.loss[-1])


def test_a_damaged_head_is_refused(tmp_path):
    swept(tmp_path)
    head = tmp_path / "head.json"
    head.write_text(head.read_text().replace('"steps": 20', '"steps": 21'))
    with pytest.raises(ValueError, match=r"head.json is damaged: its checksum is wrong"):
        swept(tmp_path)
    head.unlink()
    with pytest.raises(ValueError, match="has records but no head.json"):
        swept(tmp_path)


def test_a_folder_of_another_version_is_refused(tmp_path):
    Store(tmp_path, {"format": 2})
    with pytest.raises(ValueError, match="has another: format is 2 there, 1 here"):
        swept(tmp_path)


def test_pandas_reads_the_folder(tmp_path):
    pandas = pytest.importorskip("pandas")
    found = swept(tmp_path, grid={"lr": [0.01, 0.05, 1e3], "beta": [0.0]}, steps=200)
    (file,) = tmp_path.glob("cells-*.jsonl")
    frame = pandas.read_json(file, lines=True, precise_float=True).sort_values(["lr", "seed"])
    np.testing.assert_array_equal(frame["loss"].to_numpy(float).reshape(3, 2), found.values["loss"])
    assert set(frame["status"]) == {"DONE", "NOT_FINITE"}


def test_records_keep_every_number(tmp_path):
    values = {"a": np.inf, "b": -np.inf, "c": 0.1 + 0.2, "d": 5e-324, "Infinity": 1.0}
    record = Record(
        {"lr": 0.1, "name": "Infinity, NaN", "n": 3, "on": True, "no": None}, 4, Status.DONE, 'a "b" \n', values
    )
    assert read(record.line(), ("lr", "name", "n", "on", "no")) == record
    json.loads(record.line(), parse_constant=lambda text: pytest.fail(text))
    (back,) = read(Record({"x": 1}, 0, Status.DONE, "", {"v": np.nan}).line(), ("x",)).values.values()
    assert np.isnan(back)


def test_two_processes_on_one_folder(tmp_path):
    """Each has a file of its own; a run that both have made is counted once."""
    head = {"format": 1}
    one, other = Store(tmp_path, head), Store(tmp_path, head)
    record = Record({"x": 1}, 0, Status.DONE, "", {"v": 1.0})
    for store in (one, other):
        store.add([record])
        store.close()
    assert len(lines(tmp_path)) == 2
    assert len(Store(tmp_path, head).found(("x",)).records) == 1


def test_a_full_disk_is_named_and_leaves_whole_records(tmp_path, monkeypatch):
    store = Store(tmp_path, {})
    record = Record({"x": 1}, 0, Status.DONE, "", {"v": 1.0})
    store.add([record])
    write, left = os.write, [20]

    def full(file, data):
        if not left[0]:
            raise OSError(28, "No space left on device")
        count, left[0] = min(left[0], len(data)), 0
        return write(file, data[:count])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device; what had finished before is kept") as caught:
        store.add([Record({"x": 2}, 0, Status.DONE, "", {"v": 1.0})])
    assert str(tmp_path) in str(caught.value)
    found = store.found(("x",))
    assert len(found.records) == 1
    assert found.damaged == ()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB in memory, mounted by a user who may."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk(small_disk, tmp_path):
    """It is named with the folder, its records are whole, and the sweep goes on once there is room."""
    grid = {"lr": list(np.linspace(0.001, 0.05, 600)), "beta": [0.0]}
    with pytest.raises(OSError, match="No space left on device; what had finished before is kept") as caught:
        swept(small_disk / "a", grid=grid)
    assert str(small_disk / "a") in str(caught.value)
    kept = lines(small_disk / "a")
    assert 50 < len(kept) < 1200
    shutil.copytree(small_disk / "a", tmp_path / "roomy")
    again = swept(tmp_path / "roomy", grid=grid)
    assert again.damaged == ()
    assert again.digest == swept(None, grid=grid).digest
    places = [(row["key"], row["seed"]) for row in map(json.loads, lines(tmp_path / "roomy"))]
    assert len(places) == len(set(places)) == 1200


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start(small_disk):
    (small_disk / "rest").write_bytes(bytes(64 * 1024 - 4096))
    with pytest.raises(OSError, match="No space left on device"):
        swept(small_disk / "a")


@pytest.mark.slow
def test_a_read_only_disk(small_disk):
    """At the start, and when it goes on; a finished sweep can still be read."""
    small = {"lr": [0.01], "beta": [0.0]}
    first = swept(small_disk / "a", grid=small)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert swept(small_disk / "a", grid=small).digest == first.digest
    with pytest.raises(OSError, match="Read-only file system") as caught:
        swept(small_disk / "b")
    assert str(small_disk / "b") in str(caught.value)


KILLED = """
import sys, time
import odeopt as oo

def make(lr):
    def train(steps, rng):
        time.sleep(0.02)
        return lr + rng.random()
    return train

print(oo.sweep(make, None, {"lr": [i / 10 for i in range(1, 31)]}, rng=3, path=sys.argv[1]).digest)
"""


@pytest.mark.slow
def test_kill_9_of_the_parent_loses_only_what_was_in_flight(tmp_path):
    """Four kills, then to the end: the digits of a sweep that nobody killed, nothing lost, nothing twice."""
    rng = np.random.default_rng(0)
    command = [sys.executable, "-c", KILLED]
    for _ in range(4):
        process = subprocess.Popen([*command, str(tmp_path / "a")])
        before, until = len(lines(tmp_path / "a")), time.monotonic() + 30
        while len(lines(tmp_path / "a")) <= before + 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
    digests = [
        subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True, check=True).stdout
        for name in ("a", "b")
    ]
    assert digests[0] == digests[1]
    places = [(row["key"], row["seed"]) for row in map(json.loads, lines(tmp_path / "a"))]
    assert len(places) == len(set(places)) == 30
