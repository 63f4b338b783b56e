"""Rows, records, names, duplicates, and which mentions are clean."""

from dataclasses import replace
from pathlib import Path

import pytest
from audit_data import audit_split, compare, counts, draw

from pgmel.datasets import Dataset, audit_dataset
from pgmel.datasets.audit.auditing import CHECKS
from pgmel.datasets.audit.findings import FINDINGS, SEVERITIES
from pgmel.datasets.audit.names import tells
from pgmel.datasets.dataset import Published
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

PAGE = Path(__file__).parents[3] / "docs" / "audit.md"
LONG = "A ferry crosses the Congo at night."


def mention(name: str, surface: str = "Congo", context: str = LONG, gold: object = "Q1", image: str | None = None) -> Mention:
    return Mention(name, surface, context, entity_id=gold, image=Path(image) if image else None)  # type: ignore[arg-type]


def test_a_row_is_shared_with_its_picture_or_without() -> None:
    train = [mention("t", image="a.jpg")]
    assert counts(compare(train, [mention("a", image="a.jpg")])).keys() == {"same_sentence", "same_row", "same_picture"}
    assert counts(compare(train, [mention("a", image="b.jpg")])).keys() == {"same_sentence", "same_annotation"}
    for other in (mention("a", surface="ferry"), mention("a", gold="Q2"), mention("a", gold=NIL)):
        assert counts(compare(train, [other])).keys() == {"same_sentence"}


@pytest.mark.parametrize("context", ["", "Congo", "congo!"])
def test_a_word_for_its_entity_is_no_shared_row_without_its_picture(context: str) -> None:
    ours = mention("a", context=context, image="b.jpg")
    assert counts(compare([mention("t", context=context, image="a.jpg")], [ours])) == {}
    assert counts(compare([mention("t", context=context, image="b.jpg")], [ours])) == {"same_row": 1, "same_picture": 1}


def test_a_short_sentence_with_its_mention_and_gold_is_a_shared_row() -> None:
    train, ours = [mention("t", context="Henry in 2011", image="a")], mention("a", context="Henry in 2011", image="b")
    assert counts(compare(train, [ours]), facts=True) == {"short_text": 1, "same_annotation": 1, "seen_gold": 1}


def test_mentions_without_picture_share_none() -> None:
    assert "same_picture" not in counts(compare([mention("t", context="")], [mention("a", context="other", image=None)]))


OTHER = "Rain over the roofs of Lagos."


def with_records(one: Published, two: Published, context: str = LONG, images: tuple[str, str] | None = None) -> dict[str, int]:
    ours, theirs = images or (None, None)
    train, test = mention("t", "a", LONG, "Q1", ours), mention("a", "b", context, "Q2", theirs)
    entities = (Entity("Q1", "x"), Entity("Q2", "Kinshasa"))
    dataset = Dataset("name", "kgmel", Path("root"), entities, {"train": (train,), "test": (test,)}, published={"t": one, "a": two})
    return counts(audit_dataset(dataset, pictures=False, show_progress=False).splits[0], facts=True)


def test_a_record_on_both_sides_has_the_same_id_and_sentence() -> None:
    assert with_records(Published("7"), Published("7")) == {"same_sentence": 1, "same_record": 1}
    assert with_records(Published("7"), Published("8")) == {"same_sentence": 1}


def test_an_id_used_for_another_sentence_is_only_told() -> None:
    assert with_records(Published("7"), Published("7"), OTHER) == {"reused_id": 1}


def test_records_without_ids_share_none() -> None:
    assert with_records(Published(None), Published(None), OTHER) == {}


def test_a_published_address_is_a_picture() -> None:
    pair = (Published(None, "https://example.org/a.jpg"), Published(None, "https://example.org/a.jpg"))
    assert with_records(*pair, OTHER, ("1.jpg", "2.jpg")) == {"same_picture": 1}
    names = (Published(None, "a.jpg"), Published(None, "a.jpg"))  # a name alone may stand in two folders
    assert with_records(*names, OTHER, ("train/a.jpg", "test/a.jpg")) == {}


def test_pictures_decide_against_a_published_address(tmp_path: Path) -> None:
    published = dict.fromkeys(("t", "a", "b"), Published(None, "https://example.org/a.jpg"))
    train = (mention("t", image=str(draw(tmp_path / "1.jpg", 1))),)
    test = (
        mention("a", context=OTHER, image=str(draw(tmp_path / "2.jpg", 2))),
        mention("b", context="Snow over the roofs of Bergen.", image=str(tmp_path / "gone.jpg")),
    )
    dataset = Dataset("name", "kgmel", tmp_path, (Entity("Q1", "x"),), {"train": train, "test": test}, published=published)
    (part,) = audit_dataset(dataset, show_progress=False).splits
    assert [(hit.row, hit.other) for hit in part.findings["same_picture"].hits] == [(1, "t")]


