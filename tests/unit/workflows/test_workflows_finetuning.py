"""Fine-tuning as a job: from settings to a bundle that holds its own encoder."""

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import save_bert, save_clip
from toy_runs import ToyRun, bundle_vectors, quick_settings, run_cli, write_lines

from pgmel.errors import BundleError, EncoderError, SettingError
from pgmel.features.torch_models import quiet
from pgmel.files import read_json
from pgmel.linking import Linker, check_bundle, read_card
from pgmel.records import Mention
from pgmel.settings import Settings
from pgmel.training import World
from pgmel.workflows.assembling import make_trainer
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.compare.single import Bench, run_cell
from pgmel.workflows.evaluate import evaluate_bundle
from pgmel.workflows.finetuning import start_finetuning
from pgmel.workflows.material import load_material, make_encoders, read_data
from pgmel.workflows.preparation import prepare, start_embedder
from pgmel.workflows.train import train

MODES = ("last-1", "lora", "full")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with quiet():
        return save_bert(tmp_path_factory.mktemp("models") / "bert")


def tuning_settings(bert: Path, cache: Path, mode: str, *more: str) -> Settings:
    return quick_settings(
        f"features.text_encoder={bert}",
        f"features.train_encoder={mode}",
        f"features.cache_dir={cache}",
        "features.image_encoder=none",
        "features.lexical_weight=0.2",
        "features.encoder_learning_rate=0.003",
        "model.start=random",
        "features.lora_rank=2",
        "training.pretrain_epochs=4",
        "negatives.sampler=hardest",
        *more,
    )


