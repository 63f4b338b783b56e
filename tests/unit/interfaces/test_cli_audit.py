"""``pgmel data audit`` from the command line, and its clean splits in other commands."""

import json
import shutil
from functools import partial
from pathlib import Path

import data_commands
import pytest
from data_commands import flatten
from toy_runs import ToyRun
from typer.testing import CliRunner

from pgmel.datasets import load_dataset
from pgmel.errors import DataError
from pgmel.interfaces.cli import app

LONG = "A ferry crosses the Congo at night without any lights on."
ENTITIES = [{"id": "Q1", "name": "Congo"}, {"id": "Q2", "name": "Kinshasa", "description": "city"}]
TRAIN = [{"id": "a", "mention": "Congo", "context": LONG, "entity_id": "Q1"}]
DEV = [
    {"id": "b", "mention": "ferry", "context": LONG, "entity_id": "Q2"},
    {"id": "c", "mention": "Congo", "context": "Rain over the roofs along the Congo.", "entity_id": "Q1"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    root.mkdir()
    for name, rows in (("kb", ENTITIES), ("train", TRAIN), ("dev", DEV), ("test", DEV[1:])):
        rows = [{**row, "id": f"{name}-{row['id']}"} for row in rows] if name != "kb" else rows
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


run = partial(data_commands.run, "audit", width=120)
run_json = partial(data_commands.run_json, "audit")
fail = partial(data_commands.fail, "audit")


def test_audit_prints_one_json_object(folder: Path) -> None:
    found = run_json(folder)
    assert (found["name"], found["layout"], found["path"], found["written"]) == ("mine", "generic", str(folder), [])
    assert {name: (part["mentions"], part["clean"]) for name, part in found["splits"].items()} == {"dev": (2, 1), "test": (1, 1)}
    assert found["splits"]["dev"]["findings"]["same_sentence"]["mentions"] == 1
    assert found["splits"]["dev"]["findings"]["seen_gold"]["mentions"] == 1
    assert found["splits"]["dev"]["pictures"] == dict.fromkeys(found["splits"]["dev"]["pictures"], 0)
    assert found["entities"]["exact"] == 0
    assert found["faults"]["count"] == 0


@pytest.mark.parametrize("width", [80, 120])
def test_audit_prints_tables_for_people(folder: Path, width: int) -> None:
    output = run(folder, width=width).stdout
    assert max(map(len, output.splitlines())) <= width
    assert "mine: generic layout, compared with train" in output
    flat = flatten(output)
    for row in (
        "mentions ┃ dev ┃ test",
        "all 2 1",
        "clean 1 (50.0%) 1 (100.0%)",
        "Leaks: a mention with one is not clean",
        "sentence of train, word for word 1 (50.0%) 0",
        "dev, sentence of train, word for word: 1 mention, 1 different dev-b ~ train-a: A ferry crosses the Congo",
        "Knowledge base: 0 (0.0%) of 2 entities share name and text with another",
        "Pictures of dev: could open 0 of 0 (mentions), 0 of 0 (gold entities), 0 of 0 (train)",
    ):
        assert row in flat, row
    assert "were not looked for" not in output
    assert "Wrote" not in output


def test_a_long_example_is_cut_at_the_width(folder: Path) -> None:
    text = (folder / "train.jsonl").read_text()
    for name in ("train", "dev"):
        file = folder / f"{name}.jsonl"
        file.write_text(file.read_text().replace(LONG, LONG * 5))
    assert text
    example = next(line for line in run(folder, width=80).stdout.splitlines() if line.startswith("  dev-b ~ train-a"))
    assert len(example) == 80
    assert example.endswith("…")


def test_pictures_left_closed_and_pictures_missing_are_told(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text().splitlines()]
    (folder / "dev.jsonl").write_text("".join(json.dumps({**row, "image": "gone.jpg"}) + "\n" for row in rows))
    closed = run(folder, "--no-pictures", "--split", "dev").stdout
    assert "Pictures of dev: not opened, compared by name and address alone" in closed
    assert "nearly a picture of train - " in flatten(closed)
    opened = flatten(run(folder, "--split", "dev").stdout)
    assert "could open 0 of 1 (mentions), 0 of 0 (gold entities), 0 of 0 (train); copies among the others were not looked for" in opened
    assert "nearly a picture of train 0" in opened


def test_any_pair_of_splits_can_be_compared(folder: Path) -> None:
    found = run_json(folder, "--train", "dev", "--split", "test")
    assert {name: part["train"] for name, part in found["splits"].items()} == {"test": "dev"}
    assert found["splits"]["test"]["findings"]["same_sentence"]["title"] == "sentence of dev, word for word"
    assert "row of dev: text, sentence, picture, gold 1 (100.0%)" in flatten(run(folder, "--train", "dev", "--split", "test").stdout)
    assert "no split 'tain'" in str(fail(folder, "--train", "tain"))


def test_without_a_train_split_nothing_is_compared(folder: Path) -> None:
    (folder / "train.jsonl").unlink()
    output = run(folder).stdout
    assert "Note: there is no train split, so nothing was compared" in output
    assert "sentence of train, word for word - -" in flatten(output)


def test_entities_that_are_alike_are_named(folder: Path) -> None:
    with (folder / "kb.jsonl").open("a") as stream:
        stream.write('{"id": "Q7", "name": "Congo"}\n{"id": "Q8", "name": "congo."}\n')
    output = flatten(run(folder).stdout)
    assert "Knowledge base: 2 (50.0%) of 4 entities share name and text with another, 3 (75.0%) but for case" in output
    assert "Congo: Q1, Q7" in output
    assert "another entity has the gold's name and text 1 (50.0%) 1 (100.0%)" in output


def test_records_that_were_skipped_are_listed(folder: Path) -> None:
    with (folder / "dev.jsonl").open("a") as stream:
        stream.write("{\n")
    assert isinstance(fail(folder), DataError)
    assert "the record is not valid JSON 1" in flatten(run(folder, "--on-error", "skip").stdout)
    assert run_json(folder, "--on-error", "skip")["faults"]["count"] == 1


def test_out_writes_a_folder_that_serves_as_data(folder: Path, tmp_path: Path) -> None:
    output = run(folder, "--out", tmp_path / "out").stdout
    assert f"Wrote {tmp_path / 'out'}" in output
    assert f"The clean splits are dev-clean, test-clean of --data {tmp_path / 'out'}" in output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("audit.json", "clean-splits.json", "dev.verdicts.jsonl", "test.verdicts.jsonl"),
    ]
    assert [mention.id for mention in load_dataset(tmp_path / "out").splits["dev-clean"]] == ["dev-c"]
    assert sorted(file.name for file in folder.iterdir()) == ["dev.jsonl", "kb.jsonl", "test.jsonl", "train.jsonl"]


def test_beside_writes_one_file_into_the_data_set(folder: Path) -> None:
    found = run_json(folder, "--beside", "--split", "dev")
    assert found["written"] == [str(folder / "clean-splits.json")]
    assert f"of --data {folder}" in run(folder, "--beside").stdout
    assert list(load_dataset(folder).derived) == ["dev-clean", "test-clean"]


def test_a_folder_that_cannot_be_used_is_refused_before_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.interfaces.commands.audit.audit_dataset", lambda *_: pytest.fail("the work began"))
    assert "lies in the data set" in str(fail(folder, "--out", folder / "audit"))


def test_help_has_an_example() -> None:
    assert "Example: pgmel data audit" in run("--help").stdout


def test_evaluate_measures_on_a_clean_split(toy_run: ToyRun, tmp_path: Path) -> None:
    data = shutil.copytree(toy_run.data, tmp_path / "data")
    rows = {name: (data / f"{name}.jsonl").read_text().splitlines() for name in ("train", "dev")}
    leaking = {**json.loads(rows["train"][0]), "id": "leaking"}
    (data / "dev.jsonl").write_text("\n".join([*rows["dev"], json.dumps(leaking)]) + "\n")
    assert run(data, "--split", "dev", "--out", tmp_path / "out").exit_code == 0
    arguments = ["evaluate", "--bundle", str(toy_run.folder / "bundle"), "--data", str(tmp_path / "out"), "--json", "--split"]
    results = {}
    for split in ("dev", "dev-clean"):
        result = CliRunner().invoke(app, [*arguments, split])
        assert result.exit_code == 0, result.output
        results[split] = json.loads(result.stdout)
    counts = {split: values["data"]["mentions"][split] for split, values in results.items()}
    kept = {mention.id for mention in load_dataset(tmp_path / "out").splits["dev-clean"]}
    assert counts == {"dev": len(rows["dev"]) + 1, "dev-clean": len(kept)}
    assert "leaking" not in kept
    assert results["dev-clean"]["overall"]["num_mentions"] < results["dev"]["overall"]["num_mentions"]


def test_a_clean_split_that_nobody_wrote_is_explained(toy_run: ToyRun) -> None:
    arguments = ["evaluate", "--bundle", str(toy_run.folder / "bundle"), "--data", str(toy_run.data), "--split", "dev-clean"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, DataError)
    assert f"Write it with pgmel data audit {toy_run.data} --out FOLDER" in str(result.exception)