@pytest.mark.parametrize("name", ["Kinshasa_2011.jpg", "https://x.org/a/Market%20in%20Kinshasa.JPG"])
def test_a_picture_name_may_hold_the_gold_name(name: str) -> None:
    assert with_records(Published(None, "a"), Published(None, name), OTHER, ("1", "2")) == {"picture_title": 1}
    for other in ("Kinshasas.jpg", "Kinshasa/1.jpg"):
        assert with_records(Published(None, "a"), Published(None, other), OTHER, ("1", "2")) == {}


@pytest.mark.parametrize(
    ("text", "gold", "told"),
    [
        ("Q42", "Q42", True),
        ("img-Q42_0", "Q42", True),
        ("Q421", "Q42", False),
        ("xQ42", "Q42", False),
        ("Q421-Q42", "Q42", True),
        ("7", "7", True),
        ("train-7", "7", False),
        ("train-17432", "17432", True),
        ("brown-cow", "cow", True),
        ("", "Q42", False),
    ],
)
def test_names_tell_ids(text: str, gold: str, told: bool) -> None:
    assert tells(text, gold) is told


@pytest.mark.parametrize(
    ("gold", "name", "context", "told"),
    [
        ("Q42", "Douglas", "Douglas (Q42) at home in 1999", True),
        ("Q42", "Douglas", "Douglas (Q421) at home in 1999", False),
        ("A4", "A4", "Sheets of A4 on a wooden table", False),
        ("cow", "Bos taurus", "A cow stands in the summer rain", False),
        ("1999", "Year", "Douglas at home in 1999 with friends", False),
        ("Apollo_11", "Apollo 11", "Crew of Apollo_11 on board the ship", False),
    ],
)
def test_texts_tell_ids_that_are_no_words(gold: str, name: str, context: str, told: bool) -> None:
    found = counts(compare([], [mention("a", "x", context, gold)], Entity(gold, name)))
    assert found == ({"gold_id_in_text": 1} if told else {})


def test_an_id_on_its_way_to_the_model_is_told_apart_from_the_published_one() -> None:
    part = compare([], [mention("Q1-a"), mention("b")])
    assert [hit.row for hit in part.findings["mention_id"].hits] == [0]
    assert len(part.clean) == 2


def test_nil_and_unannotated_mentions_are_compared_but_have_no_gold() -> None:
    entities = (Entity("Q1", "Congo"), Entity("Q2", "Congo"))
    part = compare([mention("t", gold=NIL)], [mention("a", gold=NIL), mention("b", gold=None)], *entities)
    assert counts(part, facts=True) == {"same_sentence": 2, "same_row": 1}


def test_duplicates_are_counted_with_their_groups() -> None:
    entities = (
        *(Entity(f"A{n}", "Springfield", description="town") for n in range(3)),
        Entity("B", "springfield", description="Town."),
        *(Entity(f"C{n}", "Congo", description="river") for n in range(2)),
        Entity("D", "Congo", description="state"),
    )
    dataset = Dataset(
        "name", "generic", Path("root"), entities, {"test": tuple(mention(gold, gold=gold) for gold in ("B", "C1", "C0", "D"))}
    )
    found = audit_dataset(dataset, pictures=False, show_progress=False)
    duplicates = found.entities
    assert (duplicates.entities, duplicates.exact, duplicates.exact_groups) == (7, 5, 2)
    assert (duplicates.folded, duplicates.folded_groups) == (6, 2)
    assert duplicates.examples == (("Springfield", ("A0", "A1", "A2")), ("Congo", ("C0", "C1")))
    exact, folded = (found.splits[0].findings[name].hits for name in ("duplicate_gold", "folded_duplicate_gold"))
    assert [(hit.row, hit.other) for hit in exact] == [(1, "C0"), (2, "C1")]
    assert [(hit.row, hit.other) for hit in folded] == [(0, "A0")]


def test_a_clean_mention_has_no_leak_but_may_have_all_else() -> None:
    entities = (Entity("Q1", "Congo", description="river"), Entity("Q2", "Congo", description="river"))
    ours = [mention("Q1", context="Other words about the Congo river."), mention("b", image="a.jpg"), mention("c", gold="Q2")]
    part = compare([mention("t", image="a.jpg")], ours, *entities)
    assert counts(part, facts=True).keys() == {
        *("same_sentence", "same_row", "same_picture", "mention_id", "duplicate_gold", "seen_gold", "title"),
    }
    assert [item.id for item in part.clean] == ["Q1"]
    assert part.alone == {"same_sentence": 1}  # the third mention; the second has three leaks


SPLITS = {name: (mention(name),) for name in ("train", "dev", "test")}
DATASET = Dataset("name", "generic", Path("root"), (Entity("Q1", "x"),), SPLITS)


def names(dataset: Dataset, *arguments: object) -> list[tuple[str, str | None]]:
    found = audit_dataset(dataset, *arguments, pictures=False, show_progress=False)  # type: ignore[arg-type]
    return [(part.split, part.train) for part in found.splits]


def test_every_split_is_compared_with_train_and_any_pair_on_demand() -> None:
    assert names(DATASET) == [("dev", "train"), ("test", "train")]
    assert names(DATASET, "dev") == [("train", "dev"), ("test", "dev")]
    assert names(DATASET, "dev", ["test"]) == [("test", "dev")]
    assert names(DATASET, None, ["test", "dev", "test"]) == [("test", "train"), ("dev", "train")]


