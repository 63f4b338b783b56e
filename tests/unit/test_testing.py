from pathlib import Path

import msgspec
import numpy as np
import pytest

from pgmel.records import NIL
from pgmel.testing import FakeTextEncoder, fake_encoders, toy_world


def test_the_world_is_a_function_of_its_seed(tmp_path: Path) -> None:
    one, same, other = (toy_world(tmp_path, seed) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_the_world_has_thirty_ambiguous_entities_and_three_splits(tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    assert len({entity.id for entity in world.entities}) == 30
    assert len({entity.name for entity in world.entities}) == 10
    assert {split: len(mentions) for split, mentions in world.splits.items()} == {"train": 72, "dev": 30, "test": 30}
    assert len({mention.id for mention in world.mentions}) == 132


def test_mentions_are_where_their_offsets_say() -> None:
    for mention in toy_world().mentions:
        assert mention.context[mention.start : mention.end] == mention.surface


def test_gold_rows_lead_to_the_gold_entities() -> None:
    world = toy_world()
    for row, mention in zip(world.gold_rows("dev"), world.splits["dev"], strict=True):
        assert mention.entity_id is NIL if row == -1 else mention.entity_id == world.entities[row].id
    assert -1 not in world.gold_rows("train")
    assert (world.gold_rows("test") == -1).sum() == 5


def test_pictures_exist_where_they_are_named(tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    images = [mention.image for mention in world.mentions if mention.image] + [
        image for entity in world.entities for image in entity.images
    ]
    assert all(image.is_file() for image in images)
    assert 0.7 < sum(mention.image is not None for mention in world.mentions) / len(world.mentions) < 0.9
    assert not any(mention.image for mention in toy_world().mentions)


def test_neither_text_nor_picture_is_enough_but_both_are_good(tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    mentions, entities = world.splits["train"], world.entities
    encoders = fake_encoders()
    left, right = encoders.encode_mentions(mentions, show_progress=False), encoders.encode_entities(entities, show_progress=False)
    gold = world.gold_rows("train")

    def strictly_first(channels: tuple[str, ...]) -> float:
        total = np.zeros((len(mentions), len(entities)))
        for name in channels:
            a, b = (side.channels[name].astype(np.float64) for side in (left, right))
            a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (a, b))
            total += a @ b.T
        own = total[np.arange(len(gold)), gold][:, None]
        return float(((total >= own - 1e-6).sum(axis=1) == 1).mean())

    text, image, both = strictly_first(("name", "context")), strictly_first(("image",)), strictly_first(("name", "context", "image"))
    assert text < 0.75
    assert image < 0.2
    assert both > text + 0.15


def test_written_files_say_the_same_as_the_records(tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    world.write(tmp_path)
    kb = [msgspec.json.decode(line) for line in (tmp_path / "kb.jsonl").read_bytes().splitlines()]
    dev = [msgspec.json.decode(line) for line in (tmp_path / "dev.jsonl").read_bytes().splitlines()]
    assert [record["id"] for record in kb] == [entity.id for entity in world.entities]
    assert all((tmp_path / image).is_file() for record in kb for image in record["images"])
    assert [record["entity_id"] for record in dev] == ["NIL" if m.entity_id is NIL else m.entity_id for m in world.splits["dev"]]
    assert [record["mention"] for record in dev] == [mention.surface for mention in world.splits["dev"]]


@pytest.mark.parametrize("text", ["red river", ""])
def test_fake_vectors_are_reproducible(text: str) -> None:
    np.testing.assert_array_equal(FakeTextEncoder().encode([text]), FakeTextEncoder().encode([text]))
