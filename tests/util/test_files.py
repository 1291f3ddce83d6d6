"""Files of the user keep what the system gives them: the umask, their mode, the target of a link."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

import odeopt as oo
from odeopt.util import files, storage

RUN = oo.ensemble(oo.optimizers.gd(lr=0.1), oo.noise.gaussian(oo.problems.quadratic(), 0.1), 4, 2, rng=0)


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_that_the_umask_gives(umask, tmp_path):
    files.write(tmp_path / "new", b"1")
    (tmp_path / "open").touch()
    assert mode(tmp_path / "new") == mode(tmp_path / "open") == 0o666 & ~umask


def test_a_file_keeps_its_mode(umask, tmp_path):
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o640)
    files.write(path, b"1")
    assert (mode(path), path.read_bytes()) == (0o640, b"1")


@pytest.mark.usefixtures("umask")
def test_a_private_file_is_private(tmp_path):
    path = tmp_path / "a"
    path.touch()
    files.write_private(path, b"1")
    assert mode(path) == 0o600


def test_a_link_keeps_its_target(tmp_path):
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "run.npz", tmp_path / "run.npz"
    link.symlink_to(target)
    for _ in range(2):  # the target is missing, and then it is there
        RUN.save(link)
        assert link.is_symlink()
        assert not target.is_symlink()
    assert len(oo.Ensemble.load(target)) == len(RUN)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["run.npz"]


def test_a_private_file_replaces_a_link(tmp_path):
    """So that nobody else's link leads the cache elsewhere."""
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_bytes(b"0")
    link.symlink_to(other)
    files.write_private(link, b"1")
    assert (link.is_symlink(), other.read_bytes()) == (False, b"0")


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        files.write(tmp_path / "folder", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", ["a", "a.npz", "a.b", ".a"])
def test_save_and_load_agree(name, tmp_path):
    written = RUN.save(tmp_path / name)
    (tmp_path / "a").touch()  # another file, where the name has no ending
    for path in (tmp_path / name, str(tmp_path / name), written):
        np.testing.assert_array_equal(oo.Ensemble.load(path).mean, RUN.mean)


def test_a_renamed_file_is_found(tmp_path):
    os.rename(RUN.save(tmp_path / "a"), tmp_path / "b.data")
    np.testing.assert_array_equal(oo.Ensemble.load(tmp_path / "b.data").mean, RUN.mean)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"\x93NUMPY", b"text"])
def test_other_content_with_a_right_checksum_is_refused(content, tmp_path):
    import hashlib

    path = tmp_path / "a.npz"
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="path must be a file that odeopt saved"):
        oo.Ensemble.load(path)


@pytest.mark.parametrize("field", ["mean", "t", "alive", "variance", "loss_mean", "covariance"])
def test_fields_of_wrong_shape_are_refused(field, tmp_path):
    kind, arrays, facts = storage.read(RUN.save(tmp_path / "a"))
    place = next(place for place in arrays if place.rpartition(".")[2] == field)
    for wrong in (arrays[place][:-1], arrays[place][..., None]):
        path = storage.save(tmp_path / "b", kind, {**arrays, place: wrong}, facts)
        with pytest.raises(ValueError, match=r"path must be .* must have"):
            oo.Ensemble.load(path)
    path = storage.save(tmp_path / "b", kind, {name: u for name, u in arrays.items() if name != place}, facts)
    with pytest.raises(ValueError, match="path must be"):
        oo.Ensemble.load(path)