def test_without_train_nothing_is_compared() -> None:
    dataset = replace(DATASET, splits={"dev": SPLITS["dev"]})
    assert names(dataset) == [("dev", None)]
    (part,) = audit_dataset(dataset, pictures=False, show_progress=False).splits
    assert set(part.findings) == {name for name, kind in FINDINGS.items() if not kind.needs_train and not kind.needs_pictures}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tain",), r"no split 'tain' \(it has: train, dev, test\)"),
        ((None, ["val"]), "no split 'val'"),
        ((None, ["dev", "train"]), "'train' would be compared with itself"),
    ],
)
def test_splits_that_cannot_be_compared_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        names(DATASET, *arguments)


def test_a_data_set_without_another_split_is_refused() -> None:
    with pytest.raises(DataError, match="no split to audit"):
        names(replace(DATASET, splits={"train": SPLITS["train"]}))


def test_kinds_that_need_pictures_are_not_looked_for_without_them(tmp_path: Path) -> None:
    part = compare([mention("t")], [mention("a")])
    assert FINDINGS.keys() - part.findings.keys() == {name for name, kind in FINDINGS.items() if kind.needs_pictures}
    assert part.pictures is None


def test_the_gold_entitys_nearest_picture_counts(tmp_path: Path) -> None:
    image, near, copy = (draw(tmp_path / name, 1, quality=quality) for name, quality in (("1.jpg", 90), ("2.jpg", 60), ("3.jpg", 90)))
    for images, kind in (((near, copy), "gold_picture_copied"), ((near,), "gold_picture_near"), ((copy, image), "gold_picture")):
        splits = {"test": (mention("a", image=str(image)),)}
        dataset = Dataset("name", "generic", tmp_path, (Entity("Q1", "x", images=images),), splits)
        assert counts(audit_dataset(dataset, show_progress=False).splits[0]) == {kind: 1}


def test_pictures_that_are_missing_on_both_sides_are_not_one(tmp_path: Path) -> None:
    splits = {"test": (mention("a", image=str(tmp_path / "1.jpg")),)}
    dataset = Dataset("name", "generic", tmp_path, (Entity("Q1", "x", images=(tmp_path / "2.jpg",)),), splits)
    assert counts(audit_dataset(dataset, show_progress=False).splits[0]) == {}


def test_files_that_are_no_pictures_are_no_copies(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_text("<html>404")
    splits = {"train": (mention("t", image=str(tmp_path / "1.jpg")),), "test": (mention("a", "y", "other", image=str(tmp_path / "2.jpg")),)}
    dataset = Dataset("name", "generic", tmp_path, (Entity("Q1", "x"),), splits)
    (part,) = audit_dataset(dataset, show_progress=False).splits
    assert counts(part) == {}
    assert part.pictures is not None
    assert (part.pictures.named, part.pictures.usable, part.pictures.train_named, part.pictures.train_usable) == (1, 0, 1, 0)


def test_examples_are_about_different_things() -> None:
    ours = [mention(f"a{n}", context=LONG) for n in range(5)] + [mention("b", context=f"{LONG} Again.")]
    part = compare([mention("t"), mention("u", context=f"{LONG} Again.")], ours)
    assert [part.mentions[hit.row].id for hit in part.findings["same_sentence"].examples(3)] == ["a0", "b"]
    assert len(part.findings["same_sentence"].examples(1)) == 1


def test_every_kind_has_a_severity_that_is_shown() -> None:
    assert {kind.severity for kind in FINDINGS.values()} == set(SEVERITIES)
    assert [kind.severity for kind in FINDINGS.values()] == sorted(
        (kind.severity for kind in FINDINGS.values()), key=list(SEVERITIES).index
    )
    assert len(CHECKS) == len(set(CHECKS))


def rows_of(page: Path) -> dict[str, list[str]]:
    """Rows of the page's tables by their first cell."""
    lines = (line.strip("|").split("|") for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|"))
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_every_kind_is_explained_with_its_severity() -> None:
    rows = rows_of(PAGE)
    assert {name: rows.get(f"`{name}`", [""])[0] for name in FINDINGS} == {name: kind.severity for name, kind in FINDINGS.items()}


def test_the_page_shows_what_the_audit_of_wikidiverse_finds(shared_data: Path) -> None:
    part = audit_split(shared_data / "wikidiverse", "dev", pictures=False)
    rows = rows_of(PAGE)
    assert rows["**clean**"][2] == f"**{len(part.clean):,} ({100 * len(part.clean) / len(part.mentions):.1f} %)**"
    for name, finding in part.findings.items():
        cell = rows.get(f"{finding.kind.severity}: `{name}`", ["0"] * 4)[2]
        if cell != "0" or finding.hits:
            number = f"{len(finding.hits):,}" + (f" ({finding.items:,})" if finding.items != len(finding.hits) else "")
            assert cell == number or cell.startswith(f"{number},"), name
