"""Projection and candidate pools: kept in the cache, made anew where they do not fit, and never a function of dev."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import quick_settings

from pgmel.datasets import load_dataset
from pgmel.settings import Settings
from pgmel.workflows import preparation
from pgmel.workflows.material import Material, Split, load_material, make_encoders
from pgmel.workflows.preparation import Preparation, channel_weights, prepare, start_embedder

FROM_CACHE = "projection and candidate pools came from the cache"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(f"features.cache_dir={tmp_path / 'cache'}")


@pytest.fixture(scope="module")
def material(toy_data: Path, toy_cache: Path) -> Material:
    encoders = make_encoders(quick_settings(f"features.cache_dir={toy_cache}").features, "cpu")
    return load_material(load_dataset(toy_data), encoders, ["train", "dev"], False)


def equal(one: Preparation, other: Preparation) -> bool:
    tensors, others = one.projection.tensors(), other.projection.tensors()
    same_maps = tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in tensors)
    same_values = (one.projection.text_share, one.projection.variance_kept) == (other.projection.text_share, other.projection.variance_kept)
    return same_maps and same_values and all(np.array_equal(a, b) for a, b in zip(one.pools, other.pools, strict=True))


def files(settings: Settings) -> list[Path]:
    assert settings.features.cache_dir is not None
    return sorted((settings.features.cache_dir / "prepared").iterdir())


def test_the_second_time_it_comes_from_the_cache(
    material: Material, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(material, settings, "cpu", False)
    assert FROM_CACHE not in caplog.messages

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(preparation, "fit_projection", refuse)
    monkeypatch.setattr(preparation, "build_pools", refuse)
    with caplog.at_level(logging.INFO, "pgmel.workflows"):
        second = prepare(material, settings, "cpu", False)
    assert FROM_CACHE in caplog.messages
    assert equal(first, second)


def test_what_comes_from_the_cache_has_the_same_types(material: Material, settings: Settings) -> None:
    first, second = (prepare(material, settings, "cpu", False) for _ in range(2))
    assert [array.dtype for array in first.pools] == [array.dtype for array in second.pools]
    assert isinstance(second, Preparation)
    assert first.projection.dim_text == second.projection.dim_text > 0
    assert first.projection.dim_image == second.projection.dim_image > 0


DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: b"garbage" * 100,
    "wrong values": lambda content: content.replace(b'{\\"text_share\\"', b'[\\"text_share\\"').replace(b"variance_kept", b"variance_lost"),
    "renamed tensor": lambda content: content.replace(b"pools.rows", b"pools.rowz"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew_with_a_warning(
    material: Material, settings: Settings, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first = prepare(material, settings, "cpu", False)
    [file] = files(settings)
    damaged = DAMAGE[damage](file.read_bytes())
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    assert equal(first, prepare(material, settings, "cpu", False))
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(file) in warning.getMessage()
    assert "is damaged" in warning.getMessage()
    caplog.clear()
    with caplog.at_level(logging.INFO, "pgmel.workflows"):
        prepare(material, settings, "cpu", False)
    assert caplog.messages == [FROM_CACHE]


def test_a_cache_that_cannot_be_written_is_done_without(
    material: Material, tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    blocked = quick_settings(f"features.cache_dir={tmp_path / 'file'}")
    assert equal(prepare(material, blocked, "cpu", False), prepare(material, settings, "cpu", False))
    assert any("cannot be kept" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "change",
    [
        "features.image_weight=0.5",
        "features.lexical_rank=16",
        "model.text_input=20",
        "model.image_input=20",
        "model.whitening=0",
        "negatives.pool_size=6",
        "negatives.gold_part=1",
    ],
)
def test_another_setting_that_matters_is_no_match(material: Material, settings: Settings, change: str) -> None:
    first = prepare(material, settings, "cpu", False)
    second = prepare(material, quick_settings(f"features.cache_dir={settings.features.cache_dir}", change), "cpu", False)
    assert len(files(settings)) == 2
    assert not equal(first, second)


@pytest.mark.parametrize(
    "change",
    [
        "seed=3",
        "training.margin=0.4",
        "training.batch_size=7",
        "model.start=random",
        "model.hidden=16",
        "linking.top_k=3",
        "negatives.num=2",
    ],
)
def test_settings_that_come_later_in_the_game_share_the_preparation(material: Material, settings: Settings, change: str) -> None:
    prepare(material, settings, "cpu", False)
    prepare(material, quick_settings(f"features.cache_dir={settings.features.cache_dir}", change), "cpu", False)
    assert len(files(settings)) == 1


def test_other_training_data_are_no_match(material: Material, settings: Settings) -> None:
    prepare(material, settings, "cpu", False)
    train = material.splits["train"]
    other = replace(train, gold_rows=np.roll(train.gold_rows, 1))
    prepare(replace(material, splits={**material.splits, "train": other}), settings, "cpu", False)
    fewer = replace(train, features=train.features.take(range(60)), gold_rows=train.gold_rows[:60], is_nil=train.is_nil[:60])
    prepare(replace(material, splits={**material.splits, "train": fewer}), settings, "cpu", False)
    assert len(files(settings)) == 3


@dataclass
class OnlyTrain(Mapping[str, Split]):
    """Splits of which none but train may be looked at."""

    train: Split

    def __getitem__(self, name: str) -> Split:
        assert name == "train", f"the preparation read {name}"
        return self.train

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the preparation went through all splits")

    def __len__(self) -> int:
        return 1


def test_dev_is_never_looked_at(material: Material, settings: Settings) -> None:
    blind = replace(material, splits=OnlyTrain(material.splits["train"]), dataset=replace(material.dataset, splits={}))
    assert equal(prepare(blind, settings, "cpu", False), prepare(material, settings, "cpu", False))


def test_pools_are_those_of_the_mentions_that_can_be_trained_on(material: Material, settings: Settings) -> None:
    train = material.splits["train"]
    gold = train.gold_rows.copy()
    gold[:10] = -1
    pools = prepare(replace(material, splits={"train": replace(train, gold_rows=gold)}), settings, "cpu", False).pools
    assert pools.rows.shape == (62, 8)
    assert not (pools.rows == gold[10:, None])[pools.mask].any()


def test_duplicates_of_the_gold_entity_stay_out_of_pools(material: Material, settings: Settings) -> None:
    entities = list(material.dataset.entities)
    entities[1] = replace(entities[1], name=entities[0].name, description=entities[0].description)
    twins = replace(material, dataset=replace(material.dataset, entities=tuple(entities)))
    pools = prepare(twins, settings, "cpu", False).pools
    gold = material.splits["train"].gold_rows
    of_twins = np.isin(gold, [0, 1])
    assert of_twins.any()
    assert not np.isin(pools.rows[of_twins][pools.mask[of_twins]], [0, 1]).any()


def test_channels_are_weighted_as_the_settings_say() -> None:
    names = {"name": "name", "context": "context", "lexical": "lexical", "years": "years", "image": "image"}
    names |= {"image_parts": "parts", "image_layout": "layout"}
    settings = quick_settings(*(f"features.{setting}_weight={number}" for number, setting in enumerate(names.values())))
    assert channel_weights(settings) == {channel: number for number, channel in enumerate(names)}


def test_the_warm_start_gives_the_weighted_similarity_of_the_channels(material: Material, tmp_path: Path) -> None:
    # One channel alone, with all its dimensions kept: the model's score must be the channel's own similarity.
    wide = ("features.image_weight=0", "features.lexical_rank=1000", "model.text_input=1000", "model.dim=1000")
    settings = quick_settings(f"features.cache_dir={tmp_path}", *wide)
    embedder = start_embedder(prepare(material, settings, "cpu", False).projection, settings)
    dev = material.splits["dev"].features
    scores = embedder.embed_mentions(dev) @ embedder.embed_entities(material.entities).T
    similarity = (dev.channels["lexical"] @ material.entities.channels["lexical"].T).toarray()
    assert np.abs(scores - similarity).max() < 2e-3


def test_a_random_start_is_another_model(material: Material, settings: Settings) -> None:
    projection = prepare(material, settings, "cpu", False).projection
    random = quick_settings("model.start=random")
    one, other = (start_embedder(projection, chosen).embed_entities(material.entities) for chosen in (settings, random))
    assert np.abs(one - other).max() > 0.1
