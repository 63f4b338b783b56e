"""Mentions come as JSON lines, CSV, TSV or Parquet, and links go out as any of them, whatever interrupts the job."""

import csv
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from echo_linker import Echo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgmel.errors import DataError, MissingExtraError, SettingError
from pgmel.kb.sources import lines as lines_module
from pgmel.linking import BulkJob, BulkOptions, Counts, InputOptions
from pgmel.linking import bulk as bulk_module
from pgmel.linking import outputs as outputs_module

pyarrow = pytest.importorskip("pyarrow")
import pyarrow.parquet as parquet  # noqa: E402 - after the check that it is there

FORMATS = ("jsonl", "csv", "tsv", "parquet")
RECORDS = [{"key": f"m{n}", "mention": ("x" if n % 7 == 0 else "") + str(n), "text": f'one, "{n}"\nand\tmore;', "n": n} for n in range(50)]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records in the format of the path's ending."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(records), path, row_group_size=13)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(records)
    return path


def read(path: Path, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else delimiter))


def run(source: Path, output: Path, linker: Echo | None = None, batch_size: int = 7, **options: Any) -> BulkJob:
    reading = InputOptions(**{name: options.pop(name) for name in ("format", "encoding", "delimiter", "columns") if name in options})
    job = BulkJob(source, output, "bundle", BulkOptions(input=reading, **options), show_progress=False)
    job.run(linker or Echo(), batch_size, show_progress=False)
    return job


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_format_becomes_every_other(source: str, target: str, tmp_path: Path) -> None:
    output = tmp_path / f"links.{target}"
    job = run(write(tmp_path / f"mentions.{source}", RECORDS), output)
    links = read(output)
    assert job.counts == Counts(rows=50, linked=42, nil=8)
    assert [link["entity_id"] for link in links] == ["NIL" if n % 7 == 0 else f"Q-{n}" for n in range(50)]
    assert {path.name for path in tmp_path.iterdir()} == {f"mentions.{source}", output.name}
    if target == "jsonl":
        assert [(link["id"], link["mention"]) for link in links] == [(record["key"], record["mention"]) for record in RECORDS]
        return
    assert list(links[0]) == ["key", "mention", "text", "n", "entity_id", "decision", "name", "probability", "candidates", "warnings"]
    assert [link["text"] for link in links] == [record["text"] for record in RECORDS]
    assert [str(link["n"]) for link in links] == [str(record["n"]) for record in RECORDS]
    assert [float(link["probability"]) for link in links] == [0.9] * 50
    assert (links[0]["name"] or "", links[1]["name"]) == ("", "1")
    assert json.loads(links[1]["candidates"]) == [{"entity_id": "Q-1", "name": "1", "score": 0.5, "probability": 0.9}]


@pytest.mark.parametrize("names", ["a.jsonl b.jsonl", "a.csv b.csv", "a.csv b.parquet", "a.parquet b.parquet", "a.parquet b.csv"])
def test_interrupted_after_any_batch_the_output_is_that_of_a_whole_run(names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = names.split()
    source, output = write(tmp_path / first, [*RECORDS, {"key": "bad", "mention": " ", "text": "", "n": -1}]), tmp_path / second
    whole = run(source, tmp_path / f"whole{output.suffix}")
    expected = whole.files.output.read_bytes()
    monkeypatch.setattr(bulk_module.os, "fsync", lambda _: None)
    for number in range(0, 50, 7):  # the first row of each batch
        with pytest.raises(KeyboardInterrupt):
            run(source, output, Echo(str(RECORDS[number]["mention"])))
        assert not output.exists()
        linker = Echo()
        job = run(source, output, linker)
        assert linker.linked[0] == RECORDS[number]["mention"]
        assert job.counts == whole.counts
        assert read(output) == read(whole.files.output)
        assert output.suffix == ".parquet" or output.read_bytes() == expected  # Parquet's row groups depend on the pieces
        assert job.files.bad.read_bytes() == whole.files.bad.read_bytes()
        output.unlink()
        job.files.bad.unlink()


def test_interrupted_at_every_batch_in_turn_the_output_is_that_of_a_whole_run(tmp_path: Path) -> None:
    source = write(tmp_path / "mentions.csv", RECORDS)
    expected = run(source, tmp_path / "whole.parquet")
    for number in range(0, 50, 7):
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "links.parquet", Echo(str(RECORDS[number]["mention"])))
    run(source, tmp_path / "links.parquet")
    assert read(tmp_path / "links.parquet") == read(expected.files.output)


