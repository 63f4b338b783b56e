"""The main job on the toy world: from files to a bundle, and again, and interrupted, and with wrong settings."""

import csv
import logging
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import ToyRun, bundle_vectors, quick_settings, read_lines, run_cli, set_options, start_cli, write_lines, write_toy

from pgmel.errors import BundleError, CheckpointError, DataError, SettingError
from pgmel.evaluation import EvaluationResult, read_result
from pgmel.files import read_json
from pgmel.linking import Decision, Linker, check_bundle, read_card
from pgmel.records import Mention
from pgmel.settings import Settings, settings_from
from pgmel.testing import toy_world
from pgmel.training import METRICS
from pgmel.workflows.train import resolve_device, train, use_threads


def read_at(data: Path, settings: Settings) -> Settings:
    """Return settings as a run writes them down: with the place where the data were."""
    return settings.model_copy(update={"data": settings.data.model_copy(update={"path": data})})


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(toy_run: ToyRun, tmp_path: Path) -> Path:
    """A copy of the finished run's folder."""
    shutil.copytree(toy_run.folder, tmp_path / "run")
    return tmp_path / "run"


# What a run leaves behind


def test_the_bundle_is_sound(toy_run: ToyRun) -> None:
    assert toy_run.result.bundle == toy_run.folder / "bundle"
    assert check_bundle(toy_run.result.bundle) == []


def test_the_bundle_links(toy_run: ToyRun, toy_data: Path) -> None:
    mention = toy_world().splits["test"][1]
    seen = toy_data / "images" / f"entity-{mention.entity_id}.png"
    with Linker.load(toy_run.result.bundle) as linker:
        linker.require_probability(0.5)  # thirty dev mentions are too few for a NIL precision of 0.8
        named, strange = linker.link([replace(mention, image=seen), Mention("n", "Xqzwk", "Xqzwk stood there.")])
    assert named.entity_id == mention.entity_id
    assert len(named.candidates) == 10
    assert strange.is_nil


def test_the_bundle_links_as_well_as_the_figures_say(toy_run: ToyRun) -> None:
    dev = [mention for mention in toy_run.result.material.splits["dev"].mentions if isinstance(mention.entity_id, str)]
    with Linker.load(toy_run.result.bundle) as linker:
        links = linker.link(dev)
    hits = [link.candidates[0].entity_id == mention.entity_id for link, mention in zip(links, dev, strict=True)]
    assert toy_run.result.trained is not None
    assert np.mean(hits) == pytest.approx(toy_run.result.trained.result.overall.h_at_1.value)


def test_the_kept_model_is_no_worse_than_zero_shot_on_dev(toy_run: ToyRun) -> None:
    before, after = toy_run.result.zero_shot, toy_run.result.trained
    assert before is not None
    assert after is not None
    assert after.result.overall.mrr.value >= before.result.overall.mrr.value > 0.5
    assert after.result.overall.mrr.value == pytest.approx(toy_run.result.result.best.mrr)


def test_results_are_two_readable_evaluation_results(toy_run: ToyRun, tmp_path: Path) -> None:
    results = read_json(toy_run.folder / "results.json")
    assert list(results) == ["zero_shot", "trained"]
    for name, part in results.items():
        result = EvaluationResult.from_dict(part)
        assert result.system == name.replace("_", "-")
        assert result.excluded == {"gold is NIL": 5}
        result.save(tmp_path / "part.json")
        assert read_result(tmp_path / "part.json") == result
    assert toy_run.result.trained is not None
    assert EvaluationResult.from_dict(results["trained"]) == toy_run.result.trained.result
    assert results["trained"]["nil"]["num_mentions"] == 30


def test_metrics_have_the_columns_that_are_documented(toy_run: ToyRun) -> None:
    rows = rows_of(toy_run.folder)
    assert list(rows[0]) == list(METRICS)
    assert [int(row["step"]) for row in rows] == sorted({int(row["step"]) for row in rows})
    assert int(rows[-1]["step"]) == toy_run.result.result.steps == 9
    assert {row["phase"] for row in rows} == {"pretrain_discriminator", "pretrain_generator", "adversarial"}
    filled = {name for row in rows for name, value in row.items() if value}
    assert filled == set(METRICS)


def test_settings_are_kept_as_they_were(toy_run: ToyRun) -> None:
    assert settings_from(read_json(toy_run.folder / "settings.json")) == read_at(toy_run.data, toy_run.settings)


def test_the_card_says_data_settings_scores_and_encoders(toy_run: ToyRun) -> None:
    card = read_card(toy_run.result.bundle)
    assert card["data"]["name"] == "toy"
    assert card["data"]["mentions"] == {"train": 72, "dev": 30, "test": 30}
    assert card["scores"] == read_json(toy_run.folder / "results.json")
    assert settings_from(card["settings"]) == toy_run.settings
    assert card["encoders"]["image"]["name"] == "descriptor"
    assert Decision.from_dict(card["decision"]) == toy_run.result.decision
    assert card["kb"]["entities"] == 30


