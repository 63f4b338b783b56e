"""Lines of JSON in and out."""

import io
from pathlib import Path

import pytest

from pgmel.errors import DataError
from pgmel.linking import lines as lines_module
from pgmel.linking import link_values, parse_mention
from pgmel.linking.lines import read_line
from pgmel.records import NIL, Candidate, Link, Mention

ROOT = Path("/data")


def test_every_key_of_the_layout_is_read() -> None:
    line = b'{"id": "m1", "mention": "Congo", "context": "The Congo.", "start": 4, "end": 9, "image": "images/1.png"}\n'
    assert parse_mention(line, 7, ROOT) == Mention("m1", "Congo", "The Congo.", 4, 9, Path("/data/images/1.png"))


def test_all_but_the_mention_may_be_left_out() -> None:
    assert parse_mention(b'{"mention": "Congo"}', 7, ROOT) == Mention("line-7", "Congo")
    assert parse_mention(b'{"mention": "Congo", "image": null, "start": null, "id": null}', 7, ROOT) == Mention("line-7", "Congo")


def test_what_a_data_set_adds_is_not_looked_at() -> None:
    assert parse_mention(b'{"mention": "Congo", "entity_id": "Q1", "candidates": ["Q1"], "note": {}}', 1, ROOT) == Mention(
        "line-1", "Congo"
    )


def test_numbers_as_ids_become_texts() -> None:
    found = parse_mention(b'{"id": 12, "mention": "Congo"}', 1, ROOT)
    assert found is not None
    assert found.id == "12"


def test_absolute_picture_paths_stay() -> None:
    assert parse_mention(b'{"mention": "", "image": "/else/1.png"}', 1, ROOT) == Mention("line-1", "", image=Path("/else/1.png"))


@pytest.mark.parametrize("line", [b"", b"\n", b"  \r\n", b"\xef\xbb\xbf\n"])
def test_blank_lines_are_no_mentions(line: bytes) -> None:
    assert parse_mention(line, 1, ROOT) is None


def test_byte_order_mark_of_the_first_line_is_dropped() -> None:
    assert parse_mention(b'\xef\xbb\xbf{"mention": "Congo"}\r\n', 1, ROOT) == Mention("line-1", "Congo")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Congo", "not valid JSON"),
        (b'{"mention": "Congo"', "not valid JSON"),
        (b'{"mention": "\xff"}', "not valid JSON"),
        (b'{"mention": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "Expected object, got array"),
        (b'{"context": "The Congo."}', "missing required field mention"),
        (b'{"mention": 7}', "Expected str, got int: mention"),
        (b'{"mention": "Congo", "start": "4"}', r"Expected int \| null, got str: start"),
        (b'{"mention": " "}', "the mention is empty"),
        (b'{"mention": "Congo", "contxt": "The Congo."}', "the key 'contxt' is unknown; did you mean 'context'"),
        (b'{"mention": "' + b"x" * lines_module.MAX_LINE_BYTES + b'"}', "longer than 16 MiB"),
    ],
)
def test_lines_that_are_no_mentions(line: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_mention(line, 2, ROOT)


def test_too_long_lines_are_skipped_whole_and_cut_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 10)
    file = io.BytesIO(b"short\n" + b"x" * 3_000_000 + b"\nnext\nlast")
    assert read_line(file, 10**9) == (b"short\n", 6)
    assert read_line(file, 10**9) == (b"x" * 11, 3_000_001)
    assert read_line(file, 10**9) == (b"next\n", 5)
    assert read_line(file, 10**9) == (b"last", 4)
    assert read_line(file, 10**9) == (b"", 0)


def test_reading_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_line(io.BytesIO(b"abcdef\n"), 3) == (b"abc", 3)
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 10)
    assert read_line(io.BytesIO(b"x" * 50), 30) == (b"x" * 11, 30)


def test_link_as_values() -> None:
    candidates = (Candidate("Q1", "Congo", 0.123456789, 0.75), Candidate("Q2", "Kongo", 0.1, None))
    link = Link("m", "Q1", 0.75, candidates, ("a warning",))
    assert link_values(link, Mention("m", "congo")) == {
        "id": "m",
        "mention": "congo",
        "entity_id": "Q1",
        "name": "Congo",
        "probability": 0.75,
        "candidates": [
            {"entity_id": "Q1", "name": "Congo", "score": 0.123457, "probability": 0.75},
            {"entity_id": "Q2", "name": "Kongo", "score": 0.1, "probability": None},
        ],
        "warnings": ["a warning"],
    }


def test_nil_is_a_text_in_files_only() -> None:
    values = link_values(Link("m", NIL, None, (Candidate("Q1", "Congo", 0.1),)), Mention("m", "x"))
    assert (values["entity_id"], values["name"], values["probability"]) == ("NIL", None, None)
