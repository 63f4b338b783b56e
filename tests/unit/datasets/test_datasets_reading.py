"""Files with faults, read record by record."""

from pathlib import Path

import pytest
from dataset_writers import write

from pgmel.datasets.faults import Faults, Place
from pgmel.datasets.reading import parse_record, read_items, read_members, read_table, read_value
from pgmel.errors import DataError


@pytest.mark.parametrize("read", [read_items, lambda file: read_members(file, Faults()), lambda file: read_value(file, dict)])
def test_a_missing_file_is_a_data_error(tmp_path: Path, read: object) -> None:
    with pytest.raises(DataError, match=r"none\.json: the file does not exist"):
        read(tmp_path / "none.json")  # type: ignore[operator]


@pytest.mark.parametrize("read", [read_items, lambda file: read_members(file, Faults())])
def test_a_folder_in_place_of_a_file_is_a_data_error(tmp_path: Path, read: object) -> None:
    with pytest.raises(DataError, match="the file cannot be read"):
        read(tmp_path)  # type: ignore[operator]


@pytest.mark.parametrize("text", ['{\n"a": 1,\n"b" 2}', '{\n"a": 1,\n\n', "[1,\n2,\n3 4]"])
def test_malformed_json_names_the_line_where_it_can(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "a.json", text)
    with pytest.raises(DataError, match=r"a\.json, line \d, column \d+: not valid JSON"):
        read_members(file, Faults())


def test_a_malformed_list_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json, line 3: not valid JSON"):
        read_items(write(tmp_path / "a.json", "[1,\n2,\n3 4]"))
    with pytest.raises(DataError, match=r"a\.json: not valid JSON \(Input data was truncated\)"):
        read_items(write(tmp_path / "a.json", "[1,\n2"))


def test_members_of_no_object_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: the file must hold a JSON object"):
        read_members(write(tmp_path / "a.json", "[1]"), Faults())


@pytest.mark.parametrize("text", ['{"a": "\\ud83d"}', '{"\\uDE00": 1}'])
def test_half_a_surrogate_pair_is_no_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="not valid JSON"):
        read_members(write(tmp_path / "a.json", text), Faults())


def test_a_whole_surrogate_pair_is_text(tmp_path: Path) -> None:
    assert read_members(write(tmp_path / "a.json", '{"a": "\\ud83d\\ude00"}'), Faults()) == {"a": "😀"}


def test_bytes_that_are_not_utf8_are_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match=r"a\.json.*not valid JSON"):
        read_members(tmp_path / "a.json", Faults())


def test_nesting_without_end_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not valid JSON"):
        read_members(write(tmp_path / "a.json", '{"a": ' + "[" * 100_000), Faults())


def test_only_keys_of_the_outermost_object_must_be_unique(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", '{"a": {"x": 1, "x": 2}, "b": 3}')
    assert read_members(file, Faults()) == {"a": {"x": 2}, "b": 3}


def test_of_a_repeated_key_the_first_value_stays(tmp_path: Path) -> None:
    faults = Faults("skip")
    assert read_members(write(tmp_path / "a.json", '{"a": 1, "b": 2, "a": 3}'), faults) == {"a": 1, "b": 2}
    assert [(fault.rule, fault.place) for fault in faults.found] == [("an id occurs more than once", 'key "a"')]


def test_an_empty_object_has_no_members(tmp_path: Path) -> None:
    assert read_members(write(tmp_path / "a.json", " {} "), Faults()) == {}


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert read_members(write(tmp_path / "a.json", '\ufeff{"a": 1}'), Faults()) == {"a": 1}
    assert len(read_items(write(tmp_path / "b.json", "\ufeff[1, 2]"))) == 2
    assert [fields for _, fields in read_table(write(tmp_path / "c.tsv", "\ufeffa\tb\n"), Faults())] == [["a", "b"]]


def test_a_malformed_value_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json, line 2: not valid JSON"):
        read_value(write(tmp_path / "a.json", '{"a":\n1 2}'), dict)


def test_a_record_with_bytes_that_are_no_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"name": "\xff"}, {"name": "sound"}]')
    faults = Faults("skip")
    where = Place(tmp_path / "a.json", "record 1")
    parsed = [parse_record(item, dict[str, str], faults, where) for item in read_items(tmp_path / "a.json")]
    assert parsed == [None, {"name": "sound"}]
    assert [(fault.rule, str(fault.place)[:10]) for fault in faults.found] == [("the record is not valid JSON", "record 1, ")]


def test_a_table_that_is_missing_or_a_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tsv: the file does not exist"):
        list(read_table(tmp_path / "none.tsv", Faults()))
    with pytest.raises(DataError, match="the file cannot be read"):
        list(read_table(tmp_path, Faults()))


def test_tables_keep_their_line_numbers_over_empty_lines(tmp_path: Path) -> None:
    rows = list(read_table(write(tmp_path / "a.tsv", "a\tb\r\n\n  \nc\td"), Faults()))
    assert [(where.text, fields) for where, fields in rows] == [("line 1", ["a", "b"]), ("line 4", ["c", "d"])]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('"a ""b"" c"', 'a "b" c'),
        ('"""b"""', '"b"'),
        ('"b"', '"b"'),
        ('"a" b "c"', '"a" b "c"'),
        ('"a ""b', '"a ""b'),
        ('"', '"'),
        ("", ""),
    ],
)
def test_only_quotes_that_a_csv_writer_set_are_undone(tmp_path: Path, field: str, value: str) -> None:
    rows = read_table(write(tmp_path / "a.tsv", f"x\t{field}\n"), Faults())
    assert [fields for _, fields in rows] == [["x", value]]