def test_nothing_else_is_left_in_the_folder(toy_run: ToyRun) -> None:
    names = {path.name for path in toy_run.folder.iterdir()}
    assert names == {"bundle", "checkpoints", "metrics.csv", "results.json", "settings.json"}


# Running again


def test_a_second_run_encodes_nothing_and_gives_the_same(toy_run: ToyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pgmel"):
        again = train(toy_run.settings, tmp_path / "again", toy_run.data, show_progress=False)
    assert "projection and candidate pools came from the cache" in caplog.messages
    sides = [again.material.entities, *(split.features for split in again.material.splits.values())]
    assert [side.report.channels["image"].encoded for side in sides] == [0, 0, 0]
    assert all(side.report.channels["image"].cached > 0 for side in sides)
    assert np.array_equal(bundle_vectors(again.bundle), bundle_vectors(toy_run.result.bundle))
    assert again.decision == toy_run.result.decision


def test_a_finished_run_has_nothing_left_to_do(toy_run: ToyRun, folder: Path) -> None:
    before = rows_of(folder)
    again = train(toy_run.settings, folder, toy_run.data, show_progress=False)
    assert again.result.steps == toy_run.result.result.steps
    assert rows_of(folder) == before
    assert np.array_equal(bundle_vectors(folder / "bundle"), bundle_vectors(toy_run.result.bundle))


def test_other_settings_in_the_same_folder_are_refused_and_change_nothing(toy_run: ToyRun, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    other = toy_run.settings.model_copy(update={"training": toy_run.settings.training.model_copy(update={"margin": 0.4})})
    with pytest.raises(CheckpointError, match=r"belongs to other settings or other data.*--restart"):
        train(other, folder, toy_run.data, show_progress=False)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_other_data_in_the_same_folder_are_refused(toy_run: ToyRun, folder: Path, tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other", seed=1)
    with pytest.raises(CheckpointError, match="other data"):
        train(toy_run.settings, folder, other, show_progress=False)


def test_restart_begins_anew_with_other_settings(toy_run: ToyRun, folder: Path) -> None:
    other = quick_settings("training.max_steps=2", "training.log_every=1", "training.margin=0.4")
    again = train(other, folder, toy_run.data, restart=True, show_progress=False)
    assert again.result.steps == 2
    assert [row["step"] for row in rows_of(folder)] == ["1", "2"]
    assert settings_from(read_json(folder / "settings.json")) == read_at(toy_run.data, other)
    assert settings_from(read_card(folder / "bundle")["settings"]) == other


def test_settings_that_training_does_not_read_may_change(toy_run: ToyRun, folder: Path) -> None:
    other = toy_run.settings.model_copy(update={"linking": toy_run.settings.linking.model_copy(update={"top_k": 3})})
    again = train(other, folder, toy_run.data, show_progress=False)
    assert again.decision is not None
    assert again.decision.num_candidates == 3
    assert settings_from(read_json(folder / "settings.json")) == read_at(toy_run.data, other)


def test_equal_seeds_give_equal_bundles_and_others_do_not(toy_data: Path, tmp_path: Path) -> None:
    vectors = [
        bundle_vectors(train(quick_settings(f"seed={seed}", *quickest), tmp_path / name, toy_data, show_progress=False).bundle)
        for name, seed, quickest in (("a", 1, ()), ("b", 1, ()), ("c", 2, ()))
    ]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


# Interrupted

LONG = ("training.epochs=1000", "training.max_steps=60", "training.patience=1000", "training.log_every=1", "seed=6")


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(toy_data: Path, tmp_path: Path) -> None:
    whole = train(quick_settings(*LONG), tmp_path / "whole", toy_data, show_progress=False)
    assert whole.result.steps == 60
    folder = tmp_path / "cut"
    process = start_cli("train", "--data", toy_data, "--out", folder, *set_options(*LONG))
    try:
        wait_for_rows(process, folder / "metrics.csv", 5)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    assert out == ""
    assert not (folder / "bundle").exists()
    steps = len(rows_of(folder))
    assert 5 <= steps < 60
    assert (folder / "checkpoints" / f"step-{steps:08d}.safetensors").is_file()
    resumed = run_cli("train", "--data", toy_data, "--out", folder, *set_options(*LONG))
    assert resumed.code == 0, resumed.err
    assert [row["step"] for row in rows_of(folder)] == [str(step) for step in range(1, 61)]
    assert np.array_equal(bundle_vectors(folder / "bundle"), bundle_vectors(whole.bundle))
    assert (folder / "bundle/model/model.safetensors").read_bytes() == (whole.bundle / "model/model.safetensors").read_bytes()


def wait_for_rows(process: object, file: Path, count: int) -> None:
    for _ in range(3000):
        if file.exists() and file.read_text().count("\n") > count:
            return
        time.sleep(0.02)
    pytest.fail(f"{file} did not get {count} rows")


# Data that are awkward


def test_mentions_that_are_nil_or_unknown_are_not_trained_on(toy_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_data, data)
    rows = read_lines(data / "train.jsonl")
    for row in rows[:20]:
        row["entity_id"] = "NIL"
    for row in rows[20:30]:
        del row["entity_id"]
    write_lines(data / "train.jsonl", rows)
    with caplog.at_level(logging.INFO, "pgmel.workflows"):
        run = train(quick_settings("training.batch_size=10", "training.pretrain_epochs=1"), tmp_path / "run", data, show_progress=False)
    assert run.result.steps == 3 * 5  # 42 mentions in steps of 10, three epochs
    assert "train: 20 of 72 mentions are not ranked or trained on: gold is NIL" in caplog.messages
    assert "train: 10 of 72 mentions are not ranked or trained on: gold missing or not in the KB" in caplog.messages


def test_the_model_does_not_depend_on_dev_where_nothing_is_picked_by_it(toy_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_data, data)
    write_lines(data / "dev.jsonl", read_lines(data / "test.jsonl"))
    (data / "test.jsonl").unlink()
    one = train(quick_settings("training.max_steps=3"), tmp_path / "one", toy_data, show_progress=False)
    other = train(quick_settings("training.max_steps=3"), tmp_path / "other", data, show_progress=False)
    projections = [run.embedder.projection.tensors() for run in (one, other)]
    assert all(torch.equal(projections[0][name], projections[1][name]) for name in projections[0])
    checkpoints = [next((tmp_path / name / "checkpoints").iterdir()) for name in ("one", "other")]
    assert same_part(*checkpoints, "discriminator")


def same_part(one: Path, other: Path, part: str) -> bool:
    from safetensors.torch import load_file

    tensors, others = load_file(one), load_file(other)
    names = [name for name in tensors if name.startswith(f"{part}.")]
    assert names
    return all(torch.equal(tensors[name], others[name]) for name in names)


def test_a_tiny_kb_and_one_mention_are_enough(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_lines(data / "kb.jsonl", [{"id": "Q1", "name": "Congo"}, {"id": "Q2", "name": "Georgia"}])
    for split in ("train", "dev"):
        write_lines(data / f"{split}.jsonl", [{"id": split, "mention": "Congo", "context": f"Congo {split}", "entity_id": "Q1"}])
    run = train(quick_settings(), tmp_path / "run", data, show_progress=False)
    assert check_bundle(run.bundle) == []
    assert run.trained is not None
    assert run.trained.result.overall.h_at_1.value == 1


def test_without_text_pictures_alone_are_used(toy_data: Path, tmp_path: Path) -> None:
    run = train(quick_settings("features.lexical_weight=0"), tmp_path / "run", toy_data, show_progress=False)
    assert run.embedder.projection.dim_text == 0
    with Linker.load(run.bundle) as linker:
        [link] = linker.link([Mention("m", "nothing", image=toy_data / "images" / "entity-E00.png")])
    assert link.candidates[0].entity_id in ("E00", "E03")  # two of a name have the same looks


# Refused before any work


def test_a_device_that_cannot_be_used_comes_up_before_the_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"training\.device = 'abacus' cannot be used: .*; use auto or cpu"):
        train(quick_settings("training.device=abacus"), tmp_path / "run", tmp_path / "no data", show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_folder_that_cannot_be_is_noticed_before_the_data_are_read(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingError, match=f"{tmp_path / 'file'} is a file; name another folder with --out"):
        train(quick_settings(), tmp_path / out, tmp_path / "no data", show_progress=False)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_bundle_that_could_not_be_written_is_noticed_before_the_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    (tmp_path / "run" / "bundle" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is not empty and no bundle"):
        train(quick_settings(), tmp_path / "run", tmp_path / "no data", show_progress=False)


def test_missing_data_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data: the data set does not exist"):
        train(quick_settings(), tmp_path / "run", tmp_path / "no data", show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_candidate_protocol_is_refused_where_there_are_no_lists(toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no candidate lists"):
        train(quick_settings("evaluation.protocol=candidates"), tmp_path / "run", toy_data, show_progress=False)
    assert not (tmp_path / "run").exists()


def test_a_dev_split_of_another_name_is_used(toy_data: Path, tmp_path: Path) -> None:
    settings = quick_settings("data.dev_split=test", "training.max_steps=1")
    run = train(settings, tmp_path / "run", toy_data, show_progress=False)
    assert run.trained is not None
    assert run.trained.result.data["split"] == "test"
    assert set(run.material.splits) == {"train", "test"}


# Devices and threads


def test_the_device_is_the_one_named() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingError, match="'cuda' cannot be used"):
        resolve_device("cuda")


def test_threads_are_those_asked_for_or_shared_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        use_threads(3)
        assert torch.get_num_threads() == 3
        monkeypatch.setattr("os.cpu_count", lambda: 8)
        use_threads(None)
        assert torch.get_num_threads() == 4
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        use_threads(None)
        assert torch.get_num_threads() == 2
    finally:
        use_threads(before)
