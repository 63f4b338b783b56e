"""What describe counts."""

from pathlib import Path

import numpy as np
import pytest
from dataset_writers import write_melbench_richpedia
from PIL import Image

from pgmel.datasets import Dataset, describe_dataset, describe_pictures, load_dataset
from pgmel.datasets.description import SplitOverlap
from pgmel.datasets.picture_files import picture_hash
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

ENTITIES = (
    Entity("Q1", "Congo", (), "river"),
    Entity("Q2", "congo", (), "state"),
    Entity("Q3", "Twin", ("T",), "same", (Path("t.jpg"),)),
    Entity("Q4", "Twin", (), "same", (), {"a": "b"}),
    Entity("Q5", "", (), " "),
)


def mention(number: int, surface: str = "Congo", gold: object = "Q1", **others: object) -> Mention:
    return Mention(f"m{number}", surface, entity_id=gold, **others)  # type: ignore[arg-type]


def make(train: list[Mention], dev: list[Mention] | None = None, test: list[Mention] | None = None, **others: object) -> Dataset:
    splits = {name: tuple(part) for name, part in (("train", train), ("dev", dev), ("test", test)) if part is not None}
    return Dataset("name", "generic", Path("root"), ENTITIES, splits, **others)  # type: ignore[arg-type]


def test_counts_entities() -> None:
    counts = describe_dataset(make([mention(1), mention(2, gold="Q3"), mention(3, gold=NIL)])).entities
    assert (counts.entities, counts.described, counts.with_aliases, counts.with_attributes, counts.with_pictures) == (5, 4, 1, 1, 1)
    assert (counts.nameless, counts.sharing_name, counts.duplicates, counts.never_gold) == (1, 4, 2, 3)


def test_counts_mentions_sentences_and_pictures() -> None:
    rows = [mention(1, context="The Congo", start=4, end=9), mention(2, context="The Congo", image=Path("a")), mention(3, context="other")]
    counts = describe_dataset(make(rows)).splits["train"]
    assert (counts.mentions, counts.contexts, counts.located, counts.with_picture) == (3, 2, 1, 1)


def test_nil_and_unannotated_are_told_apart() -> None:
    counts = describe_dataset(make([mention(1), mention(2, gold=NIL), mention(3, gold=NIL), mention(4, gold=None)])).splits["train"]
    assert (counts.nil, counts.unannotated, counts.linked, counts.gold_entities) == (2, 1, 1, 1)


def test_counts_texts_that_are_exactly_the_gold_name() -> None:
    rows = [mention(1), mention(2, gold="Q2"), mention(3, "congo", gold="Q2"), mention(4, "Congo", gold=NIL)]
    assert describe_dataset(make(rows)).splits["train"].titles == 2


def test_a_text_is_ambiguous_when_it_names_several_golds_in_any_split() -> None:
    found = describe_dataset(make([mention(1), mention(2, "Twin", "Q3"), mention(3, "Twin", NIL)], [mention(4, gold="Q2")]))
    assert (found.surfaces, found.ambiguous_surfaces) == (2, 1)
    assert (found.splits["train"].ambiguous, found.splits["dev"].ambiguous) == (1, 1)


def test_counts_golds_that_training_has_seen() -> None:
    train = [mention(1), mention(2, gold="Q3")]
    test = [mention(3), mention(4), mention(5, gold="Q2"), mention(6, gold=NIL)]
    found = describe_dataset(make(train, None, test))
    assert (found.splits["test"].seen_gold_entities, found.splits["test"].gold_entities, found.splits["test"].seen_mentions) == (1, 2, 2)
    assert (found.splits["train"].seen_gold_entities, found.splits["train"].seen_mentions) == (0, 0)


def test_counts_candidates() -> None:
    rows = [mention(1, candidates=("Q2", "Q1")), mention(2, candidates=("Q2",)), mention(3), mention(4, gold=NIL, candidates=("Q1",))]
    counts = describe_dataset(make(rows)).splits["train"]
    assert (counts.with_candidates, counts.gold_in_candidates) == (2, 1)


@pytest.mark.parametrize(
    ("name", "tells"), [("Q1.jpg", 1), ("x-Q1_0.jpg", 1), ("Q12.jpg", 0), ("xQ1.jpg", 0), ("Q12-Q1.jpg", 1), ("a.jpg", 0)]
)
def test_finds_the_gold_id_in_names_of_pictures(name: str, tells: int) -> None:
    assert describe_dataset(make([mention(1, image=Path("Q1", name))])).splits["train"].telling_pictures == tells


def test_finds_the_gold_id_in_mention_ids() -> None:
    rows = [Mention("train-Q1", "x", entity_id="Q1"), Mention("train-Q11", "x", entity_id="Q1"), Mention("Q1", "x", entity_id=NIL)]
    assert describe_dataset(make(rows)).splits["train"].telling_ids == 1


