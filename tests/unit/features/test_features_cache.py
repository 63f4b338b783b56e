import logging
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pgmel.errors import EncoderError
from pgmel.features import cache as cache_module
from pgmel.features.cache import VectorCache, default_cache_dir
from pgmel.features.fingerprints import digest_bytes

IDENTITY = {"kind": "text", "fingerprint": "abc"}


def keys(*names: str) -> list[bytes]:
    return [digest_bytes(name.encode()) for name in names]


def vectors(*firsts: float, dim: int = 3) -> np.ndarray:
    return np.array([[first] + [0.5] * (dim - 1) for first in firsts], dtype=np.float16)


def test_what_was_written_is_read_by_another_cache_of_the_same_identity(tmp_path: Path) -> None:
    VectorCache(tmp_path, IDENTITY).write(keys("a", "b"), vectors(1, 2))
    got, found = VectorCache(tmp_path, IDENTITY).read(keys("b", "x", "a"))
    assert found.tolist() == [True, False, True]
    np.testing.assert_array_equal(got, [[2, 0.5, 0.5], [0, 0, 0], [1, 0.5, 0.5]])
    assert got.dtype == np.float16


@pytest.mark.parametrize("change", [{"fingerprint": "abd"}, {"kind": "image"}, {"max_tokens": 9}])
def test_another_identity_finds_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    VectorCache(tmp_path, IDENTITY).write(keys("a"), vectors(1))
    _, found = VectorCache(tmp_path, IDENTITY | change).read(keys("a"))
    assert not found.any()


def test_the_order_of_the_identity_does_not_matter(tmp_path: Path) -> None:
    VectorCache(tmp_path, IDENTITY).write(keys("a"), vectors(1))
    _, found = VectorCache(tmp_path, dict(reversed(IDENTITY.items()))).read(keys("a"))
    assert found.all()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    got, found = VectorCache(tmp_path / "cache", IDENTITY).read(keys("a"))
    assert (got.shape, found.any()) == ((1, 0), False)
    assert not (tmp_path / "cache").exists()


def test_without_a_folder_nothing_is_kept() -> None:
    cache = VectorCache(None, IDENTITY)
    cache.write(keys("a"), vectors(1))
    assert not cache.read(keys("a"))[1].any()


def test_vectors_written_twice_are_kept_once(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, IDENTITY)
    cache.write(keys("a"), vectors(1))
    cache.write(keys("a"), vectors(2))
    assert cache.read(keys("a"))[0][0, 0] == 2


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    VectorCache(tmp_path, IDENTITY).write(keys("a"), vectors(1, dim=3))
    with pytest.raises(EncoderError, match="of length 3, the encoder gives 4"):
        VectorCache(tmp_path, IDENTITY).write(keys("b"), vectors(1, dim=4))


def test_a_row_of_another_length_counts_as_unknown(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, IDENTITY)
    cache.write(keys("a", "b"), vectors(1, 2))
    assert cache.file is not None
    with sqlite3.connect(cache.file) as db:
        db.execute("UPDATE vectors SET vector = x'00' WHERE key = ?", keys("a"))
    db.close()
    assert cache.read(keys("a", "b"))[1].tolist() == [False, True]


@pytest.mark.parametrize("damage", [b"no database at all, for certain" * 40, "page", "table"])
def test_a_damaged_file_is_set_aside_and_rebuilt(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes | str) -> None:
    cache = VectorCache(tmp_path, IDENTITY)
    cache.write([digest_bytes(str(n).encode()) for n in range(500)], vectors(*range(500)))
    assert cache.file is not None
    if damage == "table":
        db = sqlite3.connect(cache.file)
        db.executescript("DROP TABLE vectors; CREATE TABLE vectors (other TEXT)")
        db.close()
    elif damage == "page":
        content = bytearray(cache.file.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        cache.file.write_bytes(content)
    else:
        cache.file.write_bytes(bytes(damage))  # type: ignore[arg-type]
    again = VectorCache(tmp_path, IDENTITY)
    with caplog.at_level(logging.WARNING):
        assert not again.read(keys("0", "1"))[1].any()
    again.write(keys("a"), vectors(7))
    assert again.read(keys("a"))[0][0, 0] == 7
    assert "set aside" in caplog.text
    assert (tmp_path / f"{cache.file.name}.damaged").exists()


def test_a_folder_that_cannot_be_made_costs_a_warning_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    cache = VectorCache(tmp_path / "file" / "cache", IDENTITY)
    with caplog.at_level(logging.WARNING):
        cache.write(keys("a"), vectors(1))
        cache.write(keys("b"), vectors(1))
    assert [record.message.count("going on without it") for record in caplog.records] == [1]


def test_the_writer_stores_what_it_has_when_interrupted(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, IDENTITY)

    def work() -> None:
        with cache.writer() as writer:
            writer.add(keys("a"), vectors(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cache.read(keys("a"))[1].all()


def test_the_writer_stores_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "FLUSH_S", 0.0)
    cache = VectorCache(tmp_path, IDENTITY)
    with cache.writer() as writer:
        writer.add(keys("a"), vectors(1))
        assert cache.read(keys("a"))[1].all()


WRITE = """
import sys, numpy as np
from pathlib import Path
from pgmel.features.cache import VectorCache
from pgmel.features.fingerprints import digest_bytes
cache = VectorCache(Path(sys.argv[1]), {"kind": "text"})
for start in range(int(sys.argv[2]), 300, 3):
    names = [str(start)]
    cache.write([digest_bytes(n.encode()) for n in names], np.array([[float(n)] * 4 for n in names], dtype=np.float16))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), str(n)], stderr=subprocess.PIPE) for n in range(3)]
    errors = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], errors
    cache = VectorCache(tmp_path, {"kind": "text"})
    got, found = cache.read([digest_bytes(str(n).encode()) for n in range(300)])
    assert found.all()
    np.testing.assert_array_equal(got[:, 0], np.arange(300, dtype=np.float16))
    assert not list(tmp_path.glob("*.damaged"))


def test_forty_thousand_rows_are_read_well_within_two_seconds(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, IDENTITY)
    many = [digest_bytes(str(n).encode()) for n in range(40_000)]
    cache.write(many, np.ones((len(many), 384), dtype=np.float16))
    start = time.process_time()
    _, found = cache.read(many)
    assert found.all()
    assert time.process_time() - start < 2


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGMEL_CACHE", str(tmp_path / "chosen"))
    assert default_cache_dir() == tmp_path / "chosen"
    monkeypatch.delenv("PGMEL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "xdg" / "pgmel"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir().is_relative_to(tmp_path)
