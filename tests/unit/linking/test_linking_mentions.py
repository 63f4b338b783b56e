"""Rows become mentions, whatever their columns are called."""

from pathlib import Path
from typing import Any

import pytest

from pgmel.errors import DataError, SettingError
from pgmel.linking.mentions import MentionColumns, find_misspelt, map_mention_columns, read_mention
from pgmel.records import Mention

ROOT = Path("/data")
PATH = Path("posts.csv")


def read(values: dict[str, Any], columns: MentionColumns = MentionColumns()) -> Mention:  # noqa: B008 - it is immutable
    return read_mention(values, columns, 7, ROOT)


def columns(*fields: str, **given: str) -> MentionColumns:
    return map_mention_columns(PATH, fields, given)


def test_every_part_is_read() -> None:
    values = {"id": "m1", "mention": "Congo", "context": "The Congo.", "start": 4, "end": 9, "image": "images/1.png"}
    assert read(values) == Mention("m1", "Congo", "The Congo.", 4, 9, Path("/data/images/1.png"))


@pytest.mark.parametrize("name", ["Review", "comment", "post", "Text"])
def test_a_column_of_texts_is_known_by_its_name(name: str) -> None:
    assert columns("mention", name, "price").context == name


def test_without_an_id_the_row_number_is_the_id() -> None:
    assert read({"mention": "Congo"}) == Mention("7", "Congo")
    assert read({"mention": "Congo", "image": None, "start": None, "id": ""}) == Mention("7", "Congo")


@pytest.mark.parametrize(("value", "expected"), [(12, "12"), (12.0, "12"), (" a ", "a")])
def test_ids_become_texts(value: object, expected: str) -> None:
    assert read({"id": value, "mention": "Congo"}).id == expected


def test_the_first_occurrence_counts_where_no_place_is_given() -> None:
    found = read({"mention": " Congo ", "context": "  Congo, Congo"})
    assert (found.surface, found.context, found.start, found.end) == ("Congo", "  Congo, Congo", 2, 7)
    assert read({"mention": "Congo", "context": "x Congo", "start": 2}).end == 7
    assert read({"mention": "Congo", "context": "none"}).start is None


def test_a_place_that_is_given_stays_even_where_it_does_not_fit() -> None:
    assert read({"mention": "Congo", "context": "Congo, Congo", "start": "7", "end": 12.0}).start == 7
    assert read({"mention": "Congo ", "context": "The Congo.", "start": 0, "end": 3}) == Mention("7", "Congo", "The Congo.", 0, 3)
    assert read({"mention": " x ", "context": "a x b", "start": 1, "end": 4}).surface == " x "


def test_places_alone_say_what_the_mention_is() -> None:
    assert read({"context": "The Congo.", "start": 4, "end": 9}).surface == "Congo"


def test_absolute_picture_paths_stay() -> None:
    assert read({"mention": "", "image": "/else/1.png"}) == Mention("7", "", image=Path("/else/1.png"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"context": "The Congo."}, "the mention is empty"),
        ({"mention": " "}, "the mention is empty"),
        ({"context": "The Congo.", "start": 9, "end": 9}, "the mention is empty"),
        ({"mention": ["Congo"]}, "'mention' holds a list where a text is expected"),
        ({"mention": "Congo", "start": "here", "end": 3}, "'start' holds 'here' where a whole number"),
        ({"mention": "Congo", "start": 1.5, "end": 3}, "'start' holds '1.5' where a whole number"),
        ({"mention": "Congo", "start": True, "end": 3}, "'start' holds 'true' where a whole number"),
        ({"mention": "Congo", "start": float("inf"), "end": 3}, "'start' holds 'inf' where a whole number"),
    ],
)
def test_rows_that_are_no_mentions(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(values)


def test_columns_are_guessed_from_usual_names() -> None:
    assert columns("Row-ID", "Surface Form", "TEXT", "start_char", "end_char", "imgPath") == MentionColumns(
        "Surface Form", "TEXT", "start_char", "end_char", "imgPath", "Row-ID"
    )
    assert columns("name", "price") == MentionColumns("name", None, None, None, None, None)


def test_a_column_of_the_very_name_goes_before_others() -> None:
    assert columns("mention", "span", "context", "text").context == "context"


def test_what_is_told_goes_before_guesses() -> None:
    assert columns("mention", "words", "text", "post", mention="words", context="text")[:2] == ("words", "text")


def test_an_ambiguous_column_is_named_with_its_flag() -> None:
    with pytest.raises(SettingError, match="say --context-column and one of 'text', 'caption'"):
        columns("mention", "text", "caption")
    assert columns("mention", "text", "caption", context="").context is None


def test_a_missing_mention_is_named_with_its_flag() -> None:
    with pytest.raises(SettingError, match="say --mention-column and one of 'who'"):
        columns("who", "text")
    assert columns("text", "start", "end").mention is None
    assert columns("picture", "who", mention="").image == "picture"
    with pytest.raises(SettingError, match="--mention-column"):
        columns("who", mention="")


def test_a_named_column_must_exist() -> None:
    with pytest.raises(SettingError, match=r"--image-column names the column 'imgae' \(did you mean 'image'\?\), but posts.csv has"):
        columns("mention", "image", image="imgae")


def test_a_misspelt_key_is_told_only_where_others_have_the_right_one() -> None:
    assert "did you mean 'context'" in str(find_misspelt(("mention", "contxt"), MentionColumns("mention", "context")))
    assert find_misspelt(("mention", "contxt", "context"), MentionColumns()) is None
    assert find_misspelt(("mention", "stars"), MentionColumns("mention", "context", None, None, None, None)) is None
    assert find_misspelt(("mention", "entity_id", "candidates"), MentionColumns()) is None
