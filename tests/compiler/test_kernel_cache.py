"""A kernel from the disk is the one that would be compiled, and a stranger's pickle is never opened."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from support.damage import DAMAGES, KINDS

from odeopt.compiler.codegen import numba_cache as kernels

pytestmark = pytest.mark.numba
pytest.importorskip("numba")

TEXT, OTHER = (f"def loop(x):\n    return {factor} * x" for factor in (3.5, 7.5))
VALUE, OTHER_VALUE = 3.5 * 0.5, 7.5 * 0.5


def call(text=TEXT, x=0.5):
    """What the kernel returns in a process that has not used it yet, and whether it came from the disk."""
    kernels.compiled.cache_clear()
    loop = kernels.compiled(text)
    return loop(x), sum(loop.stats.cache_hits.values()) == 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With one kernel in it."""
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    assert call() == (VALUE, False)
    assert call() == (VALUE, True)
    return tmp_path / "kernels"


def only(folder):
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_kernel_is_compiled_anew(folder, damage):
    path = only(folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes(), path.read_bytes()[::-1]))
    assert call() == (VALUE, False)
    assert call() == (VALUE, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_that_is_no_file_is_compiled_anew(folder, kind, tmp_path):
    path = only(folder)
    KINDS[kind](path, path.rename(tmp_path / "elsewhere"))
    assert call() == (VALUE, False)


def test_kernels_that_change_places_are_compiled_anew(folder):
    path = only(folder)
    assert call(OTHER) == (OTHER_VALUE, False)
    (other,) = {*folder.iterdir()} - {path}
    other.rename(folder / "third")
    path.rename(other)
    (folder / "third").rename(path)
    assert call() == (VALUE, False)
    assert call(OTHER) == (OTHER_VALUE, False)


def test_a_kernel_is_kept_for_each_type_of_arguments(folder):
    assert call(x=2) == (7.0, False)
    assert call(x=2) == (7.0, True)
    assert call() == (VALUE, True)


class Stranger:
    """A pickle that runs code where it is opened."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("trusted", [False, True])
def test_a_strangers_pickle_is_never_opened(folder, tmp_path, trusted):
    """Neither one without the right checksum, nor one with it in a folder that others can write."""
    path, marker = only(folder), tmp_path / "marker"
    data = pickle.dumps(Stranger(marker))
    if trusted:
        kernels.cache().write(path.name, data)
        folder.chmod(0o777)
    else:
        path.write_bytes(data)
    assert call() == (VALUE, False)
    assert not marker.exists()


def test_what_cannot_be_rebuilt_is_compiled_anew(folder):
    """As what another build of the same version of Numba wrote."""
    for data in (b"", pickle.dumps(()), pickle.dumps((1,) * 9)):
        kernels.cache().write(only(folder).name, data)
        assert call() == (VALUE, False)
        assert call() == (VALUE, True)


def test_another_version_or_setting_has_kernels_of_its_own(folder, monkeypatch):
    monkeypatch.setenv("NUMBA_OPT", "1")
    kernels._environment.cache_clear()
    assert not kernels.cache().holds(kernels._prefix(TEXT))
    monkeypatch.undo()
    kernels._environment.cache_clear()


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_kernels_without_a_place_are_compiled_in_each_process(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path / place))
    assert call() == call() == (VALUE, False)


def test_the_kernels_on_disk_are_bounded(folder, monkeypatch):
    size = only(folder).stat().st_size
    monkeypatch.setattr(kernels, "LIMIT", int(2.5 * size))
    for factor in range(1, 5):
        assert call(f"def loop(x):\n    return {factor}.25 * x") == ((factor + 0.25) * 0.5, False)
    assert len([*folder.iterdir()]) == 2
    assert call() == (VALUE, False)


WHOLE = """
import hashlib, odeopt as oo
run = oo.simulate(oo.optimizers.adam(1e-3), oo.problems.rosenbrock(b=3.5), 50, backend="numba")
solved = oo.solve(oo.flows.gradient_flow(), oo.problems.rosenbrock(), 0.1, method="DOP853", backend="numba")
print(hashlib.sha256(run.theta.tobytes() + solved.theta.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_processes_at_once_and_one_after_the_other(tmp_path, monkeypatch):
    """Three processes with one empty folder, and then those that find it full."""
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    found = []
    for number in (3, 2):
        running = [subprocess.Popen([sys.executable, "-c", WHOLE], stdout=subprocess.PIPE) for _ in range(number)]
        found += [each.communicate()[0] for each in running]
        assert not any(each.returncode for each in running)
        assert len([*(tmp_path / "kernels").iterdir()]) == 2
    assert len({*found}) == 1