CELL = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(',;"\n\r\t '), max_size=8)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), max_size=12)


@given(rows=ROWS, batch_size=st.integers(1, 5), stop=st.integers(0, 12))
@example(rows=[('"', "a\r\nb", ","), ("\r", "b", "\n\n"), ("\ufeff", "c", "\x00")], batch_size=1, stop=1)
@settings(max_examples=60)
def test_any_text_survives_in_csv_with_or_without_an_interruption(rows: list[tuple[str, ...]], batch_size: int, stop: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "mentions.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("note", "mention", "context"), *rows])
        usable = [row for row in rows if row[1].strip()]
        if stop < len(usable):
            with pytest.raises(KeyboardInterrupt):
                run(folder / "mentions.csv", folder / "links.csv", Echo(usable[stop][1].strip()), batch_size)
        job = run(folder / "mentions.csv", folder / "links.csv", batch_size=batch_size)
        found = [(link["note"], link["mention"], link["context"]) for link in read(folder / "links.csv")]
        assert found == usable
        blank = sum(not any(map(str.strip, row)) for row in rows)
        assert job.counts.rows == len(rows) - blank == len(usable) + job.counts.bad


def test_a_row_without_an_id_is_called_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("words\none\n\ntwo\n")
    run(tmp_path / "a.csv", tmp_path / "b.csv", columns={"mention": "words"})
    assert [(row["words"], row["id"]) for row in read(tmp_path / "b.csv")] == [("one", "1"), ("two", "2")]


def test_rows_without_any_value_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mention,text\none,a\n,\n , \n,,,\ntwo,b\n,\n")
    job = run(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (job.counts.rows, job.counts.bad) == (2, 0)
    assert [(row["mention"], row["id"]) for row in read(tmp_path / "b.csv")] == [("one", "1"), ("two", "2")]


def test_bad_rows_of_a_table_are_kept_aside_with_row_line_and_reason(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'mention,start,end\na,,\n"b\nb",,\nc,1\n ,1,\n\xff,,\nd,x,3\ne,,\n')
    job = run(tmp_path / "a.csv", tmp_path / "b.csv")
    bad = [json.loads(line) for line in job.files.bad.read_text().splitlines()]
    assert [(fault["row"], fault["line"], fault["text"]) for fault in bad] == [
        (3, 5, "c,1"),
        (4, 6, '{"mention":" ","start":"1","end":""}'),
        (5, 7, "�,,"),
        (6, 8, '{"mention":"d","start":"x","end":"3"}'),
    ]
    reasons = ("2 columns, the header 3", "is empty", "not UTF-8 text. Save the file as UTF-8, or name its encoding", "'start' holds 'x'")
    for fault, reason in zip(bad, reasons, strict=True):
        assert reason in fault["reason"]
    assert [row["mention"] for row in read(tmp_path / "b.csv")] == ["a", "b\nb", "e"]


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('mention,text\na,b\nc,d\ne,f\nb,"never closed\nc,d\nd,e\n')
    job = run(tmp_path / "a.csv", tmp_path / "b.csv")
    assert job.counts.rows == 4
    assert read(tmp_path / "b.csv")[3]["text"] == "never closed\nc,d\nd,e\n"
    (tmp_path / "a.csv").write_text('mention,text\na,b\nc,d\n"never closed,b\nc,d\nd,e\n')
    fault = json.loads(run(tmp_path / "a.csv", tmp_path / "c.csv").files.bad.read_text())
    assert "is a quote missing" in fault["reason"]
    assert fault["text"] == '"never closed,b\nc,d\nd,e'


def test_bad_rows_of_parquet_have_their_row_number(tmp_path: Path) -> None:
    torn = pyarrow.array([b"a", b"\xff", b"b"], pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"mention": torn, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    job = run(tmp_path / "a.parquet", tmp_path / "b.parquet")
    fault = json.loads(job.files.bad.read_text())
    assert (fault["row"], "'mention' holds a value that cannot be read" in fault["reason"]) == (2, True)
    assert [row["n"] for row in read(tmp_path / "b.parquet")] == [1, 3]


def test_delimiter_and_mark_of_a_spreadsheet_stay(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffMention;Größe\r\nÄpfel;1,5\r\n".encode())
    run(tmp_path / "a.csv", tmp_path / "b.csv")
    content = (tmp_path / "b.csv").read_bytes()
    assert content.startswith("\ufeffMention;Größe;id;entity_id;".encode())
    assert read(tmp_path / "b.csv", ";", "utf-8-sig")[0]["Größe"] == "1,5"
    run(tmp_path / "a.csv", tmp_path / "c.tsv")
    assert not (tmp_path / "c.tsv").read_bytes().startswith(b"\xef")


@pytest.mark.parametrize(("encoding", "given"), [("cp1252", "cp1252"), ("utf-16", None), ("utf-16-le", "utf-16-le"), ("shift_jis", "sjis")])
def test_other_encodings_are_read(encoding: str, given: str | None, tmp_path: Path) -> None:
    word = "東京" if encoding == "shift_jis" else "Äpfel"
    mark = "" if given else "\u2028"  # no line end in CSV
    (tmp_path / "a.csv").write_bytes(f'mention\ttext\n{word}\t"a\nb{mark}c"\n'.encode(encoding))
    run(tmp_path / "a.csv", tmp_path / "b.jsonl", encoding=given)
    assert [link["mention"] for link in read(tmp_path / "b.jsonl")] == [word]


def test_another_encoding_is_told_before_anything_is_linked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mention\n" + "Apfel\n" * 500 + "Äpfel\n" * 20, encoding="cp1252")
    with pytest.raises(DataError, match=r"a.csv, line 502: 20 of 520 rows cannot be read; .*not UTF-8 text\. .*--encoding \(cp1252"):
        run(tmp_path / "a.csv", tmp_path / "b.csv")
    (tmp_path / "a.csv").write_text("mention,Größe\nApfel,1\n", encoding="cp1252")
    with pytest.raises(DataError, match=r"the header is not UTF-8 text"):
        run(tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(SettingError, match=r"--encoding 'cp1253x' is unknown"):
        run(tmp_path / "a.csv", tmp_path / "b.csv", encoding="cp1253x")


def test_a_file_of_another_format_is_told_before_anything_is_linked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("mention,text\na,b\n")
    with pytest.raises(DataError, match=r"2 of 2 rows cannot be read; .*not valid JSON.*--format"):
        run(tmp_path / "a.jsonl", tmp_path / "b.csv")
    (tmp_path / "a.parquet").write_text("mention,text\na,b\n")
    with pytest.raises(DataError, match="not a Parquet file"):
        run(tmp_path / "a.parquet", tmp_path / "b.csv")
    assert len(read(run(tmp_path / "a.jsonl", tmp_path / "b.csv", format="csv").files.output)) == 1


def test_formats_that_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mention\na\n")
    with pytest.raises(DataError, match=r"from the ending '\.txt'\. Name it: --format jsonl\|csv\|tsv\|parquet$"):
        run(tmp_path / "a.txt", tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"output cannot be told from the ending '\.xlsx'.*Name it b\.csv: spreadsheets open that"):
        run(tmp_path / "a.csv", tmp_path / "b.xlsx")
    with pytest.raises(DataError, match=r"output cannot be told from the ending '\.gz'.*--output-format"):
        run(tmp_path / "a.txt", tmp_path / "b.csv.gz", format="csv")
    run(tmp_path / "a.txt", tmp_path / "b.out", format="csv", output_format="jsonl")
    assert json.loads((tmp_path / "b.out").read_text())["mention"] == "a"
    with pytest.raises(SettingError, match="--delimiter and --encoding are for CSV"):
        run(write(tmp_path / "a.jsonl", RECORDS), tmp_path / "c.csv", delimiter=";")


def test_added_columns_step_aside_for_the_inputs(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [{"mention": "a", "entity_id": "gold"}])
    job = run(tmp_path / "a.csv", tmp_path / "b.csv")
    assert list(job.writer.added.values()) == [
        *("link_id", "link_entity_id", "link_decision", "link_name", "link_probability", "link_candidates", "link_warnings")
    ]
    assert read(tmp_path / "b.csv")[0]["entity_id"] == "gold"
    with pytest.raises(SettingError, match="has a column 'link_id' already; say --prefix"):
        run(tmp_path / "b.csv", tmp_path / "c.csv", columns={"id": ""})
    run(tmp_path / "b.csv", tmp_path / "c.csv", columns={"id": ""}, prefix="again_")
    assert read(tmp_path / "c.csv")[0]["again_entity_id"] == "Q-a"
    with pytest.raises(SettingError, match="--prefix is for CSV"):
        run(tmp_path / "a.csv", tmp_path / "c.jsonl", prefix="x_")


def test_types_of_parquet_stay(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "mention": pyarrow.array(["a", "b", "c"]).dictionary_encode(),
            "when": pyarrow.array([1, 2, None], pyarrow.timestamp("ns")),
            "tags": [["x"], [], None],
            "price": pyarrow.array([1, None, 3], pyarrow.int8()),
            "raw": [b"\xff", None, b""],
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    run(tmp_path / "a.parquet", tmp_path / "b.parquet", batch_size=3)
    found = parquet.read_table(tmp_path / "b.parquet")
    kept = found.select(table.column_names[1:])
    assert kept.equals(table.select(table.column_names[1:]))
    assert found.schema.field("mention").type == pyarrow.string()
    assert found.schema.field("probability").type == pyarrow.float64()
    assert found.column("id").to_pylist() == ["1", "2", "3"]


def test_values_of_parquet_become_text_in_csv(tmp_path: Path) -> None:
    row = {"mention": "a", "when": datetime(2024, 1, 2, tzinfo=UTC), "tags": ["x", 'y"'], "yes": True, "none": None, "n": 1.5, "i": 2}
    write(tmp_path / "a.parquet", [row])
    run(tmp_path / "a.parquet", tmp_path / "b.csv")
    found = read(tmp_path / "b.csv")[0]
    shown = ["2024-01-02T00:00:00Z", '["x","y\\""]', "true", "", "1.5", "2"]
    assert [found[name] for name in ("when", "tags", "yes", "none", "n", "i")] == shown


def test_json_values_have_their_types_in_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"mention": "a", "i": 1, "f": 1, "b": true, "m": 1, "big": 1, "o": {"x": [1]}, "z": null}\n'
        '{"mention": "b", "i": null, "f": 1.5, "m": "two", "big": 100000000000000000000, "late": "y"}\n'
    )
    run(tmp_path / "a.jsonl", tmp_path / "b.parquet")
    first, second = read(tmp_path / "b.parquet")
    assert [first[key] for key in ("i", "f", "b", "m", "big", "o", "z")] == [1, 1.0, True, "1", "1", '{"x":[1]}', None]
    assert [second[key] for key in ("i", "f", "b", "m", "late")] == [None, 1.5, None, "two", "y"]


def test_integers_that_a_float_would_round_stay_whole_in_parquet(tmp_path: Path) -> None:
    long = 2**60 + 1
    write(tmp_path / "a.jsonl", [{"mention": "a", "mixed": long, "whole": long}, {"mention": "b", "mixed": 1.5, "whole": 2}])
    run(tmp_path / "a.jsonl", tmp_path / "b.parquet")
    found = read(tmp_path / "b.parquet")
    assert [(row["mixed"], row["whole"]) for row in found] == [(str(long), long), ("1.5", 2)]


def test_a_picture_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", [{"mention": "a", "image": "a.png"}])
    with pytest.raises(SettingError, match=r"--image-folder .*photso is no folder"):
        BulkJob(source, tmp_path / "b.csv", "bundle", BulkOptions(input=InputOptions(image_folder=tmp_path / "photso")))


def test_keys_that_come_late_are_used(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"mention": "a"}\n' * 300 + '{"mention": "b", "image": "missing.png", "id": "last"}\n')
    job = run(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert job.counts.pictures_missing == 1
    assert read(tmp_path / "b.jsonl")[-1]["id"] == "last"


def test_empty_tables_stay_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mention,text\n")
    run(tmp_path / "a.csv", tmp_path / "b.parquet")
    assert parquet.read_table(tmp_path / "b.parquet").schema.names[:2] == ["mention", "text"]
    run(tmp_path / "b.parquet", tmp_path / "c.csv", prefix="x_")
    assert (tmp_path / "c.csv").read_text().startswith("mention,text,id,entity_id")
    (tmp_path / "a.jsonl").write_text("")
    run(tmp_path / "a.jsonl", tmp_path / "d.csv")
    assert (tmp_path / "d.csv").read_text() == "id,entity_id,decision,name,probability,candidates,warnings\n"
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(DataError, match="there is no header line"):
        run(tmp_path / "a.csv", tmp_path / "e.csv")


def test_a_line_too_long_for_memory_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 1000)
    (tmp_path / "a.jsonl").write_text('{"mention": "a"}\n{"mention": "' + "b" * 3_000_000 + '"}\n{"mention": "c"}\n')
    job = run(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert [link["mention"] for link in read(tmp_path / "b.jsonl")] == ["a", "c"]
    fault = json.loads(job.files.bad.read_text())
    assert (fault["row"], fault["line"], "longer than" in fault["reason"], len(fault["text"]) <= 2000) == (2, 2, True, True)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, table = write(tmp_path / "a.parquet", RECORDS), write(tmp_path / "a.csv", RECORDS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"reading Parquet .*pgmel\[data\]"):
        run(source, tmp_path / "b.csv")
    with pytest.raises(MissingExtraError, match=r"writing Parquet .*pgmel\[data\]"):
        run(table, tmp_path / "b.parquet")
    assert not list(tmp_path.glob("b.*"))


def test_what_interrupts_the_last_step_of_parquet_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a.csv", RECORDS)
    with monkeypatch.context() as patch:
        patch.setattr(outputs_module, "progress_bar", lambda *_, **__: _interrupt())
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()
    again = Echo()
    run(source, tmp_path / "b.parquet", again)
    assert again.linked == []
    assert len(read(tmp_path / "b.parquet")) == 50
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.parquet"}


def _interrupt() -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "change", [{"columns": {"mention": "text"}}, {"prefix": "y_"}, {"top_k": 3}, {"output_format": "tsv"}, {"explain": True}]
)
def test_other_options_are_not_continued(change: dict[str, Any], tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", RECORDS)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "b.csv", Echo("10"))
    with pytest.raises(DataError, match="another input, bundle or options"):
        run(source, tmp_path / "b.csv", **change)
    run(source, tmp_path / "b.csv", output_format="csv")


def test_pieces_of_parquet_become_large_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a.csv", RECORDS)
    monkeypatch.setattr(outputs_module, "_GROUP_ROWS", 20)
    run(source, tmp_path / "b.parquet")
    about = parquet.ParquetFile(tmp_path / "b.parquet").metadata
    assert [about.row_group(place).num_rows for place in range(about.num_row_groups)] == [21, 21, 8]


def test_rows_are_read_as_they_are_needed(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", RECORDS)
    held: list[int] = []

    class Watching(Echo):
        def link(self, mentions: list[Any], top_k: int = 10, explain: bool = False) -> list[Any]:
            held.append(len(mentions))
            return super().link(mentions, top_k, explain)

    run(tmp_path / "a.csv", tmp_path / "b.csv", Watching())
    assert max(held) == 7
