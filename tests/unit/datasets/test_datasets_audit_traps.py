"""Every trap of the published benchmarks, in small and in the layout in which it was published, is found; a clean data set is clean."""

import json
import shutil
from pathlib import Path

import pytest
from audit_data import audit_split, clean, counts, draw, write_clean
from dataset_writers import WRITERS, Link, Plain, write, write_melbench_richpedia

from pgmel.datasets import audit_dataset, load_dataset

every_layout = pytest.mark.parametrize("layout", WRITERS)
MIMIC_SENTENCE = "The president of Brazzaville opens a new bridge over the water."


@every_layout
def test_a_clean_data_set_is_clean(layout: str, tmp_path: Path) -> None:
    write_clean(tmp_path, layout)
    found = audit_dataset(load_dataset(tmp_path), show_progress=False)
    assert [(part.split, counts(part), len(part.clean)) for part in found.splits] == [("dev", {}, 3), ("test", {}, 2)]
    assert (found.entities.exact, found.entities.folded) == (0, 0)
    for part in found.splits:
        assert part.pictures is not None
        assert (part.pictures.named, part.pictures.train_named) == (part.pictures.usable, part.pictures.train_usable) != (0, 0)


@every_layout
def test_facts_are_told_and_take_nothing_away(layout: str, tmp_path: Path) -> None:
    part = audit_split(write_clean(tmp_path, layout), "dev")
    facts = counts(part, facts=True)
    assert facts["seen_gold"] == 1
    assert facts.get("title", 0) == (0 if "wikidiverse" in layout else 1)  # there, an entity is called by its page: E3
    assert len(part.clean) == 3


@every_layout
def test_a_mention_split_puts_caption_and_picture_on_both_sides(layout: str, tmp_path: Path) -> None:
    """MIMIC's WikiMEL is split by mention: two mentions of one caption fall apart."""
    plain = clean()
    plain.splits["test"].append(Link("bridge", MIMIC_SENTENCE, 4, "a.jpg"))
    write_clean(tmp_path, layout, plain)
    if "melbench" in layout:  # a picture is called by its record, so one picture is two files
        images = [
            mention.image for split in load_dataset(tmp_path).splits.values() for mention in split if mention.context == MIMIC_SENTENCE
        ]
        shutil.copyfile(str(images[0]), str(images[1]))
    part = audit_split(tmp_path)
    picture = "copied_picture" if "melbench" in layout else "same_picture"
    assert counts(part) == {"same_sentence": 1, picture: 1}
    assert [mention.surface for mention in part.clean] == ["Atlanta", "Congo"]


@every_layout
def test_a_whole_row_on_both_sides(layout: str, tmp_path: Path) -> None:
    plain = clean()
    plain.splits["test"].append(Link("Brazzaville", MIMIC_SENTENCE, 0, "a.jpg"))
    write_clean(tmp_path, layout, plain)
    found = counts(audit_split(tmp_path))
    row = "same_annotation" if "melbench" in layout else "same_row"  # another record, so a picture of another name
    assert found.items() >= {"same_sentence": 1, row: 1}.items()


def test_a_picture_saved_again_on_the_other_side(tmp_path: Path) -> None:
    write_clean(tmp_path, "generic")
    shutil.copyfile(tmp_path / "images" / "a.jpg", tmp_path / "images" / "g.jpg")
    draw(tmp_path / "images" / "c.jpg", 77)
    draw(tmp_path / "images" / "h.jpg", 77, (80, 70), quality=60)
    assert counts(audit_split(tmp_path)) == {"copied_picture": 1, "near_picture": 1}


@pytest.mark.parametrize("shared", [1, 2])
def test_record_ids_on_both_sides(shared: int, tmp_path: Path) -> None:
    """KGMEL's WikiMEL: 983 of 5,012 test sentence ids are train ids too."""
    write_clean(tmp_path, "kgmel")
    mapping = json.loads((tmp_path / "ids_split_mappings.json").read_text())
    mapping["WikiDiverse"]["test"] += mapping["WikiDiverse"]["train"][:shared]
    write(tmp_path / "ids_split_mappings.json", mapping)
    part = audit_split(tmp_path)
    assert counts(part) == {"same_record": shared, "same_sentence": shared, "same_row": shared, "same_picture": shared}
    assert part.findings["same_record"].items == shared
    assert len(part.clean) == 2


def test_key_picture_and_gold_id_are_one_text(tmp_path: Path) -> None:
    """Richpedia-MEL; the loader hands on ids of its own, and a model sees neither."""
    plain = clean()
    plain.splits["test"].pop()  # its gold entity is one of train, which Richpedia has none of
    part = audit_split(write_richpedia(tmp_path, plain))
    assert counts(part, facts=True) == {"published_id": 1, "published_picture": 1, "picture_file": 1}
    assert part.findings["mention_id"].hits == ()
    assert len(part.clean) == 1


