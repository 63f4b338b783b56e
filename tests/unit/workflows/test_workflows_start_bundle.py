"""A bundle of the untrained model, from nothing but a KB."""

from pathlib import Path

import pytest
from toy_runs import quick_settings, read_lines, run_cli, write_lines

from pgmel import NIL, Linker, Mention
from pgmel.kb import KnowledgeBase
from pgmel.linking import check_bundle, read_card
from pgmel.records import Entity
from pgmel.testing import toy_world
from pgmel.workflows import start_bundle as module
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.calibrate import calibrate_bundle
from pgmel.workflows.evaluate import evaluate_bundle
from pgmel.workflows.start_bundle import start_bundle

SETTINGS = quick_settings("training.device=cpu")


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    write_lines(tmp_path / "kb" / "kb.jsonl", [{"id": f"Q{n}", "name": name} for n, name in enumerate(("Congo", "Georgia", "Samoa"))])
    return tmp_path / "kb"


def test_names_are_linked_without_any_training(kb: Path, tmp_path: Path) -> None:
    about = start_bundle(kb, tmp_path / "bundle", SETTINGS, show_progress=False)
    assert about["entities"] == 3
    assert check_bundle(tmp_path / "bundle") == []
    with Linker.load(tmp_path / "bundle") as linker:
        links = linker.link([Mention("1", "Georgja"), Mention("2", "Kongo")])
    assert [link.entity_id for link in links] == ["Q1", "Q0"]
    assert {link.probability for link in links} == {None}


def test_a_kb_of_one_entity_is_enough(tmp_path: Path) -> None:
    write_lines(tmp_path / "kb" / "kb.jsonl", [{"id": "Q1", "name": "Congo"}])
    start_bundle(tmp_path / "kb", tmp_path / "bundle", SETTINGS, show_progress=False)
    with Linker.load(tmp_path / "bundle") as linker:
        link = linker.link([Mention("1", "Congo")])[0]
    assert link.entity_id == "Q1"
    assert link.candidates[0].score > 0.5


def test_pictures_are_read_where_an_encoder_is_named(tmp_path: Path) -> None:
    toy = toy_world(tmp_path / "toy")
    toy.write(tmp_path / "toy")
    start_bundle(tmp_path / "toy", tmp_path / "bundle", SETTINGS, show_progress=False)
    wanted = [mention for mention in toy.splits["train"] if mention.image is not None]
    with Linker.load(tmp_path / "bundle") as linker:
        found = linker.link(wanted, top_k=1)
    right = sum(link.entity_id == mention.entity_id for link, mention in zip(found, wanted, strict=True))
    assert right > len(wanted) // 2  # names alone leave three entities to choose from


def test_the_card_says_that_nothing_was_trained(kb: Path, tmp_path: Path) -> None:
    start_bundle(kb, tmp_path / "bundle", SETTINGS, show_progress=False)
    card = read_card(tmp_path / "bundle")
    assert card["decision"] is None
    assert card["decision_note"].startswith("none: the model is untrained")
    assert "trained_on" not in card["data"]


def test_nothing_is_called_trained_and_any_split_serves_to_calibrate(tmp_path: Path) -> None:
    toy_world(tmp_path / "toy").write(tmp_path / "toy")
    start_bundle(tmp_path / "toy", tmp_path / "bundle", SETTINGS, show_progress=False)
    build_bundle(tmp_path / "bundle", tmp_path / "toy", tmp_path / "again", show_progress=False)
    for name in ("bundle", "again"):
        card = read_card(tmp_path / name)
        assert "trained_on" not in card["data"]
        assert card["decision_note"].startswith("none: the model is untrained")
        assert evaluate_bundle(tmp_path / name, tmp_path / "toy", "dev", show_progress=False).system == "zero-shot"
    calibrate_bundle(tmp_path / "bundle", tmp_path / "toy", "train", show_progress=False)
    assert check_bundle(tmp_path / "bundle") == []


@pytest.mark.parametrize("fitted_on", [20, 1000])
def test_a_kb_with_holes_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted_on: int) -> None:
    from pgmel.kb import change_file

    monkeypatch.setattr(module, "FITTED_ON", fitted_on)
    (tmp_path / "kb").mkdir()
    file = tmp_path / "kb" / "kb.sqlite"
    KnowledgeBase.create(file, (Entity(f"Q{n}", f"name {n * 7919}") for n in range(60))).close()
    with change_file(file) as change:
        change.remove("Q3")
    assert start_bundle(tmp_path / "kb", tmp_path / "bundle", SETTINGS, show_progress=False)["entities"] == 59
    with Linker.load(tmp_path / "bundle") as linker:
        assert linker.link([Mention("1", "name 79190")])[0].entity_id == "Q10"


def test_a_mention_that_the_model_cannot_read_is_nil(kb: Path, tmp_path: Path) -> None:
    start_bundle(kb, tmp_path / "bundle", SETTINGS, show_progress=False)
    with Linker.load(tmp_path / "bundle") as linker:
        assert linker.link([Mention("1", "")])[0].entity_id is NIL


def test_the_command_goes_from_a_table_to_links(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,name\n1,Congo\n2,Georgia\n")
    assert run_cli("kb", "build", tmp_path / "s.csv", "--out", tmp_path / "kb").code == 0
    quick = ["--set", "features.text_encoder=none"]
    outcome = run_cli("index", "--zero-shot", "--kb", tmp_path / "kb", "--out", tmp_path / "bundle", *quick)
    assert outcome.out == f"2 entities indexed (exact); bundle: {tmp_path / 'bundle'}\n", outcome.err
    write_lines(tmp_path / "posts.jsonl", [{"mention": "Congo"}])
    links = tmp_path / "links.jsonl"
    assert run_cli("link", "--bundle", tmp_path / "bundle", "--input", tmp_path / "posts.jsonl", "--output", links).code == 0
    assert read_lines(links)[0]["entity_id"] == "1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "pass --zero-shot"),
        (("--zero-shot", "--model", "b"), "--zero-shot needs no --model"),
        (("--model", "b", "--set", "seed=1"), "--config and --set go with --zero-shot"),
        (("--zero-shot", "--set", "features.text_encodr=none"), "did you mean features.text_encoder?"),
    ],
)
def test_options_that_do_not_go_together_are_told(kb: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    outcome = run_cli("index", "--kb", kb, "--out", tmp_path / "new", *options)
    assert outcome.code == 2
    assert message in outcome.err