@pytest.fixture(scope="module")
def cache(bert: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the vectors of the frozen encoder."""
    folder = tmp_path_factory.mktemp("tuning-cache")
    settings = tuning_settings(bert, folder, "none")
    load_material(read_data(settings, toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], show_progress=False)
    return folder


@pytest.fixture(scope="module")
def runs(bert: Path, cache: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ToyRun]:
    """A finished run of each mode; the encoder that they started from is gone."""
    found: dict[str, ToyRun] = {}
    away = tmp_path_factory.mktemp("away")
    start = Path(shutil.copytree(bert, away / "bert"))
    for mode in MODES:
        folder = tmp_path_factory.mktemp("runs") / mode
        settings = tuning_settings(start, cache, mode)
        found[mode] = ToyRun(toy_data, settings, folder, train(settings, folder, toy_data, show_progress=False))
    shutil.rmtree(away)
    return found


@pytest.fixture
def bundle(runs: dict[str, ToyRun], tmp_path: Path) -> Path:
    """A copy of a bundle, at another place."""
    return Path(shutil.copytree(runs["lora"].result.bundle, tmp_path / "moved"))


def hits(bundle: Path, run: ToyRun) -> float:
    dev = [mention for mention in run.result.material.splits["dev"].mentions if isinstance(mention.entity_id, str)]
    with Linker.load(bundle) as linker:
        return float(np.mean([link.candidates[0].entity_id == m.entity_id for link, m in zip(linker.link(dev), dev, strict=True)]))


# What a run leaves behind


@pytest.mark.parametrize("mode", MODES)
def test_the_bundle_links_as_the_evaluation_on_dev_says(runs: dict[str, ToyRun], mode: str) -> None:
    run = runs[mode]
    assert check_bundle(run.result.bundle) == []
    assert run.result.trained is not None
    overall = run.result.trained.result.overall
    assert hits(run.result.bundle, run) == pytest.approx(overall.h_at_1.value)
    # Early stopping saw the vectors of the live encoder, the figures come from what was written: they differ by rounding at most.
    assert run.result.result.best_step > 0
    assert overall.mrr.value == pytest.approx(run.result.result.best.mrr, abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_the_bundle_needs_nothing_but_itself(runs: dict[str, ToyRun], tmp_path: Path, mode: str) -> None:
    run = runs[mode]
    moved = Path(shutil.copytree(run.result.bundle, tmp_path / "moved"))
    hidden = run.folder.rename(run.folder.with_name(f"{mode}-hidden"))
    try:
        assert run.result.trained is not None
        assert hits(moved, run) == pytest.approx(run.result.trained.result.overall.h_at_1.value)
    finally:
        hidden.rename(run.folder)


@pytest.mark.parametrize("mode", MODES)
def test_the_encoder_is_a_plain_folder_with_other_weights(runs: dict[str, ToyRun], bert: Path, mode: str) -> None:
    folder = runs[mode].folder / "encoder"
    start, tuned = load_file(bert / "model.safetensors"), load_file(folder / "model.safetensors")
    assert set(start) == set(tuned)
    moved = {name for name in start if not torch.equal(start[name], tuned[name])}
    assert moved
    if mode == "last-1":
        assert all(name.startswith("encoder.layer.1.") for name in moved)
    if mode == "lora":
        assert all(name.endswith(".weight") and name.startswith("encoder.layer.") for name in moved)
        assert {name.split(".")[2] for name in moved} == {"0", "1"}
    assert read_json(folder / "config.json") == read_json(bert / "config.json")


def test_an_adapted_matrix_differs_by_the_rank(runs: dict[str, ToyRun], bert: Path) -> None:
    name = "encoder.layer.0.attention.self.query.weight"
    update = load_file(runs["lora"].folder / "encoder" / "model.safetensors")[name] - load_file(bert / "model.safetensors")[name]
    values = torch.linalg.svdvals(update)
    assert values[1] > 1e-4
    assert values[2] < 1e-5


def test_evaluate_reads_the_bundled_encoder(runs: dict[str, ToyRun], bundle: Path, toy_data: Path) -> None:
    trained = runs["lora"].result.trained
    assert trained is not None
    found = evaluate_bundle(bundle, toy_data, "dev", device="cpu", show_progress=False)
    assert found.overall.mrr.value == pytest.approx(trained.result.overall.mrr.value)


def test_index_hands_the_encoder_on(runs: dict[str, ToyRun], bundle: Path, tmp_path: Path) -> None:
    lines = [{"id": f"N{number}", "name": name, "description": "a river"} for number, name in enumerate(("Alder", "Brook", "Carmine"))]
    write_lines(tmp_path / "kb" / "kb.jsonl", lines)
    build_bundle(bundle, tmp_path / "kb", tmp_path / "new", device="cpu", show_progress=False)
    shutil.rmtree(bundle)
    assert check_bundle(tmp_path / "new") == []
    with Linker.load(tmp_path / "new") as linker:
        (link,) = linker.link([Mention("m", "Brook", "Brook is a river.")])
    assert link.candidates[0].entity_id == "N1"


def test_the_command_line_links_with_a_moved_bundle(runs: dict[str, ToyRun], bundle: Path) -> None:
    with Linker.load(runs["lora"].result.bundle) as linker:
        (expected,) = linker.link([Mention("m", "Hazel", "people spoke about Hazel again")])
    outcome = run_cli("link", "--bundle", bundle, "--text", "people spoke about Hazel again", "--mention", "Hazel", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json()["candidates"][0]["entity_id"] == expected.candidates[0].entity_id


def test_a_bundle_without_its_encoder_says_so(bundle: Path) -> None:
    shutil.rmtree(bundle / "encoder")
    with pytest.raises(BundleError, match="lacks its text encoder, the folder encoder"):
        Linker.load(bundle)


def test_another_encoder_is_refused(bundle: Path, bert: Path) -> None:
    with pytest.raises(EncoderError, match="not those the bundle"):
        Linker.load(bundle, text_encoder=str(bert))


def test_a_run_with_a_frozen_encoder_bundles_none(toy_run: ToyRun) -> None:
    assert not any(name.startswith("encoder/") for name in read_card(toy_run.result.bundle)["files"])
    assert not (toy_run.folder / "encoder").exists()


def test_run_again_a_finished_run_leaves_the_same_bundle(runs: dict[str, ToyRun], bert: Path, cache: Path, tmp_path: Path) -> None:
    run = runs["last-1"]
    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    settings = tuning_settings(bert, cache, "last-1")
    assert train(settings, folder, run.data, show_progress=False).result.steps == run.result.result.steps
    np.testing.assert_array_equal(bundle_vectors(folder / "bundle"), bundle_vectors(run.result.bundle))


# Caches


def vectors_of(cache: Path) -> dict[str, dict[bytes, bytes]]:
    found: dict[str, dict[bytes, bytes]] = {}
    for file in cache.glob("text-*.sqlite"):
        with sqlite3.connect(file) as db:
            found[file.name] = dict(db.execute("SELECT key, vector FROM vectors"))
    return found


def test_vectors_of_frozen_and_tuned_encoders_are_never_mixed(bert: Path, cache: Path, toy_data: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(cache, tmp_path / "cache"))
    before = vectors_of(own)
    run = train(tuning_settings(bert, own, "full", "seed=5"), tmp_path / "run", toy_data, show_progress=False)
    after = vectors_of(own)
    assert {name: after[name] for name in before} == before
    (tuned,) = set(after) - set(before)
    assert not set(after[tuned].values()) & {vector for vectors in before.values() for vector in vectors.values()}
    assert run.material.encoders.differences(make_encoders(tuning_settings(bert, own, "none").features, "cpu").describe())


def test_the_frozen_encoder_stays_frozen_while_the_copy_learns(bert: Path, cache: Path, toy_data: Path, tmp_path: Path) -> None:
    settings = tuning_settings(bert, tmp_path / "empty", "full")
    material = load_material(read_data(settings, toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], False)
    prepared = prepare(material, settings, "cpu", False)
    discriminator = start_embedder(prepared.projection, settings).discriminator
    make_trainer(material, discriminator, prepared, settings, tmp_path / "run", World(), False).run()
    shutil.rmtree(tmp_path / "empty")
    again = material.encoders.encode_entities(material.dataset.entities, False)
    np.testing.assert_allclose(
        again.channels["context"].astype(np.float32), material.entities.channels["context"].astype(np.float32), atol=1e-3
    )


# The start line


@pytest.mark.parametrize("channel", ["both", "name", "context"])
def test_step_zero_is_the_warm_start(bert: Path, cache: Path, toy_data: Path, channel: str) -> None:
    left_out = {"both": [], "name": ["features.context_weight=0"], "context": ["features.name_weight=0"]}[channel]
    settings = tuning_settings(bert, cache, "lora", *left_out)
    material = load_material(read_data(settings, toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], False)
    projection = prepare(material, settings, "cpu", False).projection
    inputs = start_finetuning(material, projection, settings, torch.device("cpu"), False).tuner.inputs
    rows = torch.arange(len(material.entities))
    mentions, entities = inputs(torch.arange(72), rows)
    torch.testing.assert_close(entities.text.detach(), projection(material.entities).text, rtol=0, atol=1e-3)
    torch.testing.assert_close(mentions.text.detach(), projection(material.splits["train"].features).text, rtol=0, atol=1e-3)
    tabled, _ = inputs.from_table(inputs.text.encode_all())
    torch.testing.assert_close(tabled.text, projection(material.splits["train"].features).text, rtol=0, atol=1e-3)


def test_without_the_lexical_channel_text_is_all_live(bert: Path, cache: Path, toy_data: Path) -> None:
    settings = tuning_settings(bert, cache, "last-2", "features.lexical_weight=0")
    material = load_material(read_data(settings, toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], False)
    projection = prepare(material, settings, "cpu", False).projection
    inputs = start_finetuning(material, projection, settings, torch.device("cpu"), False).tuner.inputs
    _, entities = inputs(torch.arange(1), torch.arange(30))
    torch.testing.assert_close(entities.text.detach(), projection(material.entities).text, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "given", "rate"), [("lora", None, 2e-4), ("full", None, 5e-5), ("last-2", None, 1e-4), ("lora", 1e-3, 1e-3)]
)
def test_the_step_length_follows_the_mode_unless_given(
    bert: Path, cache: Path, toy_data: Path, mode: str, given: float | None, rate: float
) -> None:
    settings = tuning_settings(bert, cache, mode)
    settings = settings.model_copy(update={"features": settings.features.model_copy(update={"encoder_learning_rate": given})})
    material = load_material(read_data(settings, toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], False)
    projection = prepare(material, settings, "cpu", False).projection
    assert start_finetuning(material, projection, settings, torch.device("cpu"), False).tuner.plan.learning_rate == rate


# What is refused


def test_a_clip_tower_cannot_be_trained(cache: Path, toy_data: Path, tmp_path: Path) -> None:
    with quiet():
        clip = save_clip(tmp_path / "clip")
    with pytest.raises(SettingError, match="the towers of CLIP and SigLIP stay frozen"):
        train(tuning_settings(clip, cache, "lora"), tmp_path / "run", toy_data, show_progress=False)


def test_more_layers_than_there_are_cannot_learn(bert: Path, cache: Path, toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="last-3: the BertModel has only 2 layers"):
        train(tuning_settings(bert, cache, "last-3"), tmp_path / "run", toy_data, show_progress=False)


def test_a_comparison_keeps_encoders_frozen(bert: Path, cache: Path, toy_data: Path, tmp_path: Path) -> None:
    cell = SimpleNamespace(settings=tuning_settings(bert, cache, "lora"))
    with pytest.raises(SettingError, match=r"benchmarks/finetune\.py compares it"):
        run_cell(SimpleNamespace(cell=cell, folder=tmp_path / "run", data=toy_data, threads=1), Bench())
    assert not (tmp_path / "run").exists()


# A part of the training mentions


def test_the_same_training_mentions_are_drawn_for_every_seed(toy_data: Path) -> None:
    some, others = (read_data(quick_settings("data.max_train_mentions=20", f"seed={seed}"), toy_data) for seed in (0, 1))
    everything = read_data(quick_settings(), toy_data)
    assert len(some.splits["train"]) == 20
    assert some.splits["train"] == others.splits["train"]
    assert [mention for mention in everything.splits["train"] if mention in some.splits["train"]] == list(some.splits["train"])
    assert some.splits["dev"] == everything.splits["dev"]


def test_a_bound_beyond_all_training_mentions_changes_nothing(toy_data: Path) -> None:
    assert read_data(quick_settings("data.max_train_mentions=72"), toy_data).splits == read_data(quick_settings(), toy_data).splits


def test_links_by_a_trained_encoder_are_explained(runs: dict[str, ToyRun]) -> None:
    with Linker.load(runs["lora"].folder / "bundle") as linker:
        (link,) = linker.link([Mention("m", "Mira", "Back from the river Mira.")], 3, explain=True)
    for candidate in link.candidates:
        assert candidate.explanation is not None
        assert sum(part.value for part in candidate.explanation.parts) == pytest.approx(candidate.score, abs=1e-5)
        assert [word.word for word in candidate.explanation.words] == ["Mira", "Back", "from", "the", "river"]
        assert any(abs(word.effect) > 1e-4 for word in candidate.explanation.words[1:])