@pytest.mark.parametrize("layout", ["generic", "mimic", "kgmel"])
@pytest.mark.parametrize(
    ("quality", "kind"), [(90, "gold_picture_copied"), (50, "gold_picture_near")], ids=["copied", "saved again, smaller"]
)
def test_the_picture_of_a_mention_is_its_gold_entitys(layout: str, quality: int, kind: str, tmp_path: Path) -> None:
    """WikiMEL: a third party counts 4,951 pairs within a perceptual-hash distance of 4."""
    write_clean(tmp_path, layout)
    dataset = load_dataset(tmp_path)
    mention = dataset.splits["test"][0]
    image = next(entity.images[0] for entity in dataset.entities if entity.id == mention.entity_id)
    assert mention.image is not None
    draw(mention.image, 55)
    draw(image, 55, (96, 84) if quality == 90 else (72, 63), quality)
    part = audit_split(tmp_path)
    assert counts(part) == {kind: 1}
    assert [item.id for item in part.clean] == [dataset.splits["test"][1].id]


def test_a_mention_and_its_gold_entity_name_one_file(tmp_path: Path) -> None:
    write_clean(tmp_path, "generic")
    text = (tmp_path / "kb.jsonl").read_text()
    (tmp_path / "kb.jsonl").write_text(text.replace("kb/4.jpg", "images/g.jpg"))
    assert counts(audit_split(tmp_path)) == {"gold_picture": 1}
    assert counts(audit_split(tmp_path, pictures=False)) == {"gold_picture": 1}


@every_layout
def test_golds_of_training(layout: str, tmp_path: Path) -> None:
    """43 % of WikiMEL (GHMFC split), 57 % of WikiDiverse (KGMEL split), 0 % of Richpedia."""
    plain = clean()
    plain.splits["test"].append(Link("Sakartvelo", "Wine from the east of Sakartvelo in a clay pot.", 2, "i.jpg"))
    part = audit_split(write_clean(tmp_path, layout, plain))
    assert counts(part, facts=True).items() >= {"seen_gold": 2}.items()
    assert counts(part) == {}


@pytest.mark.parametrize("layout", [name for name in WRITERS if "wikidiverse" not in name])
def test_mentions_that_are_the_title(layout: str, tmp_path: Path) -> None:
    """47 % of WikiMEL, 27 % of Richpedia, 49 % of WikiDiverse."""
    plain = clean()
    plain.splits["test"].append(Link("Georgia", "A long road through the hills of Georgia in autumn.", 2, "i.jpg"))
    assert counts(audit_split(write_clean(tmp_path, layout, plain)), facts=True)["title"] == 1


@pytest.mark.parametrize("layout", [name for name in WRITERS if "wikidiverse" not in name])
@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("Georgia (U.S. state)", "State in the south of the United States", "duplicate_gold"),
        ("Georgia (U.S. State)", "state in the South of the United States.", "folded_duplicate_gold"),
    ],
    ids=["exactly", "but for case and punctuation"],
)
def test_entities_that_no_text_tells_apart(layout: str, name: str, text: str, kind: str, tmp_path: Path) -> None:
    plain = clean()
    plain.entities.append((name, text))
    part = audit_split(write_clean(tmp_path, layout, plain))
    assert counts(part) == {kind: 1}
    assert len(part.clean) == 2  # a flaw makes results worse, not better


@pytest.mark.parametrize("layout", ["wikidiverse-caption", "wikidiverse-mention"])
def test_the_address_of_a_picture_names_the_gold_entity(layout: str, tmp_path: Path) -> None:
    """WikiDiverse publishes addresses; as files the pictures have digests for names."""
    plain = clean()
    plain.splits["test"][0].picture = "E4_at_night.jpg"
    part = audit_split(write_clean(tmp_path, layout, plain))
    assert counts(part) == {"published_picture": 1}


@pytest.mark.parametrize("layout", ["generic", "mimic", "kgmel"])
def test_the_file_of_a_picture_is_called_by_the_gold_id(layout: str, tmp_path: Path) -> None:
    plain = clean()
    plain.splits["test"][0].picture = "Q4_0.jpg"
    part = audit_split(write_clean(tmp_path, layout, plain))
    named = {"picture_file": 1} if layout == "kgmel" else {"published_picture": 1, "picture_file": 1}  # KGMEL publishes an address
    assert counts(part) == named
    assert len(part.clean) == 2


def test_the_mentions_own_ids_tell_in_the_generic_layout(tmp_path: Path) -> None:
    write_clean(tmp_path, "generic")
    rows = (tmp_path / "test.jsonl").read_text()
    (tmp_path / "test.jsonl").write_text(rows.replace('"test0"', '"test-Q4"'))
    assert counts(audit_split(tmp_path)) == {"published_id": 1, "mention_id": 1}


def test_the_gold_id_in_the_sentence(tmp_path: Path) -> None:
    plain = clean()
    plain.splits["test"][0].context += " [Q4]"
    part = audit_split(write_clean(tmp_path, "mimic", plain))
    assert counts(part) == {"gold_id_in_text": 1}
    assert len(part.clean) == 1


def write_richpedia(root: Path, plain: Plain) -> Path:
    """Records under the id of their gold entity, as published."""
    plain.splits["dev"] = []
    write_melbench_richpedia(root, plain)
    for split in plain.splits:
        records = json.loads((root / f"{split}.json").read_text())
        write(root / f"{split}.json", {record["answer"]: record | {"id": record["answer"]} for record in records.values()})
    return root
