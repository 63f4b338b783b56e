import os
from pathlib import Path

import pytest

from pgmel.errors import EncoderError
from pgmel.features import fingerprints
from pgmel.features.fingerprints import FileDigests, FileState, fingerprint_files

LONG_AGO = 1_500_000_000


def settled(path: Path, content: bytes, when: int = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when, when))
    return path


def state_of(path: Path) -> FileState:
    state = FileState.of(path)
    assert state is not None
    return state


def test_a_remembered_digest_is_found_while_the_file_is_the_same(tmp_path: Path) -> None:
    state = state_of(settled(tmp_path / "a", b"x"))
    FileDigests(tmp_path).remember({state: b"digest"})
    assert FileDigests(tmp_path).look_up([state_of(tmp_path / "a")]) == [b"digest"]


@pytest.mark.parametrize(("content", "when"), [(b"xy", LONG_AGO), (b"y", LONG_AGO + 1)], ids=["size", "time"])
def test_a_changed_file_is_unknown(tmp_path: Path, content: bytes, when: int) -> None:
    digests = FileDigests(tmp_path)
    digests.remember({state_of(settled(tmp_path / "a", b"x")): b"digest"})
    assert digests.look_up([state_of(settled(tmp_path / "a", content, when))]) == [None]


def test_a_file_changed_this_moment_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    digests = FileDigests(tmp_path)
    digests.remember({state_of(tmp_path / "a"): b"digest"})
    assert digests.look_up([state_of(tmp_path / "a")]) == [None]


def test_a_missing_or_impossible_path_has_no_state(tmp_path: Path) -> None:
    assert FileState.of(tmp_path / "none") is None
    assert FileState.of(tmp_path / "a\0b") is None


def test_fingerprint_does_not_depend_on_the_place(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        settled(tmp_path / folder / "config.json", b"{}")
        settled(tmp_path / folder / "w", b"weights")
    digests = FileDigests(tmp_path)
    one = fingerprint_files(tmp_path / "one", ["config.json", "w"], digests)
    assert one == fingerprint_files(tmp_path / "two", ["w", "config.json"], digests)


@pytest.mark.parametrize("change", ["content", "name"])
def test_fingerprint_depends_on_content_and_names(tmp_path: Path, change: str) -> None:
    settled(tmp_path / "w", b"weights")
    before = fingerprint_files(tmp_path, ["w"], FileDigests(None))
    name = "w" if change == "content" else "v"
    settled(tmp_path / name, b"WEIGHTS" if change == "content" else b"weights")
    assert fingerprint_files(tmp_path, [name], FileDigests(None)) != before


def test_a_second_fingerprint_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(tmp_path / "w", b"weights")
    digests = FileDigests(tmp_path)
    before = fingerprint_files(tmp_path, ["w"], digests)
    monkeypatch.setattr(fingerprints, "_digest_file", lambda file: pytest.fail(f"read {file}"))
    assert fingerprint_files(tmp_path, ["w"], digests) == before


def test_an_unreadable_model_file_is_an_encoder_error(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with pytest.raises(EncoderError, match="weights cannot be read"):
        fingerprint_files(tmp_path, ["weights"], FileDigests(None))
