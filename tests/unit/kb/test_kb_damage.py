"""Every way in which a KB file can be wrong is a KnowledgeBaseError that says what to do."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pgmel.errors import KnowledgeBaseError
from pgmel.kb import SCHEMA_VERSION, KnowledgeBase
from pgmel.kb import store as store_module
from pgmel.records import Entity


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "kb.sqlite"
    KnowledgeBase.create(file, (Entity(f"Q{n}", f"name {n}", ("alias",), "description " * 9) for n in range(2000))).close()
    return file


def run_sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseError, match="does not exist; build it first"):
        KnowledgeBase.open(tmp_path / "none.sqlite")


@pytest.mark.parametrize("content", [b"", b"id,name\nQ1,x\n" * 50, b"SQLite format 3\x00"])
def test_not_an_sqlite_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kb.sqlite"
    file.write_bytes(content)
    with pytest.raises(KnowledgeBaseError, match=r"no SQLite file.*`pgmel kb build`"):
        KnowledgeBase.open(file)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseError, match="cannot be read"):
        KnowledgeBase.open(tmp_path)


def test_somebody_elses_sqlite_file(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    run_sql(file, "CREATE TABLE entities (row INTEGER PRIMARY KEY, id TEXT)")
    with pytest.raises(KnowledgeBaseError, match="not a knowledge base of pgmel"):
        KnowledgeBase.open(file)


@pytest.mark.parametrize(("version", "cure"), [(SCHEMA_VERSION + 1, "update pgmel"), (0, "build it again")])
def test_other_version(path: Path, version: int, cure: str) -> None:
    run_sql(path, f"PRAGMA user_version = {version}")
    with pytest.raises(KnowledgeBaseError, match=f"has version {version}, .*{cure}"):
        KnowledgeBase.open(path)


def test_file_cut_short(path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, size - 5000)
    with pytest.raises(KnowledgeBaseError, match=f"cut short: {size - 5000:,} of {size:,} bytes"):
        KnowledgeBase.open(path)


def test_an_overwritten_page_is_found_by_reading_and_by_check(path: Path) -> None:
    content = bytearray(path.read_bytes())
    page = content.index(b"description description", len(content) // 2) // 4096 * 4096
    content[page : page + 4096] = b"\x5a" * 4096
    path.write_bytes(content)
    with KnowledgeBase.open(path) as kb:
        with pytest.raises(KnowledgeBaseError, match="may be damaged"):
            kb.names_of(np.arange(2000))
        assert kb.check()


def test_damaged_json_in_a_column(path: Path) -> None:
    run_sql(path, "UPDATE entities SET aliases = '[\"' WHERE row = 7")
    with KnowledgeBase.open(path) as kb:
        assert len(kb.names_of([7])) == 1
        with pytest.raises(KnowledgeBaseError, match="may be damaged"):
            kb.get_many([7])
        assert len(kb.check()) == 1


def test_sound_file_passes_the_check(path: Path) -> None:
    with KnowledgeBase.open(path) as kb:
        assert kb.check() == []


def test_target_that_cannot_be_written(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(KnowledgeBaseError, match="cannot be written"):
        KnowledgeBase.create(blocker / "kb.sqlite", [])


def test_read_only_folder_is_read_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    connect = store_module.connect
    monkeypatch.setattr(store_module, "connect", lambda file, mode: modes.append(mode) or connect(file, mode))
    monkeypatch.setattr(store_module.os, "access", lambda target, mode: False)
    with KnowledgeBase.open(path) as kb:
        assert kb.names_of([1999]) == ["name 1999"]
    with pytest.raises(KnowledgeBaseError, match="may not be changed"):
        KnowledgeBase.open(path, writable=True)
    assert modes == ["immutable"]


def test_path_with_characters_special_to_uris(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%20d e"
    with KnowledgeBase.create(folder / "kb.sqlite", [Entity("Q1", "x")]) as kb:
        assert kb.get("Q1").name == "x"
    assert [file.name for file in folder.iterdir()] == ["kb.sqlite"]


def test_a_journal_left_by_a_crash_does_not_spoil_a_new_file(path: Path) -> None:
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN')\n"
        "connection.execute('DELETE FROM entities')\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert path.with_name("kb.sqlite-journal").exists()
    with KnowledgeBase.create(path, [Entity("new", "x")]) as kb:
        assert kb.all_ids() == ["new"]
        assert kb.check() == []