def test_compares_every_pair_of_splits() -> None:
    train = [mention(1, context="one", image=Path("a")), mention(2, context=""), mention(3, context="two")]
    dev = [mention(4, context="one", image=Path("b")), mention(5, context="three", image=Path("a")), mention(6, context="")]
    test = [mention(7, context="one", image=Path("a")), mention(8, "Twin", "Q3", context="one")]
    assert describe_dataset(make(train, dev, test)).overlaps == (
        SplitOverlap("train", "dev", shared_contexts=1, shared_pictures=1, shared_rows=1),
        SplitOverlap("train", "test", shared_contexts=2, shared_pictures=1, shared_rows=1),
        SplitOverlap("dev", "test", shared_contexts=2, shared_pictures=1, shared_rows=0),
    )


def test_faults_are_counted_by_rule() -> None:
    faults = (DataError("rule a", "x", "line 1"), DataError("rule a", "x", "line 2"), DataError("rule b"))
    found = describe_dataset(make([], faults=faults, notes=("a note",)))
    assert (found.faults, found.notes) == ({"rule a": 2, "rule b": 1}, ("a note",))


def test_an_empty_data_set_can_be_described() -> None:
    found = describe_dataset(Dataset("name", "generic", Path("root"), (), {}))
    assert (found.splits, found.entities.entities, found.overlaps) == ({}, 0, ())


def test_richpedia_tells_the_answer_by_its_pictures(tmp_path: Path) -> None:
    from dataset_writers import Link, Plain

    plain = Plain([("A", ""), ("B", "")], {"train": [Link("A", "A", 0), Link("B", "B", 0)]})
    write_melbench_richpedia(tmp_path, plain)
    text = (tmp_path / "train.json").read_text().replace("K0", "Q0").replace("K1", "Q1")
    (tmp_path / "train.json").write_text(text)
    counts = describe_dataset(load_dataset(tmp_path)).splits["train"]
    assert (counts.telling_pictures, counts.telling_ids) == (1, 0)


def draw(file: Path, seed: int, size: tuple[int, int] = (48, 40), noise: float = 0) -> Path:
    """A smooth random picture; the same seed gives the same one at any size."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).astype(float)
    pixels += np.random.default_rng(9).normal(0, noise, pixels.shape) if noise else 0
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)
    return file


def test_pictures_are_opened_once_each_and_their_faults_counted(tmp_path: Path) -> None:
    good, other = draw(tmp_path / "good.png", 1), draw(tmp_path / "other.png", 2)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>not found")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:60])
    names = ["good.png", "good.png", "gone.jpg", "empty.jpg", "page.jpg", "cut.png"]
    rows = [mention(n, image=tmp_path / name) for n, name in enumerate(names)]
    dataset = Dataset("name", "generic", tmp_path, (Entity("Q1", "x", images=(other, tmp_path / "no.png")),), {"train": tuple(rows)})
    found = describe_pictures(dataset, show_progress=False)
    assert (found.mentions.named, found.mentions.usable) == (5, 1)
    assert found.mentions.faults == {"broken": 1, "empty": 1, "missing": 1, "unsupported": 1}
    assert len(found.mentions.examples) == 3
    assert any("page.jpg: it is an HTML page" in example for example in found.mentions.examples)
    assert (found.entities.named, found.entities.usable, found.entities.faults) == (2, 1, {"missing": 1})
    assert found.usable == {"train": 2}


def test_twins_are_mentions_with_a_picture_of_their_gold_entity(tmp_path: Path) -> None:
    original = draw(tmp_path / "kb.png", 3)
    smaller, different = draw(tmp_path / "small.png", 3, (36, 30), noise=2), draw(tmp_path / "different.png", 4)
    entities = (Entity("Q1", "x", images=(tmp_path / "gone.png", original)), Entity("Q2", "y"))
    rows = (
        mention(1, image=smaller),
        mention(2, image=different),
        mention(3, image=smaller, gold="Q2"),
        mention(4, image=smaller, gold=NIL),
        mention(5),
        mention(6, image=tmp_path / "gone.png"),
    )
    found = describe_pictures(Dataset("name", "generic", tmp_path, entities, {"train": rows[:1], "dev": rows[1:]}), show_progress=False)
    assert found.twins == {"train": 1, "dev": 0}


def test_the_hash_equals_a_slow_cosine_transform() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (32, 32)).astype(float)
    low = np.zeros((8, 8))
    for row in range(8):
        for column in range(8):
            total = 0.0
            for y in range(32):
                for x in range(32):
                    total += pixels[y, x] * np.cos(np.pi * row * (2 * y + 1) / 64) * np.cos(np.pi * column * (2 * x + 1) / 64)
            scale = (np.sqrt(1 / 32) if row == 0 else np.sqrt(2 / 32)) * (np.sqrt(1 / 32) if column == 0 else np.sqrt(2 / 32))
            low[row, column] = total * scale
    flat = low.ravel()
    bits = "".join("1" if value > np.median(flat[1:]) else "0" for value in flat)
    assert picture_hash(pixels) == int(bits, 2)
