"""The development data hold what their description says."""

import time
from pathlib import Path

import pytest

from pgmel.datasets import Dataset, convert_dataset, describe_dataset, load_dataset
from pgmel.errors import DataError

pytestmark = pytest.mark.shared_data


def counts(dataset: Dataset) -> tuple[int, dict[str, int]]:
    return len(dataset.entities), {split: len(mentions) for split, mentions in dataset.splits.items()}


def test_wikimel(shared_data: Path) -> None:
    began = time.process_time()
    dataset = load_dataset(shared_data / "wikimel")
    seconds = time.process_time() - began
    assert dataset.layout == "melbench"
    assert counts(dataset) == (18_880, {"train": 18_088, "dev": 2_627})
    sentences = {split: len({mention.image for mention in mentions}) for split, mentions in dataset.splits.items()}
    assert sentences == {"train": 15_511, "dev": 2_213}
    assert sum(image.is_file() for image in {mention.image for split in dataset.splits.values() for mention in split} if image) == 35
    assert all(entity.description for entity in dataset.entities)
    assert seconds < 4  # 0.3 s on an idle core


def test_wikimel_shares_few_sentences_and_many_entities_between_splits(shared_data: Path) -> None:
    found = describe_dataset(load_dataset(shared_data / "wikimel"))
    dev = found.splits["dev"]
    assert found.overlaps[0].shared_contexts == 8
    assert dev.seen_mentions / dev.linked == pytest.approx(0.434, abs=0.001)
    assert sum(split.titles for split in found.splits.values()) / 20_715 == pytest.approx(0.477, abs=0.001)


def test_richpedia_has_one_mention_without_text(shared_data: Path) -> None:
    with pytest.raises(DataError, match=r'train\.json, key "Q79179": the mention has no text'):
        load_dataset(shared_data / "richpediamel")
    dataset = load_dataset(shared_data / "richpediamel", on_error="skip")
    assert len(dataset.faults) == 1
    assert counts(dataset) == (17_805, {"train": 12_820 - 1, "dev": 1_424})
    assert dataset.entities[0].description.startswith("Nickname: American Fabius.")  # the long text


def test_richpedia_tells_the_answer_only_by_its_pictures(shared_data: Path) -> None:
    for split in describe_dataset(load_dataset(shared_data / "richpediamel", on_error="skip")).splits.values():
        assert (split.telling_ids, split.telling_pictures) == (0, split.mentions)


def test_wikidiverse(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "wikidiverse")
    assert (dataset.layout, dataset.name) == ("kgmel", "WikiDiverse")
    assert counts(dataset) == (7_643, {"train": 11_173, "dev": 1_656})
    captions = {split: len({mention.id.rsplit("-", 1)[0] for mention in mentions}) for split, mentions in dataset.splits.items()}
    assert captions == {"train": 5_556, "dev": 799}
    assert not any(entity.description for entity in dataset.entities)
    assert describe_dataset(dataset).overlaps[0].shared_rows == 22  # eight captions are in both splits


def test_emoji(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "emoji")
    assert dataset.layout == "generic"
    assert counts(dataset) == (1_895, {"train": 4_586, "dev": 1_154})
    assert all(entity.images[0].is_file() for entity in dataset.entities)
    assert all(mention.image and mention.image.is_file() for split in dataset.splits.values() for mention in split)
    assert describe_dataset(dataset).splits["dev"].seen_gold_entities == 0


@pytest.mark.parametrize("name", ["wikimel", "richpediamel", "wikidiverse", "emoji"])
def test_real_data_survive_conversion(shared_data: Path, tmp_path: Path, name: str) -> None:
    original = load_dataset(shared_data / name, on_error="skip")
    convert_dataset(original, tmp_path / "out", show_progress=False)
    converted = load_dataset(tmp_path / "out")
    assert converted.entities == original.entities
    assert converted.splits == original.splits
