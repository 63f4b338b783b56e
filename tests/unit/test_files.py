"""Atomic writes, and JSON that says where it is broken."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgmel.errors import DataError
from pgmel.files import (
    atomic_folder,
    atomic_path,
    encode_json,
    find_obstacle,
    hash_bytes,
    hash_json,
    read_json,
    read_jsonl,
    write_bytes,
    write_json,
    write_text,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=12,
)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class StopError(Exception):
    """Something goes wrong while a file is written."""


def stop_after(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    raise StopError


@same_folder
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_come_back_and_nothing_else_is_left(tmp_path: Path, first: bytes, second: bytes) -> None:
    for content in (first, second):
        write_bytes(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert names(tmp_path) == {"file"}


@same_folder
@given(JSON)
def test_json_comes_back(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json") == value == json.loads((tmp_path / "file.json").read_bytes())


@same_folder
@given(st.lists(JSON, max_size=6))
def test_json_lines_come_back_with_their_numbers(tmp_path: Path, values: list[Any]) -> None:
    file = tmp_path / "file.jsonl"
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    assert list(read_jsonl(file)) == list(enumerate(values, start=1))


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "Þingvellir\n")
    assert (tmp_path / "file").read_bytes() == "Þingvellir\n".encode()


def test_folders_above_a_file_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file", b"x")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"x"


def test_an_error_while_writing_leaves_the_old_file_only(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    with pytest.raises(StopError), atomic_path(tmp_path / "file") as part:
        stop_after(part, b"half of the n")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == {"file"}


def test_an_error_while_a_first_file_is_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StopError), atomic_path(tmp_path / "file") as part:
        stop_after(part, b"half")
    assert names(tmp_path) == set()


def test_a_written_file_has_the_usual_mode(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"x")
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    file = tmp_path / "file"
    contents = {b"a" * 300_000, b"b" * 200_000}
    write_bytes(file, b"a" * 300_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(file.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        write_bytes(file, b"a" * 300_000 if number % 2 else b"b" * 200_000)
    done.set()
    reader.join()
    assert seen <= contents
    assert seen


KILLED = {
    "file": """
from pgmel.files import atomic_path
with atomic_path(Path(sys.argv[1])) as part, part.open("wb") as out:
    out.write(b"n" * 100_000)
    out.flush()
    print("half", flush=True)
    time.sleep(60)
""",
    "folder": """
from pgmel.files import atomic_folder
with atomic_folder(Path(sys.argv[1])) as part:
    (part / "new").write_bytes(b"n")
    print("half", flush=True)
    time.sleep(60)
""",
}


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys, time\nfrom pathlib import Path\n" + code, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


@pytest.mark.parametrize("kind", KILLED)
def test_a_kill_in_the_middle_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "file":
        path.write_bytes(b"old")
    else:
        path.mkdir()
        (path / "old").write_bytes(b"o")
    process = start(KILLED[kind], path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    if kind == "file":
        assert path.read_bytes() == b"old"
        write_bytes(path, b"new")
        assert path.read_bytes() == b"new"
    else:
        assert names(path) == {"old"}
        with atomic_folder(path) as part:
            (part / "new").write_bytes(b"n")
        assert names(path) == {"new"}


ENDLESS = """
from itertools import count
from pgmel.files import write_bytes
for number in count():
    write_bytes(Path(sys.argv[1]), bytes([97 + number % 26]) * 400_000)
    if number == 3:
        print("half", flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    process = start(ENDLESS, tmp_path / "file")
    process.kill()
    process.communicate(timeout=60)
    content = (tmp_path / "file").read_bytes()
    assert len(content) == 400_000
    assert len(set(content)) == 1


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_bytes(b"o")
    with atomic_folder(tmp_path / "folder") as part:
        (part / "new").write_bytes(b"n")
        assert names(tmp_path / "folder") == {"old"}
    assert names(tmp_path / "folder") == {"new"}
    assert names(tmp_path) == {"folder"}


def test_an_error_while_a_folder_is_written_leaves_the_old_one_only(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_bytes(b"o")
    with pytest.raises(StopError), atomic_folder(tmp_path / "folder") as part:
        stop_after(part / "new", b"n")
    assert names(tmp_path / "folder") == {"old"}
    assert names(tmp_path) == {"folder"}


def test_the_old_folder_comes_back_where_the_new_one_cannot_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_bytes(b"o")
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(PermissionError), atomic_folder(tmp_path / "folder") as part:
        (part / "new").write_bytes(b"n")
    assert names(tmp_path / "folder") == {"old"}
    assert names(tmp_path) == {"folder"}


def test_json_is_indented_and_ends_in_a_newline() -> None:
    assert encode_json({"a": [1]}) == b'{\n  "a": [\n    1\n  ]\n}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n "a": 1,\n oops\n}', r"file\.json, line 3: not valid JSON"),
        (b'{"a": 1', r"file\.json: not valid JSON \(Input data was truncated"),
        (b"", r"file\.json: not valid JSON"),
        (b'"\xff\xfe"', r"file\.json.*: not valid JSON"),
        (b"[" * 100_000, r"file\.json: not valid JSON"),
        (b"1 2", r"file\.json, line 1: not valid JSON"),
    ],
)
def test_broken_json_is_given_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "file.json")


def test_json_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    for read in (read_json, lambda path: next(read_jsonl(path))):
        with pytest.raises(DataError, match=r"none\.json: the file does not exist"):
            read(tmp_path / "none.json")
        with pytest.raises(DataError, match=f"{tmp_path}: the file cannot be read"):
            read(tmp_path)


def test_broken_lines_come_as_errors_among_the_others(tmp_path: Path) -> None:
    file = tmp_path / "file.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n  \noops\n"\xff"\n' + b"[" * 100_000 + b"\n[2]")
    lines = dict(read_jsonl(file))
    assert list(lines) == [1, 4, 5, 6, 7]
    assert (lines[1], lines[7]) == ({"a": 1}, [2])
    for number in (4, 5, 6):
        assert isinstance(lines[number], DataError)
        assert (lines[number].file, lines[number].place) == (str(file), f"line {number}")


def test_what_is_in_the_way_of_writing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    assert find_obstacle(tmp_path / "new") is None
    assert find_obstacle(tmp_path / "a" / "b" / "new") is None
    assert find_obstacle(tmp_path / "file") is None  # it may be replaced
    assert find_obstacle(tmp_path / "file" / "a" / "new") == f"{tmp_path / 'file'} is a file"
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)
    assert find_obstacle(tmp_path / "a" / "new") == f"nothing may be written in {tmp_path}"


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "file.jsonl").write_bytes(b"")
    assert list(read_jsonl(tmp_path / "file.jsonl")) == []


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=4), st.lists(st.binary(max_size=4), min_size=1, max_size=4))
def test_digests_are_equal_exactly_for_equal_parts(one: list[bytes], other: list[bytes]) -> None:
    assert (hash_bytes(*one) == hash_bytes(*other)) == (one == other)


def test_borders_of_parts_count() -> None:
    assert hash_bytes(b"ab", b"c") != hash_bytes(b"a", b"bc") != hash_bytes(b"abc")


def test_digest_does_not_change_between_versions() -> None:
    assert hash_bytes(b"pgmel") == "b5917a7cfd18f48ccbb5e1ff0b9cb451"


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_digest_of_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert hash_json(value) == hash_json(dict(reversed(value.items())))
    assert hash_json(value) != hash_json({**value, "one more key than drawn": 1})
