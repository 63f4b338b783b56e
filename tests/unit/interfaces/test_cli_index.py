"""``pgmel index`` from the outside."""

import json
from pathlib import Path

import pytest
from toy_runs import Outcome, ToyRun, run_cli, set_options

from pgmel.linking import check_bundle


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    (tmp_path / "kb").mkdir()
    rows = [{"id": "Q1", "name": "Congo", "images": ["gone.png"]}, {"id": "Q2", "name": "Georgia"}]
    (tmp_path / "kb" / "kb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "kb"


def index(run: ToyRun, kb: Path, out: Path, *options: object) -> Outcome:
    return run_cli("index", "--model", run.folder / "bundle", "--kb", kb, "--out", out, *options)


def test_a_new_bundle_is_written_and_counted(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    outcome = index(toy_run, kb, tmp_path / "new")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"2 entities indexed (exact); bundle: {tmp_path / 'new'}\npictures: 1 named, 1 missing, 0 unusable\n"
    assert check_bundle(tmp_path / "new") == []


def test_json_is_one_object_and_nothing_else(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    found = index(toy_run, kb, tmp_path / "new", "--json").json()
    assert found == {"entities": 2, "kind": "exact", "pictures": {"named": 1, "missing": 1, "broken": 0}, "second_stage": False}


def test_the_new_bundle_links(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    index(toy_run, kb, tmp_path / "new")
    found = run_cli("link", "--bundle", tmp_path / "new", "--mention", "Georgia", "--text", "In Georgia.", "--json").json()
    assert found["candidates"][0]["name"] == "Georgia"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--model", "{tmp}/none"), 4, "does not exist"),
        (("--model", "{tmp}"), 4, "{tmp} is not a bundle"),
        (("--kb", "{tmp}/none"), 3, "{tmp}/none: the data set does not exist"),
        (("--kb", "{tmp}"), 3, "Did you mean one of its folders: kb?"),
        (("--kind", "exakt"), 2, "--kind"),
        (("--out", "{tmp}/kb"), 4, "is not empty and no bundle"),
        (("--out", "{tmp}/kb/kb.jsonl"), 4, "is a file"),
    ],
)
def test_bad_input_is_told_clearly(toy_run: ToyRun, kb: Path, tmp_path: Path, options: tuple[str, ...], code: int, message: str) -> None:
    outcome = index(toy_run, kb, tmp_path / "new", *(option.format(tmp=tmp_path) for option in options))
    assert outcome.code == code
    assert message.format(tmp=tmp_path) in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "new").exists()
    assert {path.name for path in kb.iterdir()} == {"kb.jsonl"}


def test_a_folder_that_may_not_be_replaced_is_told_before_anything_is_encoded(
    toy_run: ToyRun, kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(*_: object, **__: object) -> None:
        raise AssertionError("encoded for nothing")

    monkeypatch.setattr("pgmel.features.Encoders.stream_entities", encode)
    monkeypatch.setattr("pgmel.features.Encoders.encode_entities", encode)
    for options in (("--model", toy_run.folder / "bundle"), ("--zero-shot", *set_options())):
        outcome = run_cli("index", *options, "--kb", kb, "--out", kb)
        assert outcome.code == 4
        assert "is not empty and no bundle" in outcome.err


def test_what_was_encoded_is_told_once(kb: Path, tmp_path: Path) -> None:
    outcome = run_cli("index", "--zero-shot", *set_options(), "--kb", kb, "--out", tmp_path / "new")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("entities: lexical: 2 of 2 rows have it") == 1
    assert outcome.err.count("unusable picture") == 1
