"""Files of entities of every format become the same drafts, and every bad row is told with its place."""

import bz2
import gzip
import json
import lzma
import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pgmel.errors import DataError, SettingError
from pgmel.kb.sources import Draft, RowError, SourceOptions, find_format, map_columns, open_source, read_drafts, reject
from pgmel.kb.sources import lines as lines_module

ROWS = [
    {"id": "1", "name": "Red Lamp", "description": "a lamp", "aliases": ["Lampe", "lamp, red"], "images": ["a.png"]},
    {"id": "2", "name": "Chair", "description": "", "aliases": [], "images": []},
]


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n\n" for row in ROWS), encoding="utf-8-sig")


def write_csv(path: Path) -> None:
    path.write_bytes(b'ID;Label;Text;Synonyms;Picture\r\n1;Red Lamp;a lamp;"Lampe|lamp, red";a.png\r\n2;Chair;;;\r\n')


def write_tsv(path: Path) -> None:
    path.write_text('id\tname\tdescription\taliases\timages\n1\tRed Lamp\ta lamp\t["Lampe", "lamp, red"]\ta.png\n2\tChair\t\t\t\n')


def write_parquet(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(pyarrow.Table.from_pylist([{**row, "id": int(row["id"])} for row in ROWS]), path)


def write_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('CREATE TABLE "my things" (id INTEGER, name, description, aliases, images)')
        rows = [(row["id"], row["name"], row["description"], "|".join(row["aliases"]), "|".join(row["images"])) for row in ROWS]
        db.executemany('INSERT INTO "my things" VALUES (?, ?, ?, ?, ?)', rows)


WRITERS = {"a.jsonl": write_jsonl, "a.csv": write_csv, "a.tsv": write_tsv, "a.parquet": write_parquet, "a.db": write_sqlite}


def drafts(path: Path, report: Any = reject, separator: str = "|", attributes: tuple[str, ...] = (), **given: str) -> list[Draft]:
    source = open_source(path, SourceOptions())
    return list(read_drafts(source, map_columns(path, source.fields, given, attributes), report, separator))


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_entities(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    found = drafts(tmp_path / name)
    expected = [(row["id"], row["name"], row["description"], tuple(row["aliases"]), tuple(row["images"])) for row in ROWS]
    assert [draft[1:6] for draft in found] == expected


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl")
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(compress((tmp_path / "a.jsonl").read_bytes()))
    assert [draft.id for draft in drafts(packed)] == ["1", "2"]
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read any further"):
        drafts(packed)


@pytest.mark.parametrize(
    ("line", "place", "rule"),
    [
        ('{"id": "9"', "line 3", "not valid JSON"),
        ("[1]", "line 3", "no JSON object"),
        ('"text"', "line 3", "no JSON object"),
        ('{"name": "x"}', "line 3", "id is empty"),
        ('{"id": "9", "name": " "}', "line 3", "'9' has no name"),
        ('{"id": "NIL", "name": "x"}', "line 3", "reserved"),
        ('{"id": "1", "name": "x"}', "line 3", "'1' came before, in line 1"),
        ('{"id": ["9"], "name": "x"}', "line 3", "'id' holds a list"),
        ('{"id": "9", "name": "x", "aliases": [{}]}', "line 3", "'aliases' holds a dict"),
    ],
)
def test_bad_rows_are_reported_and_the_rest_is_read(line: str, place: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": "1", "name": "one", "aliases": []}}\n\n{line}\n{{"id": "2", "name": "two"}}\n')
    bad: list[DataError] = []
    assert [draft.id for draft in drafts(path, bad.append)] == ["1", "2"]
    assert [(error.place, str(path) == error.file, rule in error.rule) for error in bad] == [(place, True, True)]
    with pytest.raises(DataError, match=place):
        drafts(path)


@pytest.mark.parametrize(("line", "rule"), [(b"3;c;d", "has 3 columns, the header 2"), (b"3;\xff", "not UTF-8")])
def test_bad_lines_of_a_table(line: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id;name\n1;"a\nb"\n' + line + b"\n4;d\n")
    bad: list[DataError] = []
    assert [draft.id for draft in drafts(path, bad.append)] == ["1", "4"]
    assert [error.place for error in bad] == ["line 4"]
    assert rule in bad[0].rule


@pytest.mark.parametrize(("encoding", "given"), [("utf-8-sig", None), ("utf-16", None), ("cp1252", "cp1252"), ("utf-16-be", "UTF-16BE")])
def test_tables_in_other_encodings_are_read(encoding: str, given: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('id;name;description\n1;Stuhl;"grün\nund schön"\n'.encode(encoding))
    source = open_source(path, SourceOptions(encoding=given))
    [draft] = read_drafts(source, map_columns(path, source.fields, {}), reject)
    assert (draft.id, draft.description) == ("1", "grün\nund schön")


def test_a_bad_row_comes_with_its_text_also_from_another_process(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n \nid,name\n1,x\n\n2,y,z\n")
    [(_, first), (place, error)] = open_source(path, SourceOptions()).rows()
    assert isinstance(error, RowError)
    again = pickle.loads(pickle.dumps(error))
    assert (first, place, again.text, str(again)) == ({"id": "1", "name": "x"}, "line 6", "2,y,z", str(error))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name,name\n")
    with pytest.raises(DataError, match="two columns are called 'name'"):
        drafts(tmp_path / "a.csv")


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 100)
    (tmp_path / "a.jsonl").write_text("x" * 101)
    with pytest.raises(DataError, match="line 1: a line is longer"):
        drafts(tmp_path / "a.jsonl")


def test_attributes_come_from_columns_and_objects(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,name,price,more\n1,x,12,"{""colour"": ""red"", ""tags"": [1, ""b""], ""none"": null}"\n')
    [draft] = drafts(tmp_path / "a.csv", attributes=("*",))
    assert draft.attributes == {"price": "12", "colour": "red", "tags": "1; b"}


def test_whole_numbers_that_became_decimals_are_ids_again(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 7.0, "name": 8}\n')
    assert [(draft.id, draft.name) for draft in drafts(tmp_path / "a.jsonl")] == [("7", "8")]


def columns(*fields: str, ask: Any = None, **given: str) -> Any:
    return map_columns(Path("f.csv"), fields, given, ask=ask)


def test_columns_are_guessed_whatever_their_spelling() -> None:
    assert columns("Entity-ID", "LABEL", "also_known_as", "Image URL")[:5] == ("Entity-ID", "LABEL", None, "also_known_as", "Image URL")


def test_a_column_of_the_very_name_goes_before_others() -> None:
    assert columns("id", "qid", "name", "title").name == "name"


def test_what_is_told_goes_before_guesses_and_is_not_used_twice() -> None:
    found = columns("id", "sku", "title", "label", name="label", id="sku")
    assert (found.id, found.name) == ("sku", "label")


def test_doubts_are_told_with_the_flag_and_the_choices() -> None:
    with pytest.raises(SettingError, match=r"which column of f\.csv is meant: say --name and one of 'title', 'label'"):
        columns("id", "title", "label")
    with pytest.raises(SettingError, match="say --id and one of 'a', 'name'"):
        columns("a", "name")
    with pytest.raises(SettingError, match=r"--name names the column 'nam' \(did you mean 'name'\?\)"):
        columns("id", "name", name="nam")


def test_doubts_are_asked_where_somebody_is_there() -> None:
    asked: list[Any] = []
    found = columns("id", "title", "label", ask=lambda role, names: asked.append((role, *names)) or names[1])
    assert (found.name, asked) == ("label", [("name", "title", "label")])


def test_a_database_with_several_tables_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_sqlite(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (x)")
    with pytest.raises(SettingError, match="say --table and one of 'my things', 'other'"):
        open_source(path, SourceOptions())
    assert open_source(path, SourceOptions(table="my things")).fields[0] == "id"
    with pytest.raises(DataError, match="no table 'none'"):
        open_source(path, SourceOptions(table="none"))


@pytest.mark.parametrize("name", ["a.parquet", "a.db"])
def test_files_that_are_something_else_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("something else" * 99)
    with pytest.raises(DataError, match="not a"):
        open_source(tmp_path / name, SourceOptions())


@pytest.mark.parametrize("name", ["a.xlsx", "A.XLS", "a.ods"])
def test_of_a_spreadsheet_is_said_how_it_becomes_a_table(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"spreadsheets are not read\. Save the sheet as CSV"):
        find_format(tmp_path / name)


def test_formats_that_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    with pytest.raises(DataError, match=r"'\.xyz'.*--format"):
        find_format(tmp_path / "a.xyz")
    with pytest.raises(DataError, match="does not exist"):
        find_format(tmp_path / "b.csv")


def item(qid: str, **parts: Any) -> dict[str, Any]:
    texts = {"labels": {"en": {"value": f"name {qid}"}}, "descriptions": {}, "aliases": [], "claims": {}, "sitelinks": []}
    return {"id": qid, "type": "item"} | texts | parts


def claim(value: Any, rank: str = "normal", kind: str = "value") -> dict[str, Any]:
    return {"mainsnak": {"snaktype": kind, "datavalue": {"value": value}}, "rank": rank}


PERSON = item(
    "Q1",
    labels={"en": {"value": "Ada"}, "de": {"value": "Ada L."}, "fr": {"value": "no"}},
    descriptions={"en": {"value": "mathematician"}},
    aliases={"de": [{"value": "Gräfin"}], "en": [{"value": "Ada"}]},
    claims={
        "P31": [claim({"id": "Q5"}), claim({"id": "Q6"}, "deprecated")],
        "P18": [claim("Old.jpg"), claim("Best one.jpg", "preferred"), {"mainsnak": {"snaktype": "somevalue"}}],
        "P569": [claim({"time": "+1815"})],
    },
    sitelinks={"enwiki": {}, "dewiki": {}},
)


def dump(path: Path, *items: Any) -> Path:
    path.write_bytes(bz2.compress(("[\n" + ",\n".join(json.dumps(found) for found in items) + "\n]\n").encode()))
    return path


def read_dump(path: Path, report: Any = reject, **options: Any) -> tuple[list[Draft], int]:
    from pgmel.kb.sources import WIKIDATA_COLUMNS

    source = open_source(path, SourceOptions(**options))
    return list(read_drafts(source, WIKIDATA_COLUMNS, report)), source.num_left_out


def test_an_item_of_a_dump(tmp_path: Path) -> None:
    [found], _ = read_dump(dump(tmp_path / "d.json.bz2", PERSON), languages=("de", "en"))
    assert found.place == "line 2 (Q1)"
    assert found[1:6] == ("Q1", "Ada L.", "mathematician", ("Gräfin", "Ada"), ("Best one.jpg", "Old.jpg"))
    assert found.attributes == {"instance of": "Q5"}


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, ["Q1", "Q2"]),
        ({"instance_of": ("Q5",)}, ["Q1"]),
        ({"instance_of": ("Q6",)}, []),
        ({"min_sitelinks": 2}, ["Q1"]),
        ({"min_sitelinks": 3}, []),
        ({"languages": ("fr",)}, ["Q1"]),
    ],
)
def test_items_are_chosen(options: dict[str, Any], kept: list[str], tmp_path: Path) -> None:
    path = dump(tmp_path / "d.json.bz2", PERSON, item("Q2"), item("Q3", labels=[]), item("P1", type="property"))
    found, left_out = read_dump(path, **options)
    assert [draft.id for draft in found] == kept
    assert left_out == 4 - len(kept)


def test_a_damaged_line_of_a_dump_is_a_bad_row(tmp_path: Path) -> None:
    bad: list[DataError] = []
    found, _ = read_dump(dump(tmp_path / "d.json.bz2", {"x": 1}, PERSON), bad.append)
    assert ([draft.id for draft in found], [error.place for error in bad]) == (["Q1"], ["line 2"])


@pytest.mark.parametrize("options", [{"instance_of": ("human",)}, {"min_sitelinks": -1}])
def test_impossible_choices_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--"):
        read_dump(dump(tmp_path / "d.json.bz2", PERSON), **options)


def test_rows_without_any_value_are_blank_lines(tmp_path: Path) -> None:
    # As spreadsheets leave them below a table, and between its parts.
    (tmp_path / "a.csv").write_text('id,name,text\n1,Lamp,a\n,,\n , ,\u00a0\n,,,,\n2,Chair,\n"","",""\n')
    assert [(draft.place, draft.id) for draft in drafts(tmp_path / "a.csv")] == [("line 2", "1"), ("line 6", "2")]
