"""``pgmel link`` from the outside: one mention, a file, Ctrl-C."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from toy_bundle import draw_picture
from typer.testing import CliRunner, Result

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.features import Encoders, Features
from pgmel.interfaces.commands.link import EPILOG, link
from pgmel.records import Mention

app = typer.Typer()
app.command(epilog=EPILOG)(link)


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def write_mentions(path: Path, count: int) -> Path:
    names = ("Congo", "Georgia", "Xqzwk", "Samoa")
    path.write_text(
        "".join(json.dumps({"id": f"m{n}", "mention": names[n % 4], "context": f"Here {names[n % 4]}."}) + "\n" for n in range(count))
    )
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_mention_is_shown_with_its_candidates(bundle: Path) -> None:
    shown = run("--bundle", bundle, "--text", "The flag of Congo.", "--mention", "Congo", "--top-k", 2).output
    assert "Linked to Congo (Q0), probability 0.9" in shown
    assert "place called Congo" in shown
    assert all(title in shown for title in ("name", "id", "score", "probability", "description"))
    assert shown.count("place") == 2


def test_nil_is_shown_with_the_threshold(bundle: Path) -> None:
    shown = run("--bundle", bundle, "--mention", "Xqzwk").output
    assert "NIL, unsure: the best candidate's probability 0." in shown
    assert "is below the threshold 0.500" in shown


def test_a_least_probability_takes_the_place_of_the_threshold(bundle: Path, tmp_path: Path) -> None:
    assert "Linked to" in run("--bundle", bundle, "--mention", "Xqzwk", "--min-probability", 0).output
    assert "is below the threshold 0.999" in run("--bundle", bundle, "--mention", "Congo", "--min-probability", 0.999).output
    source, output = write_mentions(tmp_path / "mentions.jsonl", 8), tmp_path / "links.jsonl"
    arguments = ("--bundle", bundle, "--input", source, "--output", output, "--overwrite")
    run(*arguments, "--min-probability", 0)
    assert [line["entity_id"] for line in read(output)].count("NIL") == 0
    run(*arguments)
    assert [line["entity_id"] for line in read(output)].count("NIL") == 2


@pytest.mark.parametrize("many", [False, True])
def test_what_is_loaded_is_said_before_it_is_loaded(
    bundle: Path, tmp_path: Path, many: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pgmel.progress")
    steps: list[str] = []
    encode = Encoders.encode_mentions

    def watched(self: Encoders, mentions: Sequence[Mention], show_progress: bool = True) -> Features:
        steps.append(f"{mentions[0].surface} after {caplog.messages}")
        return encode(self, mentions, show_progress)

    monkeypatch.setattr(Encoders, "encode_mentions", watched)
    files = ("--input", write_mentions(tmp_path / "m.jsonl", 1), "--output", tmp_path / "links.jsonl")
    run("--bundle", bundle, *(files if many else ("--mention", "Congo")))
    said = f"after ['loading {bundle} and its encoders']"
    assert steps == [f"warm-up {said}", f"Congo {said}"]


def test_one_mention_as_json(bundle: Path, tmp_path: Path) -> None:
    picture = draw_picture(tmp_path / "seen.png", "red")
    arguments = ("--bundle", bundle, "--mention", "Samoa", "--top-k", 3, "--json")
    plain, seen = (json.loads(run(*arguments, *more).stdout) for more in ((), ("--image", picture)))
    assert (plain["entity_id"], plain["name"], len(plain["candidates"])) == ("Q3", "Samoa", 3)
    assert seen["candidates"][0]["score"] > plain["candidates"][0]["score"]


def test_notes_are_shown(bundle: Path) -> None:
    shown = run("--bundle", bundle, "--text", "A flag.", "--mention", "Congo", "--image", "/none.png").output
    assert "Note: the mention 'Congo' does not occur in its text" in shown
    assert "Note: picture missing: /none.png" in shown


def test_markup_in_names_is_shown_as_it_is(bundle: Path) -> None:
    assert "[bold]Congo[/nope]" in run("--bundle", bundle, "--text", "x", "--mention", "[bold]Congo[/nope]").output


def test_file_is_linked(bundle: Path, tmp_path: Path) -> None:
    source, output = write_mentions(tmp_path / "mentions.jsonl", 10), tmp_path / "links.jsonl"
    result = run("--bundle", bundle, "--input", source, "--output", output, "--batch-size", 3)
    assert [line["id"] for line in read(output)] == [f"m{n}" for n in range(10)]
    assert [line["entity_id"] for line in read(output)][:4] == ["Q0", "Q1", "NIL", "Q3"]
    assert [line["decision"] for line in read(output)][:3] == ["linked", "linked", "unsure"]
    assert f"8 mentions linked, 2 NIL (2 of them unsure): {output}" in result.stdout


def test_bad_lines_are_reported_and_no_failure_unless_strict(bundle: Path, tmp_path: Path) -> None:
    source, output = write_mentions(tmp_path / "mentions.jsonl", 3), tmp_path / "links.jsonl"
    with source.open("a") as file:
        file.write('{"text": 3}\n{"mention": "Congo", "image": "none.png"}\n')
    arguments = ("--bundle", bundle, "--input", source, "--output", output)
    result = run(*arguments)
    assert f"1 row could not be used; listed with the reason in {tmp_path / 'links.bad.jsonl'}" in result.stderr
    assert "Pictures: 1 missing, 0 broken" in result.stderr
    assert read(tmp_path / "links.bad.jsonl")[0]["line"] == 4
    assert read(output)[3]["warnings"] == [f"picture missing: {tmp_path / 'none.png'}"]
    run(*arguments, "--overwrite", "--strict", code=3)
    assert len(read(output)) == 4


def test_table_is_linked_with_its_columns_named(bundle: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "posts.csv", tmp_path / "posts-linked.csv"
    source.write_text("who;post;photo\nCongo;Here Congo.;none.png\nSamoa;Here Samoa.;red.png\n")
    draw_picture(tmp_path / "photos" / "red.png", "red")
    arguments = ("--bundle", bundle, "--input", source, "--output", output, "--top-k", 1)
    with pytest.raises(SettingError, match="say --mention-column and one of 'who'"):
        run(*arguments)
    result = run(*arguments, "--mention-column", "who", "--image-folder", tmp_path / "photos")
    assert "Columns: mention = who, context = post, image = photo" in result.stderr
    lines = output.read_text().splitlines()
    assert lines[0] == "who;post;photo;id;entity_id;decision;name;probability;candidates;warnings"
    assert [line.split(";")[:7] for line in lines[1:]] == [
        ["Congo", "Here Congo.", "none.png", "1", "Q0", "linked", "Congo"],
        ["Samoa", "Here Samoa.", "red.png", "2", "Q3", "linked", "Samoa"],
    ]
    assert lines[1].endswith(f";picture missing: {tmp_path / 'photos' / 'none.png'}")


def test_missing_context_and_renamed_columns_are_said(bundle: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "posts.txt", tmp_path / "linked"
    source.write_bytes("name\tkey\nSão Tomé\t1\n".encode("latin-1"))
    options = ("--format", "tsv", "--output-format", "tsv", "--encoding", "latin-1", "--id-column", "key")
    result = run("--bundle", bundle, "--input", source, "--output", output, *options)
    assert "Columns: mention = name, id = key; no text around the mentions (--context-column); added: link_entity_id" in result.stderr
    assert output.read_text().splitlines()[1].split("\t")[:2] == ["São Tomé", "1"]


def test_summary_as_json(bundle: Path, tmp_path: Path) -> None:
    source, output = write_mentions(tmp_path / "mentions.jsonl", 5), tmp_path / "links.jsonl"
    shown = json.loads(run("--bundle", bundle, "--input", source, "--output", output, "--json").stdout)
    assert shown == {
        "output": str(output),
        "bad_rows": None,
        "rows": 5,
        "linked": 4,
        "nil": 1,
        "unsure": 1,
        "bad": 0,
        "pictures_missing": 0,
        "pictures_broken": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name either --mention .* or --input and --output"),
        (("--mention", "Congo", "--input", "a", "--output", "b"), "name either --mention"),
        (("--input", "a"), "--input needs --output"),
        (("--mention", "Congo", "--output", "b"), "go with --input"),
        (("--mention", "Congo", "--strict"), "go with --input"),
        (("--mention", "Congo", "--context-column", "text"), "go with --input"),
        (("--mention", "Congo", "--output-format", "csv"), "go with --input"),
        (("--input", "a", "--output", "b", "--text", "c"), "--text and --image go with --mention"),
        (("--mention", " "), "--mention is empty"),
    ],
)
def test_options_that_do_not_go_together(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        run("--bundle", "nowhere", *arguments)


def test_errors_come_before_anything_is_written(bundle: Path, tmp_path: Path) -> None:
    source, output = write_mentions(tmp_path / "mentions.jsonl", 5), tmp_path / "links.jsonl"
    with pytest.raises(BundleError, match="does not exist"):
        run("--bundle", tmp_path / "none", "--input", source, "--output", output)
    with pytest.raises(DataError, match="does not exist"):
        run("--bundle", bundle, "--input", tmp_path / "none.jsonl", "--output", output)
    with pytest.raises(DataError, match="would overwrite the input"):
        run("--bundle", bundle, "--input", source, "--output", source, "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["mentions.jsonl"]


def test_help_has_an_example() -> None:
    assert "pgmel link --bundle" in " ".join(run("--help").output.split())


SLOW_LINKER = """
import sys, time
import typer
from pgmel.interfaces.commands.link import link
from pgmel.linking import Linker

