"""Neighbours and near duplicates of gold entities: kept in the cache, made anew where they do not fit; and whole runs by every rule."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import quick_settings

from pgmel.candidates import build_neighbours, find_near_duplicates
from pgmel.datasets import load_dataset
from pgmel.negatives import SAMPLERS
from pgmel.records import Entity
from pgmel.testing import toy_world
from pgmel.training import MetricsLog, World
from pgmel.workflows import neighbours as neighbours_module
from pgmel.workflows.assembling import make_trainer
from pgmel.workflows.material import load_material, make_encoders
from pgmel.workflows.neighbours import GoldNeighbours, prepare_neighbours
from pgmel.workflows.preparation import prepare as prepare_all
from pgmel.workflows.preparation import start_embedder
from pgmel.workflows.train import train

WORLD = toy_world()
GOLD = WORLD.gold_rows("train")
GROUPS = np.arange(len(WORLD.entities))
ENTITIES = WORLD.entities


def prepare(
    folder: Path, rules: tuple[str, ...] = ("lexical", "jaccard"), size: int = 5, entities: tuple[Entity, ...] = ENTITIES
) -> GoldNeighbours:
    return prepare_neighbours(entities, GOLD, GROUPS, rules, size, folder, False)


def refuse(*_: object) -> None:
    raise AssertionError("made anew")


def forbid_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours_module, "build_neighbours", refuse)
    monkeypatch.setattr(neighbours_module, "find_near_duplicates", refuse)


def same(one: GoldNeighbours, other: GoldNeighbours) -> bool:
    arrays = [
        [found.of_mention, found.near_duplicates, *(part for lists in found.lists.values() for part in lists)] for found in (one, other)
    ]
    return one.lists.keys() == other.lists.keys() and all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(*arrays, strict=True))


def test_every_mention_finds_the_lists_of_its_own_gold_entity(tmp_path: Path) -> None:
    found = prepare(tmp_path)
    distinct = np.unique(GOLD)
    assert np.array_equal(distinct[found.of_mention], GOLD)
    assert np.array_equal(found.near_duplicates, find_near_duplicates(ENTITIES, distinct, GROUPS, False))
    for rule, lists in found.lists.items():
        assert np.array_equal(lists.rows, build_neighbours(rule, ENTITIES, distinct, 5, GROUPS, False).rows)


def test_only_rules_that_need_neighbours_get_some(tmp_path: Path) -> None:
    assert set(prepare(tmp_path, ("tfidf", "generator", "uniform")).lists) == {"tfidf"}
    assert prepare(tmp_path, tuple(set(SAMPLERS) - {"lexical", "tfidf", "jaccard"})).lists == {}


def test_the_second_time_they_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(tmp_path)
    forbid_work(monkeypatch)
    assert same(first, prepare(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 4},
        {"rules": ("lexical", "tfidf")},
        {"entities": (replace(ENTITIES[0], name="Other"), *ENTITIES[1:])},
        {"entities": (replace(ENTITIES[0], description="other"), *ENTITIES[1:])},
        {"entities": (replace(ENTITIES[0], attributes={"a": "b"}), *ENTITIES[1:])},
    ],
    ids=["size", "rule", "name", "description", "attributes"],
)
def test_what_depends_on_other_things_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    prepare(tmp_path)
    forbid_work(monkeypatch)
    with pytest.raises(AssertionError, match="made anew"):
        prepare(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_damaged_file_is_made_anew_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    first = prepare(tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(content)
    assert same(first, prepare(tmp_path))
    assert sum("damaged" in message for message in caplog.messages) == 3
    caplog.clear()
    prepare(tmp_path)
    assert caplog.messages == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert same(prepare(tmp_path / "file"), prepare(tmp_path / "folder"))
    assert any("cannot be kept" in message for message in caplog.messages)


def test_gold_entities_without_neighbours_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    silent = tuple(replace(entity, description="") for entity in ENTITIES)
    prepare(tmp_path, ("tfidf",), entities=silent)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "tfidf: 100 % of the gold entities" in caplog.messages[0]


RUNS = {
    "lists": ("negatives.sampler=ance", "training.pretrain_sampler=jaccard"),
    "kbgan": ("negatives.sampler=kbgan", "training.pretrain_sampler=tfidf"),
    "irgan": ("negatives.sampler=irgan", "training.pretrain_sampler=lexical"),
    "switches": (
        "negatives.pools=refreshed",
        "generator.reward=confidence",
        "generator.baseline=self_critical",
        "generator.estimator=clipped",
        "generator.steps=2",
        "generator.clip_range=0.1",
        "generator.false_negative_penalty=0.5",
        "generator.temperature_end=0.5",
    ),
    "likelihood": ("generator.estimator=max_likelihood", "negatives.neighbours=3", "negatives.rebuild_every=2"),
}


@pytest.mark.parametrize("run", RUNS)
def test_whole_runs_go_through_by_every_rule(toy_data: Path, toy_cache: Path, tmp_path: Path, run: str) -> None:
    settings = quick_settings(f"features.cache_dir={toy_cache}", *RUNS[run])
    done = train(settings, tmp_path, toy_data, show_progress=False)
    assert done.trained is not None
    rows = MetricsLog.read(tmp_path)
    assert all(float(row["negative_rank"]) >= 1 for row in rows if row["triplet_loss"])
    learned = any(row["phase"] == "pretrain_generator" for row in rows)
    assert learned == (run != "lists")


def test_the_game_is_given_each_mentions_own_lists_and_near_duplicates(toy_data: Path, toy_cache: Path, tmp_path: Path) -> None:
    settings = quick_settings(f"features.cache_dir={toy_cache}", "negatives.sampler=lexical")
    material = load_material(load_dataset(toy_data), make_encoders(settings.features, "cpu"), ["train", "dev"], False)
    prepared = prepare_all(material, settings, "cpu", False)
    assert prepared.neighbours is not None
    count = len(np.unique(prepared.neighbours.of_mention))
    marked = prepared.neighbours._replace(near_duplicates=np.arange(count).reshape(count, 1))
    embedder = start_embedder(prepared.projection, settings)
    trainer = make_trainer(material, embedder.discriminator, prepared._replace(neighbours=marked), settings, tmp_path, World(), False)
    data = trainer.game.data
    assert data.likely_false is not None
    assert data.likely_false[:, 0].tolist() == marked.of_mention.tolist()
    rows, mask = data.neighbours_of("lexical", torch.tensor([5, 0]))
    assert np.array_equal(rows.numpy(), marked.lists["lexical"].rows[marked.of_mention[[5, 0]]])
    assert np.array_equal(mask.numpy(), marked.lists["lexical"].mask[marked.of_mention[[5, 0]]])
