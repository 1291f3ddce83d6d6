"""A file cache returns what was written under a name, or nothing; it raises nothing and reads nothing doubtful."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.damage import DAMAGES, KINDS, flipped

from odeopt.util.file_cache import DIGEST, FileCache

DATA = bytes(range(32))


@pytest.fixture
def cache(tmp_path):
    made = FileCache(tmp_path / "own", 10_000)
    made.write("a", DATA)
    made.write("b", DATA[::-1])
    assert (made.read("a"), made.read("b"), made.read("c")) == (DATA, DATA[::-1], None)
    return made


def test_only_the_user_can_write(cache):
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in cache.folder.iterdir())


BITS = range(8 * (len(DATA) + DIGEST))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_not_read_and_is_replaced(cache, damage):
    path = cache.folder / "a"
    path.write_bytes(DAMAGES[damage](path.read_bytes(), (cache.folder / "b").read_bytes()))
    assert cache.read("a") is None
    cache.write("a", DATA)
    assert cache.read("a") == DATA


def test_no_flipped_bit_goes_unseen(cache):
    path = cache.folder / "a"
    whole = path.read_bytes()
    for bit in BITS:
        path.write_bytes(flipped(whole, bit))
        assert cache.read("a") is None, bit


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_read(cache, kind):
    path = cache.folder / "a"
    other = path.rename(cache.folder.parent / "elsewhere")
    KINDS[kind](path, other)
    assert cache.read("a") is None
    cache.write("a", DATA)
    assert cache.read("a") == (None if kind == "folder" else DATA)
    assert cache.read("b") == DATA[::-1]


def test_what_others_could_have_written_is_not_read(cache, monkeypatch):
    for path, mode in ((cache.folder, 0o777), (cache.folder, 0o770), (cache.folder / "a", 0o666)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert cache.read("a") is None, (path, oct(mode))
        path.chmod(before)
    assert cache.read("a") == DATA
    monkeypatch.setattr(os, "geteuid", lambda: cache.folder.stat().st_uid + 1)
    assert cache.read("a") is None


def test_nothing_is_written_where_others_can_write(cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: cache.folder.stat().st_uid + 1)
        cache.write("c", DATA)
    cache.folder.chmod(0o777)
    cache.write("d", DATA)
    assert sorted(path.name for path in cache.folder.iterdir()) == ["a", "b"]


def test_a_folder_behind_a_link_is_not_used(cache, tmp_path):
    (tmp_path / "link").symlink_to(cache.folder)
    linked = FileCache(tmp_path / "link", 10_000)
    linked.write("c", DATA)
    assert linked.read("a") is None
    assert not (cache.folder / "c").exists()


@pytest.mark.parametrize("place", ["file/own", "/proc/own", "/dev/null/own"])
def test_without_a_place_the_cache_stays_empty(tmp_path, place):
    (tmp_path / "file").write_text("")
    nowhere = FileCache(tmp_path / place, 10_000)
    nowhere.write("a", DATA)
    assert nowhere.read("a") is None
    assert not nowhere.holds("a")


def test_a_folder_that_cannot_be_written_is_still_read(cache, monkeypatch):
    """As one on a disk that is mounted read-only, where not even the time of a file can be set."""

    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    for name in ("utime", "replace", "unlink", "open"):
        monkeypatch.setattr(os, name, refuse)
    cache.write("a", DATA[::-1])
    cache.write("c", DATA)
    assert (cache.read("a"), cache.read("c")) == (DATA, None)


def run(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


FULL = """
import resource, signal, sys
from pathlib import Path
from odeopt.util.file_cache import FileCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
cache = FileCache(Path(sys.argv[1]), 10_000)
cache.write("a", bytes(400))
cache.write("b", bytes(600))
assert cache.read("a") == bytes(400)
assert cache.read("b") is None
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_full_disk(tmp_path):
    """Files of at most 500 bytes: a write that ends in the middle leaves nothing behind."""
    assert run(FULL, tmp_path / "own").wait() == 0
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["a"]


def test_what_has_not_been_read_for_longest_goes_first(tmp_path):
    size = len(DATA) + DIGEST
    cache = FileCache(tmp_path, 3 * size)
    for age, name in enumerate("abc"):
        cache.write(name, DATA)
        os.utime(tmp_path / name, (age, age))
    assert cache.read("a") == DATA
    cache.write("d", DATA)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "d"]
    (tmp_path / "folder").mkdir()  # is left alone
    for name in "efgh":
        cache.write(name, DATA)
        assert cache.read(name) == DATA
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3 * size


MANY = """
import sys
from pathlib import Path
from odeopt.util.file_cache import FileCache
cache, own = FileCache(Path(sys.argv[1]), 12_000), int(sys.argv[2])
for i in range(40):
    name = str(i % 7)
    cache.write(name, name.encode() * (1000 * (own + 1)))
    found = cache.read(str(i % 5))
    assert found is None or found in [str(i % 5).encode() * (1000 * (who + 1)) for who in range(3)], i
    cache.holds("0")
"""


def test_several_processes_at_once(tmp_path):
    """What one reads, some process has written under this name, whole."""
    running = [run(MANY, tmp_path / "own", own) for own in range(3)]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert not [path.name for path in (tmp_path / "own").iterdir() if path.name.startswith(".")]