link_batch = Linker._link_batch

def slowly(self, *arguments):
    time.sleep(0.02)
    return link_batch(self, *arguments)

Linker._link_batch = slowly
app = typer.Typer()
app.command()(link)
app()
"""


def write_table(path: Path, count: int) -> Path:
    names = ("Congo", "Georgia", "Xqzwk", "Samoa")
    path.write_text("id,mention,text\n" + "".join(f'm{n},{names[n % 4]},"Here, in\n{names[n % 4]}."\n' for n in range(count)))
    return path


def start(bundle: Path, source: Path, output: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        SLOW_LINKER,
        "--bundle",
        str(bundle),
        "--input",
        str(source),
        "--output",
        str(output),
        "--batch-size",
        "5",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_bytes(path: Path, count: int) -> None:
    for _ in range(1200):
        if path.exists() and path.stat().st_size >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"{path} did not grow to {count} bytes")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_killed_process_is_continued(bundle: Path, tmp_path: Path, how: signal.Signals) -> None:
    source, output = write_mentions(tmp_path / "mentions.jsonl", 800), tmp_path / "links.jsonl"
    process = start(bundle, source, output)
    wait_for_bytes(tmp_path / "links.jsonl.part", 50_000)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert not output.exists()
    assert (tmp_path / "links.jsonl.journal").exists()
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "Run the same command again to continue" in said
        assert "Traceback" not in said
    result = run("--bundle", bundle, "--input", source, "--output", output)
    if how is signal.SIGINT:
        assert "Continuing after row" in result.stderr
    assert [line["id"] for line in read(output)] == [f"m{n}" for n in range(800)]
    assert {path.name for path in tmp_path.iterdir()} == {"mentions.jsonl", "links.jsonl"}


@pytest.mark.parametrize(("ending", "how"), [("csv", signal.SIGKILL), ("parquet", signal.SIGINT)])
def test_killed_process_over_a_table_is_continued(bundle: Path, tmp_path: Path, ending: str, how: signal.Signals) -> None:
    pytest.importorskip("pyarrow")
    source, output, whole = write_table(tmp_path / "posts.csv", 400), tmp_path / f"links.{ending}", tmp_path / f"whole.{ending}"
    process = start(bundle, source, output)
    wait_for_bytes(tmp_path / f"links.{ending}.part", 50_000)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert "Traceback" not in said
    assert not output.exists()
    run("--bundle", bundle, "--input", source, "--output", output)
    run("--bundle", bundle, "--input", source, "--output", whole)
    assert read_table(output) == read_table(whole)
    assert [row["id"] for row in read_table(output)] == [f"m{n}" for n in range(400)]
    assert {path.name for path in tmp_path.iterdir()} == {"posts.csv", output.name, whole.name}


def read_table(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    import pyarrow.parquet as parquet

    rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
    return rows
